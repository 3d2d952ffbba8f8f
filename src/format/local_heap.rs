//! Local heap: the names of the members of an old-style group, and of external raw data files.
//!
//! HDF5 File Format Specification, III.D "Disk Format: Level 1D - Local Heaps".
//!
//! ```text
//! +------+---------+----------+-----------+-----------+--------------+
//! | HEAP | version | reserved | data size | free list | data address |
//! |      |    0    |    3     |     L     |     L     |      O       |
//! +------+---------+----------+-----------+-----------+--------------+
//! data: NUL-terminated strings, each from a multiple of 8 on; an empty one at 0.
//! free block within the data: offset of the next (L; 1 is none), its own size (L)
//! ```

use binrw::binrw;

use super::primitive::{
    Sizes, Structure, read_defined, read_length, read_version, write_defined, write_length,
};
use crate::error::{Error, Result};

/// What the free list holds when there is no (further) free block.
pub const FREE_NULL: u64 = 1;

/// The header of a local heap.
#[binrw]
#[brw(little, magic = b"HEAP", import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalHeap {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    #[br(temp)]
    #[bw(calc = [0; 3])]
    _reserved: [u8; 3],
    /// Bytes of the data.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub size: u64,
    /// Offset of the first free block in the data, or [`FREE_NULL`].
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub free_list: u64,
    /// Address of the data.
    #[br(parse_with = read_defined, args(sizes))]
    #[bw(write_with = write_defined, args(sizes))]
    pub data: u64,
}

impl Structure for LocalHeap {
    const NAME: &'static str = "local heap";
}

impl LocalHeap {
    /// Bytes of the header.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        8 + 2 * sizes.length as usize + sizes.offset as usize
    }
}

/// A free block at its place in the data.
#[binrw]
#[brw(little, import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeBlock {
    /// Offset of the next free block, or [`FREE_NULL`].
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub next: u64,
    /// Bytes of this one, these fields included.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub size: u64,
}

impl Structure for FreeBlock {
    const NAME: &'static str = "free block of a local heap";
}

/// The string at `offset` of the data, without its NUL.
pub fn string(data: &[u8], offset: u64) -> Result<&[u8]> {
    let from = usize::try_from(offset).ok().and_then(|at| data.get(at..)).unwrap_or_default();
    match from.iter().position(|&b| b == 0) {
        Some(len) => Ok(&from[..len]),
        None => {
            let text = format!("no string at offset {offset} of {} bytes", data.len());
            Err(Error::corrupt(text).in_structure(LocalHeap::NAME))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const LITERAL: &[u8] = b"HEAP\0\0\0\0\x58\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\xc8\x02\0\0\0\0\0\0";

    #[test]
    fn literal_bytes() {
        let heap = LocalHeap::decode(LITERAL, Sizes::EIGHT).unwrap();
        assert_eq!(heap, LocalHeap { size: 0x58, free_list: 0x10, data: 0x2c8 });
        assert_eq!(heap.encode(Sizes::EIGHT).unwrap(), LITERAL);
        assert_eq!(LITERAL.len(), LocalHeap::encoded_len(Sizes::EIGHT));
        let block = FreeBlock::decode(b"\x01\0\x30\0", Sizes { offset: 8, length: 2 }).unwrap();
        assert_eq!(block, FreeBlock { next: FREE_NULL, size: 0x30 });
        assert_eq!(block.encode(Sizes { offset: 8, length: 2 }).unwrap(), b"\x01\0\x30\0");
    }

    #[test]
    fn strings() {
        let data = b"\0\0\0\0\0\0\0\0name\0\0\0\0end";
        assert_eq!(string(data, 0).unwrap(), b"");
        assert_eq!(string(data, 8).unwrap(), b"name");
        for offset in [16, 19, 20, u64::MAX] {
            assert!(matches!(string(data, offset).unwrap_err().kind(), ErrorKind::Corrupt(_)));
        }
    }

    #[test]
    fn hostile() {
        let bad = |at: usize, value: u8| {
            let mut bytes = LITERAL.to_vec();
            bytes[at] = value;
            LocalHeap::decode(&bytes, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
        let e = LocalHeap::decode(&[LITERAL[..24].to_vec(), vec![0xff; 8]].concat(), Sizes::EIGHT);
        assert!(matches!(e.unwrap_err().kind(), ErrorKind::Corrupt(_)));
        for n in 0..LITERAL.len() {
            let e = LocalHeap::decode(&LITERAL[..n], Sizes::EIGHT).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
        }
    }
}
