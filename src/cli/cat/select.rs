//! The text of `--select`, and reading what it selects block by block.

use super::super::target::usage;
use crate::{Error, ErrorKind, HyperslabDim, Result, Selection};

/// What is selected along one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    start: u64,
    step: u64,
    count: u64,
    /// The dimension stays in the shape; an index drops it.
    kept: bool,
}

/// A selection with a step in each dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slab {
    axes: Vec<Axis>,
}

impl Slab {
    /// Parses `0:10, 3, ::2, ...` for a dataset of this extent, with the rules of numpy: negative positions count
    /// from the end, ranges are cut to the extent, an index drops its dimension, `...` stands for as many `:` as are
    /// missing, which may also be left out at the end.
    ///
    /// # Errors
    /// `Usage` if it is no selection; `Shape` if it does not fit.
    pub(super) fn parse(text: &str, dims: &[u64]) -> Result<Self> {
        let parts: Vec<&str> =
            if text.trim().is_empty() { Vec::new() } else { text.split(',').map(str::trim).collect() };
        let ellipses = parts.iter().filter(|p| **p == "...").count();
        if ellipses > 1 {
            return Err(usage(format!("selection {text:?}: more than one `...`")));
        }
        let given = parts.len() - ellipses;
        let Some(missing) = dims.len().checked_sub(given) else {
            let text = match dims.len() {
                0 => format!("selection {text:?} on a scalar, which has no dimensions"),
                rank => format!("selection {text:?} has {given} dimensions, the dataset {rank}"),
            };
            return Err(Error::new(ErrorKind::Shape(text)));
        };
        let mut axes = Vec::with_capacity(dims.len());
        let whole = |extent: u64| Axis { start: 0, step: 1, count: extent, kept: true };
        for part in parts {
            if part == "..." {
                let range = axes.len()..axes.len() + missing;
                axes.extend(dims.get(range).unwrap_or_default().iter().map(|&d| whole(d)));
            } else if let Some(&extent) = dims.get(axes.len()) {
                axes.push(axis(part, extent)?);
            }
        }
        axes.extend(dims.iter().skip(axes.len()).map(|&d| whole(d)));
        Ok(Slab { axes })
    }

    /// Shape of what is selected.
    pub(super) fn shape(&self) -> Vec<u64> {
        self.axes.iter().filter(|a| a.kept).map(|a| a.count).collect()
    }

    /// Number of elements.
    pub(super) fn len(&self) -> Result<u64> {
        if self.axes.iter().any(|a| a.count == 0) {
            return Ok(0);
        }
        let len = self.axes.iter().try_fold(1u64, |n, a| n.checked_mul(a.count));
        len.ok_or_else(|| Error::new(ErrorKind::Shape("more than 2^64 elements selected".to_owned())))
    }

    /// Selections of at most about `budget` elements, which follow one another in C order and together are this one.
    /// They end at the borders of chunks as far as a row of chunks holds no more than `ceiling` elements.
    pub(super) fn blocks(&self, chunk: Option<&[u64]>, budget: u64, ceiling: u64) -> Blocks<'_> {
        // Everything after dimension `split` is read whole, those before one index at a time.
        let mut inner = 1u64;
        let mut split = self.axes.len();
        while let Some(axis) = split.checked_sub(1).and_then(|s| self.axes.get(s)) {
            split -= 1;
            let wanted = inner.saturating_mul(axis.count);
            if wanted > budget && split > 0 || split == 0 {
                break;
            }
            inner = wanted;
        }
        let mut rows = (budget / inner.max(1)).max(1);
        let mut align = 1;
        if let (Some(axis), Some(&chunk)) = (self.axes.get(split), chunk.and_then(|c| c.get(split))) {
            // Selected positions of one chunk.
            let step = (chunk / axis.step.max(1)).max(1);
            if rows >= step {
                align = step;
                rows -= rows % step;
            } else if step.saturating_mul(inner) <= ceiling {
                align = step;
                rows = step;
            } else {
                // Every block decodes the chunks that it cuts: the fewer blocks, the better.
                rows = (ceiling / inner.max(1)).max(1);
            }
        }
        let exact =
            self.axes.get(split).is_some_and(|a| chunk.is_some_and(|c| c[split] % a.step.max(1) == 0));
        let first = match self.axes.get(split) {
            // The first block ends where a chunk does.
            Some(axis) if exact && align > 1 => rows - (axis.start / axis.step) % align.min(rows),
            _ => rows,
        };
        let done = self.axes.iter().any(|a| a.count == 0);
        Blocks { slab: self, split, rows, first, outer: vec![0; split], at: 0, done }
    }
}

/// Iterator over the parts of a [`Slab`].
pub(super) struct Blocks<'a> {
    slab: &'a Slab,
    split: usize,
    rows: u64,
    first: u64,
    outer: Vec<u64>,
    at: u64,
    done: bool,
}

impl Iterator for Blocks<'_> {
    type Item = Selection;

    fn next(&mut self) -> Option<Selection> {
        if self.done {
            return None;
        }
        let mut dims = Vec::with_capacity(self.slab.axes.len());
        let position = |a: &Axis, i: u64| a.start.saturating_add(i.saturating_mul(a.step));
        for (axis, &i) in self.slab.axes.iter().zip(&self.outer) {
            dims.push(HyperslabDim::range(position(axis, i), 1));
        }
        let mut rest = self.slab.axes.iter().skip(self.split);
        let range = |a: &Axis, from: u64, count: u64| match a.step {
            1 => HyperslabDim::range(a.start.saturating_add(from), count),
            step => HyperslabDim { start: position(a, from), stride: step, count, block: 1 },
        };
        let Some(axis) = rest.next() else {
            self.done = true; // a scalar
            return Some(Selection::All);
        };
        let wanted = if self.at == 0 { self.first } else { self.rows };
        let count = wanted.min(axis.count - self.at);
        dims.push(range(axis, self.at, count));
        dims.extend(rest.map(|a| range(a, 0, a.count)));
        self.at += count;
        if self.at == axis.count {
            self.at = 0;
            self.done = true;
            for (axis, i) in self.slab.axes.iter().zip(&mut self.outer).rev() {
                *i += 1;
                if *i < axis.count {
                    self.done = false;
                    break;
                }
                *i = 0;
            }
        }
        Some(Selection::Hyperslab(dims))
    }
}

fn axis(part: &str, extent: u64) -> Result<Axis> {
    let bad = || usage(format!("selection: {part:?} is not an index, a range `start:end:step` or `...`"));
    let number = |text: &str| text.trim().parse::<i128>().map_err(|_| bad());
    let from_end = |n: i128| if n < 0 { n + i128::from(extent) } else { n };
    let fields: Vec<&str> = part.split(':').collect();
    if let [index] = fields[..] {
        let n = number(index)?;
        let start = u64::try_from(from_end(n)).ok().filter(|&i| i < extent).ok_or_else(|| {
            Error::new(ErrorKind::Shape(format!("selection: index {n} is outside of the extent {extent}")))
        })?;
        return Ok(Axis { start, step: 1, count: 1, kept: false });
    }
    let (start, end, step) = match fields[..] {
        [start, end] => (start, end, ""),
        [start, end, step] => (start, end, step),
        _ => return Err(bad()),
    };
    let clipped = |text: &str, default: u64| -> Result<u64> {
        if text.trim().is_empty() {
            return Ok(default);
        }
        Ok(from_end(number(text)?).clamp(0, i128::from(extent)) as u64)
    };
    let step = if step.trim().is_empty() { 1 } else { number(step)? };
    let step = u64::try_from(step).ok().filter(|&s| s > 0);
    let step = step.ok_or_else(|| usage(format!("selection: the step of {part:?} is not positive")))?;
    let (start, end) = (clipped(start, 0)?, clipped(end, extent)?);
    Ok(Axis { start, step, count: end.saturating_sub(start).div_ceil(step), kept: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str, dims: &[u64]) -> Vec<u64> {
        Slab::parse(text, dims).unwrap().shape()
    }

    #[test]
    fn as_numpy_does() {
        assert_eq!(shape("", &[4, 3]), [4, 3]);
        assert_eq!(shape("0:10, 2", &[4, 3]), [4]);
        assert_eq!(shape("-1", &[4, 3]), [3]);
        assert_eq!(shape("..., 1", &[4, 3, 5]), [4, 3]);
        assert_eq!(shape("1, ..., ::2", &[4, 3, 5]), [3, 3]);
        assert_eq!(shape("3:1", &[4]), [0]);
        assert_eq!(shape("-3:-1", &[4]), [2]);
        assert_eq!(shape("1::3", &[9]), [3]);
        assert_eq!(shape("...", &[]), [0u64; 0]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["x", "1:2:0", "1:2:-1", "1:2:3:4", "...,...", "0,0,0", "4", "-5", ",", "1.5"] {
            assert!(Slab::parse(text, &[4, 4]).is_err(), "{text}");
        }
        assert!(Slab::parse("0", &[]).is_err());
    }

    /// Positions of a selection, in order.
    fn positions(selection: &Selection) -> Vec<Vec<u64>> {
        let Selection::Hyperslab(dims) = selection else { return vec![Vec::new()] };
        let mut out = vec![Vec::new()];
        for dim in dims {
            let mut next = Vec::new();
            for prefix in &out {
                for block in 0..dim.count {
                    for i in 0..dim.block {
                        let mut position = prefix.clone();
                        position.push(dim.start + block * dim.stride + i);
                        next.push(position);
                    }
                }
            }
            out = next;
        }
        out
    }

    #[test]
    fn blocks_are_the_whole_in_order_and_small() {
        let dims = [7, 5, 6];
        for text in ["", "1:6:2", "2", ":, 3", "..., 1::2", "3:3", "1:6, ::3, -2:"] {
            let slab = Slab::parse(text, &dims).unwrap();
            let whole = slab.blocks(None, u64::MAX, u64::MAX).flat_map(|s| positions(&s)).collect::<Vec<_>>();
            assert_eq!(whole.len() as u64, slab.len().unwrap());
            assert!(whole.is_sorted());
            for chunk in [None, Some(&[2, 2, 2][..]), Some(&[3, 5, 6])] {
                for budget in [1, 2, 5, 6, 13, 30, 64, 1000] {
                    let mut parts = Vec::new();
                    for block in slab.blocks(chunk, budget, budget) {
                        let part = positions(&block);
                        assert!(part.len() as u64 <= budget, "{text} {budget}: {}", part.len());
                        parts.extend(part);
                    }
                    assert_eq!(parts, whole, "{text} {budget} {chunk:?}");
                }
            }
        }
    }

    #[test]
    fn blocks_end_where_chunks_do() {
        let slab = Slab::parse("5:", &[100, 10]).unwrap();
        let starts: Vec<u64> = slab.blocks(Some(&[16, 10]), 200, 200).map(|s| positions(&s)[0][0]).collect();
        assert_eq!(starts, [5, 16, 32, 48, 64, 80, 96]);
    }

    #[test]
    fn a_scalar_is_one_block() {
        let slab = Slab::parse("", &[]).unwrap();
        assert_eq!(slab.blocks(None, 10, 10).collect::<Vec<_>>(), [Selection::All]);
    }
}
