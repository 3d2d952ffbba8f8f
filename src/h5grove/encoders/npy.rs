//! A file of numpy: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::Write;

use super::{Encoding, bin_encode, numeric};
use crate::h5grove::{Data, error::Result};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The data start at a multiple of this.
const ALIGNMENT: usize = 64;
/// numpy leaves room for an extent of so many digits, so that rows can be appended.
const GROWTH_DIGITS: usize = 21;

fn header(data: &Data) -> Result<Vec<u8>> {
    numeric(data, Encoding::Npy)?;
    let extents = match data.shape() {
        [only] => format!("({only},)"),
        shape => format!("({})", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {extents}, }}", data.dtype());
    if let Some(first) = data.shape().first() {
        let digits = first.to_string().len();
        text.extend(std::iter::repeat_n(' ', GROWTH_DIGITS.saturating_sub(digits)));
    }
    let start = MAGIC.len() + 2;
    let end = (start + text.len() + 1).next_multiple_of(ALIGNMENT);
    let mut out = MAGIC.to_vec();
    // 32 dimensions of 20 digits are far below 64 KiB.
    out.extend_from_slice(&((end - start) as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.resize(end - 1, b' ');
    out.push(b'\n');
    Ok(out)
}

pub(super) fn len(data: &Data) -> Result<u64> {
    Ok(data.nbytes().saturating_add(header(data)?.len() as u64))
}

/// Writes numbers as a file of numpy.
///
/// # Errors
/// `QueryArgumentError` for other elements than numbers; those of reading and writing.
pub fn npy_encode(data: &Data, out: &mut dyn Write) -> Result<()> {
    out.write_all(&header(data)?)?;
    bin_encode(data, out)
}
