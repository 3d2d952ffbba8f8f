//! Attribute info message (0x15): section IV.A.2.v of the specification.
//!
//! ```text
//! | 0 | flags | max creation index (2), if bit 0 | heap address (O) | name index (O) | order index (O), if bit 1 |
//! ```

use binrw::binrw;

use crate::format::message::link_info::IndexAddress;
use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure, read_address, write_address};

/// Where an object holds its attributes; an undefined heap address means in its object header.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AttributeInfoMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    #[br(temp, assert(flags & !3 == 0, "unknown flags {flags:#04x}"))]
    #[bw(calc = u8::from(max_creation_index.is_some()) | u8::from(order_index.is_some()) << 1)]
    flags: u8,
    /// Largest creation order so far, plus one; present if creation order is tracked.
    #[br(if(flags & 1 != 0))]
    pub max_creation_index: Option<u16>,
    /// Fractal heap of the attributes.
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

impl Structure for AttributeInfoMessage {
    const NAME: &'static str = "attribute info message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    #[test]
    fn every_flag() {
        round_trip("00 00 ffffffff ffffffff", FOUR, AttributeInfoMessage::default());
        round_trip(
            "00 03 0900 00010000 00020000 00030000",
            FOUR,
            AttributeInfoMessage {
                max_creation_index: Some(9),
                heap: Some(0x100),
                name_index: Some(0x200),
                order_index: Some(IndexAddress(Some(0x300))),
            },
        );
    }

    #[test]
    fn hostile() {
        assert!(is_unsupported(AttributeInfoMessage::decode(&hex("01 00 ffffffff ffffffff"), FOUR)));
        assert!(is_corrupt(AttributeInfoMessage::decode(&hex("00 08 ffffffff ffffffff"), FOUR)));
    }
}
