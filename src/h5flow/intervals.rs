//! Which references are read, and those that were.

use super::{
    numbers::{room, zeros},
    region::{RefRegion, intervals_of},
};
use crate::{ByteOrder, Dataset, Datatype, DatatypeClass, Error, ErrorKind, Result};

/// References that are read at once, if they are read in batches.
const BATCH: u64 = 1 << 20;
/// Stretches of references that are at most so far apart are read as one.
const GAP: u64 = 32;
/// References that are read together where many regions lie in disorder.
const BLOCK: u64 = 64;

/// Rows `start..stop`.
pub(super) type Interval = (u64, u64);

/// Rows of references that any of the regions has, as intervals that ascend and are apart; perhaps a few more.
pub(super) fn union(regions: &[RefRegion]) -> Result<Vec<Interval>> {
    let all = || regions.iter().filter(|r| !r.is_empty());
    if all().is_sorted_by_key(|r| r.start) {
        return Ok(merged(all().map(|r| (r.start, r.stop))));
    }
    let first = all().map(|r| r.start).min().unwrap_or(0);
    let last = all().map(|r| r.stop).max().unwrap_or(0);
    let blocks = (last - first) / BLOCK + 2;
    if blocks <= regions.len() as u64 * 4 {
        return in_blocks(all(), first, last, blocks as usize);
    }
    let mut sorted = room("regions", regions.len())?;
    sorted.extend(all().map(|r| (r.start, r.stop)));
    sorted.sort_unstable();
    Ok(merged(sorted.into_iter()))
}

/// Of intervals whose starts ascend.
fn merged(intervals: impl Iterator<Item = Interval>) -> Vec<Interval> {
    let mut out: Vec<Interval> = Vec::new();
    for (start, stop) in intervals {
        match out.last_mut() {
            Some(last) if start <= last.1.saturating_add(GAP) => last.1 = last.1.max(stop),
            _ => out.push((start, stop)),
        }
    }
    out
}

/// Whole blocks of references, without sorting the regions, which begin at `first` and end at `last`.
fn in_blocks<'a>(
    regions: impl Iterator<Item = &'a RefRegion>,
    first: u64,
    last: u64,
    blocks: usize,
) -> Result<Vec<Interval>> {
    // How many more regions have a block than have the one before.
    let mut more = zeros::<i64>(blocks)?;
    for region in regions {
        let [from, to] = [region.start, region.stop - 1].map(|row| ((row - first) / BLOCK) as usize);
        if let Some(count) = more.get_mut(from) {
            *count += 1;
        }
        if let Some(count) = more.get_mut(to + 1) {
            *count -= 1;
        }
    }
    let mut regions = 0;
    let taken = more.iter().zip((first..).step_by(BLOCK as usize)).filter_map(|(more, start)| {
        regions += more;
        (regions > 0).then(|| (start, start.saturating_add(BLOCK).min(last)))
    });
    Ok(merged(taken))
}

/// Intervals in batches of bounded length.
pub(super) fn batches(intervals: &[Interval]) -> impl Iterator<Item = Vec<Interval>> {
    let mut rest = intervals.iter().copied();
    let mut open: Option<Interval> = None;
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

/// References in memory, of which these intervals are looked through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a, T> {
    pairs: &'a [[T; 2]],
    intervals: &'a [Interval],
    /// Where in `pairs` each interval is; if nothing is said, they are all references that there are.
    at: Option<&'a [usize]>,
}

impl<'a, T> Held<'a, T> {
    /// All references.
    pub(super) fn all(pairs: &'a [[T; 2]], intervals: &'a [Interval]) -> Self {
        Held { pairs, intervals, at: None }
    }

    /// References of intervals, one after the other; with what [`places`] says of them.
    pub(super) fn read(pairs: &'a [[T; 2]], intervals: &'a [Interval], at: &'a [usize]) -> Self {
        Held { pairs, intervals, at: Some(at) }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.intervals.iter().map(|(start, stop)| stop - start).sum()
    }

    /// Those of an interval, and the row of the first.
    fn interval(&self, index: usize) -> Option<(u64, &'a [[T; 2]])> {
        let (start, stop) = *self.intervals.get(index)?;
        let at = match self.at {
            Some(at) => *at.get(index)?,
            None => usize::try_from(start).ok()?,
        };
        Some((start, self.pairs.get(at..at.checked_add((stop - start) as usize)?)?))
    }

    /// The references of each interval, and the row of the first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &'a [[T; 2]])> {
        (0..self.intervals.len()).filter_map(|i| self.interval(i))
    }

    /// The references of a region, which lies in one of the intervals.
    pub(super) fn region(&self, region: RefRegion) -> &'a [[T; 2]] {
        let index = match self.intervals.len() {
            1 => 0,
            _ => self.intervals.partition_point(|(_, stop)| *stop <= region.start),
        };
        let of = |(start, pairs): (u64, &'a [[T; 2]])| {
            let from = region.start.checked_sub(start)?;
            pairs.get(from as usize..region.stop.checked_sub(start)? as usize)
        };
        if region.is_empty() { &[] } else { self.interval(index).and_then(of).unwrap_or_default() }
    }
}

/// Where each interval begins, when they are one after the other.
pub(super) fn places(intervals: &[Interval]) -> Vec<usize> {
    let next = |at: &mut usize, (start, stop): &Interval| {
        let here = *at;
        *at = at.saturating_add((stop - start) as usize);
        Some(here)
    };
    intervals.iter().scan(0, next).collect()
}

/// References as they were read.
pub(super) enum Pairs {
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// References of intervals, one after the other.
pub(super) fn read_pairs(dataset: &Dataset, intervals: &[Interval]) -> Result<Pairs> {
    let selection = intervals_of(intervals, dataset.shape());
    let datatype = dataset.datatype();
    let signed = matches!(&datatype.class, DatatypeClass::Integer(i) if i.signed);
    if !signed && datatype.size <= 4 {
        let same = Datatype::integer(4, false, ByteOrder::NATIVE);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unions_have_all_regions() {
        let region = |start, stop| RefRegion { start, stop };
        let orders: [Vec<RefRegion>; 5] = [
            vec![],
            vec![region(0, 0), region(5, 9), region(9, 12), region(200, 201)],
            vec![region(200, 201), region(5, 9), region(0, 0)],
            (0..500).map(|i| region((i * 37) % 500 * 20, (i * 37) % 500 * 20 + 3)).collect(),
            (0..50).map(|i| region((i * 37) % 50 * 100_000, (i * 37) % 50 * 100_000 + 3)).collect(),
        ];
        for regions in orders {
            let out = union(&regions).unwrap();
            assert!(out.is_sorted_by(|a, b| a.1 < b.0), "{out:?}");
            let inside = |r: &RefRegion| out.iter().any(|(start, stop)| *start <= r.start && r.stop <= *stop);
            assert!(regions.iter().all(|r| r.is_empty() || inside(r)), "{out:?}");
            let most: u64 = regions.iter().map(|r| r.stop - r.start + 2 * BLOCK).sum();
            assert!(out.iter().map(|(start, stop)| stop - start).sum::<u64>() <= most);
        }
    }
}
