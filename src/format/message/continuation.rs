//! Object header continuation message (0x10): section IV.A.2.q of the specification.
//!
//! ```text
//! | address of the block (O) | length of the block (L) |
//! ```

use binrw::binrw;

use crate::format::primitive::{Sizes, Structure, read_address, read_length, write_address, write_length};

/// Where more messages of this object are.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContinuationMessage {
    /// Address of the block.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub address: Option<u64>,
    /// Bytes of the block, with signature and checksum if it has them.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub length: u64,
}

impl Structure for ContinuationMessage {
    const NAME: &'static str = "object header continuation message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn widths() {
        let value = ContinuationMessage { address: Some(0x100), length: 0x20 };
        round_trip("0001000000000000 20000000", Sizes { offset: 8, length: 4 }, value);
        round_trip("0001 2000000000000000", Sizes { offset: 2, length: 8 }, value);
    }
}
