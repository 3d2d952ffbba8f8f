//! Sums in the order in which numpy adds: they round as numpy's do, to the last bit.
//!
//! numpy halves an array until a part has at most 128 elements, which it adds in eight lanes; then it adds the sums of
//! the halves (N. J. Higham, "The accuracy of floating point summation", 1993). An array that must be converted first is
//! added in buffers of 8192 elements, one after the other. Here the elements come in pieces, in C order; of the sums of
//! halves only those are kept that wait for their other half, so that memory does not grow with the array, and parts
//! are added by several threads, since the tree does not depend on who does.

use std::ops::Add;

use super::data::in_parallel;

/// Elements of numpy's smallest part.
const LEAF: usize = 128;
/// Elements that one thread adds at a time; subtrees of the same tree.
const CELL: u64 = 1 << 14;
/// Elements of numpy's buffer.
const BUFFER: u64 = 8192;

/// In which order numpy adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Halves of halves.
    Tree,
    /// Buffer after buffer.
    Buffers,
}

/// The sum of `f` of all elements.
pub(super) fn pairwise<const N: usize, A>(elements: &[[u8; N]], f: impl Fn([u8; N]) -> A + Copy) -> A
where
    A: Copy + Default + Add<Output = A>,
{
    let n = elements.len();
    if n < 8 {
        return elements.iter().fold(A::default(), |sum, &e| sum + f(e));
    }
    if n > LEAF {
        let half = n / 2 - n / 2 % 8;
        let (left, right) = elements.split_at(half);
        return pairwise(left, f) + pairwise(right, f);
    }
    let (eights, rest) = elements.as_chunks::<8>();
    let mut lanes = [A::default(); 8];
    for (i, eight) in eights.iter().enumerate() {
        for (lane, &e) in lanes.iter_mut().zip(eight) {
            *lane = if i == 0 { f(e) } else { *lane + f(e) };
        }
    }
    let [a, b, c, d, e, f1, g, h] = lanes;
    let sum = ((a + b) + (c + d)) + ((e + f1) + (g + h));
    rest.iter().fold(sum, |sum, &e| sum + f(e))
}

/// The lengths of the cells of a tree, from left to right.
#[derive(Debug)]
struct Cells {
    order: Order,
    /// Elements of the parts that are still to come, the next one last.
    pending: Vec<u64>,
}

impl Cells {
    fn new(order: Order, len: u64) -> Self {
        Cells { order, pending: if len == 0 { Vec::new() } else { vec![len] } }
    }

    fn next(&mut self) -> Option<u64> {
        let mut n = self.pending.pop()?;
        match self.order {
            Order::Tree => {
                while n > CELL {
                    let half = n / 2 - n / 2 % 8;
                    self.pending.push(n - half);
                    n = half;
                }
                Some(n)
            }
            Order::Buffers => {
                if n > BUFFER {
                    self.pending.push(n - BUFFER);
                }
                Some(n.min(BUFFER))
            }
        }
    }
}

enum Frame<A> {
    /// Elements of a right part whose left one is being added.
    Right(u64),
    /// Sum of a left part.
    Left(A),
}

/// Adds elements that come piece by piece.
pub(super) struct Sum<const N: usize, A, F> {
    f: F,
    round: fn(A) -> A,
    cells: Cells,
    order: Order,
    frames: Vec<Frame<A>>,
    /// Elements of the cell that is not complete yet.
    carry: Vec<[u8; N]>,
    /// Elements of that cell when it is complete.
    wanted: Option<u64>,
    total: A,
}

impl<const N: usize, A, F> Sum<N, A, F>
where
    A: Copy + Default + Add<Output = A> + Send,
    F: Fn([u8; N]) -> A + Copy + Send + Sync,
{
    /// Adds `f` of `len` elements. Each buffer's sum is rounded by `round`.
    pub(super) fn new(order: Order, len: u64, f: F, round: fn(A) -> A) -> Self {
        let mut cells = Cells::new(order, len);
        let wanted = cells.next();
        let mut sum = Sum {
            f,
            round,
            cells,
            order,
            frames: Vec::new(),
            carry: Vec::new(),
            wanted,
            total: A::default(),
        };
        sum.descend(len);
        sum
    }

    fn descend(&mut self, mut n: u64) {
        while self.order == Order::Tree && n > CELL {
            let half = n / 2 - n / 2 % 8;
            self.frames.push(Frame::Right(n - half));
            n = half;
        }
    }

    fn finish_cell(&mut self, mut value: A) {
        if self.order == Order::Buffers {
            self.total = (self.round)(self.total + value);
            return;
        }
        loop {
            match self.frames.pop() {
                Some(Frame::Left(left)) => value = left + value,
                Some(Frame::Right(n)) => {
                    self.frames.push(Frame::Left(value));
                    return self.descend(n);
                }
                None => {
                    self.total = self.total + value;
                    return;
                }
            }
        }
    }

    /// The next elements.
    pub(super) fn add(&mut self, mut elements: &[[u8; N]]) {
        let f = self.f;
        if !self.carry.is_empty()
            && let Some(wanted) = self.wanted
        {
            let missing = (wanted as usize).saturating_sub(self.carry.len());
            let (head, rest) = elements.split_at(missing.min(elements.len()));
            self.carry.extend_from_slice(head);
            elements = rest;
            if self.carry.len() as u64 == wanted {
                let value = pairwise(&self.carry, f);
                self.carry.clear();
                self.finish_cell(value);
                self.wanted = self.cells.next();
            }
        }
        let mut whole = Vec::new();
        while let Some(wanted) = self.wanted.filter(|&w| w <= elements.len() as u64) {
            let (cell, rest) = elements.split_at(wanted as usize);
            whole.push(cell);
            elements = rest;
            self.wanted = self.cells.next();
        }
        for value in in_parallel(whole.len(), |i| pairwise(whole[i], f)) {
            self.finish_cell(value);
        }
        if self.wanted.is_some() {
            self.carry.extend_from_slice(elements);
        }
    }

    /// The sum of all.
    pub(super) fn total(self) -> A {
        (self.round)(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<[u8; 4]> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 16_777_216.0 * 1000.0 - 300.0).to_le_bytes()
        };
        (0..n).map(next).collect()
    }

    #[test]
    fn pieces_do_not_change_the_sum() {
        for n in [0, 1, 7, 8, 128, 129, 8192, 8193, 20_000, 16_384, 100_003, 300_000] {
            let all = numbers(n);
            let whole = pairwise(&all, f32::from_le_bytes);
            for piece in [1, 100, 16_383, 50_000, usize::MAX] {
                if n / piece.min(n.max(1)) > 30_000 {
                    continue;
                }
                let mut sum = Sum::new(Order::Tree, n as u64, f32::from_le_bytes, |x| x);
                all.chunks(piece.min(n.max(1))).for_each(|part| sum.add(part));
                assert_eq!(sum.total(), whole, "{n} in pieces of {piece}");
                let mut sum = Sum::new(Order::Buffers, n as u64, f32::from_le_bytes, |x| x);
                all.chunks(piece.min(n.max(1))).for_each(|part| sum.add(part));
                let buffers =
                    all.chunks(8192).fold(0.0, |sum, part| sum + pairwise(part, f32::from_le_bytes));
                assert_eq!(sum.total(), buffers, "{n} in pieces of {piece}");
            }
        }
    }

    /// What `numpy.sum` gives for these numbers.
    #[test]
    fn sums_are_those_of_numpy() {
        for (n, sum) in SUMS_OF_NUMPY {
            assert_eq!(pairwise(&numbers(n), f32::from_le_bytes), sum, "{n}");
        }
    }

    const SUMS_OF_NUMPY: [(usize, f32); 4] =
        [(7, 909.676_3), (128, 25_489.744), (1000, 211_078.02), (100_003, 19_969_856.0)];
}
