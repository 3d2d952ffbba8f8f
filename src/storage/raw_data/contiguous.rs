//! Raw data in one piece: compact, contiguous, external.
#![allow(unsafe_code)] // pieces of the output: one at a time, by one thread

use std::cell::OnceCell;

use super::{RawData, output::Output};
use crate::{
    error::{Context, Error, Result},
    model::selection::runs::{Resolved, Run},
    storage::{Store, external::ExternalData, reader::Reader},
};

/// Where a run lies in the stored bytes and in the result.
fn byte_range(data: &RawData, run: Run) -> Result<(u64, usize, usize)> {
    let size = data.element_size as u64;
    let start = run.source.checked_mul(size);
    let target = run.target.checked_mul(size).and_then(|n| usize::try_from(n).ok());
    let len = run.len.checked_mul(size).and_then(|n| usize::try_from(n).ok());
    match (start, target, len) {
        (Some(start), Some(target), Some(len)) => Ok((start, target, len)),
        _ => Err(Error::limit("bytes of a selection", u64::MAX, usize::MAX as u64)),
    }
}

/// Everything is fill value.
pub(super) fn fill(data: &RawData, selection: &Resolved, out: &Output<'_>) -> Result<()> {
    selection.for_each_run(data.dims(), &mut |run| {
        let (_, target, len) = byte_range(data, run)?;
        // SAFETY: the targets of runs do not overlap.
        unsafe { out.fill(target..target.saturating_add(len), data.fill.bytes_of_unwritten()) }
    })
}

/// From bytes in memory.
pub(super) fn read_slice(
    data: &RawData,
    stored: &[u8],
    selection: &Resolved,
    out: &Output<'_>,
) -> Result<()> {
    selection.for_each_run(data.dims(), &mut |run| {
        let (start, target, len) = byte_range(data, run)?;
        let bytes = usize::try_from(start).ok().and_then(|s| stored.get(s..s.checked_add(len)?));
        let bytes = bytes.ok_or_else(|| {
            Error::corrupt(format!("element {} lies outside the {} bytes of data", run.source, stored.len()))
        })?;
        // SAFETY: the targets of runs do not overlap.
        unsafe { out.put(target, bytes) }
    })
}

/// A copy by a positioned read pays from here on.
const LARGE: usize = 32 << 10;
/// Bytes that are read ahead of small runs when the source is not addressable.
const WINDOW: u64 = 256 << 10;

/// From one block of the file.
pub(super) fn read(
    data: &RawData,
    reader: &Reader,
    address: u64,
    selection: &Resolved,
    out: &Output<'_>,
) -> Result<()> {
    let total = data.dataspace.len()?.saturating_mul(data.element_size as u64);
    let map = OnceCell::new();
    let mut window = Window { start: 0, bytes: Vec::new() };
    selection.for_each_run(data.dims(), &mut |run| {
        let (start, target, len) = byte_range(data, run)?;
        // Who reads one value of a large file pays for no map.
        let alone = len == out.len() && len < LARGE && reader.is_first();
        let mapped = if alone { None } else { *map.get_or_init(|| reader.slice(address, total)) };
        match mapped {
            Some(all) if len < LARGE || !reader.source().copies_faster() => {
                let start = start as usize;
                // SAFETY: the targets of runs do not overlap.
                unsafe { out.put(target, &all[start..start + len]) }
            }
            None if !alone && (len as u64) < WINDOW / 4 => {
                let bytes = window.get(reader, address, total, start, len)?;
                // SAFETY: as above.
                unsafe { out.put(target, bytes) }
            }
            _ => {
                let at =
                    address.checked_add(start).ok_or_else(|| Error::corrupt("address beyond 64 bits"))?;
                // SAFETY: as above.
                let piece = unsafe { out.piece(target..target + len)? };
                reader.read_into(at, piece).in_structure("contiguous data")?;
                out.swap.apply(piece);
                Ok(())
            }
        }
    })
}

/// The bytes around the last small run.
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn get(&mut self, reader: &Reader, address: u64, total: u64, start: u64, len: usize) -> Result<&[u8]> {
        let inside = start >= self.start && start + len as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            let wanted = WINDOW.min(total.saturating_sub(start)).max(len as u64) as usize;
            self.bytes.resize(wanted, 0);
            self.start = start;
            let at = address.checked_add(start).ok_or_else(|| Error::corrupt("address beyond 64 bits"))?;
            reader.read_into(at, &mut self.bytes).in_structure("contiguous data")?;
        }
        let from = (start - self.start) as usize;
        Ok(&self.bytes[from..from + len])
    }
}

/// From other files.
pub(super) fn read_external(
    data: &RawData,
    store: &Store,
    external: &ExternalData,
    selection: &Resolved,
    out: &Output<'_>,
) -> Result<()> {
    selection.for_each_run(data.dims(), &mut |run| {
        let (start, target, len) = byte_range(data, run)?;
        // SAFETY: the targets of runs do not overlap.
        let piece = unsafe { out.piece(target..target + len)? };
        external.read(store, start, piece)?;
        out.swap.apply(piece);
        Ok(())
    })
}
