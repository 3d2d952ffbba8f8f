//! Checksums of metadata: Jenkins' lookup3 ("hashlittle") with initial value 0.
//!
//! HDF5 File Format Specification, appendix "Metadata checksum"; the algorithm is Bob Jenkins', public domain,
//! described at burtleburtle.net/bob/hash/doobs.html.
//!
//! ```text
//! +-------------------------------------+----------+
//! | every byte of the structure         | checksum |
//! |                                     | u32 LE   |
//! +-------------------------------------+----------+
//! ```
//!
//! The same function, over the name without its NUL, orders the records of link and attribute name indexes.

use crate::error::{Error, Result};

/// Bytes of a checksum.
pub const CHECKSUM_LEN: usize = 4;

/// The lookup3 hash of `bytes`.
pub fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let mut state = [start; 3];
    if bytes.is_empty() {
        return start;
    }
    // The last block, of 1 to 12 bytes, is mixed differently: it is never taken by the loop.
    let whole = (bytes.len() - 1) / 12 * 12;
    let (head, tail) = bytes.split_at(whole);
    for block in head.chunks_exact(12) {
        add(&mut state, block);
        mix(&mut state);
    }
    let mut last = [0u8; 12];
    last[..tail.len()].copy_from_slice(tail);
    add(&mut state, &last);
    finish(&mut state);
    state[2]
}

/// The lookup3 hash of `bytes` as if the four bytes at `hole` were zero; the checksum of a fractal heap's direct block.
///
/// A hole that is not inside `bytes` is [`ErrorKind::Truncated`](crate::ErrorKind::Truncated).
pub fn lookup3_with_hole(bytes: &[u8], hole: usize) -> Result<u32> {
    let mut copy = bytes.to_vec();
    match hole.checked_add(CHECKSUM_LEN).and_then(|end| copy.get_mut(hole..end)) {
        Some(field) => field.fill(0),
        None => return Err(Error::truncated("no room for the checksum")),
    }
    Ok(lookup3(&copy))
}

/// Checks that the last four bytes are the checksum of those before, which are returned.
pub fn verify(bytes: &[u8]) -> Result<&[u8]> {
    let Some((body, stored)) = bytes.split_last_chunk::<CHECKSUM_LEN>() else {
        return Err(Error::truncated("no room for the checksum"));
    };
    compare(u32::from_le_bytes(*stored), lookup3(body))?;
    Ok(body)
}

/// An error unless the checksum that is stored is the one that was computed.
pub fn compare(stored: u32, computed: u32) -> Result<()> {
    if stored == computed {
        return Ok(());
    }
    Err(Error::corrupt(format!("checksum is {stored:#010x}, computed {computed:#010x}")))
}

/// Appends the checksum of all of `bytes`.
pub fn append(bytes: &mut Vec<u8>) {
    append_from(bytes, 0);
}

/// Appends the checksum of `bytes` from `start` on.
pub fn append_from(bytes: &mut Vec<u8>, start: usize) {
    let checksum = lookup3(bytes.get(start..).unwrap_or_default());
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

#[inline(always)]
fn add(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = word.wrapping_add(u32::from_le_bytes(*bytes));
    }
}

#[inline(always)]
fn mix([a, b, c]: &mut [u32; 3]) {
    macro_rules! step {
        ($x:ident, $y:ident, $z:ident, $rotation:literal) => {
            *$x = $x.wrapping_sub(*$z) ^ $z.rotate_left($rotation);
            *$z = $z.wrapping_add(*$y);
        };
    }
    step!(a, b, c, 4);
    step!(b, c, a, 6);
    step!(c, a, b, 8);
    step!(a, b, c, 16);
    step!(b, c, a, 19);
    step!(c, a, b, 4);
}

#[inline(always)]
fn finish([a, b, c]: &mut [u32; 3]) {
    macro_rules! step {
        ($x:ident, $y:ident, $rotation:literal) => {
            *$x = (*$x ^ *$y).wrapping_sub($y.rotate_left($rotation));
        };
    }
    step!(c, b, 14);
    step!(a, c, 11);
    step!(b, a, 25);
    step!(c, b, 16);
    step!(a, c, 4);
    step!(b, a, 14);
    step!(c, b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn published_vectors() {
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn every_tail_length_depends_on_every_byte() {
        for len in 1..40 {
            let bytes = vec![7u8; len];
            for i in 0..len {
                let mut other = bytes.clone();
                other[i] ^= 1;
                assert_ne!(lookup3(&bytes), lookup3(&other), "length {len}, byte {i}");
            }
        }
    }

    #[test]
    fn sealed_bytes() {
        let mut bytes = b"BTHD and more".to_vec();
        append(&mut bytes);
        assert_eq!(verify(&bytes).unwrap(), b"BTHD and more");
        bytes[0] ^= 1;
        let e = verify(&bytes).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Corrupt(text) if text.contains("computed")));
        assert!(matches!(verify(&bytes[..3]).unwrap_err().kind(), ErrorKind::Truncated(_)));
    }

    #[test]
    fn hole() {
        assert_eq!(lookup3_with_hole(b"abcdWXYZefgh", 4).unwrap(), lookup3(b"abcd\0\0\0\0efgh"));
        assert!(matches!(lookup3_with_hole(b"abc", 0).unwrap_err().kind(), ErrorKind::Truncated(_)));
        assert!(matches!(lookup3_with_hole(b"abc", usize::MAX).unwrap_err().kind(), ErrorKind::Truncated(_)));
    }
}
