//! B-tree K values message (0x13): section IV.A.2.t of the specification. Only in the superblock extension.
//!
//! ```text
//! | 0 | K of chunk B-trees (2) | K of group B-trees (2) | K of symbol table nodes (2) |
//! ```

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure};

/// Half the capacities of the nodes of B-trees version 1.
#[binrw]
#[brw(import(_sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BTreeKMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Of the B-trees of chunks.
    #[br(assert(chunk != 0, "K of chunk B-trees is 0"))]
    pub chunk: u16,
    /// Of the B-trees of groups.
    #[br(assert(group_internal != 0, "K of group B-trees is 0"))]
    pub group_internal: u16,
    /// Of the symbol table nodes.
    #[br(assert(group_leaf != 0, "K of symbol table nodes is 0"))]
    pub group_leaf: u16,
}

impl Structure for BTreeKMessage {
    const NAME: &'static str = "B-tree K values message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn order_of_the_three() {
        let value = BTreeKMessage { chunk: 32, group_internal: 16, group_leaf: 4 };
        round_trip("00 2000 1000 0400", Sizes::EIGHT, value);
    }

    #[test]
    fn hostile() {
        assert!(is_unsupported(BTreeKMessage::decode(&hex("01 2000 1000 0400"), Sizes::EIGHT)));
        assert!(is_corrupt(BTreeKMessage::decode(&hex("00 2000 0000 0400"), Sizes::EIGHT)));
    }
}
