//! Group info message (0x0A): section IV.A.2.k of the specification.
//!
//! ```text
//! | 0 | flags | max compact (2), min dense (2), if bit 0 | entries (2), name length (2), if bit 1 |
//! ```
//!
//! It must accompany link info, or libhdf5 cannot insert links.

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure};

/// Constants of a group of the new style.
#[binrw]
#[brw(import(_sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GroupInfoMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    #[br(temp, assert(flags & !3 == 0, "unknown flags {flags:#04x}"))]
    #[bw(calc = u8::from(phase_change.is_some()) | u8::from(estimate.is_some()) << 1)]
    flags: u8,
    /// When links move from the header to a heap and back.
    #[br(if(flags & 1 != 0))]
    pub phase_change: Option<PhaseChange>,
    /// What the group is expected to hold.
    #[br(if(flags & 2 != 0))]
    pub estimate: Option<Estimate>,
}

/// When compact storage becomes dense, and dense storage compact.
#[binrw]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseChange {
    /// Most entries in compact storage.
    pub max_compact: u16,
    /// Fewest entries in dense storage.
    pub min_dense: u16,
}

/// What a group is expected to hold.
#[binrw]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Number of links.
    pub entries: u16,
    /// Length of a name.
    pub name_length: u16,
}

impl Structure for GroupInfoMessage {
    const NAME: &'static str = "group info message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn every_flag() {
        round_trip("00 00", Sizes::EIGHT, GroupInfoMessage::default());
        let phase_change = Some(PhaseChange { max_compact: 8, min_dense: 6 });
        let estimate = Some(Estimate { entries: 4, name_length: 18 });
        round_trip("00 02 0400 1200", Sizes::EIGHT, GroupInfoMessage { phase_change: None, estimate });
        round_trip("00 03 0800 0600 0400 1200", Sizes::EIGHT, GroupInfoMessage { phase_change, estimate });
    }

    #[test]
    fn hostile() {
        assert!(is_unsupported(GroupInfoMessage::decode(&hex("01 00"), Sizes::EIGHT)));
        assert!(is_corrupt(GroupInfoMessage::decode(&hex("00 04"), Sizes::EIGHT)));
    }
}
