//! Dataspaces: how many elements, in which shape.

use smallvec::SmallVec;

use crate::error::{Error, Result};

/// Extent of a dataset or attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dataspace {
    /// No elements.
    Null,
    /// One element.
    Scalar,
    /// An array.
    Simple(Extent),
}

/// Extent of an array, and how far it may change.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Extent {
    rank: usize,
    /// The extents, and the largest ones behind them if they are given; `u64::MAX` is unlimited.
    values: SmallVec<[u64; 4]>,
}

impl Extent {
    /// Extent in each dimension, the slowest first, and the largest extent in each (`None`, or `u64::MAX`: unlimited).
    /// Without that it is fixed.
    ///
    /// # Errors
    /// `Shape` if there are more than 32 dimensions, or not as many largest extents.
    pub fn new(dims: &[u64], max_dims: Option<&[Option<u64>]>) -> Result<Self> {
        if dims.len() > Dataspace::MAX_RANK {
            return Err(Error::shape(format!("rank {}; 32 is the highest", dims.len())));
        }
        if max_dims.is_some_and(|max| max.len() != dims.len()) {
            return Err(Error::shape(format!("a largest shape {max_dims:?} for {dims:?}")));
        }
        let max = max_dims.unwrap_or_default().iter().map(|max| max.unwrap_or(u64::MAX));
        Ok(Extent { rank: dims.len(), values: dims.iter().copied().chain(max).collect() })
    }

    /// As it is stored: the extents, and the largest ones if they are.
    pub(crate) fn stored(rank: usize, values: SmallVec<[u64; 4]>) -> Self {
        Extent { rank, values }
    }

    /// Extent in each dimension, the slowest first.
    pub fn dims(&self) -> &[u64] {
        &self.values[..self.rank]
    }

    pub(crate) fn dims_mut(&mut self) -> &mut [u64] {
        &mut self.values[..self.rank]
    }

    /// Largest extent in each dimension; `None` is unlimited.
    pub fn max_dims(&self) -> impl ExactSizeIterator<Item = Option<u64>> {
        let given = self.has_max_dims();
        let max = if given { &self.values[self.rank..] } else { self.dims() };
        max.iter().map(move |&max| (!given || max != u64::MAX).then_some(max))
    }

    /// True if the largest extents are stored, false if the extent is fixed without that.
    pub fn has_max_dims(&self) -> bool {
        self.values.len() > self.rank
    }

    /// Gives it other extents; how far they may change stays.
    pub(crate) fn resize(&mut self, dims: &[u64]) {
        if !self.has_max_dims() {
            self.values.extend_from_slice(&self.values.clone());
        }
        self.dims_mut().copy_from_slice(dims);
    }
}

impl std::fmt::Debug for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let max: Vec<_> = self.max_dims().collect();
        f.debug_struct("Extent").field("dims", &self.dims()).field("max_dims", &max).finish()
    }
}

impl Dataspace {
    /// Highest rank of HDF5.
    pub const MAX_RANK: usize = 32;

    /// Array of fixed extent; rank 0 is a scalar.
    pub fn simple(dims: impl AsRef<[u64]>) -> Self {
        match dims.as_ref() {
            [] => Dataspace::Scalar,
            dims => Dataspace::Simple(Extent::stored(dims.len(), dims.into())),
        }
    }

    /// Extent in each dimension; empty for a scalar and for null.
    pub fn dims(&self) -> &[u64] {
        match self {
            Dataspace::Simple(extent) => extent.dims(),
            _ => &[],
        }
    }

    /// Largest extent in each dimension; `None` is unlimited.
    pub fn max_dims(&self) -> Vec<Option<u64>> {
        match self {
            Dataspace::Simple(extent) => extent.max_dims().collect(),
            _ => Vec::new(),
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
            Dataspace::Simple(extent) => element_count(extent.dims()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_is_only_what_is_given_as_such() {
        assert_eq!(Dataspace::simple([3, u64::MAX]).max_dims(), [Some(3), Some(u64::MAX)]);
        let extent = Extent::new(&[3, 4], Some(&[None, Some(4)])).unwrap();
        assert!(extent.has_max_dims());
        assert_eq!(Dataspace::Simple(extent).max_dims(), [None, Some(4)]);
        assert!(Extent::new(&[3, 4], Some(&[None])).is_err());
        assert!(Extent::new(&[1; 33], None).is_err());
    }

    #[test]
    fn what_was_fixed_can_only_shrink() {
        let mut extent = Extent::new(&[3, 4], None).unwrap();
        extent.resize(&[2, 4]);
        assert_eq!(
            (extent.dims(), extent.max_dims().collect::<Vec<_>>()),
            (&[2, 4][..], vec![Some(3), Some(4)])
        );
    }
}
