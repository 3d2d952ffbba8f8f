//! [`Selection`] -> bytes.

use super::{ALL, HYPERSLAB, MAX_RANK, NAME, NONE, POINTS, REGULAR, check_regular};
use crate::error::{Context, Error, Result};
use crate::format::output::{put_u32, put_uint};
use crate::format::primitive::all_ones;
use crate::model::selection::{Blocks, HyperslabDim, Points, Selection, UNLIMITED};

/// The oldest library that shall read a selection. What it cannot read at all gets the version that can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectionStyle {
    /// HDF5 1.8 and before: regular hyperslabs as lists of blocks.
    V18,
    /// HDF5 1.10: regular hyperslabs of several blocks as such.
    V110,
    /// HDF5 1.12: numbers of 2, 4 or 8 bytes.
    V112,
}

/// Most blocks as which a regular hyperslab is written for old libraries.
const MAX_EXPANDED: u64 = 1 << 16;

/// Encodes a selection.
///
/// # Errors
/// `Usage` for a selection that is not valid.
pub fn encode_selection(selection: &Selection, style: SelectionStyle) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match selection {
        Selection::All => put_header(&mut out, ALL, 1, Some(0)),
        Selection::None => put_header(&mut out, NONE, 1, Some(0)),
        Selection::Points(points) => put_points(points, style, &mut out),
        Selection::Blocks(blocks) => put_blocks(blocks, style, &mut out),
        Selection::Hyperslab(dims) => put_hyperslab(dims, style, &mut out),
    }
    .in_structure(NAME)?;
    Ok(out)
}

/// Type and version; with `length` also what version 1 has then.
fn put_header(out: &mut Vec<u8>, kind: u32, version: u32, length: Option<usize>) -> Result<()> {
    out.extend(kind.to_le_bytes());
    out.extend(version.to_le_bytes());
    if let Some(length) = length {
        out.extend([0; 4]);
        put_u32(out, length, "length of a selection")?;
    }
    Ok(())
}

fn check_list(rank: usize, numbers: usize, each: usize) -> Result<()> {
    if rank == 0 || rank > MAX_RANK as usize || !numbers.is_multiple_of(each) {
        return Err(Error::usage(format!("{numbers} coordinates of rank {rank}")));
    }
    Ok(())
}

fn fit_in_u32(numbers: &[u64]) -> bool {
    numbers.iter().all(|&n| n <= all_ones(4))
}

/// The least of 2, 4 and 8 bytes that hold these numbers, all ones not among them.
fn width_of<'a>(numbers: impl Iterator<Item = &'a u64>) -> u8 {
    match numbers.copied().max().unwrap_or(0) {
        0..0xffff => 2,
        0xffff..0xffff_ffff => 4,
        _ => 8,
    }
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[u64], width: u8) -> Result<()> {
    numbers.iter().try_for_each(|&n| put_uint(out, n, width))
}

fn put_points(points: &Points, style: SelectionStyle, out: &mut Vec<u8>) -> Result<()> {
    let Points { rank, coordinates } = points;
    check_list(*rank, coordinates.len(), *rank)?;
    let count = (coordinates.len() / rank) as u64;
    if style < SelectionStyle::V112 && fit_in_u32(coordinates) && count <= all_ones(4) {
        put_header(out, POINTS, 1, Some(8 + 4 * coordinates.len()))?;
        put_numbers(out, &[*rank as u64, count], 4)?;
        return put_numbers(out, coordinates, 4);
    }
    put_header(out, POINTS, 2, None)?;
    let width = width_of(coordinates.iter().chain([&count]));
    out.push(width);
    put_u32(out, *rank, "rank")?;
    put_uint(out, count, width)?;
    put_numbers(out, coordinates, width)
}

fn put_blocks(blocks: &Blocks, style: SelectionStyle, out: &mut Vec<u8>) -> Result<()> {
    let Blocks { rank, corners } = blocks;
    check_list(*rank, corners.len(), 2 * rank)?;
    for block in corners.chunks_exact(2 * rank) {
        if (0..*rank).any(|i| block[i] > block[i + rank] || block[i + rank] == u64::MAX) {
            return Err(Error::usage(format!("block of corners {block:?}")));
        }
    }
    let count = (corners.len() / (2 * rank)) as u64;
    if style < SelectionStyle::V112 && fit_in_u32(corners) && count <= all_ones(4) {
        put_header(out, HYPERSLAB, 1, Some(8 + 4 * corners.len()))?;
        put_numbers(out, &[*rank as u64, count], 4)?;
        return put_numbers(out, corners, 4);
    }
    put_header(out, HYPERSLAB, 3, None)?;
    let width = width_of(corners.iter().chain([&count]));
    out.extend([0, width]);
    put_u32(out, *rank, "rank")?;
    put_uint(out, count, width)?;
    put_numbers(out, corners, width)
}

fn put_hyperslab(dims: &[HyperslabDim], style: SelectionStyle, out: &mut Vec<u8>) -> Result<()> {
    if dims.is_empty() || dims.len() > MAX_RANK as usize {
        return Err(Error::usage(format!("hyperslab of rank {}", dims.len())));
    }
    check_regular(dims).map_err(Error::usage)?;
    let single = dims.iter().all(|d| d.count == 1 && d.block > 0);
    if style == SelectionStyle::V18 || style == SelectionStyle::V110 && single {
        if dims.iter().any(|d| d.count == 0 || d.block == 0) {
            return put_header(out, NONE, 1, Some(0));
        }
        if let Some(blocks) = expand(dims).filter(|b| fit_in_u32(&b.corners)) {
            return put_blocks(&blocks, style, out);
        }
    }
    let width = if style < SelectionStyle::V112 {
        put_header(out, HYPERSLAB, 2, None)?;
        out.push(REGULAR);
        put_u32(out, 4 + 32 * dims.len(), "length of a selection")?;
        8
    } else {
        put_header(out, HYPERSLAB, 3, None)?;
        let limited = |d: &HyperslabDim| [d.start, d.stride, d.count, d.block];
        let numbers: Vec<u64> = dims.iter().flat_map(limited).filter(|&n| n != UNLIMITED).collect();
        let width = width_of(numbers.iter());
        out.extend([REGULAR, width]);
        width
    };
    put_u32(out, dims.len(), "rank")?;
    let narrowed = |n: u64| if n == UNLIMITED { all_ones(width) } else { n };
    for d in dims {
        put_numbers(out, &[d.start, d.stride, narrowed(d.count), narrowed(d.block)], width)?;
    }
    Ok(())
}

/// The blocks of a regular hyperslab, if they are few enough; adjacent ones are joined.
fn expand(dims: &[HyperslabDim]) -> Option<Blocks> {
    let mut joined = Vec::new();
    let mut total = 1u64;
    for d in dims {
        if d.count == UNLIMITED || d.block == UNLIMITED {
            return None;
        }
        let (count, block) = if d.stride == d.block { (1, d.count * d.block) } else { (d.count, d.block) };
        total = total.checked_mul(count).filter(|&n| n <= MAX_EXPANDED)?;
        joined.push(HyperslabDim { count, block, ..*d });
    }
    let mut corners = Vec::new();
    let mut index = vec![0u64; dims.len()];
    for _ in 0..total {
        let first = |(d, i): (&HyperslabDim, &u64)| d.start + i * d.stride;
        corners.extend(joined.iter().zip(&index).map(first));
        corners.extend(joined.iter().zip(&index).map(|(d, i)| first((d, i)) + d.block - 1));
        for (d, i) in joined.iter().zip(&mut index).rev() {
            *i += 1;
            if *i < d.count {
                break;
            }
            *i = 0;
        }
    }
    Some(Blocks { rank: dims.len(), corners })
}
