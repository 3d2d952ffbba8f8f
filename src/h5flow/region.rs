//! Regions: where in the references those of a parent are.

use super::{
    numbers::{Hull, room},
    sources::Regions,
};
use crate::{
    ByteOrder, Dataset, Datatype, DatatypeClass, Error, ErrorKind, HyperslabDim, Name, Result, Selection,
    model::{datatype::Member, selection::Blocks},
};

/// Rows `start..stop` of the references hold all of a parent; it has none if they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RefRegion {
    /// First row.
    pub start: u64,
    /// The row behind the last.
    pub stop: u64,
}

impl RefRegion {
    /// True if the parent has no references.
    pub fn is_empty(self) -> bool {
        self.start >= self.stop
    }
}

/// An integer in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    at: usize,
    size: usize,
    order: ByteOrder,
}

impl Part {
    /// Signed; -1 if it is not there, or too large.
    fn get(self, element: &[u8]) -> i64 {
        let mut bytes = [0; 8];
        let (Some(from), Some(to)) = (element.get(self.at..self.at + self.size), bytes.get_mut(..self.size))
        else {
            return -1;
        };
        to.copy_from_slice(from);
        if self.order == ByteOrder::Big {
            to.reverse();
        }
        let unused = 64 - 8 * self.size as u32;
        i64::from_le_bytes(bytes).wrapping_shl(unused).wrapping_shr(unused)
    }
}

/// Where `start` and `stop` are in the element of a table of regions.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionLayout {
    pub(super) size: usize,
    start: Part,
    stop: Part,
}

impl RegionLayout {
    pub(super) fn of(dataset: &Dataset) -> Result<Self> {
        let datatype = dataset.datatype();
        let wrong = || {
            Error::new(ErrorKind::Type {
                expected: "a table of regions (start, stop)".to_owned(),
                found: format!("{datatype} in {}", dataset.path()),
            })
        };
        if dataset.shape().len() != 1 {
            return Err(wrong());
        }
        let member = |name: &str| match datatype.member(name) {
            Some(Member { offset, datatype: Datatype { size: size @ (1 | 2 | 4 | 8), class }, .. }) => {
                match class {
                    DatatypeClass::Integer(integer) => {
                        Ok(Part { at: *offset, size: *size, order: integer.order })
                    }
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        };
        Ok(RegionLayout { size: datatype.size, start: member("start")?, stop: member("stop")? })
    }

    /// The regions of elements of a file of which there are `most` references.
    fn decode(&self, bytes: &[u8], most: u64) -> Result<Vec<RefRegion>> {
        let mut out = room("regions", bytes.len() / self.size.max(1))?;
        let mut add = |start: i64, stop: i64| {
            let region = match (u64::try_from(start), u64::try_from(stop)) {
                _ if start == stop => RefRegion::default(),
                (Ok(start), Ok(stop)) if start < stop => {
                    let stop = stop.min(most);
                    if start < stop { RefRegion { start, stop } } else { RefRegion::default() }
                }
                _ => return Err(Error::new(ErrorKind::Corrupt(format!("a region from {start} to {stop}")))),
            };
            out.push(region);
            Ok(())
        };
        let part = |at| Part { at, size: 4, order: ByteOrder::Little };
        if (self.size, self.start, self.stop) == (8, part(0), part(4)) {
            // As the reference has them.
            for element in bytes.as_chunks::<8>().0 {
                let both = u64::from_le_bytes(*element);
                add(i64::from(both as i32), i64::from((both >> 32) as i32))?;
            }
        } else {
            for element in bytes.chunks_exact(self.size.max(1)) {
                add(self.start.get(element), self.stop.get(element))?;
            }
        }
        Ok(out)
    }

    /// Elements in native byte order, with zeros where there are no members.
    ///
    /// # Errors
    /// `Limit` if a number does not fit.
    pub(super) fn encode(&self, regions: &[RefRegion]) -> Result<Vec<u8>> {
        let mut out = vec![0; self.size * regions.len()];
        for (element, region) in out.chunks_exact_mut(self.size.max(1)).zip(regions) {
            for (Part { at, size, .. }, number) in [(self.start, region.start), (self.stop, region.stop)] {
                // Signed, as the reference has them.
                let largest = i64::MAX as u64 >> (64 - 8 * size);
                if number > largest {
                    let what = "references of a dataset whose regions have this many bits";
                    return Err(Error::new(ErrorKind::Limit { what, wanted: number, allowed: largest }));
                }
                let bytes = number.to_ne_bytes();
                let bytes = if cfg!(target_endian = "little") { &bytes[..size] } else { &bytes[8 - size..] };
                if let Some(to) = element.get_mut(at..at + size) {
                    to.copy_from_slice(bytes);
                }
            }
        }
        Ok(out)
    }
}

/// The type of new regions, of members of so many bytes.
pub(super) fn datatype(size: usize) -> Datatype {
    let member = |name: &str, offset| Member {
        name: Name::from(name),
        offset,
        datatype: Datatype::integer(size, true, ByteOrder::Little),
    };
    Datatype {
        size: 2 * size,
        class: DatatypeClass::Compound(vec![member("start", 0), member("stop", size)]),
    }
}

/// A type of regions with its members in the byte order of this machine.
pub(super) fn native_type(datatype: &Datatype) -> Datatype {
    let mut out = datatype.clone();
    if let DatatypeClass::Compound(members) = &mut out.class {
        for member in members {
            if let DatatypeClass::Integer(integer) = &mut member.datatype.class {
                integer.order = ByteOrder::NATIVE;
            }
        }
    }
    out
}

/// A selection of these rows, ascending and each once, of a dataset of this extent.
pub(super) fn rows_of(rows: &[u64], dims: &[u64]) -> Selection {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &row in rows {
        match runs.last_mut() {
            Some(last) if last.1 == row => last.1 = row.saturating_add(1),
            _ => runs.push((row, row.saturating_add(1))),
        }
    }
    intervals_of(&runs, dims)
}

/// A selection of these intervals of rows, ascending and apart, of a dataset of this extent.
pub(super) fn intervals_of(intervals: &[(u64, u64)], dims: &[u64]) -> Selection {
    match intervals {
        [] => Selection::None,
        [(start, stop)] => {
            let mut slab: Vec<_> = dims.iter().map(|&d| HyperslabDim::range(0, d)).collect();
            if let Some(first) = slab.first_mut() {
                *first = HyperslabDim::range(*start, stop.saturating_sub(*start));
            }
            Selection::Hyperslab(slab)
        }
        _ => {
            let mut corners = Vec::with_capacity(intervals.len() * 2 * dims.len());
            for (start, stop) in intervals {
                corners.push(*start);
                corners.extend(dims.iter().skip(1).map(|_| 0));
                corners.push(stop.saturating_sub(1));
                corners.extend(dims.iter().skip(1).map(|d| d.saturating_sub(1)));
            }
            Selection::Blocks(Blocks { rank: dims.len(), corners })
        }
    }
}

/// The regions of parents, which ascend, in `most` references.
///
/// # Errors
/// `Shape` if there is no such parent, unless `clip`: then it has no references.
pub(super) fn regions_of(
    source: &Regions<'_>,
    parents: &[u64],
    clip: bool,
    most: u64,
) -> Result<Vec<RefRegion>> {
    let len = match source {
        Regions::Slice(regions) => regions.len() as u64,
        Regions::Dataset(dataset) => dataset.shape().first().copied().unwrap_or(0),
    };
    let known = parents.partition_point(|&p| p < len);
    if known < parents.len() && !clip {
        let text = format!("row {} of a table of {len} regions", parents[known]);
        return Err(Error::new(ErrorKind::Shape(text)));
    }
    let parents_known = &parents[..known];
    let mut out = match source {
        Regions::Slice(regions) => {
            let clipped = |r: &RefRegion| match r.stop.min(most) {
                stop if r.start < stop => RefRegion { start: r.start, stop },
                _ => RefRegion::default(),
            };
            let of = |&p: &u64| regions.get(usize::try_from(p).ok()?).map(clipped);
            parents_known.iter().filter_map(of).collect()
        }
        Regions::Dataset(dataset) => read_regions(dataset, parents_known, most)?,
    };
    out.resize(parents.len(), RefRegion::default());
    Ok(out)
}

/// Regions of rows that ascend and exist, in `most` references.
pub(super) fn read_regions(dataset: &Dataset, rows: &[u64], most: u64) -> Result<Vec<RefRegion>> {
    let layout = RegionLayout::of(dataset)?;
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let hull = Hull::new(first, last);
    if hull.is_dense(rows.len()) {
        let all = layout.decode(dataset.values(first..last + 1)?.bytes(), most)?;
        if all.len() == rows.len() {
            return Ok(all);
        }
        return Ok(rows.iter().filter_map(|&r| all.get((r - first) as usize).copied()).collect());
    }
    layout.decode(dataset.values(rows_of(rows, dataset.shape()))?.bytes(), most)
}
