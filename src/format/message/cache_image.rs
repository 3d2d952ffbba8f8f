//! Metadata cache image message (0x18): of HDF5 1.10 and later, only in the superblock extension.
//!
//! ```text
//! | 0 | address of the image (O) | length of the image (L) |
//! ```
//!
//! Entries in the image are not written at their own address: a reader that ignores it reads stale metadata.

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure, read_address, read_length, write_address, write_length};

/// Where the image of the metadata cache is; an undefined address means that there is none.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheImageMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Address of the image.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub address: Option<u64>,
    /// Bytes of the image.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub length: u64,
}

impl Structure for CacheImageMessage {
    const NAME: &'static str = "metadata cache image message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn address_and_length() {
        let sizes = Sizes { offset: 4, length: 4 };
        round_trip("00 00010000 20000000", sizes, CacheImageMessage { address: Some(0x100), length: 32 });
        assert!(is_unsupported(CacheImageMessage::decode(&hex("01 00010000 20000000"), sizes)));
    }
}
