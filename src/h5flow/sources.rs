//! What a request reads from: datasets, or arrays in memory.

use std::ops::Range;

use super::region::RefRegion;
use crate::{Dataset, Error, ErrorKind, Result, Values};

/// Selected parents: the `sel` of the reference. A number, a range and a list of numbers become one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sel {
    /// One row.
    Index(u64),
    /// Rows `start`, `start + step` ... below `stop`.
    Slice {
        /// First row.
        start: u64,
        /// The row behind the last.
        stop: u64,
        /// At least 1.
        step: u64,
    },
    /// These rows, in any order and any number of times.
    List(Vec<u64>),
}

/// More parents than this are not selected at once.
const MOST: u64 = u32::MAX as u64 - 1;

impl Sel {
    /// Number of selected rows.
    pub fn len(&self) -> u64 {
        match self {
            Sel::Index(_) => 1,
            Sel::Slice { start, stop, step } => stop.saturating_sub(*start).div_ceil((*step).max(1)),
            Sel::List(list) => list.len() as u64,
        }
    }
    /// True if no row is selected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, one by one.
    ///
    /// # Errors
    /// `Limit` if there are too many.
    pub fn rows(&self) -> Result<Vec<u64>> {
        let len = self.len();
        if len > MOST {
            return Err(Error::new(ErrorKind::Limit { what: "selected rows", wanted: len, allowed: MOST }));
        }
        let mut out = super::numbers::room("selected rows", len as usize)?;
        match self {
            Sel::Index(row) => out.push(*row),
            Sel::Slice { start, step, .. } => out.extend((0..len).map(|i| start + i * (*step).max(1))),
            Sel::List(list) => out.extend_from_slice(list),
        }
        Ok(out)
    }
}

impl From<u64> for Sel {
    fn from(row: u64) -> Self {
        Sel::Index(row)
    }
}
impl From<Range<u64>> for Sel {
    fn from(rows: Range<u64>) -> Self {
        Sel::Slice { start: rows.start, stop: rows.end, step: 1 }
    }
}
impl From<Vec<u64>> for Sel {
    fn from(rows: Vec<u64>) -> Self {
        Sel::List(rows)
    }
}
impl From<&[u64]> for Sel {
    fn from(rows: &[u64]) -> Self {
        Sel::List(rows.to_vec())
    }
}
impl<const N: usize> From<[u64; N]> for Sel {
    fn from(rows: [u64; N]) -> Self {
        Sel::List(rows.to_vec())
    }
}

/// Pairs of rows: the `ref` of the reference.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Refs<'a> {
    /// A dataset of integers of shape (N, 2).
    Dataset(&'a Dataset),
    /// Pairs in memory, as the reference stores them.
    U32(&'a [[u32; 2]]),
    /// Pairs in memory.
    U64(&'a [[u64; 2]]),
}

/// Regions of the parents: the `region` of the reference. They are looked up by the number of the parent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Regions<'a> {
    /// A dataset of compounds (start, stop).
    Dataset(&'a Dataset),
    /// Regions in memory.
    Slice(&'a [RefRegion]),
}

/// Rows that are referred to: the `data` of the reference.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Rows<'a> {
    /// A dataset; its first dimension counts the rows.
    Dataset(&'a Dataset),
    /// An array in memory; its first dimension counts the rows.
    Values(&'a Values),
}

macro_rules! from {
    ($($source:ty => $target:ident::$variant:ident),* $(,)?) => {$(
        impl<'a> From<$source> for $target<'a> {
            fn from(source: $source) -> Self {
                $target::$variant(source)
            }
        }
    )*};
}
from! {
    &'a Dataset => Refs::Dataset,
    &'a [[u32; 2]] => Refs::U32,
    &'a [[u64; 2]] => Refs::U64,
    &'a Dataset => Regions::Dataset,
    &'a [RefRegion] => Regions::Slice,
    &'a Dataset => Rows::Dataset,
    &'a Values => Rows::Values,
}
impl<'a> From<&'a Vec<[u32; 2]>> for Refs<'a> {
    fn from(pairs: &'a Vec<[u32; 2]>) -> Self {
        Refs::U32(pairs)
    }
}
impl<'a> From<&'a Vec<[u64; 2]>> for Refs<'a> {
    fn from(pairs: &'a Vec<[u64; 2]>) -> Self {
        Refs::U64(pairs)
    }
}
impl<'a> From<&'a Vec<RefRegion>> for Regions<'a> {
    fn from(regions: &'a Vec<RefRegion>) -> Self {
        Regions::Slice(regions)
    }
}
