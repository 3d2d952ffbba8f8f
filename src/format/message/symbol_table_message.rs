//! Symbol table message (0x11): section IV.A.2.r of the specification. It makes an object a group of the old style.
//!
//! ```text
//! | address of B-tree version 1 (O) | address of local heap (O) |
//! ```

use binrw::binrw;

use crate::format::primitive::{Sizes, Structure, read_address, write_address};

/// Where a group of the old style holds its links.
#[binrw]
#[brw(import(sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolTableMessage {
    /// B-tree version 1 of the symbol table nodes.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub btree: Option<u64>,
    /// Local heap of the names.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub heap: Option<u64>,
}

impl Structure for SymbolTableMessage {
    const NAME: &'static str = "symbol table message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn widths() {
        let value = SymbolTableMessage { btree: Some(0x88), heap: Some(0x2a8) };
        round_trip("8800000000000000 a802000000000000", Sizes::EIGHT, value);
        round_trip("8800 a802", Sizes { offset: 2, length: 8 }, value);
        round_trip("8800 ffff", Sizes { offset: 2, length: 8 }, SymbolTableMessage { heap: None, ..value });
    }
}
