//! Numbers of rows: bounded lists, and lookup by number.

use rustc_hash::FxHashMap;

pub(super) use crate::internals::{room, zeros};
use crate::{Error, ErrorKind, Result};

/// A vector of `len` copies of an element.
pub(super) fn filled<T: Clone>(what: &'static str, len: usize, element: T) -> Result<Vec<T>> {
    let mut out = room(what, len)?;
    out.resize(len, element);
    Ok(out)
}

fn no_room<T>(what: &'static str, len: usize) -> Error {
    let wanted = (len as u64).saturating_mul(size_of::<T>() as u64);
    Error::new(ErrorKind::Limit { what, wanted, allowed: isize::MAX as u64 })
}

/// From the first of some numbers to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hull {
    pub(super) first: u64,
    /// How many numbers lie in it; saturated.
    pub(super) len: u64,
}

impl Hull {
    pub(super) fn new(first: u64, last: u64) -> Self {
        Hull { first, len: last.saturating_sub(first).saturating_add(1) }
    }

    /// True if reading all of it costs little more than reading `count` numbers of it.
    pub(super) fn is_dense(self, count: usize) -> bool {
        self.len <= (count as u64).saturating_mul(4).saturating_add(64)
    }
}

/// Bits of the hull for each number of a set, up to which a bitmap is kept.
const BITS: u64 = 512;

/// Finds the position of a number in a list of numbers that ascend, each once.
#[derive(Debug)]
pub(super) enum Positions {
    /// All numbers of a hull.
    All(Hull),
    /// A bit for each number of the hull, and how many are set before each word.
    Bits { hull: Hull, words: Vec<u64>, before: Vec<u32> },
    /// Few numbers far apart.
    Map(FxHashMap<u64, u32>),
}

impl Positions {
    /// Of numbers that ascend, each once; fewer than 2^32.
    pub(super) fn of_sorted(numbers: &[u64]) -> Result<Self> {
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
            return Ok(Positions::All(Hull { first: 0, len: 0 }));
        };
        let hull = Hull::new(first, last);
        if hull.len == numbers.len() as u64 {
            return Ok(Positions::All(hull));
        }
        if let Some(bits) = Self::bits(hull, numbers)? {
            return Ok(bits);
        }
        let mut map = FxHashMap::default();
        map.try_reserve(numbers.len())
            .map_err(|_| no_room::<(u64, u32)>("a table of rows", numbers.len()))?;
        map.extend(numbers.iter().zip(0u32..).map(|(&n, i)| (n, i)));
        Ok(Positions::Map(map))
    }

    /// A bitmap of numbers in any order, if they are not too far apart.
    pub(super) fn bits(hull: Hull, numbers: &[u64]) -> Result<Option<Self>> {
        if hull.len > (numbers.len() as u64).saturating_mul(BITS)
            || numbers.len() as u64 > u64::from(u32::MAX)
        {
            return Ok(None);
        }
        let mut words = filled("a bitmap of rows", (hull.len / 64 + 1) as usize, 0u64)?;
        for n in numbers {
            let bit = n.wrapping_sub(hull.first);
            if let Some(word) = words.get_mut((bit / 64) as usize) {
                *word |= 1 << (bit % 64);
            }
        }
        let mut before = room("a bitmap of rows", words.len())?;
        let mut sum = 0;
        for word in &words {
            before.push(sum);
            sum += word.count_ones();
        }
        Ok(Some(Positions::Bits { hull, words, before }))
    }

    /// Position of a number, if it is in the list.
    pub(super) fn get(&self, number: u64) -> Option<usize> {
        match self {
            Positions::All(hull) => {
                let at = number.wrapping_sub(hull.first);
                (at < hull.len).then_some(at as usize)
            }
            Positions::Bits { hull, words, before } => {
                let bit = number.wrapping_sub(hull.first);
                let at = usize::try_from(bit / 64).ok()?;
                let (word, mask) = (*words.get(at)?, 1u64 << (bit % 64));
                let below = (word & (mask - 1)).count_ones();
                (word & mask != 0).then(|| (before.get(at).copied().unwrap_or(0) + below) as usize)
            }
            Positions::Map(map) => map.get(&number).map(|&at| at as usize),
        }
    }

    /// The numbers, ascending; of a bitmap and of a hull.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        let (hull, words) = match self {
            Positions::All(hull) => (*hull, None),
            Positions::Bits { hull, words, .. } => (*hull, Some(words)),
            Positions::Map(_) => (Hull { first: 0, len: 0 }, None),
        };
        let all = (0..if words.is_none() { hull.len } else { 0 }).map(move |i| hull.first + i);
        let bits = words.into_iter().flatten().zip((0..).step_by(64)).flat_map(move |(&word, base)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| hull.first + base + bit)
        });
        all.chain(bits)
    }

    /// The numbers as intervals (first, behind last), ascending; of a bitmap and of a hull.
    pub(super) fn intervals(&self) -> Vec<(u64, u64)> {
        match self {
            Positions::All(hull) if hull.len > 0 => vec![(hull.first, hull.first.saturating_add(hull.len))],
            Positions::Bits { hull, words, .. } => {
                let mut out: Vec<(u64, u64)> = Vec::new();
                for (at, &word) in words.iter().enumerate() {
                    let mut rest = word;
                    while rest != 0 {
                        let from = rest.trailing_zeros();
                        let run = (!(rest >> from)).trailing_zeros().min(64 - from);
                        let start = hull.first + at as u64 * 64 + u64::from(from);
                        let stop = start.saturating_add(u64::from(run));
                        match out.last_mut() {
                            Some(last) if last.1 == start => last.1 = stop,
                            _ => out.push((start, stop)),
                        }
                        rest &= if from + run >= 64 { 0 } else { u64::MAX << (from + run) };
                    }
                }
                out
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn positions_of_any_numbers() {
        for numbers in [
            vec![],
            vec![7],
            (3..200).collect::<Vec<u64>>(),
            (0..300).map(|i| i * 3 + 5).collect(),
            vec![0, 1 << 40, u64::MAX],
            vec![0, 63, 64, 65, 127, 128, 191],
            vec![u64::MAX - 1, u64::MAX],
            vec![u64::MAX - 100, u64::MAX - 3, u64::MAX],
        ] {
            let positions = Positions::of_sorted(&numbers).unwrap();
            for (i, &n) in numbers.iter().enumerate() {
                assert_eq!(positions.get(n), Some(i), "{n} in {numbers:?}");
                let next = n.wrapping_add(1);
                assert_eq!(positions.get(next).is_some(), numbers.contains(&next), "{next} in {numbers:?}");
            }
            if !matches!(positions, Positions::Map(_)) {
                assert!(positions.numbers().eq(numbers.iter().copied()), "{numbers:?}");
            }
            if !matches!(positions, Positions::Map(_)) && numbers.last() != Some(&u64::MAX) {
                let all: Vec<u64> = positions.intervals().into_iter().flat_map(|(a, b)| a..b).collect();
                assert_eq!(all, numbers);
            }
        }
    }
}
