//! From parents to the rows that they refer to.
//!
//! Each stretch of references is read once, however many parents share it, in batches of bounded size. What is kept is
//! one number a reference found.

use super::{
    numbers::{Positions, filled, room},
    region::{RefRegion, intervals_of, regions_of},
    sources::{Refs, Regions},
};
use crate::{ByteOrder, Dataset, DatatypeClass, Error, ErrorKind, Result};

/// References that are read at once.
const BATCH: u64 = 1 << 20;
/// Stretches of references that are at most so far apart are read as one.
const GAP: u64 = 32;
/// References that a thread looks through at once.
#[cfg(feature = "parallel")]
const PIECE: usize = 1 << 15;

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

    /// The children of parents; of each in the order of the references, or ascending.
    pub(super) fn links(&self, parents: Parents<'_>, sorted: bool) -> Result<Links> {
        let unique = Unique::of(parents)?;
        let regions = match &self.region {
            Some(source) => Some(regions_of(source, &unique.rows, parents.clip)?),
            None => None,
        };
        let len = self.len();
        let intervals = match &regions {
            None if unique.rows.is_empty() || len == 0 => Vec::new(),
            None => vec![(0, len)],
            Some(regions) => union(regions, len),
        };
        let search =
            Search { positions: &unique.positions, regions: regions.as_deref(), direction: self.direction };
        let mut found = Vec::new();
        for batch in batches(&intervals) {
            match self.refs {
                Refs::U32(pairs) => each(&batch, pairs, |at, pairs| {
                    search.run(&[(at, pairs.len() as u64)], pairs, &mut found)
                })?,
                Refs::U64(pairs) => each(&batch, pairs, |at, pairs| {
                    search.run(&[(at, pairs.len() as u64)], pairs, &mut found)
                })?,
                Refs::Dataset(dataset) => {
                    let runs: Vec<_> = batch.iter().map(|(start, stop)| (*start, stop - start)).collect();
                    match read_pairs(dataset, &batch)? {
                        Pairs::U32(pairs) => search.run(&runs, pairs_of(&pairs), &mut found)?,
                        Pairs::U64(pairs) => search.run(&runs, pairs_of(&pairs), &mut found)?,
                    }
                }
            }
        }
        let links = group(unique.rows.len(), found, sorted)?;
        unique.expand(links)
    }
}

fn pairs_of<T>(flat: &[T]) -> &[[T; 2]] {
    flat.as_chunks().0
}

fn each<T>(
    batch: &[(u64, u64)],
    pairs: &[[T; 2]],
    mut f: impl FnMut(u64, &[[T; 2]]) -> Result<()>,
) -> Result<()> {
    batch
        .iter()
        .try_for_each(|&(start, stop)| f(start, pairs.get(start as usize..stop as usize).unwrap_or_default()))
}

enum Pairs {
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// References of intervals, one after the other.
fn read_pairs(dataset: &Dataset, intervals: &[(u64, u64)]) -> Result<Pairs> {
    let selection = intervals_of(intervals, dataset.shape());
    let datatype = dataset.datatype();
    let signed = matches!(&datatype.class, DatatypeClass::Integer(i) if i.signed);
    if !signed && datatype.size <= 4 {
        let order = ByteOrder::NATIVE;
        let same = crate::Datatype::integer(4, false, order);
        let read = if *datatype == same {
            dataset.read_slice::<u32>(selection)?
        } else {
            dataset.read_as::<u32>(selection)?
        };
        return Ok(Pairs::U32(read.into_raw_vec_and_offset().0));
    }
    if !signed {
        return Ok(Pairs::U64(dataset.read_as::<u64>(selection)?.into_raw_vec_and_offset().0));
    }
    let read = dataset.read_as::<i64>(selection)?.into_raw_vec_and_offset().0;
    let mut out = room("references", read.len())?;
    for number in read {
        let number = u64::try_from(number);
        out.push(
            number.map_err(|_| Error::new(ErrorKind::Corrupt("a reference to a negative row".to_owned())))?,
        );
    }
    Ok(Pairs::U64(out))
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
            unique.sort_unstable();
            unique.dedup();
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
    fn expand(&self, links: Links) -> Result<Links> {
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
        let mut children = room("references of a result", end)?;
        for &place in places {
            children.extend_from_slice(links.children.get(span(place)).unwrap_or_default());
        }
        Ok(Links { offsets, children })
    }
}

/// Rows of references that any of the regions has, as intervals that ascend and are apart.
fn union(regions: &[RefRegion], len: u64) -> Vec<(u64, u64)> {
    let clipped = |r: &RefRegion| (r.start, r.stop.min(len));
    let mut all: Vec<(u64, u64)> = regions.iter().map(clipped).filter(|(start, stop)| start < stop).collect();
    if !all.is_sorted() {
        all.sort_unstable();
    }
    all.dedup_by(|next, last| {
        let joins = next.0 <= last.1.saturating_add(GAP);
        if joins {
            last.1 = last.1.max(next.1);
        }
        joins
    });
    all
}

/// Intervals in batches of bounded length.
fn batches(intervals: &[(u64, u64)]) -> impl Iterator<Item = Vec<(u64, u64)>> {
    let mut rest = intervals.iter().copied();
    let mut open: Option<(u64, u64)> = None;
    std::iter::from_fn(move || {
        let (mut out, mut left) = (Vec::new(), BATCH);
        while left > 0
            && let Some((start, stop)) = open.take().or_else(|| rest.next())
        {
            let end = stop.min(start.saturating_add(left));
            out.push((start, end));
            left -= end - start;
            open = (end < stop).then_some((end, stop));
        }
        (!out.is_empty()).then_some(out)
    })
}

/// Which references are looked for.
struct Search<'a> {
    positions: &'a Positions,
    regions: Option<&'a [RefRegion]>,
    direction: (usize, usize),
}

/// Place of a parent, and a child.
type Found = (u32, u64);

impl Search<'_> {
    /// Looks through references that are rows `start..start + len` of all, one run after the other.
    fn run<T: Copy + Into<u64> + Sync>(
        &self,
        runs: &[(u64, u64)],
        pairs: &[[T; 2]],
        found: &mut Vec<Found>,
    ) -> Result<()> {
        let mut rest = pairs;
        for &(start, len) in runs {
            let (here, after) = rest.split_at_checked(len as usize).unwrap_or((rest, &[]));
            rest = after;
            #[cfg(feature = "parallel")]
            if here.len() > 2 * PIECE {
                use rayon::prelude::*;
                let pieces: Vec<Result<Vec<Found>>> = here
                    .par_chunks(PIECE)
                    .enumerate()
                    .map(|(i, piece)| {
                        let mut out = Vec::new();
                        self.piece(start + (i * PIECE) as u64, piece, &mut out).map(|()| out)
                    })
                    .collect();
                for piece in pieces {
                    let piece = piece?;
                    reserve(found, piece.len())?;
                    found.extend(piece);
                }
                continue;
            }
            self.piece(start, here, found)?;
        }
        Ok(())
    }

    fn piece<T: Copy + Into<u64>>(&self, start: u64, pairs: &[[T; 2]], found: &mut Vec<Found>) -> Result<()> {
        let flip = self.direction.0 == 1;
        for (part, at) in pairs.chunks(1 << 12).zip((start..).step_by(1 << 12)) {
            reserve(found, part.len())?;
            for (pair, row) in part.iter().zip(at..) {
                let [parent, child] = if flip { [pair[1], pair[0]] } else { *pair };
                let Some(place) = self.positions.get(parent.into()) else { continue };
                if let Some(regions) = self.regions
                    && !regions.get(place).is_some_and(|r| r.start <= row && row < r.stop)
                {
                    continue;
                }
                found.push((place as u32, child.into()));
            }
        }
        Ok(())
    }
}

fn reserve(found: &mut Vec<Found>, more: usize) -> Result<()> {
    found.try_reserve(more).map_err(|_| {
        let wanted = (found.len() as u64 + more as u64).saturating_mul(size_of::<Found>() as u64);
        Error::new(ErrorKind::Limit { what: "references of a result", wanted, allowed: isize::MAX as u64 })
    })
}

/// What was found, by parent.
fn group(parents: usize, found: Vec<Found>, sorted: bool) -> Result<Links> {
    let mut offsets = filled("offsets of a result", parents + 1, 0usize)?;
    for (place, _) in &found {
        if let Some(count) = offsets.get_mut(*place as usize + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for offset in &mut offsets {
        sum += *offset;
        *offset = sum;
    }
    let mut children;
    if found.is_sorted_by_key(|(place, _)| *place) {
        children = room("references of a result", found.len())?;
        children.extend(found.iter().map(|(_, child)| *child));
    } else {
        children = filled("references of a result", found.len(), 0u64)?;
        let mut next = room("offsets of a result", parents)?;
        next.extend_from_slice(&offsets[..parents]);
        for (place, child) in &found {
            if let Some(at) = next.get_mut(*place as usize) {
                if let Some(slot) = children.get_mut(*at) {
                    *slot = *child;
                }
                *at += 1;
            }
        }
    }
    drop(found);
    if sorted {
        sort_each(&offsets, &mut children);
    }
    Ok(Links { offsets, children })
}

/// Sorts the children of each parent.
fn sort_each(offsets: &[usize], children: &mut [u64]) {
    let sort = |offsets: &[usize], children: &mut [u64]| {
        let base = offsets.first().copied().unwrap_or(0);
        for span in offsets.windows(2) {
            if let Some(row) = children.get_mut(span[0] - base..span[1] - base)
                && !row.is_sorted()
            {
                row.sort_unstable();
            }
        }
    };
    #[cfg(feature = "parallel")]
    if children.len() > 2 * PIECE {
        let half = offsets.partition_point(|&o| o < children.len() / 2).min(offsets.len().saturating_sub(1));
        let (left, right) = children.split_at_mut(offsets.get(half).copied().unwrap_or(0));
        rayon::join(|| sort(&offsets[..=half], left), || sort(&offsets[half..], right));
        return;
    }
    sort(offsets, children);
}
