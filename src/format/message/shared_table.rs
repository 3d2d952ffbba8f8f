//! Shared message table message (0x0F): section IV.A.2.p of the specification. Only in the superblock extension.
//!
//! ```text
//! | 0 | address of the table (O) | number of indexes |
//! ```

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure, read_address, write_address};

/// Where the table of shared messages is.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedTableMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Address of the table.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub address: Option<u64>,
    /// Indexes in the table.
    #[br(assert((1..=8).contains(&indexes), "{indexes} indexes of shared messages"))]
    pub indexes: u8,
}

impl Structure for SharedTableMessage {
    const NAME: &'static str = "shared message table message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn address_and_count() {
        let sizes = Sizes { offset: 4, length: 4 };
        round_trip("00 00010000 02", sizes, SharedTableMessage { address: Some(0x100), indexes: 2 });
        assert!(is_unsupported(SharedTableMessage::decode(&hex("01 00010000 02"), sizes)));
        assert!(is_corrupt(SharedTableMessage::decode(&hex("00 00010000 00"), sizes)));
        assert!(is_corrupt(SharedTableMessage::decode(&hex("00 00010000 09"), sizes)));
    }
}
