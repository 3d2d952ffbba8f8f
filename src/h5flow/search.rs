//! Finding the children of parents in references that are in memory: first they are counted, then they are put where
//! they belong.

use super::{
    intervals::Held,
    links::Links,
    numbers::{Hull, Positions, filled, room, zeros},
    place::Places,
    region::RefRegion,
};
use crate::{Error, ErrorKind, Result};

/// References, or parents, that a thread looks through at once.
#[cfg(feature = "parallel")]
const PIECE: usize = 1 << 15;

/// A number of a row in a reference.
pub(super) trait Row: Copy + Into<u64> + Send + Sync {}
impl Row for u32 {}
impl Row for u64 {}

/// Says whether so many children may be kept.
pub(super) type Fits<'a> = &'a dyn Fn(usize) -> Result<()>;

/// The parents of a request, whose children are found region by region.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByParent<'a> {
    pub(super) rows: &'a [u64],
    /// For each parent the number of its region, or one that there is not.
    pub(super) places: Option<&'a [u32]>,
    pub(super) regions: &'a [RefRegion],
    /// The columns of parents and of children.
    pub(super) direction: (usize, usize),
}

impl ByParent<'_> {
    fn region(&self, parent: usize) -> RefRegion {
        let place = match self.places {
            Some(places) => places.get(parent).map_or(usize::MAX, |place| *place as usize),
            None => parent,
        };
        self.regions.get(place).copied().unwrap_or_default()
    }

    /// True if the regions of all parents together are little more than these references.
    pub(super) fn is_cheap(&self, references: u64) -> bool {
        let most = references.saturating_mul(2).saturating_add(1024);
        let mut sum = 0u64;
        (0..self.rows.len()).all(|parent| {
            let region = self.region(parent);
            sum = sum.saturating_add(region.stop - region.start);
            sum <= most
        })
    }

    pub(super) fn links<T: Row>(&self, held: &Held<'_, T>, sorted: bool, fits: Fits<'_>) -> Result<Links> {
        let (from, to) = self.direction;
        let is_of = |pair: &&[T; 2], parent: u64| pair[from].into() == parent;
        let mut offsets = filled("offsets of a result", self.rows.len() + 1, 0usize)?;
        each(offsets.get_mut(1..).unwrap_or_default(), &|parent, count| {
            let row = self.rows.get(parent).copied().unwrap_or(u64::MAX);
            *count = held.region(self.region(parent)).iter().filter(|pair| is_of(pair, row)).count();
        });
        let total = add_up(&mut offsets);
        fits(total)?;
        let mut children = zeros::<u64>(total)?;
        Places::Ragged.fill(&offsets, 1, &mut children, &|parent, span, out| {
            let pairs = held.region(self.region(parent));
            if pairs.len() == span.len() {
                out.iter_mut().zip(pairs).for_each(|(out, pair)| *out = pair[to].into());
            } else {
                let row = self.rows.get(parent).copied().unwrap_or(u64::MAX);
                let found = pairs.iter().filter(|pair| is_of(pair, row));
                out.iter_mut().zip(found).for_each(|(out, pair)| *out = pair[to].into());
            }
            sort(out, sorted);
        });
        Ok(Links { offsets, children })
    }
}

/// Where children of many parents come from, in the order of the references.
pub(super) trait Found: Sync {
    /// Calls `f` with the place of the parent, and the child.
    fn scan(&self, f: impl FnMut(usize, u64));
    /// At least as many as there are children.
    fn most(&self) -> usize;
}

/// What is looked for in references.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) positions: &'a Positions,
    pub(super) regions: Option<&'a [RefRegion]>,
    pub(super) direction: (usize, usize),
}

impl Search<'_> {
    fn is_in_region(&self, place: usize, row: u64) -> bool {
        self.regions.is_none_or(|regions| regions.get(place).is_some_and(|r| r.start <= row && row < r.stop))
    }

    /// Adds the place of the parent, and the child, of all references that are looked for.
    pub(super) fn matches<T: Row>(&self, held: &Held<'_, T>, found: &mut Vec<[u64; 2]>) -> Result<()> {
        for (start, pairs) in held.iter() {
            #[cfg(feature = "parallel")]
            if pairs.len() > 2 * PIECE {
                use rayon::prelude::*;
                let piece = |(i, piece): (usize, &[[T; 2]])| {
                    let mut out = Vec::new();
                    self.piece(start + (i * PIECE) as u64, piece, &mut out).map(|()| out)
                };
                let pieces: Vec<Result<_>> = pairs.par_chunks(PIECE).enumerate().map(piece).collect();
                for piece in pieces {
                    let piece = piece?;
                    reserve(found, piece.len())?;
                    found.extend(piece);
                }
                continue;
            }
            self.piece(start, pairs, found)?;
        }
        Ok(())
    }

    fn piece<T: Row>(&self, start: u64, pairs: &[[T; 2]], found: &mut Vec<[u64; 2]>) -> Result<()> {
        let (from, to) = self.direction;
        for (part, at) in pairs.chunks(1 << 12).zip((start..).step_by(1 << 12)) {
            reserve(found, part.len())?;
            for (pair, row) in part.iter().zip(at..) {
                let Some(place) = self.positions.get(pair[from].into()) else { continue };
                if self.is_in_region(place, row) {
                    found.push([place as u64, pair[to].into()]);
                }
            }
        }
        Ok(())
    }
}

fn reserve(found: &mut Vec<[u64; 2]>, more: usize) -> Result<()> {
    found.try_reserve(more).map_err(|_| {
        let wanted = (found.len() as u64 + more as u64).saturating_mul(size_of::<[u64; 2]>() as u64);
        Error::new(ErrorKind::Limit { what: "references of a result", wanted, allowed: isize::MAX as u64 })
    })
}

/// References of which those to all rows of a hull are looked for.
pub(super) struct InHull<'a, T> {
    pub(super) held: Held<'a, T>,
    pub(super) hull: Hull,
    pub(super) search: Search<'a>,
}

impl<T: Row> Found for InHull<'_, T> {
    fn scan(&self, mut f: impl FnMut(usize, u64)) {
        let (from, to) = self.search.direction;
        for (start, pairs) in self.held.iter() {
            for (pair, row) in pairs.iter().zip(start..) {
                let place = pair[from].into().wrapping_sub(self.hull.first);
                if place < self.hull.len && self.search.is_in_region(place as usize, row) {
                    f(place as usize, pair[to].into());
                }
            }
        }
    }
    fn most(&self) -> usize {
        self.held.len() as usize
    }
}

/// What [`Search::matches`] found.
pub(super) struct Matches<'a>(pub(super) &'a [[u64; 2]]);

impl Found for Matches<'_> {
    fn scan(&self, mut f: impl FnMut(usize, u64)) {
        self.0.iter().for_each(|&[place, child]| f(place as usize, child));
    }
    fn most(&self) -> usize {
        self.0.len()
    }
}

/// The children of so many parents. Each thread looks at all that was found, and takes what is of its parents.
pub(super) fn by_place(found: &impl Found, parents: usize, sorted: bool, fits: Fits<'_>) -> Result<Links> {
    let depth = halvings(found.most());
    let mut offsets = filled("offsets of a result", parents + 1, 0usize)?;
    count(found, 0, offsets.get_mut(1..).unwrap_or_default(), depth);
    let total = add_up(&mut offsets);
    fits(total)?;
    let mut children = zeros::<u64>(total)?;
    let mut next = room("offsets of a result", parents)?;
    next.extend_from_slice(offsets.get(..parents).unwrap_or_default());
    put(found, 0, &offsets, &mut next, &mut children, sorted, depth);
    Ok(Links { offsets, children })
}

/// How often the work on so many references is halved.
fn halvings(references: usize) -> u32 {
    #[cfg(feature = "parallel")]
    if references > 2 * PIECE {
        return rayon::current_num_threads().min(4).ilog2();
    }
    let _ = references;
    0
}

fn both(left: impl FnOnce() + Send, right: impl FnOnce() + Send) {
    #[cfg(feature = "parallel")]
    rayon::join(left, right);
    #[cfg(not(feature = "parallel"))]
    (left(), right());
}

/// Counts the children of the parents from `first` on.
fn count(found: &impl Found, first: usize, counts: &mut [usize], depth: u32) {
    if depth > 0 && counts.len() > 1 {
        let middle = counts.len() / 2;
        let (left, right) = counts.split_at_mut(middle);
        both(|| count(found, first, left, depth - 1), || count(found, first + middle, right, depth - 1));
        return;
    }
    found.scan(|place, _| {
        if let Some(count) = counts.get_mut(place.wrapping_sub(first)) {
            *count += 1;
        }
    });
}

/// Puts the children of the parents from `first` on where they belong. `next` and `children` are those of these.
fn put(
    found: &impl Found,
    first: usize,
    offsets: &[usize],
    next: &mut [usize],
    children: &mut [u64],
    sorted: bool,
    depth: u32,
) {
    let base = offsets.first().copied().unwrap_or(0);
    if depth > 0 && next.len() > 1 {
        let middle = next.len() / 2;
        let (next_left, next_right) = next.split_at_mut(middle);
        let (left, right) = children.split_at_mut(offsets.get(middle).map_or(0, |at| at - base));
        let (offsets_left, offsets_right) = (offsets.get(..=middle), offsets.get(middle..));
        both(
            || put(found, first, offsets_left.unwrap_or_default(), next_left, left, sorted, depth - 1),
            || {
                let offsets = offsets_right.unwrap_or_default();
                put(found, first + middle, offsets, next_right, right, sorted, depth - 1);
            },
        );
        return;
    }
    found.scan(|place, child| {
        if let Some(next) = next.get_mut(place.wrapping_sub(first)) {
            if let Some(to) = children.get_mut(*next - base) {
                *to = child;
            }
            *next += 1;
        }
    });
    for span in offsets.windows(2) {
        sort(children.get_mut(span[0] - base..span[1] - base).unwrap_or_default(), sorted);
    }
}

/// Sorts the children of a parent, if that is wanted.
fn sort(children: &mut [u64], sorted: bool) {
    if sorted && !children.is_sorted() {
        children.sort_unstable();
    }
}

/// Counts, the first of which is 0, become offsets; their sum.
fn add_up(counts: &mut [usize]) -> usize {
    let mut sum = 0usize;
    for count in counts {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
    sum
}

/// Calls `f` with the number of each element, and the element.
fn each<T: Send>(elements: &mut [T], f: &(impl Fn(usize, &mut T) + Sync)) {
    #[cfg(feature = "parallel")]
    if elements.len() > PIECE / 4 {
        use rayon::prelude::*;
        return elements.par_iter_mut().with_min_len(PIECE / 16).enumerate().for_each(|(i, e)| f(i, e));
    }
    elements.iter_mut().enumerate().for_each(|(i, e)| f(i, e));
}
