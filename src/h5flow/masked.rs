//! Results: padded with a mask, or ragged.

use std::ops::Range;

use ndarray::ArrayD;

use crate::Values;

/// An array with a mask of its leading dimensions: true where there is no value, as in `numpy.ma`.
///
/// The shape of the mask is (number of selected parents, largest number of references), with one more axis for every
/// further step of a chain. Where rows are arrays themselves, `data` has their dimensions behind these.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskedArray<T> {
    /// The values; those that are masked are the default of `T`.
    pub data: ArrayD<T>,
    /// True where there is no value.
    pub mask: ArrayD<bool>,
}

/// A [`MaskedArray`] of rows whose type is known at run time only.
#[derive(Clone, Debug)]
pub struct MaskedValues {
    /// The values; those that are masked are zeros.
    pub data: Values,
    /// True where there is no value.
    pub mask: ArrayD<bool>,
}

impl<T> MaskedArray<T> {
    /// Number of selected parents.
    pub fn len(&self) -> usize {
        self.mask.shape().first().copied().unwrap_or(0)
    }
    /// True if no parent was selected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Number of values that are not masked.
    pub fn count(&self) -> usize {
        self.mask.iter().filter(|masked| !**masked).count()
    }
}

impl MaskedValues {
    /// Number of selected parents.
    pub fn len(&self) -> usize {
        self.mask.shape().first().copied().unwrap_or(0)
    }
    /// True if no parent was selected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which of a list of values belong to which parent: for each step of a chain, where the children of each of its
/// parents begin among those of all. The children of a step are the parents of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// One list a step, of one more entry than it has parents; ascending from 0.
    pub(super) steps: Vec<Vec<usize>>,
}

impl Offsets {
    /// Number of selected parents.
    pub fn len(&self) -> usize {
        self.steps.first().map_or(0, |first| first.len().saturating_sub(1))
    }
    /// True if no parent was selected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Offsets of each step: `steps()[0][i]..steps()[0][i + 1]` are the children of the selected parent `i`, and the
    /// parents of the next step.
    pub fn steps(&self) -> &[Vec<usize>] {
        &self.steps
    }
    /// The values that belong to a selected parent, of all its children together; none for a parent that there is not.
    pub fn range(&self, parent: usize) -> Range<usize> {
        let mut range = parent..parent.saturating_add(1);
        for step in &self.steps {
            match (step.get(range.start), step.get(range.end)) {
                (Some(&start), Some(&end)) => range = start..end,
                _ => return 0..0,
            }
        }
        range
    }
}

/// Values of many parents, one parent after the other, without padding: what the reference gives for
/// `as_masked=False`. A parent that is masked has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Ragged<T> {
    pub(super) offsets: Offsets,
    pub(super) values: Vec<T>,
    /// Elements of a row: more than one if rows are arrays.
    pub(super) per_row: usize,
}

impl<T> Ragged<T> {
    /// Number of selected parents.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }
    /// True if no parent was selected.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
    /// Where the values of each parent are, counted in rows.
    pub fn offsets(&self) -> &Offsets {
        &self.offsets
    }
    /// The values of all parents.
    pub fn values(&self) -> &[T] {
        &self.values
    }
    /// The values of all parents.
    pub fn into_values(self) -> Vec<T> {
        self.values
    }
    /// The values of a parent, in the order of the references in the file.
    pub fn row(&self, parent: usize) -> &[T] {
        let range = self.offsets.range(parent);
        self.values.get(range.start * self.per_row..range.end * self.per_row).unwrap_or_default()
    }
    /// The values of each parent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[T]> {
        (0..self.len()).map(|parent| self.row(parent))
    }
}

/// A [`Ragged`] of rows whose type is known at run time only.
#[derive(Clone, Debug)]
pub struct RaggedValues {
    /// Where the values of each parent are, counted along the first dimension of `values`.
    pub offsets: Offsets,
    /// The values of all parents.
    pub values: Values,
}

impl RaggedValues {
    /// Number of selected parents.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }
    /// True if no parent was selected.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
}
