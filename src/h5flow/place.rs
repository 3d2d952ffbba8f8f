//! Values into their places in a result: those of one parent lie side by side.

use std::ops::Range;

use super::numbers::{filled, room};
use crate::Result;

/// Values that a thread places at once.
#[cfg(feature = "parallel")]
const PIECE: usize = 1 << 14;

/// Where the children of each parent of the last step begin in a result, counted in values.
#[derive(Debug)]
pub(super) enum Places {
    /// One parent after the other.
    Ragged,
    /// Parent `i` begins at `i * width`.
    Rows { width: usize },
    /// Parent `i` is in the row `rows[i]`, which begins at `rows[i] * width`. They ascend.
    Chosen { rows: Vec<usize>, width: usize },
}

impl Places {
    fn first(&self, parent: usize, offsets: &[usize]) -> usize {
        match self {
            Places::Ragged => offsets.get(parent).copied().unwrap_or(0),
            Places::Rows { width } => parent * width,
            Places::Chosen { rows, width } => rows.get(parent).copied().unwrap_or(0) * width,
        }
    }

    /// The places of the children.
    pub(super) fn of_children(&self, offsets: &[usize]) -> Result<Vec<usize>> {
        let mut out = room("cells of a result", offsets.last().copied().unwrap_or(0))?;
        for (parent, span) in offsets.windows(2).enumerate() {
            let first = self.first(parent, offsets);
            out.extend((0..span[1] - span[0]).map(|i| first + i));
        }
        Ok(out)
    }

    /// True where nothing is placed.
    pub(super) fn mask(&self, offsets: &[usize], total: usize) -> Result<Vec<bool>> {
        let mut mask = filled("mask of a result", total, true)?;
        self.fill(offsets, 1, &mut mask, &|_, _, cells| cells.fill(false));
        Ok(mask)
    }

    /// Calls `f` for the children of every parent: with its number, their range among all, and the part of `out` where
    /// they go. A value is `size` elements.
    pub(super) fn fill<E: Send>(
        &self,
        offsets: &[usize],
        size: usize,
        out: &mut [E],
        f: &(impl Fn(usize, Range<usize>, &mut [E]) + Sync),
    ) {
        Filling { places: self, offsets, size }.run(0..offsets.len().saturating_sub(1), 0, out, f);
    }
}

struct Filling<'a> {
    places: &'a Places,
    offsets: &'a [usize],
    size: usize,
}

impl Filling<'_> {
    fn span(&self, parent: usize) -> Range<usize> {
        match self.offsets.get(parent..parent + 2) {
            Some(&[start, stop]) => start..stop,
            _ => 0..0,
        }
    }

    /// `out` begins with the place `base`.
    fn run<E: Send>(
        &self,
        parents: Range<usize>,
        base: usize,
        out: &mut [E],
        f: &(impl Fn(usize, Range<usize>, &mut [E]) + Sync),
    ) {
        #[cfg(feature = "parallel")]
        if parents.len() > 1 && self.span(parents.end - 1).end - self.span(parents.start).start > 2 * PIECE {
            let middle = parents.start + parents.len() / 2;
            let split = self.places.first(middle, self.offsets);
            let at = (split - base).saturating_mul(self.size).min(out.len());
            let (left, right) = out.split_at_mut(at);
            rayon::join(
                || self.run(parents.start..middle, base, left, f),
                || self.run(middle..parents.end, split, right, f),
            );
            return;
        }
        for parent in parents {
            let span = self.span(parent);
            let start = (self.places.first(parent, self.offsets) - base).saturating_mul(self.size);
            let end = start.saturating_add(span.len().saturating_mul(self.size));
            if let Some(to) = out.get_mut(start..end)
                && !to.is_empty()
            {
                f(parent, span, to);
            }
        }
    }
}
