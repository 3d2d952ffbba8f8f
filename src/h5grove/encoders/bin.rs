//! The bytes of the elements.

use std::io::Write;

use super::{Encoding, unsupported};
use crate::h5grove::{Data, dtype::Kind, error::Result, memory::to_memory};

fn check(data: &Data) -> Result<()> {
    if data.is_null() {
        return Err(unsupported(Encoding::Bin, "empty datasets"));
    }
    if !data.element_dtype().is_flat() && data.element_dtype().kind != Kind::Other {
        return Err(unsupported(Encoding::Bin, "elements of variable length and references"));
    }
    Ok(())
}

/// A scalar string ends where its NULs begin.
fn is_trimmed(data: &Data) -> bool {
    data.is_scalar() && data.element_dtype().kind == Kind::Bytes
}

fn trimmed(data: &Data) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    data.for_each_block(0, &mut |block| {
        let bytes = to_memory(&block, data.element_dtype())?;
        let len = bytes.iter().rposition(|&b| b != 0).map_or(1, |last| last + 1);
        out.extend_from_slice(bytes.get(..len).unwrap_or_default());
        Ok(())
    })?;
    Ok(out)
}

pub(super) fn len(data: &Data) -> Result<u64> {
    check(data)?;
    if is_trimmed(data) { Ok(trimmed(data)?.len() as u64) } else { Ok(data.nbytes()) }
}

/// Writes the bytes of the elements, in C order.
///
/// # Errors
/// `QueryArgumentError` for a null dataspace, elements of variable length and references; those of reading and
/// writing.
pub fn bin_encode(data: &Data, out: &mut dyn Write) -> Result<()> {
    bin_encode_range(data, 0, u64::MAX, out)
}

/// Writes those bytes of [`bin_encode`] that lie in `start..end`.
///
/// # Errors
/// As [`bin_encode`].
pub fn bin_encode_range(data: &Data, start: u64, end: u64, out: &mut dyn Write) -> Result<()> {
    check(data)?;
    let mut cut = |at: u64, bytes: &[u8]| -> Result<()> {
        let from = start.saturating_sub(at).min(bytes.len() as u64) as usize;
        let to = end.saturating_sub(at).min(bytes.len() as u64) as usize;
        if from < to {
            out.write_all(&bytes[from..to])?;
        }
        Ok(())
    };
    if is_trimmed(data) {
        return cut(0, &trimmed(data)?);
    }
    let size = data.element_dtype().size.max(1) as u64;
    let mut done = false;
    let written = data.for_each_block(start / size, &mut |block| {
        let at = block.start.saturating_mul(size);
        if at >= end {
            done = true;
            return Err(std::io::Error::from(std::io::ErrorKind::Interrupted).into());
        }
        match data.element_dtype().kind {
            Kind::Other => cut(at, block.bytes()),
            _ => cut(at, &to_memory(&block, data.element_dtype())?),
        }
    });
    if done { Ok(()) } else { written }
}
