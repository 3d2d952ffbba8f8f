//! Selections become runs: stretches of elements that lie one after the other both where they come from and where
//! they go to.

use super::{HyperslabDim, Selection, UNLIMITED};
use crate::{
    error::{Error, Result},
    limits::try_vec,
    model::dataspace::element_count,
};

/// `len` elements from `source` on (in the dataset, C order) that go to `target` on (in the result).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub source: u64,
    pub target: u64,
    pub len: u64,
}

/// A selection that has been checked against an extent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// Regular in every dimension: the product of its axes.
    Grid(Vec<Axis>),
    /// Anything else; `target`s ascend from 0 without gaps.
    Runs(Vec<Run>),
}

/// One dimension of a regular selection: `count` blocks, `stride` apart. Finite, within the extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub start: u64,
    pub stride: u64,
    pub count: u64,
    pub block: u64,
}

/// Part of an axis: `len` neighbours from `source` on, that go to `target` on along this axis of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub source: u64,
    pub target: u64,
    pub len: u64,
}

impl Axis {
    pub(crate) fn range(start: u64, len: u64) -> Self {
        Axis { start, stride: len.max(1), count: 1, block: len }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> u64 {
        self.count * self.block
    }

    /// Number of selected elements below a position.
    fn count_below(&self, position: u64) -> u64 {
        let Some(distance) = position.checked_sub(self.start) else { return 0 };
        let (blocks, rest) = (distance / self.stride, distance % self.stride);
        if blocks >= self.count { self.len() } else { blocks * self.block + rest.min(self.block) }
    }

    /// First element and the one behind the last.
    pub(crate) fn bounds(&self) -> (u64, u64) {
        match self.count {
            0 => (self.start, self.start),
            n => (self.start, self.start + (n - 1) * self.stride + self.block),
        }
    }
}

/// The selected elements of one dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pieces<'a> {
    /// Those of an axis in `low..high`; sources count from `low`.
    Window { axis: Axis, low: u64, high: u64 },
    /// These.
    List(&'a [Segment]),
}

impl<'a> Pieces<'a> {
    /// Those of an axis in the chunk at this chunk coordinate.
    pub(crate) fn of_chunk(axis: Axis, place: u64, chunk: u64) -> Self {
        let low = place * chunk;
        Pieces::Window { axis, low, high: low.saturating_add(chunk) }
    }

    pub(crate) fn segments(self) -> Segments<'a> {
        match self {
            Pieces::List(list) => Segments::List(list.iter()),
            Pieces::Window { axis, low, high } => {
                // The first block that ends behind `low`.
                let first_end = axis.start.saturating_add(axis.block);
                let next = if low < first_end { 0 } else { (low - first_end) / axis.stride + 1 };
                Segments::Window { axis, next, low, high }
            }
        }
    }

    /// Number of elements.
    pub(crate) fn len(self) -> u64 {
        match self {
            Pieces::List(list) => list.iter().map(|s| s.len).sum(),
            Pieces::Window { axis, low, high } => axis.count_below(high) - axis.count_below(low),
        }
    }

    /// The only segment, if there is one only.
    pub(crate) fn single(self) -> Option<Segment> {
        let mut segments = self.segments();
        segments.next().filter(|_| segments.next().is_none())
    }
}

/// The segments of [`Pieces`], in order.
#[derive(Clone, Debug)]
pub(crate) enum Segments<'a> {
    Window { axis: Axis, next: u64, low: u64, high: u64 },
    List(std::slice::Iter<'a, Segment>),
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        match self {
            Segments::List(list) => list.next().copied(),
            Segments::Window { axis, next, low, high } => {
                if *next >= axis.count {
                    return None;
                }
                let i = *next;
                let start = axis.start + i * axis.stride;
                if start >= *high {
                    return None;
                }
                *next += 1;
                let from = start.max(*low);
                let to = (start + axis.block).min(*high);
                let len = to.saturating_sub(from);
                Some(Segment { source: from - *low, target: i * axis.block + (from - start), len })
            }
        }
    }
}

impl HyperslabDim {
    /// `count` elements from `start` on.
    pub fn range(start: u64, count: u64) -> Self {
        HyperslabDim { start, stride: 1, count, block: 1 }
    }

    /// Checks against an extent, makes it finite, and joins blocks that touch.
    fn resolve(&self, extent: u64) -> Result<Axis> {
        let out_of_range = || {
            Error::shape(format!(
                "start {}, stride {}, count {}, block {} do not fit in the extent {extent}",
                self.start, self.stride, self.count, self.block
            ))
        };
        if self.count == 0 || self.block == 0 {
            return Ok(Axis::range(0, 0));
        }
        if self.stride == 0 && self.count != 1 {
            return Err(Error::shape("stride of 0"));
        }
        let left = extent.saturating_sub(self.start);
        if self.block == UNLIMITED {
            return Ok(Axis::range(self.start.min(extent), left));
        }
        let stride = self.stride.max(1);
        let count = match self.count {
            // As many blocks as start within the extent; the last one may be cut, which needs the general form.
            UNLIMITED if left >= self.block => (left - self.block) / stride + 1,
            UNLIMITED => 0,
            n => n,
        };
        if count == 0 {
            return Ok(Axis::range(0, 0));
        }
        let end = (count - 1)
            .checked_mul(stride)
            .and_then(|n| n.checked_add(self.block)?.checked_add(self.start))
            .ok_or_else(out_of_range)?;
        if end > extent {
            return Err(out_of_range());
        }
        if count > 1 && stride < self.block {
            return Err(Error::shape(format!("blocks of {} overlap at stride {stride}", self.block)));
        }
        if stride == self.block || count == 1 {
            return Ok(Axis::range(self.start, count * self.block));
        }
        Ok(Axis { start: self.start, stride, count, block: self.block })
    }
}

impl Selection {
    /// Checks against the extent of a dataset.
    pub(crate) fn resolve(&self, dims: &[u64]) -> Result<Resolved> {
        let rank_is = |rank: usize| {
            if rank == dims.len() {
                Ok(())
            } else {
                Err(Error::shape(format!("a selection of rank {rank} on a dataset of rank {}", dims.len())))
            }
        };
        match self {
            Selection::All => Ok(Resolved::Grid(dims.iter().map(|&d| Axis::range(0, d)).collect())),
            Selection::None => Ok(Resolved::Runs(Vec::new())),
            Selection::Hyperslab(slab) => {
                rank_is(slab.len())?;
                slab.iter().zip(dims).map(|(s, &d)| s.resolve(d)).collect::<Result<_>>().map(Resolved::Grid)
            }
            Selection::Points(points) => {
                rank_is(points.rank)?;
                let n = points.coordinates.len() / points.rank.max(1);
                let mut runs: Vec<Run> = try_vec("points of a selection", n as u64)?;
                for (i, p) in points.coordinates.chunks_exact(points.rank.max(1)).enumerate() {
                    let source = linear_index(p, dims)?;
                    match runs.last_mut() {
                        Some(last) if last.source + last.len == source => last.len += 1,
                        _ => runs.push(Run { source, target: i as u64, len: 1 }),
                    }
                }
                Ok(Resolved::Runs(runs))
            }
            Selection::Blocks(blocks) => {
                rank_is(blocks.rank)?;
                if blocks.rank == 0 {
                    return Err(Error::shape("blocks of rank 0"));
                }
                blocks.resolve(dims).map(Resolved::Runs)
            }
        }
    }

    /// The selected elements as (first, count) of C-order indexes within an array of these extents, in the order of
    /// the selection.
    ///
    /// # Errors
    /// `Shape` if the selection does not fit in `dims`; `Limit` if there are more than 16 million.
    pub fn linear_runs(&self, dims: &[u64]) -> Result<Vec<(u64, u64)>> {
        let mut out = Vec::new();
        self.resolve(dims)?.for_each_run(dims, &mut |run| match out.len() {
            MAX_LISTED.. => Err(Error::limit("runs of a selection", out.len() as u64 + 1, MAX_LISTED as u64)),
            _ => push_within(&mut out, (run.source, run.len)),
        })?;
        Ok(out)
    }

    /// Shape of what is selected: that of the hyperslab, or one dimension for points and unions of blocks.
    ///
    /// # Errors
    /// `Shape` if the selection does not fit in `dims`.
    pub fn shape(&self, dims: &[u64]) -> Result<Vec<u64>> {
        self.resolve(dims)?.shape()
    }
}

impl super::Blocks {
    /// Rows of all blocks in C order, each element once.
    fn resolve(&self, dims: &[u64]) -> Result<Vec<Run>> {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        for corners in self.corners.chunks_exact(2 * self.rank.max(1)) {
            let (first, last) = corners.split_at(self.rank);
            let mut axes = Vec::with_capacity(self.rank);
            for ((&a, &b), &extent) in first.iter().zip(last).zip(dims) {
                if a > b || b >= extent {
                    return Err(Error::shape(format!(
                        "block {first:?} to {last:?} does not fit in {dims:?}"
                    )));
                }
                axes.push(Axis::range(a, b - a + 1));
            }
            Resolved::Grid(axes)
                .for_each_run(dims, &mut |run| push_within(&mut rows, (run.source, run.len)))?;
        }
        rows.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for (source, len) in rows {
            match runs.last_mut() {
                Some(last) if last.source + last.len >= source => {
                    last.len = last.len.max(source + len - last.source);
                }
                _ => runs.push(Run { source, target: 0, len }),
            }
        }
        let mut target = 0;
        for run in &mut runs {
            run.target = target;
            target += run.len;
        }
        Ok(runs)
    }
}

impl Resolved {
    /// Shape of what is selected: that of a grid, or one dimension.
    pub(crate) fn shape(&self) -> Result<Vec<u64>> {
        match self {
            Resolved::Grid(axes) => Ok(axes.iter().map(Axis::len).collect()),
            Resolved::Runs(_) => Ok(vec![self.len()?]),
        }
    }

    /// Number of elements.
    pub(crate) fn len(&self) -> Result<u64> {
        match self {
            Resolved::Grid(axes) => match axes.iter().try_fold(1u64, |n, a| n.checked_mul(a.len())) {
                Some(len) => Ok(len),
                None => element_count(&self.shape()?),
            },
            Resolved::Runs(runs) => Ok(runs.last().map_or(0, |r| r.target + r.len)),
        }
    }

    /// Calls `f` for each run, in the order of the result. Targets are positions in the selection's own C order.
    pub(crate) fn for_each_run(&self, dims: &[u64], f: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        match self {
            Resolved::Runs(runs) => runs.iter().try_for_each(|&r| f(r)),
            Resolved::Grid(axes) => {
                let shape: Vec<u64> = axes.iter().map(Axis::len).collect();
                if shape.contains(&0) {
                    return Ok(());
                }
                let whole = |(&axis, &high): (&Axis, &u64)| Pieces::Window { axis, low: 0, high };
                let pieces: Vec<Pieces<'_>> = axes.iter().zip(dims).map(whole).collect();
                for_each_run(&pieces, dims, &shape, f)
            }
        }
    }

    /// The first element in C order, 0 if there is none.
    pub(crate) fn first(&self, dims: &[u64]) -> u64 {
        match self {
            Resolved::Grid(axes) => {
                axes.iter().zip(dims).fold(0, |n, (a, d)| n.saturating_mul(*d).saturating_add(a.start))
            }
            Resolved::Runs(runs) => runs.first().map_or(0, |run| run.source),
        }
    }

    /// The runs, in the order of the result.
    pub(crate) fn runs(&self, dims: &[u64]) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        self.for_each_run(dims, &mut |run| push_within(&mut runs, run))?;
        Ok(runs)
    }
}

/// Runs of a selection that are listed at most.
pub(crate) const MAX_RUNS: usize = 1 << 26;
/// Runs that are listed at most for a user.
const MAX_LISTED: usize = 1 << 24;

/// Adds to a list of runs (or the like), which is bounded.
pub(crate) fn push_within<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    let full = list.len() >= MAX_RUNS;
    if full || (list.len() == list.capacity() && list.try_reserve(list.len().max(64)).is_err()) {
        return Err(Error::limit("runs of a selection", list.len() as u64 + 1, MAX_RUNS as u64));
    }
    list.push(item);
    Ok(())
}

/// C-order index of a point, checked against the extent.
pub(crate) fn linear_index(point: &[u64], dims: &[u64]) -> Result<u64> {
    let mut index = 0u64;
    for (&p, &d) in point.iter().zip(dims) {
        if p >= d {
            return Err(Error::shape(format!("point {point:?} lies outside {dims:?}")));
        }
        index = index
            .checked_mul(d)
            .and_then(|i| i.checked_add(p))
            .ok_or_else(|| Error::shape("index exceeds 64 bits"))?;
    }
    Ok(index)
}

/// The runs of a product of pieces, between an array of shape `source_dims` and one of shape `target_dims`; runs
/// that continue in both are joined.
pub(crate) fn for_each_run(
    pieces: &[Pieces<'_>],
    source_dims: &[u64],
    target_dims: &[u64],
    f: &mut dyn FnMut(Run) -> Result<()>,
) -> Result<()> {
    let mut inner = 1u64;
    let mut rank = pieces.len();
    // Trailing dimensions that are whole on both sides are one stretch.
    while rank > 0 {
        match pieces[rank - 1].single() {
            Some(s) if s.len == source_dims[rank - 1] && s.len == target_dims[rank - 1] => {
                inner *= s.len;
                rank -= 1;
            }
            _ => break,
        }
    }
    if rank == 0 {
        return f(Run { source: 0, target: 0, len: inner });
    }
    let walk = Walk { pieces: &pieces[..rank], source_dims, target_dims, inner };
    let mut strides = [(0u64, 0u64); 32];
    let (mut source, mut target) = (inner, inner);
    for d in (0..rank).rev() {
        strides[d] = (source, target);
        source = source.saturating_mul(walk.source_dims[d]);
        target = target.saturating_mul(walk.target_dims[d]);
    }
    walk.dimension(0, &strides, 0, 0, f)
}

struct Walk<'a> {
    pieces: &'a [Pieces<'a>],
    source_dims: &'a [u64],
    target_dims: &'a [u64],
    inner: u64,
}

impl Walk<'_> {
    fn dimension(
        &self,
        d: usize,
        strides: &[(u64, u64); 32],
        source: u64,
        target: u64,
        f: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let (s, t) = strides[d];
        if d + 1 == self.pieces.len() {
            for seg in self.pieces[d].segments() {
                f(Run {
                    source: source + seg.source * s,
                    target: target + seg.target * t,
                    len: seg.len * self.inner,
                })?;
            }
            return Ok(());
        }
        for seg in self.pieces[d].segments() {
            for i in 0..seg.len {
                self.dimension(
                    d + 1,
                    strides,
                    source + (seg.source + i) * s,
                    target + (seg.target + i) * t,
                    f,
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blocks, Points};
    use super::*;

    fn elements(selection: &Selection, dims: &[u64]) -> Vec<u64> {
        let mut out = Vec::new();
        for run in selection.resolve(dims).unwrap().runs(dims).unwrap() {
            assert_eq!(run.target, out.len() as u64);
            out.extend(run.source..run.source + run.len);
        }
        out
    }

    fn slab(dims: &[(u64, u64, u64, u64)]) -> Selection {
        Selection::Hyperslab(
            dims.iter()
                .map(|&(start, stride, count, block)| HyperslabDim { start, stride, count, block })
                .collect(),
        )
    }

    #[test]
    fn hyperslabs_in_c_order() {
        assert_eq!(elements(&Selection::All, &[2, 3]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(elements(&Selection::All, &[]), [0]);
        assert_eq!(elements(&slab(&[(1, 1, 2, 1), (0, 2, 2, 1)]), &[3, 4]), [4, 6, 8, 10]);
        assert_eq!(elements(&slab(&[(1, 4, 2, 2)]), &[8]), [1, 2, 5, 6]);
        assert_eq!(elements(&slab(&[(1, 3, UNLIMITED, 2)]), &[9]), [1, 2, 4, 5, 7, 8]);
        assert_eq!(elements(&slab(&[(2, 1, 1, UNLIMITED)]), &[5]), [2, 3, 4]);
        assert_eq!(elements(&slab(&[(0, 1, 0, 1)]), &[5]), [0u64; 0]);
    }

    #[test]
    fn whole_rows_are_one_run() {
        let s = slab(&[(1, 1, 2, 1), (0, 1, 3, 1)]);
        assert_eq!(
            s.resolve(&[4, 3]).unwrap().runs(&[4, 3]).unwrap(),
            [Run { source: 3, target: 0, len: 6 }]
        );
    }

    #[test]
    fn unions_are_sorted_and_each_element_is_once() {
        let union = Selection::Blocks(Blocks { rank: 2, corners: vec![1, 1, 2, 2, 0, 0, 1, 1] });
        assert_eq!(elements(&union, &[3, 3]), [0, 1, 3, 4, 5, 7, 8]);
        assert_eq!(union.shape(&[3, 3]).unwrap(), [7]);
    }

    #[test]
    fn points_keep_their_order() {
        let p = Selection::Points(Points { rank: 2, coordinates: vec![2, 2, 0, 1, 0, 2] });
        assert_eq!(elements(&p, &[3, 3]), [8, 1, 2]);
    }

    #[test]
    fn what_does_not_fit_is_a_shape_error() {
        for s in [
            slab(&[(0, 1, 6, 1)]),
            slab(&[(u64::MAX, 1, 2, 1)]),
            slab(&[(0, u64::MAX, 3, 1)]),
            slab(&[(0, 1, 2, 2)]),
            slab(&[(0, 1, 1, 1), (0, 1, 1, 1)]),
            Selection::Points(Points { rank: 1, coordinates: vec![5] }),
            Selection::Blocks(Blocks { rank: 1, corners: vec![3, 5] }),
        ] {
            let e = s.resolve(&[5]).unwrap_err();
            assert!(matches!(e.kind(), crate::ErrorKind::Shape(_)), "{s:?}: {e}");
        }
    }

    #[test]
    fn segments_of_a_window() {
        let axis = Axis { start: 1, stride: 4, count: 3, block: 2 };
        let seg = |source, target, len| Segment { source, target, len };
        let pieces = |low, high| Pieces::Window { axis, low, high };
        let segments = |low, high| pieces(low, high).segments().collect::<Vec<_>>();
        assert_eq!(segments(2, 6), [seg(0, 1, 1), seg(3, 2, 1)]);
        assert!(segments(3, 5).is_empty());
        assert_eq!(segments(9, 100), [seg(0, 4, 2)]);
        assert_eq!(pieces(9, 100).single(), Some(seg(0, 4, 2)));
        for (low, high) in [(0, 20), (2, 6), (3, 5), (2, 10), (9, 100), (12, 20)] {
            assert_eq!(pieces(low, high).len(), segments(low, high).iter().map(|s| s.len).sum::<u64>());
        }
        assert_eq!(axis.bounds(), (1, 11));
    }
}
