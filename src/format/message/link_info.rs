//! Link info message (0x02): section IV.A.2.c of the specification.
//!
//! ```text
//! | 0 | flags | max creation index (8), if bit 0 | heap address (O) | name index (O) | order index (O), if bit 1 |
//! ```

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure, read_address, write_address};

/// Where a group of the new style holds its links; an undefined heap address means in its object header.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LinkInfoMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    #[br(temp, assert(flags & !3 == 0, "unknown flags {flags:#04x}"))]
    #[bw(calc = u8::from(max_creation_index.is_some()) | u8::from(order_index.is_some()) << 1)]
    flags: u8,
    /// Largest creation order so far, plus one; present if creation order is tracked.
    #[br(if(flags & 1 != 0))]
    pub max_creation_index: Option<i64>,
    /// Fractal heap of the links.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub heap: Option<u64>,
    /// B-tree version 2 by name.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub name_index: Option<u64>,
    /// B-tree version 2 by creation order; the field is present if creation order is indexed.
    #[brw(if(flags & 2 != 0), args(sizes))]
    pub order_index: Option<IndexAddress>,
}

/// Address of an index that a message may leave out; `None` is undefined.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexAddress(
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub Option<u64>,
);

impl Structure for LinkInfoMessage {
    const NAME: &'static str = "link info message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    #[test]
    fn every_flag() {
        round_trip("00 00 ffffffff ffffffff", FOUR, LinkInfoMessage::default());
        round_trip(
            "00 01 0500000000000000 00010000 00020000",
            FOUR,
            LinkInfoMessage {
                max_creation_index: Some(5),
                heap: Some(0x100),
                name_index: Some(0x200),
                order_index: None,
            },
        );
        round_trip(
            "00 03 0000000000000000 ffffffff ffffffff ffffffff",
            FOUR,
            LinkInfoMessage {
                max_creation_index: Some(0),
                order_index: Some(IndexAddress(None)),
                ..Default::default()
            },
        );
    }

    #[test]
    fn hostile() {
        assert!(is_unsupported(LinkInfoMessage::decode(&hex("01 00 ffffffff ffffffff"), FOUR)));
        assert!(is_corrupt(LinkInfoMessage::decode(&hex("00 04 ffffffff ffffffff"), FOUR)));
    }
}
