//! Dataspaces: how many elements, in which shape.

use crate::error::{Error, Result};

/// Extent of a dataset or attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dataspace {
    /// No elements.
    Null,
    /// One element.
    Scalar,
    /// An array.
    Simple {
        /// Current extent in each dimension, the slowest first.
        dims: Vec<u64>,
        /// Largest extent in each dimension (`None`: unlimited); absent when the extent is fixed.
        max_dims: Option<Vec<Option<u64>>>,
    },
}

impl Dataspace {
    /// Highest rank of HDF5.
    pub const MAX_RANK: usize = 32;

    /// Array of fixed extent; rank 0 is a scalar.
    pub fn simple(dims: impl Into<Vec<u64>>) -> Self {
        let dims = dims.into();
        if dims.is_empty() { Dataspace::Scalar } else { Dataspace::Simple { dims, max_dims: None } }
    }

    /// Extent in each dimension; empty for a scalar and for null.
    pub fn dims(&self) -> &[u64] {
        match self {
            Dataspace::Simple { dims, .. } => dims,
            _ => &[],
        }
    }

    /// Largest extent in each dimension; `None` is unlimited.
    pub fn max_dims(&self) -> Vec<Option<u64>> {
        match self {
            Dataspace::Simple { max_dims: Some(max), .. } => max.clone(),
            _ => self.dims().iter().map(|&d| Some(d)).collect(),
        }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.dims().len()
    }

    /// True if there are no elements because the dataspace is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Dataspace::Null)
    }

    /// Number of elements.
    ///
    /// # Errors
    /// `Corrupt` if the product of the extents exceeds 64 bits.
    pub fn len(&self) -> Result<u64> {
        match self {
            Dataspace::Null => Ok(0),
            Dataspace::Scalar => Ok(1),
            Dataspace::Simple { dims, .. } => element_count(dims),
        }
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.is_null() || self.dims().contains(&0)
    }
}

/// Product of extents, checked; zero if any is zero.
pub(crate) fn element_count(dims: &[u64]) -> Result<u64> {
    if dims.contains(&0) {
        return Ok(0);
    }
    dims.iter()
        .try_fold(1u64, |n, &d| n.checked_mul(d))
        .ok_or_else(|| Error::corrupt(format!("number of elements of {dims:?} exceeds 64 bits")))
}
