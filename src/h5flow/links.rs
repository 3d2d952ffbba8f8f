//! From parents to the rows that they refer to.
//!
//! Each stretch of references is read once, however many parents share it. Up to some millions are kept in memory and
//! looked through twice: to count the children of each parent, and to put them where they belong. More are read in
//! batches, and what is kept are the references found.

use super::{
    intervals::{Held, Interval, Pairs, batches, places, read_pairs, union},
    numbers::{Hull, Positions, room},
    region::{RefRegion, regions_of},
    search::{ByParent, Fits, InHull, Matches, Row, Search, by_place},
    sources::{Refs, Regions},
};
use crate::{Dataset, DatatypeClass, Error, ErrorKind, Result};

/// References that are kept in memory.
const HELD: u64 = 1 << 23;

/// Children of parents: those of parent `i` are `children[offsets[i]..offsets[i + 1]]`.
#[derive(Debug)]
pub(super) struct Links {
    pub(super) offsets: Vec<usize>,
    pub(super) children: Vec<u64>,
}

/// One step of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) refs: Refs<'a>,
    pub(super) region: Option<Regions<'a>>,
    /// The columns of parents and of children.
    pub(super) direction: (usize, usize),
}

/// The parents of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parents<'a> {
    pub(super) rows: &'a [u64],
    /// True where a parent is left out.
    pub(super) mask: Option<&'a [bool]>,
    /// Parents that the regions do not have, have no references.
    pub(super) clip: bool,
}

impl Step<'_> {
    pub(super) fn check(&self) -> Result<()> {
        if !matches!(self.direction, (0, 1) | (1, 0)) {
            let text = format!("a ref_direction of {:?}; it is (0, 1) or (1, 0)", self.direction);
            return Err(Error::new(ErrorKind::Usage(text)));
        }
        if let Refs::Dataset(dataset) = self.refs {
            let is_pairs = matches!(dataset.shape(), [_, 2]);
            if !is_pairs || !matches!(dataset.datatype().class, DatatypeClass::Integer(_)) {
                return Err(Error::new(ErrorKind::Type {
                    expected: "references: pairs of integers".to_owned(),
                    found: format!("{} of {:?} in {}", dataset.datatype(), dataset.shape(), dataset.path()),
                }));
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        match self.refs {
            Refs::Dataset(dataset) => dataset.shape().first().copied().unwrap_or(0),
            Refs::U32(pairs) => pairs.len() as u64,
            Refs::U64(pairs) => pairs.len() as u64,
        }
    }

    /// The children of parents; of each in the order of the references, or ascending. An error if `fits` says so.
    pub(super) fn links(&self, parents: Parents<'_>, sorted: bool, fits: Fits<'_>) -> Result<Links> {
        let unique = Unique::of(parents)?;
        let regions = match &self.region {
            Some(source) => Some(regions_of(source, &unique.rows, parents.clip, self.len())?),
            None => None,
        };
        let intervals = match &regions {
            _ if unique.rows.is_empty() || self.len() == 0 => Vec::new(),
            None => vec![(0, self.len())],
            Some(regions) => union(regions)?,
        };
        let job = Job { unique, rows: parents.rows, regions, direction: self.direction, sorted, fits };
        match self.refs {
            Refs::U32(pairs) => job.in_memory(Held::all(pairs, &intervals)),
            Refs::U64(pairs) => job.in_memory(Held::all(pairs, &intervals)),
            Refs::Dataset(dataset) => {
                if intervals.iter().map(|(start, stop)| stop - start).sum::<u64>() > HELD {
                    return job.in_batches(dataset, &intervals);
                }
                let places = places(&intervals);
                match read_pairs(dataset, &intervals)? {
                    Pairs::U32(pairs) => job.in_memory(Held::read(pairs.as_chunks().0, &intervals, &places)),
                    Pairs::U64(pairs) => job.in_memory(Held::read(pairs.as_chunks().0, &intervals, &places)),
                }
            }
        }
    }
}

/// A step with all that is known before its references are looked at.
struct Job<'a> {
    unique: Unique,
    rows: &'a [u64],
    regions: Option<Vec<RefRegion>>,
    direction: (usize, usize),
    sorted: bool,
    fits: Fits<'a>,
}

impl Job<'_> {
    fn search(&self) -> Search<'_> {
        let regions = self.regions.as_deref();
        Search { positions: &self.unique.positions, regions, direction: self.direction }
    }

    fn in_memory<T: Row>(&self, held: Held<'_, T>) -> Result<Links> {
        if let Some(regions) = &self.regions {
            let places = self.unique.places.as_deref();
            let by_parent = ByParent { rows: self.rows, places, regions, direction: self.direction };
            if by_parent.is_cheap(held.len()) {
                return by_parent.links(&held, self.sorted, self.fits);
            }
        }
        let search = self.search();
        if let Positions::All(hull) = self.unique.positions {
            let found = InHull { held, hull, search };
            let links = by_place(&found, self.unique.rows.len(), self.sorted, self.fits)?;
            return self.unique.expand(links, self.fits);
        }
        let mut found = Vec::new();
        search.matches(&held, &mut found)?;
        self.found(&found)
    }

    fn in_batches(&self, dataset: &Dataset, intervals: &[Interval]) -> Result<Links> {
        // A file may say that it has any number of references, and have none.
        (self.fits)(intervals.iter().map(|(start, stop)| stop - start).sum::<u64>() as usize)?;
        let search = self.search();
        let mut found = Vec::new();
        for batch in batches(intervals) {
            let places = places(&batch);
            match read_pairs(dataset, &batch)? {
                Pairs::U32(pairs) => {
                    search.matches(&Held::read(pairs.as_chunks().0, &batch, &places), &mut found)?;
                }
                Pairs::U64(pairs) => {
                    search.matches(&Held::read(pairs.as_chunks().0, &batch, &places), &mut found)?;
                }
            }
            (self.fits)(found.len())?;
        }
        self.found(&found)
    }

    fn found(&self, found: &[[u64; 2]]) -> Result<Links> {
        let links = by_place(&Matches(found), self.unique.rows.len(), self.sorted, self.fits)?;
        self.unique.expand(links, self.fits)
    }
}

/// The parents that are wanted, each once.
struct Unique {
    /// Ascending.
    rows: Vec<u64>,
    positions: Positions,
    /// For each parent its place in `rows`, or `NONE`; nothing if that is the number of the parent itself.
    places: Option<Vec<u32>>,
}

const NONE: u32 = u32::MAX;

impl Unique {
    fn of(parents: Parents<'_>) -> Result<Self> {
        let rows = parents.rows;
        let wanted = |i: usize| parents.mask.is_none_or(|mask| !mask.get(i).copied().unwrap_or(false));
        let mut unique = room("selected rows", rows.len())?;
        unique.extend(rows.iter().enumerate().filter(|(i, _)| wanted(*i)).map(|(_, row)| *row));
        let all = unique.len() == rows.len();
        let ascends = unique.is_sorted_by(|a, b| a < b);
        if !ascends {
            let hull = unique.iter().min().zip(unique.iter().max()).map(|(a, b)| Hull::new(*a, *b));
            match hull.map(|hull| Positions::bits(hull, &unique)).transpose()?.flatten() {
                Some(bits) => {
                    unique.clear();
                    unique.extend(bits.numbers());
                }
                None => {
                    unique.sort_unstable();
                    unique.dedup();
                }
            }
        }
        let positions = Positions::of_sorted(&unique)?;
        let places = if all && ascends {
            None
        } else {
            let mut places = room("selected rows", rows.len())?;
            places.extend(rows.iter().enumerate().map(|(i, row)| {
                wanted(i).then(|| positions.get(*row)).flatten().map_or(NONE, |place| place as u32)
            }));
            Some(places)
        };
        Ok(Unique { rows: unique, positions, places })
    }

    /// The links of all parents out of those of the wanted ones.
    fn expand(&self, links: Links, fits: Fits<'_>) -> Result<Links> {
        let Some(places) = &self.places else { return Ok(links) };
        let span = |place: u32| match links.offsets.get(place as usize..=(place as usize).saturating_add(1)) {
            Some(&[start, stop]) if place != NONE => start..stop,
            _ => 0..0,
        };
        let mut offsets = room("offsets of a result", places.len() + 1)?;
        let mut end = 0usize;
        offsets.push(0);
        for &place in places {
            end = end.saturating_add(span(place).len());
            offsets.push(end);
        }
        fits(end)?;
        let mut children = room("references of a result", end)?;
        for &place in places {
            children.extend_from_slice(links.children.get(span(place)).unwrap_or_default());
        }
        Ok(Links { offsets, children })
    }
}
