//! Object reference count message (0x16): section IV.A.2.w of the specification. Left out when the count is 1.
//!
//! ```text
//! | 0 | number of hard links (4) |
//! ```

use binrw::binrw;

use crate::format::message::read_version;
use crate::format::primitive::{Sizes, Structure};

/// How many hard links lead to the object.
#[binrw]
#[brw(import(_sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceCountMessage {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Number of hard links.
    pub count: u32,
}

impl Structure for ReferenceCountMessage {
    const NAME: &'static str = "object reference count message";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn count() {
        round_trip("00 02000000", Sizes::EIGHT, ReferenceCountMessage { count: 2 });
        assert!(is_unsupported(ReferenceCountMessage::decode(&hex("01 02000000"), Sizes::EIGHT)));
    }
}
