//! The text of a selection, with numpy's rules, and the blocks in which it is read.

use super::error::{Error, Result};
use crate::{HyperslabDim, Selection};

/// What is selected along one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceMember {
    /// One position, which drops the dimension; negative ones count from the end.
    Index(i128),
    /// A range, cut to the extent; the step is 1 or more.
    Slice {
        /// First position.
        start: Option<i128>,
        /// Position behind the last.
        stop: Option<i128>,
        /// Distance of two positions.
        step: Option<i128>,
    },
}

/// Parses `5`, `1, 2:5` or `0:10:5, 2, 3:`.
///
/// ```
/// use h5::h5grove::{SliceMember, parse_slice};
/// # fn main() -> h5::h5grove::Result<()> {
/// assert_eq!(parse_slice("5")?, [SliceMember::Index(5)]);
/// assert_eq!(
///     parse_slice("1, 2:5")?,
///     [SliceMember::Index(1), SliceMember::Slice { start: Some(2), stop: Some(5), step: None }]
/// );
/// # Ok(()) }
/// ```
///
/// # Errors
/// `QueryArgumentError` if the text is no selection.
pub fn parse_slice(text: &str) -> Result<Vec<SliceMember>> {
    text.split(',').map(member).collect()
}

fn member(text: &str) -> Result<SliceMember> {
    let bad = || Error::query(format!("{text} is not a valid slice"));
    let fields: Vec<&str> = text.split(':').collect();
    let optional = |field: &str| match field.trim() {
        "" => Ok(None),
        field => integer(field).map(Some).ok_or_else(bad),
    };
    match fields[..] {
        [index] => integer(index).map(SliceMember::Index).ok_or_else(bad),
        [start, stop] => {
            Ok(SliceMember::Slice { start: optional(start)?, stop: optional(stop)?, step: None })
        }
        [start, stop, step] => {
            Ok(SliceMember::Slice { start: optional(start)?, stop: optional(stop)?, step: optional(step)? })
        }
        _ => Err(bad()),
    }
}

/// An integer as Python reads it: blanks around it, a sign, single underscores between digits. What 128 bits do not
/// hold lies beyond every extent, and is cut.
fn integer(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let valid = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !valid {
        return None;
    }
    let magnitude = digits
        .bytes()
        .filter(|b| *b != b'_')
        .fold(0i128, |n, b| n.saturating_mul(10).saturating_add(i128::from(b - b'0')));
    // Room for an extent to be added.
    let magnitude = magnitude.min(i128::MAX >> 1);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    start: u64,
    step: u64,
    count: u64,
    /// The dimension stays in the shape.
    kept: bool,
}

/// A selection with a step in each dimension of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slab {
    axes: Vec<Axis>,
}

impl Slab {
    /// All of a dataset of this extent.
    pub(super) fn whole(dims: &[u64]) -> Self {
        Slab { axes: dims.iter().map(|&count| Axis { start: 0, step: 1, count, kept: true }).collect() }
    }

    /// The selection of this text.
    pub(super) fn parse(text: &str, dims: &[u64]) -> Result<Self> {
        let members = parse_slice(text)?;
        if members.len() > dims.len() {
            return Err(Error::query(format!(
                "{text} has too many members to slice a {}D dataset",
                dims.len()
            )));
        }
        let mut slab = Slab::whole(dims);
        for (axis, member) in slab.axes.iter_mut().zip(members) {
            *axis = Slab::axis(member, axis.count)?;
        }
        Ok(slab)
    }

    fn axis(member: SliceMember, extent: u64) -> Result<Axis> {
        let wide = i128::from(extent);
        let from_end = |n: i128| if n < 0 { n + wide } else { n };
        match member {
            SliceMember::Index(n) => {
                let start = u64::try_from(from_end(n)).ok().filter(|&i| i < extent);
                let start = start.ok_or_else(|| {
                    Error::query(format!("Index {n} is out of range for an extent of {extent}"))
                })?;
                Ok(Axis { start, step: 1, count: 1, kept: false })
            }
            SliceMember::Slice { start, stop, step } => {
                let step = step.unwrap_or(1);
                if step < 1 {
                    return Err(Error::query(format!("Step must be >= 1 (got {step})")));
                }
                let cut = |n: i128| from_end(n).clamp(0, wide) as u64;
                let (start, stop) = (start.map_or(0, cut), stop.map_or(extent, cut));
                let step = u64::try_from(step).unwrap_or(u64::MAX);
                Ok(Axis { start, step, count: stop.saturating_sub(start).div_ceil(step), kept: true })
            }
        }
    }

    /// Shape of what is selected.
    pub(super) fn shape(&self) -> Vec<u64> {
        self.axes.iter().filter(|a| a.kept).map(|a| a.count).collect()
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
            if wanted > budget || split == 0 {
                break;
            }
            inner = wanted;
        }
        let mut rows = (budget / inner.max(1)).max(1);
        let (mut first, mut cuts) = (rows, false);
        if let (Some(axis), Some(&chunk)) = (self.axes.get(split), chunk.and_then(|c| c.get(split))) {
            // Selected positions of one chunk.
            let step = (chunk / axis.step.max(1)).max(1);
            let aligned = if rows >= step {
                rows -= rows % step;
                true
            } else if step.saturating_mul(inner) <= ceiling {
                rows = step;
                true
            } else {
                // Every block decodes the chunks that it cuts: the fewer blocks, the better.
                rows = (ceiling / inner.max(1)).max(1);
                false
            };
            // The first block ends where a chunk does.
            let exact = chunk % axis.step.max(1) == 0;
            let full = aligned && exact && axis.start % axis.step.max(1) == 0;
            first = if full { rows - (axis.start / axis.step.max(1)) % step } else { rows };
            cuts = !full;
        }
        let done = self.axes.iter().any(|a| a.count == 0);
        Blocks { slab: self, split, rows, first, cuts, inner, outer: vec![0; split], at: 0, done }
    }

    /// Chunks that the blocks decode, each as often as they do.
    pub(super) fn decoded_chunks(&self, chunk: &[u64], budget: u64, ceiling: u64) -> u64 {
        let blocks = self.blocks(Some(chunk), budget, ceiling);
        if blocks.done {
            return 0;
        }
        let touched = |a: &Axis, chunk: u64, count: u64| -> u64 {
            let span = count.saturating_sub(1).saturating_mul(a.step);
            // One more where the first position does not begin a chunk.
            let chunks = ((a.start % chunk.max(1)).saturating_add(span) / chunk.max(1)).saturating_add(1);
            chunks.min(count)
        };
        let mut product = 1u64;
        for (d, (axis, &chunk)) in self.axes.iter().zip(chunk).enumerate() {
            let factor = if d < blocks.split {
                axis.count
            } else if d == blocks.split {
                // A block that ends within a chunk leaves it to be decoded once more.
                let cuts = (axis.count / blocks.rows.max(1)) * u64::from(blocks.cuts);
                touched(axis, chunk, axis.count).saturating_add(cuts)
            } else {
                touched(axis, chunk, axis.count)
            };
            product = product.saturating_mul(factor.max(1));
        }
        product
    }
}

/// Iterator over the parts of a [`Slab`]: selections, and how many elements they have.
pub(super) struct Blocks<'a> {
    slab: &'a Slab,
    split: usize,
    rows: u64,
    first: u64,
    /// Blocks may end within a chunk.
    cuts: bool,
    inner: u64,
    outer: Vec<u64>,
    at: u64,
    done: bool,
}

impl Iterator for Blocks<'_> {
    type Item = (Selection, u64);

    fn next(&mut self) -> Option<(Selection, u64)> {
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
            return Some((Selection::All, 1));
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
        Some((Selection::Hyperslab(dims), count.saturating_mul(self.inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str, dims: &[u64]) -> Vec<u64> {
        Slab::parse(text, dims).unwrap().shape()
    }

    #[test]
    fn as_numpy_does() {
        assert_eq!(shape("0:10, 2", &[4, 3]), [4]);
        assert_eq!(shape("-1", &[4, 3]), [3]);
        assert_eq!(shape("1:", &[4, 3]), [3, 3]);
        assert_eq!(shape("3:1", &[4]), [0]);
        assert_eq!(shape("-3:-1", &[4]), [2]);
        assert_eq!(shape("1::3", &[9]), [3]);
        assert_eq!(shape("::100000000000000000000000000000000000000000000", &[9]), [1]);
        assert_eq!(shape(" 1_0 : +20 ", &[100]), [10]);
        assert_eq!(shape(":-99999999999999999999999999999999999999999999999", &[9]), [0]);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", "x", "1:2:0", "1:2:-1", "1:2:3:4", "...", "0,0,0", "4", "-5", ",", "1.5", "1__0", "_1", "- 1",
        ] {
            assert!(Slab::parse(text, &[4, 4]).is_err(), "{text}");
        }
        assert!(Slab::parse("0", &[]).is_err());
        assert!(Slab::parse("0", &[0]).is_err());
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
        for text in [":", "1:6:2", "2", ":, 3", ":,:, 1::2", "3:3", "1:6, ::3, -2:"] {
            let slab = Slab::parse(text, &dims).unwrap();
            let whole: Vec<_> =
                slab.blocks(None, u64::MAX, u64::MAX).flat_map(|(s, _)| positions(&s)).collect();
            assert_eq!(whole.len() as u64, slab.axes.iter().map(|a| a.count).product::<u64>());
            assert!(whole.is_sorted());
            for chunk in [None, Some(&[2, 2, 2][..]), Some(&[3, 5, 6])] {
                for budget in [1, 2, 5, 6, 13, 30, 64, 1000] {
                    let mut parts = Vec::new();
                    let mut chunks = 0;
                    for (block, count) in slab.blocks(chunk, budget, budget) {
                        let part = positions(&block);
                        assert!(part.len() as u64 <= budget, "{text} {budget}: {}", part.len());
                        assert_eq!(part.len() as u64, count, "{text} {budget} {chunk:?}");
                        if let Some(chunk) = chunk {
                            let mut touched: Vec<Vec<u64>> = part
                                .iter()
                                .map(|p| p.iter().zip(chunk).map(|(p, c)| p / c).collect())
                                .collect();
                            touched.sort();
                            touched.dedup();
                            chunks += touched.len() as u64;
                        }
                        parts.extend(part);
                    }
                    assert_eq!(parts, whole, "{text} {budget} {chunk:?}");
                    if let Some(chunk) = chunk {
                        let bound = slab.decoded_chunks(chunk, budget, budget);
                        assert!(
                            bound <= chunks * 3 && bound >= chunks,
                            "{text} {budget} {chunk:?}: {bound} {chunks}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn blocks_end_where_chunks_do() {
        let slab = Slab::parse("5:", &[100, 10]).unwrap();
        let starts: Vec<u64> =
            slab.blocks(Some(&[16, 10]), 200, 200).map(|(s, _)| positions(&s)[0][0]).collect();
        assert_eq!(starts, [5, 16, 32, 48, 64, 80, 96]);
    }

    #[test]
    fn a_scalar_is_one_block() {
        let slab = Slab::whole(&[]);
        assert_eq!(slab.blocks(None, 10, 10).collect::<Vec<_>>(), [(Selection::All, 1)]);
    }
}
