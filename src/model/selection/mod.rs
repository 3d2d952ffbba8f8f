//! Selections: which elements of a dataset.

pub(crate) mod runs;
mod slice;

pub use slice::IntoSelection;

/// Count or block of a hyperslab that reaches as far as the extent does; of a count, whole blocks only.
pub const UNLIMITED: u64 = u64::MAX;

/// Which elements of a dataset are meant, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Selection {
    /// Every element, in C order.
    #[default]
    All,
    /// No element.
    None,
    /// A regular hyperslab, one [`HyperslabDim`] a dimension; its elements in C order.
    Hyperslab(Vec<HyperslabDim>),
    /// A union of blocks; its elements in C order, each once.
    Blocks(Blocks),
    /// Single elements in the given order.
    Points(Points),
}

/// One dimension of a regular hyperslab: `count` blocks of `block` elements, `stride` apart, from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HyperslabDim {
    /// First element.
    pub start: u64,
    /// Distance of the first elements of two blocks; at least 1.
    pub stride: u64,
    /// Number of blocks; may be [`UNLIMITED`].
    pub count: u64,
    /// Elements of a block; may be [`UNLIMITED`].
    pub block: u64,
}

/// Blocks of any position and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Number of dimensions.
    pub rank: usize,
    /// For each block `rank` first coordinates, then `rank` last coordinates (inclusive).
    pub corners: Vec<u64>,
}

/// Coordinates of single elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// Number of dimensions.
    pub rank: usize,
    /// `rank` coordinates for each element.
    pub coordinates: Vec<u64>,
}
