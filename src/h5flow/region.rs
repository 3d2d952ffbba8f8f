//! Regions: where in the references those of a parent are.

use super::{
    numbers::{Hull, native_integer},
    sources::Regions,
};
use crate::{
    ByteOrder, Dataset, Datatype, DatatypeClass, Error, ErrorKind, HyperslabDim, Name, Result, Selection,
    Values,
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

/// Offsets and sizes of `start` and `stop` in the element of a table of regions.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegionLayout {
    pub(super) size: usize,
    start: (usize, usize),
    stop: (usize, usize),
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
            Some(m) if matches!(m.datatype.class, DatatypeClass::Integer(_)) && m.datatype.size <= 8 => {
                Ok((m.offset, m.datatype.size))
            }
            _ => Err(wrong()),
        };
        Ok(RegionLayout { size: datatype.size, start: member("start")?, stop: member("stop")? })
    }

    /// The regions of elements in native byte order.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Vec<RefRegion>> {
        let part = |element: &[u8], (at, size): (usize, usize)| {
            element.get(at..at + size).and_then(native_integer).unwrap_or(-1)
        };
        let decode = |element: &[u8]| {
            let (start, stop) = (part(element, self.start), part(element, self.stop));
            match (u64::try_from(start), u64::try_from(stop)) {
                _ if start == stop => Ok(RefRegion::default()),
                (Ok(start), Ok(stop)) if start < stop => Ok(RefRegion { start, stop }),
                _ => Err(Error::new(ErrorKind::Corrupt(format!("a region from {start} to {stop}")))),
            }
        };
        bytes.chunks_exact(self.size.max(1)).map(decode).collect()
    }

    /// Elements in native byte order, with zeros where there are no members.
    ///
    /// # Errors
    /// `Limit` if a number does not fit.
    pub(super) fn encode(&self, regions: &[RefRegion]) -> Result<Vec<u8>> {
        let mut out = vec![0; self.size * regions.len()];
        for (element, region) in out.chunks_exact_mut(self.size.max(1)).zip(regions) {
            for ((at, size), number) in [(self.start, region.start), (self.stop, region.stop)] {
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

/// The regions of parents, which ascend.
///
/// # Errors
/// `Shape` if there is no such parent, unless `clip`: then it has no references.
pub(super) fn regions_of(source: &Regions<'_>, parents: &[u64], clip: bool) -> Result<Vec<RefRegion>> {
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
            parents_known.iter().filter_map(|&p| regions.get(usize::try_from(p).ok()?).copied()).collect()
        }
        Regions::Dataset(dataset) => read_regions(dataset, parents_known)?,
    };
    out.resize(parents.len(), RefRegion::default());
    Ok(out)
}

/// Regions of rows that ascend and exist.
pub(super) fn read_regions(dataset: &Dataset, rows: &[u64]) -> Result<Vec<RefRegion>> {
    let layout = RegionLayout::of(dataset)?;
    let native = |values: &Values| {
        values
            .to_native_bytes()
            .ok_or_else(|| Error::new(ErrorKind::Unsupported("regions of this type".into())))
    };
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let hull = Hull::new(first, last);
    if hull.is_dense(rows.len()) {
        let all = layout.decode(&native(&dataset.values(first..last + 1)?)?)?;
        if all.len() == rows.len() {
            return Ok(all);
        }
        return Ok(rows.iter().filter_map(|&r| all.get((r - first) as usize).copied()).collect());
    }
    layout.decode(&native(&dataset.values(rows_of(rows, dataset.shape()))?)?)
}
