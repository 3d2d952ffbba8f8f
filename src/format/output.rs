//! Puts fields at the end of a vector: the counterpart of [`Bytes`](super::primitive::Bytes) for structures that are
//! written by hand.

use std::fmt::Display;

use crate::error::{Error, Result};
use crate::format::primitive::{Sizes, all_ones};

/// Converts to a narrower number; one that does not fit is a `Usage` error that names `what`.
pub fn narrow<T, U>(value: T, what: &str) -> Result<U>
where
    T: TryInto<U> + Display + Copy,
{
    value.try_into().map_err(|_| Error::usage(format!("{what} {value} does not fit in its field")))
}

/// Number of `width` (1 to 8) bytes.
pub fn put_uint(out: &mut Vec<u8>, value: u64, width: u8) -> Result<()> {
    if value > all_ones(width) {
        return Err(Error::usage(format!("{value} does not fit in {width} bytes")));
    }
    let bytes = value.to_le_bytes();
    match width {
        // Of a length that the compiler knows.
        8 => out.extend_from_slice(&bytes),
        4 => out.extend_from_slice(&bytes[..4]),
        1 => out.push(bytes[0]),
        _ => out.extend_from_slice(&bytes[..usize::from(width.min(8))]),
    }
    Ok(())
}

/// Address; `None` as all ones.
pub fn put_address(out: &mut Vec<u8>, value: Option<u64>, sizes: Sizes) -> Result<()> {
    put_uint(out, value.unwrap_or(all_ones(sizes.offset)), sizes.offset)
}

/// Length.
pub fn put_length(out: &mut Vec<u8>, value: u64, sizes: Sizes) -> Result<()> {
    put_uint(out, value, sizes.length)
}

/// Number of four bytes.
pub fn put_u32(out: &mut Vec<u8>, value: impl TryInto<u32> + Display + Copy, what: &str) -> Result<()> {
    out.extend_from_slice(&narrow::<_, u32>(value, what)?.to_le_bytes());
    Ok(())
}

/// Number of two bytes.
pub fn put_u16(out: &mut Vec<u8>, value: impl TryInto<u16> + Display + Copy, what: &str) -> Result<()> {
    out.extend_from_slice(&narrow::<_, u16>(value, what)?.to_le_bytes());
    Ok(())
}

/// Bytes, then zeros up to a multiple of `align`.
pub fn put_padded(out: &mut Vec<u8>, bytes: &[u8], align: usize) {
    out.extend_from_slice(bytes);
    if align > 1 {
        out.resize(out.len() + bytes.len().next_multiple_of(align) - bytes.len(), 0);
    }
}

/// Text and its NUL, then zeros up to a multiple of `align`.
pub fn put_name(out: &mut Vec<u8>, name: &[u8], align: usize) -> Result<()> {
    if name.contains(&0) {
        return Err(Error::usage("a name with a NUL in it"));
    }
    let start = out.len();
    out.extend_from_slice(name);
    out.push(0);
    let len = out.len() - start;
    out.resize(start + len.next_multiple_of(align), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_and_numbers_checked() {
        let mut out = vec![9];
        put_name(&mut out, b"1234567", 8).unwrap();
        assert_eq!(out, b"\x091234567\0");
        put_padded(&mut out, b"ab", 4);
        assert_eq!(out, b"\x091234567\0ab\0\0");
        assert!(put_name(&mut out, b"a\0b", 1).is_err());
        assert!(put_uint(&mut out, 256, 1).is_err());
        assert!(put_u16(&mut out, 65536u64, "count").is_err());
    }
}
