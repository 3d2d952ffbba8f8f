//! Rows and references into the file.

use std::ops::Range;

use super::{
    manager::{Files, H5FlowDataManager, State, Window, data, region},
    numbers::{Hull, room},
    region::{RefRegion, RegionLayout, read_regions, rows_of},
};
use crate::{Dataset, DatatypeClass, Error, ErrorKind, H5Type, Result, ToElements, Values};

/// Regions of a table that are kept in memory at most.
const WINDOW: usize = 1 << 20;

/// What [`H5FlowDataManager::reserve_data`] is to reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Spec {
    /// So many rows at the end.
    Append(u64),
    /// These rows; the dataset grows if it is shorter.
    Rows(Range<u64>),
}

impl From<u64> for Spec {
    fn from(rows: u64) -> Self {
        Spec::Append(rows)
    }
}
impl From<Range<u64>> for Spec {
    fn from(rows: Range<u64>) -> Self {
        Spec::Rows(rows)
    }
}

fn shape_error(text: String) -> Error {
    Error::new(ErrorKind::Shape(text))
}

fn rows_in(dataset: &Dataset) -> u64 {
    dataset.shape().first().copied().unwrap_or(0)
}

impl Window {
    /// The regions of rows `first..=last`, if all are known.
    fn get(&self, first: u64, last: u64) -> Option<&[RefRegion]> {
        let at = usize::try_from(first.checked_sub(self.first)?).ok()?;
        let end = usize::try_from(last.checked_sub(self.first)?).ok()?;
        self.regions.get(at..=end)
    }
}

impl H5FlowDataManager {
    /// Rows to write to: at the end of a dataset, or given ones. No other caller gets rows at the end twice. With
    /// several ranks this is collective, and rows at the end are in the order of the ranks.
    ///
    /// # Errors
    /// `NotFound`; `Usage` if the file is open for reading; `Shape` for more than 2^64 rows.
    pub fn reserve_data(&self, dataset_name: &str, spec: impl Into<Spec>) -> Result<Range<u64>> {
        let communicator = &self.options.communicator;
        let too_many = || shape_error("more than 2^64 rows".to_owned());
        let (own, is_append) = match spec.into() {
            Spec::Append(rows) => (0..rows, true),
            Spec::Rows(rows) => (rows, false),
        };
        let all = communicator.allgather(own.end)?;
        let (rank, root) = (communicator.rank(), communicator.rank() == 0);
        let wanted = match is_append {
            true => all.iter().try_fold(0u64, |sum, n| sum.checked_add(*n)).ok_or_else(too_many)?,
            false => all.iter().copied().max().unwrap_or(0),
        };
        let grown = match root {
            true => self.writing(|state, files| {
                let len = rows_in(&self.dset(state, files, &data(dataset_name))?);
                let end = if is_append { len.checked_add(wanted).ok_or_else(too_many)? } else { wanted };
                if end > len {
                    self.grow(state, files, dataset_name, end)?;
                }
                Ok(len)
            }),
            false => Ok(0),
        };
        let len = if communicator.size() == 1 {
            grown?
        } else {
            // All ranks learn of an error.
            match (communicator.bcast(grown.as_ref().map_or(u64::MAX, |len| *len), 0)?, grown) {
                (_, Err(e)) => return Err(e),
                (u64::MAX, _) => {
                    return Err(Error::new(ErrorKind::Usage("rank 0 could not reserve rows".to_owned())));
                }
                (len, Ok(_)) => len,
            }
        };
        if !is_append {
            return Ok(own);
        }
        let start = len + all.iter().take(rank).sum::<u64>();
        Ok(start..start + own.end)
    }

    /// Makes a dataset longer, and with it the tables of regions of it.
    fn grow(&self, state: &mut State, files: &Files, name: &str, len: u64) -> Result<()> {
        let refs = self.refs_of(state, files, name)?;
        self.set_len(state, files, &data(name), len)?;
        for info in refs.iter() {
            for (path, dset) in info.regions.iter().zip(&info.dsets) {
                let len = rows_in(&self.dset(state, files, dset.trim_start_matches('/'))?);
                self.grow_region(state, files, path.trim_start_matches('/'), len)?;
            }
        }
        Ok(())
    }

    fn grow_region(&self, state: &mut State, files: &Files, path: &str, len: u64) -> Result<()> {
        let now = rows_in(&self.dset(state, files, path)?);
        if now >= len {
            return Ok(());
        }
        self.set_len(state, files, path, len)?;
        // New rows hold the fill value: no references.
        let window = state.windows.entry(path.to_owned()).or_default();
        if window.regions.is_empty() || window.first + window.regions.len() as u64 != now {
            *window = Window { first: now, regions: Vec::new() };
        }
        let more = usize::try_from(len - now).unwrap_or(usize::MAX);
        if more > WINDOW {
            state.windows.remove(path);
            return Ok(());
        }
        window.regions.resize(window.regions.len() + more, RefRegion::default());
        if let Some(excess) = window.regions.len().checked_sub(2 * WINDOW) {
            window.regions.drain(..excess + WINDOW);
            window.first += (excess + WINDOW) as u64;
        }
        Ok(())
    }

    /// Writes rows, which must have been reserved. Chunks that are given whole are compressed by the calling thread
    /// and its helpers, without keeping others from the file.
    ///
    /// # Errors
    /// `NotFound`; `Shape` if the rows are not those of `spec`, or beyond the end; `Type`; `Io`.
    pub fn write_data<T: H5Type>(
        &self,
        dataset_name: &str,
        spec: Range<u64>,
        rows: &(impl ToElements<T> + ?Sized),
    ) -> Result<()> {
        if T::datatype().is_fixed() {
            return self.write_values(dataset_name, spec, &Values::of(rows)?);
        }
        let path = data(dataset_name);
        self.writing(|state, files| {
            let dataset = self.dset(state, files, &path)?;
            fits(&dataset, &spec, &rows.shape())?;
            match spec.is_empty() {
                true => Ok(()),
                false => dataset.write_slice(rows, Self::slab(&dataset, spec.start, spec.end)),
            }
        })
    }

    /// Writes rows of a type known at run time; as [`write_data`](Self::write_data).
    ///
    /// # Errors
    /// As [`write_data`](Self::write_data).
    pub fn write_values(&self, dataset_name: &str, spec: Range<u64>, rows: &Values) -> Result<()> {
        let path = data(dataset_name);
        let dataset = match self.options.shared {
            true => self.reading(|state, files| self.dset(state, files, &path))?,
            false => self.writing(|state, files| self.dset(state, files, &path))?,
        };
        fits(&dataset, &spec, rows.shape())?;
        if rows.datatype() != dataset.datatype() {
            let (expected, found) = (dataset.datatype().to_string(), rows.datatype().to_string());
            return Err(Error::new(ErrorKind::Type { expected, found }));
        }
        if spec.is_empty() {
            return Ok(());
        }
        let whole = whole_chunks(&dataset, &spec);
        let row = rows.bytes().len() / (spec.end - spec.start).max(1) as usize;
        let part = |from: u64, to: u64| {
            let at = |n: u64| (n - spec.start) as usize * row;
            rows.bytes().get(at(from)..at(to)).unwrap_or_default()
        };
        let chunk = dataset.chunk_shape().and_then(|c| c.first().copied()).unwrap_or(1).max(1);
        let encoded = encode_all(&dataset, &whole, chunk, &part)?;
        // The handle, and the lock of the file with it, must be gone before it is opened again.
        let shape = dataset.shape().to_vec();
        let dataset = if self.options.shared {
            drop(dataset);
            None
        } else {
            Some(dataset)
        };
        let publish = |dataset: &Dataset| {
            for (from, to) in [(spec.start, whole.start), (whole.end, spec.end)] {
                if from < to {
                    let mut dims = rows.shape().to_vec();
                    dims[0] = to - from;
                    let values = Values::new(rows.datatype().clone(), dims, part(from, to).to_vec())?;
                    dataset.write_values(&values, Self::slab(dataset, from, to))?;
                }
            }
            for ((bytes, mask), start) in encoded.iter().zip((whole.start..).step_by(chunk as usize)) {
                let mut offset = vec![0; shape.len()];
                offset[0] = start;
                dataset.write_chunk_raw(&offset, bytes, *mask)?;
            }
            Ok(())
        };
        match dataset {
            Some(dataset) => publish(&dataset),
            None => self.writing(|state, files| publish(&self.dset(state, files, &path)?)),
        }
    }

    /// Adds references: pairs of a row of the parent and a row of the child. With several ranks this is collective,
    /// and theirs follow each other.
    ///
    /// # Errors
    /// `NotFound`; `Shape` for a row that there is not; `Limit` if there are more references than the layout can
    /// count. Nothing has changed then.
    pub fn write_ref<T: Copy + Into<u64>>(
        &self,
        parent_dataset_name: &str,
        child_dataset_name: &str,
        refs: &[[T; 2]],
    ) -> Result<()> {
        let communicator = &self.options.communicator;
        let mut done = Ok(());
        for rank in 0..communicator.size() {
            if rank == communicator.rank() {
                done = self.writing(|state, files| {
                    self.add_refs(state, files, parent_dataset_name, child_dataset_name, refs)
                });
            }
            if communicator.size() > 1 {
                communicator.barrier()?;
            }
        }
        done
    }

    fn add_refs<T: Copy + Into<u64>>(
        &self,
        state: &mut State,
        files: &Files,
        parent: &str,
        child: &str,
        refs: &[[T; 2]],
    ) -> Result<()> {
        let (path, direction) = self.find_ref(files, parent, child)?;
        let dataset = self.dset(state, files, &path)?;
        let names = [parent, child];
        let mut lens = [0; 2];
        for (len, name) in lens.iter_mut().zip(names) {
            *len = rows_in(&self.dset(state, files, &data(name))?);
        }
        for pair in refs {
            for ((row, len), name) in pair.iter().zip(lens).zip(names) {
                let row: u64 = (*row).into();
                if row >= len {
                    return Err(shape_error(format!("a reference to row {row} of {name}, which has {len}")));
                }
            }
        }
        let first = rows_in(&dataset);
        let end = first + refs.len() as u64;
        let values = pairs(&dataset, refs, direction)?;
        let tables = [region(parent, child), region(child, parent)];
        let mut changes = Vec::with_capacity(2);
        for (column, path) in tables.iter().enumerate() {
            let rows = hulls(refs.iter().map(|pair| pair[column].into()), first)?;
            changes.push((path, rows));
            // The largest number is checked before anything is written.
            let table = self.dset(state, files, path)?;
            RegionLayout::of(&table)?.encode(&[RefRegion { start: first, stop: end }])?;
        }
        if refs.is_empty() {
            return Ok(());
        }
        self.set_len(state, files, &path, end)?;
        let dataset = self.dset(state, files, &path)?;
        dataset.write_values(&values, Self::slab(&dataset, first, end))?;
        for (column, (path, rows)) in changes.into_iter().enumerate() {
            self.grow_region(state, files, path, lens[column])?;
            self.widen(state, files, path, rows)?;
        }
        Ok(())
    }

    /// Makes regions include more references.
    fn widen(
        &self,
        state: &mut State,
        files: &Files,
        path: &str,
        changes: Vec<(u64, RefRegion)>,
    ) -> Result<()> {
        let table = self.dset(state, files, path)?;
        let (Some(&(first, _)), Some(&(last, _))) = (changes.first(), changes.last()) else { return Ok(()) };
        let hull = Hull::new(first, last);
        let rows: Vec<u64> = match hull.is_dense(changes.len()) {
            true => (first..=last).collect(),
            false => changes.iter().map(|(row, _)| *row).collect(),
        };
        let window = state.windows.get(path);
        let mut regions = match window.and_then(|window| window.get(first, last)) {
            Some(known) if known.len() == rows.len() => known.to_vec(),
            Some(known) => rows.iter().filter_map(|r| known.get((r - first) as usize).copied()).collect(),
            None => read_regions(&table, &rows, u64::MAX)?,
        };
        let mut at = 0;
        for (row, change) in changes {
            while rows.get(at).is_some_and(|r| *r < row) {
                at += 1;
            }
            if let Some(known) = regions.get_mut(at) {
                *known = match known.is_empty() {
                    true => change,
                    false => {
                        RefRegion { start: known.start.min(change.start), stop: known.stop.max(change.stop) }
                    }
                };
            }
        }
        let native = super::region::native_type(table.datatype());
        let bytes = RegionLayout::of(&table)?.encode(&regions)?;
        let values = Values::new(native.clone(), [regions.len() as u64], bytes)?;
        if native != *table.datatype() {
            let text = format!("changing regions of {}", table.datatype());
            return Err(Error::new(ErrorKind::Unsupported(text)));
        }
        table.write_values(&values, rows_of(&rows, table.shape()))?;
        if let Some(window) = state.windows.get_mut(path) {
            for (row, region) in rows.iter().zip(&regions) {
                let at = row.checked_sub(window.first).and_then(|at| usize::try_from(at).ok());
                if let Some(known) = at.and_then(|at| window.regions.get_mut(at)) {
                    *known = *region;
                }
            }
        }
        Ok(())
    }
}

fn fits(dataset: &Dataset, spec: &Range<u64>, shape: &[u64]) -> Result<()> {
    let dims = dataset.shape();
    let rows = spec.end.saturating_sub(spec.start);
    if spec.start > spec.end || spec.end > dims.first().copied().unwrap_or(0) {
        return Err(shape_error(format!("rows {spec:?} of a dataset of {dims:?}; reserve them first")));
    }
    if shape.first() != Some(&rows) || shape.get(1..) != dims.get(1..) {
        return Err(shape_error(format!("data of {shape:?} for rows {spec:?} of a dataset of {dims:?}")));
    }
    Ok(())
}

/// The rows of chunks that lie whole in `spec`; none where that does not help.
fn whole_chunks(dataset: &Dataset, spec: &Range<u64>) -> Range<u64> {
    let none = spec.start..spec.start;
    let Some((&chunk, inner)) = dataset.chunk_shape().and_then(<[u64]>::split_first) else { return none };
    if dataset.filters().is_empty() || chunk == 0 || dataset.shape().get(1..) != Some(inner) {
        return none;
    }
    let start = spec.start.div_ceil(chunk).saturating_mul(chunk);
    let end = spec.end / chunk * chunk;
    if start < end { start..end } else { none }
}

type Encoded = (Vec<u8>, u32);

/// The chunks of some rows, encoded.
fn encode_all<'b>(
    dataset: &Dataset,
    rows: &Range<u64>,
    chunk: u64,
    part: &(dyn Fn(u64, u64) -> &'b [u8] + Sync),
) -> Result<Vec<Encoded>> {
    let count = (rows.end - rows.start) / chunk;
    let encode = |i: u64| {
        let start = rows.start + i * chunk;
        dataset.encode_chunk(part(start, start + chunk))
    };
    #[cfg(feature = "parallel")]
    if count > 1 {
        use rayon::prelude::*;
        return (0..count).into_par_iter().map(encode).collect();
    }
    (0..count).map(encode).collect()
}

/// References as the file has them.
fn pairs<T: Copy + Into<u64>>(
    dataset: &Dataset,
    refs: &[[T; 2]],
    direction: (usize, usize),
) -> Result<Values> {
    let datatype = dataset.datatype();
    let DatatypeClass::Integer(integer) = &datatype.class else {
        let (expected, found) = ("references: pairs of integers".to_owned(), datatype.to_string());
        return Err(Error::new(ErrorKind::Type { expected, found }));
    };
    let size = datatype.size.min(8);
    let allowed = (u64::MAX >> (64 - 8 * size)) >> u32::from(integer.signed);
    let mut bytes = room("references", refs.len().saturating_mul(2 * size))?;
    for pair in refs {
        let pair = if direction == (0, 1) { *pair } else { [pair[1], pair[0]] };
        for number in pair {
            let wanted: u64 = number.into();
            if wanted > allowed {
                let what = "rows of references of this many bits";
                return Err(Error::new(ErrorKind::Limit { what, wanted, allowed }));
            }
            match integer.order {
                crate::ByteOrder::Big => bytes.extend_from_slice(&wanted.to_be_bytes()[8 - size..]),
                _ => bytes.extend_from_slice(&wanted.to_le_bytes()[..size]),
            }
        }
    }
    Values::new(datatype.clone(), [refs.len() as u64, 2], bytes)
}

/// The first and the last reference of each row, by row. The first of all references has number `first`.
fn hulls(rows: impl ExactSizeIterator<Item = u64>, first: u64) -> Result<Vec<(u64, RefRegion)>> {
    let mut all: Vec<(u64, u64)> = room("references", rows.len())?;
    all.extend(rows.zip(first..));
    if !all.is_sorted() {
        all.sort_unstable();
    }
    let mut out: Vec<(u64, RefRegion)> = Vec::new();
    for (row, at) in all {
        match out.last_mut() {
            Some((last, region)) if *last == row => region.stop = at + 1,
            _ => out.push((row, RefRegion { start: at, stop: at + 1 })),
        }
    }
    Ok(out)
}
