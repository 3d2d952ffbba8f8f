//! What callers may give as a selection: a [`Selection`], `ndarray`'s `s![..]`, a boolean mask, a range.

use std::ops::{Range, RangeFull};

use ndarray::{ArrayRef, Dimension, SliceInfo, SliceInfoElem};

use super::{Blocks, HyperslabDim, Selection};
use crate::error::{Error, Result};

/// Anything that selects elements of a dataset.
pub trait IntoSelection {
    /// The selection on a dataset of extent `dims`, and the shape of what is read, if it is not that of the selection
    /// itself (an index in `s![2, ..]` removes its dimension).
    ///
    /// # Errors
    /// `Shape` if it does not fit; `Unsupported` for negative steps and new axes.
    fn into_selection(self, dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)>;
}

impl IntoSelection for Selection {
    fn into_selection(self, _: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        Ok((self, None))
    }
}

impl IntoSelection for &Selection {
    fn into_selection(self, _: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        Ok((self.clone(), None))
    }
}

impl IntoSelection for RangeFull {
    fn into_selection(self, _: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        Ok((Selection::All, None))
    }
}

/// Rows `start..end`: the range is along the first dimension, the others are whole.
impl IntoSelection for Range<u64> {
    fn into_selection(self, dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        if dims.is_empty() {
            return Err(Error::shape("a range of rows on a scalar, which has none"));
        }
        let mut slab: Vec<_> = dims.iter().map(|&d| HyperslabDim::range(0, d)).collect();
        slab[0] = HyperslabDim::range(self.start, self.end.saturating_sub(self.start));
        Ok((Selection::Hyperslab(slab), None))
    }
}

impl<T, In: Dimension, Out: Dimension> IntoSelection for SliceInfo<T, In, Out>
where
    T: AsRef<[SliceInfoElem]>,
{
    fn into_selection(self, dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        from_slice(self.as_ref(), dims)
    }
}

impl IntoSelection for &[SliceInfoElem] {
    fn into_selection(self, dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        from_slice(self, dims)
    }
}

fn from_slice(elements: &[SliceInfoElem], dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
    if elements.len() != dims.len() {
        return Err(Error::shape(format!(
            "a slice of {} dimensions on a dataset of rank {}",
            elements.len(),
            dims.len()
        )));
    }
    let mut slab = Vec::with_capacity(dims.len());
    let mut shape = Vec::with_capacity(dims.len());
    for (element, &extent) in elements.iter().zip(dims) {
        // Negative positions count from the end, as in ndarray.
        let position = |p: isize| -> Result<u64> {
            let p = i128::from(p as i64) + if p < 0 { i128::from(extent) } else { 0 };
            u64::try_from(p)
                .ok()
                .filter(|&p| p <= extent)
                .ok_or_else(|| Error::shape(format!("position {p} lies outside the extent {extent}")))
        };
        match *element {
            SliceInfoElem::Index(i) => {
                slab.push(HyperslabDim::range(position(i)?, 1));
            }
            SliceInfoElem::Slice { start, end, step } => {
                if step < 1 {
                    return Err(Error::unsupported(format!("a step of {step}: selections go forward")));
                }
                let start = position(start)?;
                let end = end.map_or(Ok(extent), position)?;
                let step = step as u64;
                let count = end.saturating_sub(start).div_ceil(step);
                slab.push(HyperslabDim { start, stride: step, count, block: 1 });
                shape.push(count);
            }
            SliceInfoElem::NewAxis => return Err(Error::unsupported("a new axis in a selection")),
        }
    }
    Ok((Selection::Hyperslab(slab), Some(shape)))
}

/// A mask of the dataset's shape selects the elements where it is true, in C order.
impl<D: Dimension> IntoSelection for &ArrayRef<bool, D> {
    fn into_selection(self, dims: &[u64]) -> Result<(Selection, Option<Vec<u64>>)> {
        if self.shape().iter().map(|&n| n as u64).ne(dims.iter().copied()) {
            return Err(Error::shape(format!("a mask of shape {:?} on a dataset of {dims:?}", self.shape())));
        }
        let rank = dims.len();
        if rank == 0 {
            let all = self.iter().all(|&b| b);
            return Ok((if all { Selection::All } else { Selection::None }, None));
        }
        let mut corners = Vec::new();
        let mut point = vec![0u64; rank];
        let mut open = false;
        for &selected in self.iter() {
            let last = rank - 1;
            if selected && open {
                if let Some(end) = corners.last_mut() {
                    *end = point[last];
                }
            } else if selected {
                corners.extend_from_slice(&point);
                corners.extend_from_slice(&point);
            }
            open = selected;
            for d in (0..rank).rev() {
                point[d] += 1;
                if point[d] < dims[d] {
                    break;
                }
                point[d] = 0;
                open = false;
            }
        }
        Ok((Selection::Blocks(Blocks { rank, corners }), None))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, s};

    use super::*;

    #[test]
    fn ndarray_slices() {
        let (selection, shape) = s![2, 1..;2, -1..].into_selection(&[4, 6, 3]).unwrap();
        assert_eq!(shape.unwrap(), [3, 1]);
        assert_eq!(
            selection,
            Selection::Hyperslab(vec![
                HyperslabDim::range(2, 1),
                HyperslabDim { start: 1, stride: 2, count: 3, block: 1 },
                HyperslabDim::range(2, 1),
            ])
        );
        assert!(s![..;-1].into_selection(&[4]).is_err());
        assert!(s![5].into_selection(&[4]).is_err());
        let (selection, _) = s![4].into_selection(&[4]).unwrap();
        assert!(selection.shape(&[4]).is_err());
        assert!(s![..9].into_selection(&[4]).is_err());
    }

    #[test]
    fn masks_become_rows() {
        let mask = arr2(&[[true, true, false], [true, false, true]]);
        let (selection, _) = (&*mask).into_selection(&[2, 3]).unwrap();
        assert_eq!(
            selection,
            Selection::Blocks(Blocks { rank: 2, corners: vec![0, 0, 0, 1, 1, 0, 1, 0, 1, 2, 1, 2] })
        );
        assert_eq!(selection.shape(&[2, 3]).unwrap(), [4]);
    }
}
