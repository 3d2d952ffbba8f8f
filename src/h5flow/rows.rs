//! Rows of the child: those that are asked for are read once, and put where they belong.

use std::borrow::Cow;

use super::{
    numbers::{Hull, Positions, room, zeros},
    region::{intervals_of, rows_of},
    sources::Rows,
};
use crate::{Datatype, Error, ErrorKind, H5Type, Result, Selection, Values};

/// Rows that are in memory; a row is `per_row` elements.
pub(super) struct Table<'a, E: Clone> {
    pub(super) elements: Cow<'a, [E]>,
    pub(super) per_row: usize,
    positions: Positions,
}

/// What rows are to be read.
struct Wanted {
    selection: Selection,
    positions: Positions,
}

fn wanted(children: &[u64], dims: &[u64]) -> Result<Wanted> {
    let rows = dims.first().copied().unwrap_or(0);
    let (Some(&first), Some(&last)) = (children.iter().min(), children.iter().max()) else {
        return Ok(Wanted { selection: Selection::None, positions: Positions::of_sorted(&[])? });
    };
    if last >= rows {
        let text = format!("a reference to row {last} of a dataset of {rows} rows");
        return Err(Error::new(ErrorKind::Shape(text)));
    }
    let hull = Hull::new(first, last);
    if hull.is_dense(children.len()) {
        let selection = intervals_of(&[(first, last + 1)], dims);
        return Ok(Wanted { selection, positions: Positions::All(hull) });
    }
    if let Some(positions) = Positions::bits(hull, children)? {
        return Ok(Wanted { selection: intervals_of(&positions.intervals(), dims), positions });
    }
    let mut unique = room("rows of a result", children.len())?;
    unique.extend_from_slice(children);
    unique.sort_unstable();
    unique.dedup();
    Ok(Wanted { selection: rows_of(&unique, dims), positions: Positions::of_sorted(&unique)? })
}

fn per_row(dims: &[u64]) -> Result<usize> {
    let count = dims.iter().skip(1).try_fold(1u64, |n, d| n.checked_mul(*d));
    count.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
        Error::new(ErrorKind::Limit {
            what: "elements of a row",
            wanted: u64::MAX,
            allowed: usize::MAX as u64,
        })
    })
}

fn has_rows(dims: &[u64]) -> Result<()> {
    match dims.is_empty() {
        true => Err(Error::new(ErrorKind::Shape("data without rows: a scalar".to_owned()))),
        false => Ok(()),
    }
}

impl Rows<'_> {
    pub(super) fn dims(&self) -> &[u64] {
        match self {
            Rows::Dataset(dataset) => dataset.shape(),
            Rows::Values(values) => values.shape(),
        }
    }
    pub(super) fn datatype(&self) -> &Datatype {
        match self {
            Rows::Dataset(dataset) => dataset.datatype(),
            Rows::Values(values) => values.datatype(),
        }
    }
}

/// Rows as elements of `T`.
pub(super) fn typed<'a, T: H5Type + Clone>(source: &Rows<'a>, children: &[u64]) -> Result<Table<'a, T>> {
    has_rows(source.dims())?;
    let per_row = per_row(source.dims())?;
    match source {
        Rows::Dataset(dataset) => {
            let wanted = wanted(children, dataset.shape())?;
            let elements = match wanted.selection {
                Selection::None => Vec::new(),
                selection => dataset.read_slice::<T>(selection)?.into_raw_vec_and_offset().0,
            };
            Ok(Table { elements: elements.into(), per_row, positions: wanted.positions })
        }
        Rows::Values(values) => {
            let elements: Vec<T> = values.to_vec()?;
            let positions = in_memory(children, values)?;
            Ok(Table { elements: elements.into(), per_row, positions })
        }
    }
}

/// Rows as bytes, of elements of fixed size.
pub(super) fn bytes<'a>(source: &Rows<'a>, children: &[u64]) -> Result<Table<'a, u8>> {
    has_rows(source.dims())?;
    let datatype = source.datatype();
    if !datatype.is_fixed() {
        let text = format!("rows of {datatype} as bytes; rows that point elsewhere are read as a Rust type");
        return Err(Error::new(ErrorKind::Unsupported(text)));
    }
    let row_bytes = per_row(source.dims())?.checked_mul(datatype.size);
    let per_row = row_bytes.ok_or_else(|| {
        Error::new(ErrorKind::Limit { what: "bytes of a row", wanted: u64::MAX, allowed: usize::MAX as u64 })
    })?;
    match source {
        Rows::Dataset(dataset) => {
            let wanted = wanted(children, dataset.shape())?;
            let elements = match wanted.selection {
                Selection::None => Vec::new(),
                selection => dataset.values(selection)?.into_bytes(),
            };
            Ok(Table { elements: elements.into(), per_row, positions: wanted.positions })
        }
        Rows::Values(values) => {
            let positions = in_memory(children, values)?;
            Ok(Table { elements: values.bytes().into(), per_row, positions })
        }
    }
}

fn in_memory(children: &[u64], values: &Values) -> Result<Positions> {
    let len = values.shape().first().copied().unwrap_or(0);
    if let Some(row) = children.iter().find(|&&c| c >= len) {
        let text = format!("a reference to row {row} of an array of {len} rows");
        return Err(Error::new(ErrorKind::Shape(text)));
    }
    Ok(Positions::All(Hull { first: 0, len }))
}

/// Rows that a thread copies at once.
#[cfg(feature = "parallel")]
const PIECE: usize = 1 << 14;

impl Table<'_, u8> {
    /// The rows of these children, one after the other.
    pub(super) fn into_bytes_of(self, children: &[u64]) -> Result<Vec<u8>> {
        if self.is_just(children) {
            return Ok(self.elements.into_owned());
        }
        let mut out = zeros(children.len().saturating_mul(self.per_row))?;
        #[cfg(feature = "parallel")]
        if children.len() > 2 * PIECE && self.per_row > 0 {
            use rayon::prelude::*;
            let parts = out.par_chunks_mut(PIECE.saturating_mul(self.per_row));
            parts.zip(children.par_chunks(PIECE)).for_each(|(out, children)| self.copy(children, out));
            return Ok(out);
        }
        self.copy(children, &mut out);
        Ok(out)
    }
}

/// How many children from the first on follow each other.
fn follow(children: &[u64]) -> usize {
    children.windows(2).take_while(|pair| pair[1].wrapping_sub(pair[0]) == 1).count() + 1
}

impl<E: Clone> Table<'_, E> {
    /// The rows of these children, one after the other.
    pub(super) fn into_rows_of(self, children: &[u64]) -> Result<Vec<E>> {
        if self.is_just(children) {
            return Ok(self.elements.into_owned());
        }
        let len = children.len().saturating_mul(self.per_row);
        let mut out = room("rows of a result", len)?;
        let mut rest = children;
        while let Some(&first) = rest.first() {
            let (run, behind) = rest.split_at(follow(rest));
            out.extend_from_slice(self.rows(first, run.len()));
            rest = behind;
        }
        if out.len() != len {
            return Err(Error::new(ErrorKind::Corrupt("a row that was not read".to_owned())));
        }
        Ok(out)
    }

    /// The elements of `count` rows from that of a child on, which were all asked for.
    fn rows(&self, child: u64, count: usize) -> &[E] {
        let at = self.positions.get(child).unwrap_or(usize::MAX);
        let start = at.saturating_mul(self.per_row);
        self.elements.get(start..start.saturating_add(count.saturating_mul(self.per_row))).unwrap_or_default()
    }

    /// Copies the rows of children, one after the other. Those of children that follow each other are copied at once.
    pub(super) fn copy(&self, children: &[u64], out: &mut [E]) {
        let (mut children, mut out) = (children, out);
        while let Some(&first) = children.first() {
            let (run, rest) = children.split_at(follow(children));
            let rows = self.rows(first, run.len());
            let Some((to, behind)) = out.split_at_mut_checked(rows.len()) else { return };
            to.clone_from_slice(rows);
            (children, out) = (rest, behind);
        }
    }

    /// True if the rows of these children are all that is there, in this order.
    pub(super) fn is_just(&self, children: &[u64]) -> bool {
        let Positions::All(hull) = &self.positions else { return false };
        hull.len == children.len() as u64 && children.iter().copied().eq(hull.first..hull.first + hull.len)
    }
}
