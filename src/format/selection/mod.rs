//! Serialized selections: section VIII of the specification ("Dataspace Encoding"), in region references and in
//! mappings of virtual datasets.
//!
//! ```text
//! every selection:  | type (4): 0 none, 1 points, 2 hyperslab, 3 all | version (4) | ...
//! none, all 1       | reserved (4) | length (4): 0 |
//! points 1          | reserved (4) | length (4) | rank (4) | count n (4) | coordinates (4 x rank x n) |
//! points 2          | width (1) | rank (4) | count n (width) | coordinates (width x rank x n) |
//! hyperslab 1       | reserved (4) | length (4) | rank (4) | count n (4) | n x: rank starts, rank ends (4) |
//! hyperslab 2       | flags (1) | length (4) | rank (4) | regular or irregular, of width 8 |
//! hyperslab 3       | flags (1) | width (1) | rank (4) | regular or irregular |
//!   regular         | rank x: start, stride, count, block (width) |    flags bit 0; all ones: unlimited
//!   irregular       | count n (width) | n x: rank starts, rank ends (width) |
//! ```
//!
//! `length` counts the bytes that follow it. The ends of blocks are inclusive.

mod encode;
#[cfg(test)]
mod property;

pub use encode::{SelectionStyle, encode_selection};

use crate::error::{Context, Error, Result};
use crate::format::primitive::{Bytes, all_ones};
use crate::model::selection::{Blocks, HyperslabDim, Points, Selection, UNLIMITED};

const NAME: &str = "selection";
const NONE: u32 = 0;
const POINTS: u32 = 1;
const HYPERSLAB: u32 = 2;
const ALL: u32 = 3;
const REGULAR: u8 = 0x01;
const MAX_RANK: u32 = 32;

/// Decodes a selection, and tells how many bytes it took.
///
/// # Errors
/// `Truncated`, `Corrupt` (rank, width, overlapping or overflowing blocks), `Unsupported` (type, version).
pub fn decode_selection(bytes: &[u8]) -> Result<(Selection, usize)> {
    let mut cursor = Bytes(bytes);
    let selection = decode(&mut cursor).in_structure(NAME)?;
    Ok((selection, bytes.len() - cursor.0.len()))
}

fn decode(bytes: &mut Bytes<'_>) -> Result<Selection> {
    let (kind, version) = (bytes.u32()?, bytes.u32()?);
    match (kind, version) {
        (NONE | ALL, 1) => {
            bytes.take(8)?;
            Ok(if kind == ALL { Selection::All } else { Selection::None })
        }
        (POINTS, 1) => {
            bytes.take(8)?;
            points(bytes, 4)
        }
        (POINTS, 2) => {
            let width = width(bytes)?;
            points(bytes, width)
        }
        (HYPERSLAB, 1) => {
            bytes.take(8)?;
            let rank = rank(bytes)?;
            irregular(bytes, rank, 4)
        }
        (HYPERSLAB, 2 | 3) => {
            let flags = bytes.u8()?;
            if flags & !REGULAR != 0 {
                return Err(Error::corrupt(format!("unknown flags {flags:#04x}")));
            }
            let width = if version == 2 {
                bytes.take(4)?;
                8
            } else {
                width(bytes)?
            };
            let rank = rank(bytes)?;
            if flags & REGULAR != 0 { regular(bytes, rank, width) } else { irregular(bytes, rank, width) }
        }
        (NONE | ALL | POINTS | HYPERSLAB, _) => Err(Error::unsupported(format!("version {version}"))),
        _ => Err(Error::unsupported(format!("selection type {kind}"))),
    }
}

fn width(bytes: &mut Bytes<'_>) -> Result<u8> {
    match bytes.u8()? {
        width @ (2 | 4 | 8) => Ok(width),
        width => Err(Error::corrupt(format!("numbers of {width} bytes"))),
    }
}

fn rank(bytes: &mut Bytes<'_>) -> Result<usize> {
    match bytes.u32()? {
        rank @ 1..=MAX_RANK => Ok(rank as usize),
        rank => Err(Error::corrupt(format!("rank {rank}"))),
    }
}

/// `count` times `each` numbers, of which all must be there before room is made for them.
fn numbers(bytes: &mut Bytes<'_>, count: u64, each: usize, width: u8) -> Result<Vec<u64>> {
    let wanted = usize::try_from(count)
        .ok()
        .and_then(|n| n.checked_mul(each)?.checked_mul(width.into()))
        .ok_or_else(|| Error::truncated(format!("{count} coordinates or blocks wanted")))?;
    let bytes = bytes.take(wanted)?;
    Ok(match width {
        2 => bytes.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b).into()).collect(),
        4 => bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b).into()).collect(),
        _ => bytes.as_chunks().0.iter().map(|&b| u64::from_le_bytes(b)).collect(),
    })
}

fn points(bytes: &mut Bytes<'_>, width: u8) -> Result<Selection> {
    let rank = rank(bytes)?;
    let count = bytes.uint(width)?;
    Ok(Selection::Points(Points { rank, coordinates: numbers(bytes, count, rank, width)? }))
}

fn irregular(bytes: &mut Bytes<'_>, rank: usize, width: u8) -> Result<Selection> {
    let count = bytes.uint(width)?;
    let corners = numbers(bytes, count, 2 * rank, width)?;
    for block in corners.chunks_exact(2 * rank) {
        let (starts, ends) = block.split_at(rank);
        // An end of 2^64-1 has no exclusive counterpart.
        if starts.iter().zip(ends).any(|(start, end)| start > end || *end == u64::MAX) {
            return Err(Error::corrupt(format!("block from {starts:?} to {ends:?}")));
        }
    }
    Ok(match count {
        0 => Selection::None,
        1 => {
            let (starts, ends) = corners.split_at(rank);
            let dim = |(&start, &end): (&u64, &u64)| HyperslabDim {
                start,
                stride: 1,
                count: 1,
                block: end - start + 1,
            };
            Selection::Hyperslab(starts.iter().zip(ends).map(dim).collect())
        }
        _ => Selection::Blocks(Blocks { rank, corners }),
    })
}

fn regular(bytes: &mut Bytes<'_>, rank: usize, width: u8) -> Result<Selection> {
    let unlimited = |n: u64| if n == all_ones(width) { UNLIMITED } else { n };
    let mut dims = Vec::with_capacity(rank);
    for _ in 0..rank {
        let (start, stride) = (bytes.uint(width)?, bytes.uint(width)?);
        let (count, block) = (unlimited(bytes.uint(width)?), unlimited(bytes.uint(width)?));
        dims.push(HyperslabDim { start, stride, count, block });
    }
    if dims.iter().any(|d| d.count == 0 || d.block == 0) {
        return Ok(Selection::None);
    }
    check_regular(&dims).map_err(Error::corrupt)?;
    Ok(Selection::Hyperslab(dims))
}

/// What libhdf5 requires of a regular hyperslab: blocks apart from each other, within 64 bits, unlimited in one
/// dimension at most.
fn check_regular(dims: &[HyperslabDim]) -> Result<(), String> {
    let is_unlimited = |d: &&HyperslabDim| d.count == UNLIMITED || d.block == UNLIMITED;
    if dims.iter().filter(is_unlimited).count() > 1 {
        return Err("unlimited in more than one dimension".into());
    }
    for d in dims {
        let overlap = d.count > 1 && d.stride < d.block;
        let last = match (d.count, d.block) {
            (UNLIMITED, UNLIMITED) => None,
            (0, _) | (_, 0) => Some(d.start),
            (UNLIMITED, block) => d.start.checked_add(block),
            (_, UNLIMITED) => Some(d.start),
            (count, block) => {
                (count - 1).checked_mul(d.stride).and_then(|n| n.checked_add(d.start)?.checked_add(block))
            }
        };
        // All ones say "unlimited", which is nothing to start from or to step by.
        let endless = d.start == UNLIMITED || d.stride == UNLIMITED;
        if d.stride == 0 || endless || overlap || last.is_none() {
            return Err(format!("invalid hyperslab {d:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    fn dim(start: u64, stride: u64, count: u64, block: u64) -> HyperslabDim {
        HyperslabDim { start, stride, count, block }
    }

    fn same(text: &str, style: SelectionStyle, selection: Selection) {
        let bytes = hex(text);
        assert_eq!(decode_selection(&bytes).unwrap(), (selection.clone(), bytes.len()));
        assert_eq!(encode_selection(&selection, style).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&decode_selection(&bytes[..n]).unwrap_err()), "{n}");
        }
    }

    #[test]
    fn an_endless_start_or_stride_is_corrupt() {
        let head = "02000000 03000000 01 08 01000000";
        let (one, ones) = ("0100000000000000", "ffffffffffffffff");
        assert!(decode_selection(&hex(&format!("{head} {one} {one} {one} {ones}"))).is_ok());
        assert!(is_corrupt(decode_selection(&hex(&format!("{head} {ones} {one} {one} {ones}")))));
        assert!(is_corrupt(decode_selection(&hex(&format!("{head} {one} {ones} {one} {one}")))));
    }

    #[test]
    fn all_and_none() {
        same("03000000 01000000 00000000 00000000", SelectionStyle::V110, Selection::All);
        same("00000000 01000000 00000000 00000000", SelectionStyle::V18, Selection::None);
    }

    #[test]
    fn points_of_both_versions() {
        let points =
            |coordinates: &[u64]| Selection::Points(Points { rank: 2, coordinates: coordinates.to_vec() });
        same(
            "01000000 01000000 00000000 18000000 02000000 02000000 01000000 02000000 03000000 04000000",
            SelectionStyle::V110,
            points(&[1, 2, 3, 4]),
        );
        same(
            "01000000 02000000 02 02000000 0200 0100 0200 0300 0400",
            SelectionStyle::V112,
            points(&[1, 2, 3, 4]),
        );
        same(
            "01000000 02000000 08 02000000 0100000000000000 0000000001000000 0200000000000000",
            SelectionStyle::V18,
            points(&[1 << 32, 2]),
        );
    }

    #[test]
    fn hyperslabs_of_every_version() {
        same(
            "02000000 01000000 00000000 18000000 02000000 01000000 01000000 02000000 03000000 05000000",
            SelectionStyle::V18,
            Selection::Hyperslab(vec![dim(1, 1, 1, 3), dim(2, 1, 1, 4)]),
        );
        let blocks = Selection::Blocks(Blocks { rank: 1, corners: vec![1, 3, 7, 7] });
        same(
            "02000000 01000000 00000000 18000000 01000000 02000000 01000000 03000000 07000000 07000000",
            SelectionStyle::V110,
            blocks.clone(),
        );
        same("02000000 03000000 00 02 01000000 0200 0100 0300 0700 0700", SelectionStyle::V112, blocks);
        let regular = Selection::Hyperslab(vec![dim(1, 4, UNLIMITED, 2)]);
        same(
            "02000000 02000000 01 24000000 01000000
             0100000000000000 0400000000000000 ffffffffffffffff 0200000000000000",
            SelectionStyle::V110,
            regular.clone(),
        );
        same("02000000 03000000 01 02 01000000 0100 0400 ffff 0200", SelectionStyle::V112, regular);
        let wide = Selection::Hyperslab(vec![dim(65535, 1, 1, UNLIMITED)]);
        same(
            "02000000 03000000 01 04 01000000 ffff0000 01000000 01000000 ffffffff",
            SelectionStyle::V112,
            wide,
        );
    }

    #[test]
    fn regular_hyperslabs_become_blocks_for_old_libraries() {
        let regular = Selection::Hyperslab(vec![dim(0, 2, 2, 1), dim(1, 3, 2, 3)]);
        let bytes = encode_selection(&regular, SelectionStyle::V18).unwrap();
        let corners = vec![0, 1, 0, 6, 2, 1, 2, 6];
        assert_eq!(decode_selection(&bytes).unwrap().0, Selection::Blocks(Blocks { rank: 2, corners }));
        let nothing = Selection::Hyperslab(vec![dim(0, 1, 0, 1)]);
        let bytes = encode_selection(&nothing, SelectionStyle::V18).unwrap();
        assert_eq!(decode_selection(&bytes).unwrap().0, Selection::None);
        // What cannot be said in version 1 gets the version that can.
        let large = Selection::Hyperslab(vec![dim(1 << 32, 1, 1, 1)]);
        let bytes = encode_selection(&large, SelectionStyle::V18).unwrap();
        assert_eq!(decode_selection(&bytes).unwrap().0, large);
    }

    #[test]
    fn hostile() {
        let decode = |text: &str| decode_selection(&hex(text));
        assert!(is_unsupported(decode("04000000 01000000")));
        assert!(is_unsupported(decode("03000000 02000000 00000000 00000000")));
        assert!(is_unsupported(decode("02000000 04000000")));
        for rank in ["00000000", "21000000"] {
            assert!(is_corrupt(decode(&format!("02000000 01000000 00000000 18000000 {rank} 01000000"))));
            assert!(is_corrupt(decode(&format!("01000000 02000000 08 {rank} 0100000000000000"))));
        }
        let e = decode("01000000 01000000 00000000 18000000 20000000 ffffffff").unwrap_err();
        assert!(is_truncated(&e));
        let e = decode("02000000 03000000 00 08 20000000 ffffffffffffffff").unwrap_err();
        assert!(is_truncated(&e));
        assert!(is_corrupt(decode("01000000 02000000 03 01000000 000000")));
        assert!(is_corrupt(decode("02000000 03000000 02 02 01000000 0100 0400 0100 0200")));
        // Start behind end; stride 0; blocks that overlap; twice unlimited; beyond 64 bits.
        assert!(is_corrupt(decode(
            "02000000 01000000 00000000 10000000 01000000 01000000 02000000 01000000"
        )));
        assert!(is_corrupt(decode("02000000 03000000 01 02 01000000 0100 0000 0100 0200")));
        assert!(is_corrupt(decode("02000000 03000000 01 02 01000000 0100 0100 0200 0200")));
        assert!(is_corrupt(decode("02000000 03000000 01 02 01000000 0100 0100 ffff ffff")));
        assert!(is_corrupt(decode(
            "02000000 03000000 01 02 02000000 0100 0100 ffff 0100 0100 0100 ffff 0100"
        )));
        assert!(is_corrupt(decode(
            "02000000 02000000 01 24000000 01000000
             0100000000000000 ffffffffffffffff 0200000000000000 0100000000000000"
        )));
    }
}
