//! File space info message (0x17): section IV.A.2.x of the specification. Only in the superblock extension.
//!
//! ```text
//! version 0: | 0 | strategy | threshold (L) | 6 addresses of free-space managers (O), if strategy 1 |
//! version 1: | 1 | strategy | persist | threshold (L) | page size (L) | page-end threshold (2) | end of file (O) |
//!            | 12 addresses of free-space managers (O), if persist |
//! strategy of version 0: 1 all, persistent; 2 all; 3 aggregators; 4 none
//! strategy of version 1: 0 managers and aggregators; 1 pages; 2 aggregators; 3 none
//! ```

use crate::error::{Context, Error, Result};
use crate::format::message::unknown_version;
use crate::format::output::{put_address, put_length, put_u16};
use crate::format::primitive::{Bytes, Sizes};

const NAME: &str = "file space info message";
const PERSISTENT_V0: u8 = 1;

/// How the free space of the file is managed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileSpaceInfoMessage {
    /// Version 0, of HDF5 1.10.0 alpha releases and earlier development.
    V0 {
        /// 1 to 4.
        strategy: u8,
        /// Smallest free section that is tracked.
        threshold: u64,
        /// Free-space managers, present for strategy 1.
        managers: Option<[Option<u64>; 6]>,
    },
    /// Version 1.
    V1 {
        /// 0 to 3.
        strategy: u8,
        /// Smallest free section that is tracked.
        threshold: u64,
        /// Bytes of a page.
        page_size: u64,
        /// Smallest free section at the end of a page that is tracked.
        page_end_threshold: u16,
        /// End of allocated space before the managers were allocated.
        end_before_managers: Option<u64>,
        /// Free-space managers, present if free space is persistent.
        managers: Option<[Option<u64>; 12]>,
    },
}

impl FileSpaceInfoMessage {
    /// Decodes the message.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (strategy), `Unsupported` (version).
    pub fn decode(body: &[u8], sizes: Sizes) -> Result<Self> {
        decode(Bytes(body), sizes).in_structure(NAME)
    }

    /// True if the file is divided into pages of this many bytes.
    pub fn page_size(&self) -> Option<u64> {
        match self {
            FileSpaceInfoMessage::V1 { strategy: 1, page_size, .. } => Some(*page_size),
            _ => None,
        }
    }

    /// The same, with no manager that knows of any free space.
    pub fn without_managers(mut self) -> Self {
        match &mut self {
            FileSpaceInfoMessage::V0 { managers: Some(managers), .. } => *managers = [None; 6],
            FileSpaceInfoMessage::V1 { managers: Some(managers), end_before_managers, .. } => {
                (*managers, *end_before_managers) = ([None; 12], None);
            }
            _ => {}
        }
        self
    }

    /// The body of the message.
    ///
    /// # Errors
    /// `Usage` if a number does not fit, or managers do not go with the strategy.
    pub fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let managers = match self {
            FileSpaceInfoMessage::V0 { strategy, threshold, managers } => {
                if managers.is_some() != (*strategy == PERSISTENT_V0) {
                    return Err(Error::usage("free-space managers go with strategy 1 only"));
                }
                out.extend([0, *strategy]);
                put_length(&mut out, *threshold, sizes)?;
                managers.as_ref().map(|m| &m[..])
            }
            FileSpaceInfoMessage::V1 {
                strategy,
                threshold,
                page_size,
                page_end_threshold,
                end_before_managers,
                managers,
            } => {
                out.extend([1, *strategy, u8::from(managers.is_some())]);
                put_length(&mut out, *threshold, sizes)?;
                put_length(&mut out, *page_size, sizes)?;
                put_u16(&mut out, *page_end_threshold, "threshold")?;
                put_address(&mut out, *end_before_managers, sizes)?;
                managers.as_ref().map(|m| &m[..])
            }
        };
        for &manager in managers.unwrap_or_default() {
            put_address(&mut out, manager, sizes)?;
        }
        Ok(out)
    }
}

fn decode(mut bytes: Bytes<'_>, sizes: Sizes) -> Result<FileSpaceInfoMessage> {
    let body = bytes.0.len();
    let [version, strategy] = bytes.array()?;
    let is_v0 = match version {
        // Version 1 was first written with the number 0, and is told by its length; headers pad to 8 bytes.
        0 => {
            let managers = if strategy == PERSISTENT_V0 { 6 } else { 0 };
            let length = 2 + usize::from(sizes.length) + managers * usize::from(sizes.offset);
            (1..=4).contains(&strategy) && body < length + 8
        }
        1 => false,
        _ => return Err(unknown_version(version)),
    };
    if !is_v0 && strategy > 3 {
        return Err(Error::corrupt(format!("unknown strategy {strategy}")));
    }
    if is_v0 {
        let threshold = bytes.length(sizes)?;
        let managers = if strategy == PERSISTENT_V0 { Some(addresses(&mut bytes, sizes)?) } else { None };
        return Ok(FileSpaceInfoMessage::V0 { strategy, threshold, managers });
    }
    let persist = bytes.u8()?;
    Ok(FileSpaceInfoMessage::V1 {
        strategy,
        threshold: bytes.length(sizes)?,
        page_size: bytes.length(sizes)?,
        page_end_threshold: bytes.u16()?,
        end_before_managers: bytes.address(sizes)?,
        managers: if persist != 0 { Some(addresses(&mut bytes, sizes)?) } else { None },
    })
}

fn addresses<const N: usize>(bytes: &mut Bytes<'_>, sizes: Sizes) -> Result<[Option<u64>; N]> {
    let mut all = [None; N];
    for address in &mut all {
        *address = bytes.address(sizes)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    fn same(text: &str, value: FileSpaceInfoMessage) {
        let bytes = hex(text);
        assert_eq!(FileSpaceInfoMessage::decode(&bytes, FOUR).unwrap(), value);
        assert_eq!(value.encode(FOUR).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&FileSpaceInfoMessage::decode(&bytes[..n], FOUR).unwrap_err()));
        }
    }

    #[test]
    fn both_versions() {
        let undefined = "ffffffff".repeat(5);
        let mut managers = [None; 6];
        managers[0] = Some(0x100);
        same("00 03 01000000", FileSpaceInfoMessage::V0 { strategy: 3, threshold: 1, managers: None });
        same(
            &format!("00 01 01000000 00010000 {undefined}"),
            FileSpaceInfoMessage::V0 { strategy: 1, threshold: 1, managers: Some(managers) },
        );
        let v1 = |managers| FileSpaceInfoMessage::V1 {
            strategy: 1,
            threshold: 1,
            page_size: 4096,
            page_end_threshold: 10,
            end_before_managers: None,
            managers,
        };
        same("01 01 00 01000000 00100000 0a00 ffffffff", v1(None));
        let persistent = format!("01 01 01 01000000 00100000 0a00 ffffffff {}", "ffffffff".repeat(12));
        same(&persistent, v1(Some([None; 12])));
        assert_eq!(v1(None).page_size(), Some(4096));
        let early = hex("00 01 00 01000000 00100000 0a00 ffffffff");
        assert!(is_truncated(&FileSpaceInfoMessage::decode(&early, FOUR).unwrap_err()));
        let early = hex("00 02 00 01000000 00100000 0a00 ffffffff");
        let FileSpaceInfoMessage::V1 { strategy: 2, page_size: 4096, .. } =
            FileSpaceInfoMessage::decode(&early, FOUR).unwrap()
        else {
            panic!()
        };
    }

    #[test]
    fn hostile() {
        let decode = |text| FileSpaceInfoMessage::decode(&hex(text), FOUR);
        assert!(is_corrupt(decode("00 05 01000000")));
        assert!(is_corrupt(decode("01 04 00 01000000 00100000 0a00 ffffffff")));
        assert!(is_unsupported(decode("02 01 00 01000000 00100000 0a00 ffffffff")));
    }
}
