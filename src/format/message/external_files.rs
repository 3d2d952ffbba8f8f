//! External data files message (0x07): section IV.A.2.h of the specification.
//!
//! ```text
//! | 1 | reserved (3) | allocated slots (2) | used slots (2) | local heap (O) | used x slot | (unused slots)
//! slot: | offset of the name in the heap (L) | offset in the file (L) | size (L); all ones: unlimited |
//! ```

use crate::error::{Context, Error, Result};
use crate::format::message::unknown_version;
use crate::format::output::{put_address, put_length, put_u16};
use crate::format::primitive::{Bytes, Sizes, all_ones};

const NAME: &str = "external data files message";

/// One slot, whose name is in the local heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalSlot {
    /// Offset of the name in the local heap.
    pub name_offset: u64,
    /// Offset of the data in that file.
    pub offset: u64,
    /// Bytes reserved there; `None` is unlimited.
    pub size: Option<u64>,
}

/// The files that hold the raw data of a dataset, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFilesMessage {
    /// Slots that the message has room for.
    pub allocated: u16,
    /// Local heap of the names.
    pub heap: u64,
    /// The slots in use.
    pub slots: Vec<ExternalSlot>,
}

impl ExternalFilesMessage {
    /// Decodes the message.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (more slots used than allocated, no heap), `Unsupported` (version).
    pub fn decode(body: &[u8], sizes: Sizes) -> Result<Self> {
        decode(Bytes(body), sizes).in_structure(NAME)
    }

    /// The body of the message; unused slots are zeros.
    ///
    /// # Errors
    /// `Usage` if a number does not fit.
    pub fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = vec![1, 0, 0, 0];
        let unused = usize::from(self.allocated)
            .checked_sub(self.slots.len())
            .ok_or_else(|| Error::usage("more external files than allocated"))?;
        put_u16(&mut out, self.allocated, "number of external files")?;
        put_u16(&mut out, self.slots.len(), "number of external files")?;
        put_address(&mut out, Some(self.heap), sizes)?;
        for slot in &self.slots {
            put_length(&mut out, slot.name_offset, sizes)?;
            put_length(&mut out, slot.offset, sizes)?;
            put_length(&mut out, slot.size.unwrap_or(all_ones(sizes.length)), sizes)?;
        }
        out.resize(out.len() + unused * 3 * usize::from(sizes.length), 0);
        Ok(out)
    }
}

fn decode(mut bytes: Bytes<'_>, sizes: Sizes) -> Result<ExternalFilesMessage> {
    let [version, ..] = bytes.array::<4>()?;
    if version != 1 {
        return Err(unknown_version(version));
    }
    let (allocated, used) = (bytes.u16()?, bytes.u16()?);
    if used > allocated {
        return Err(Error::corrupt(format!("{used} of {allocated} slots in use")));
    }
    let heap = bytes.address(sizes)?.ok_or_else(|| Error::corrupt("undefined address of the heap"))?;
    let mut slots = Vec::new();
    for _ in 0..used {
        let (name_offset, offset) = (bytes.length(sizes)?, bytes.length(sizes)?);
        let size = bytes.length(sizes)?;
        slots.push(ExternalSlot {
            name_offset,
            offset,
            size: (size != all_ones(sizes.length)).then_some(size),
        });
    }
    Ok(ExternalFilesMessage { allocated, heap, slots })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    #[test]
    fn two_of_three_slots() {
        let bytes = hex("01 000000 0300 0200 00010000 08000000 00000000 28000000
             10000000 05000000 ffffffff 00000000 00000000 00000000");
        let message = ExternalFilesMessage {
            allocated: 3,
            heap: 0x100,
            slots: vec![
                ExternalSlot { name_offset: 8, offset: 0, size: Some(40) },
                ExternalSlot { name_offset: 16, offset: 5, size: None },
            ],
        };
        assert_eq!(ExternalFilesMessage::decode(&bytes, FOUR).unwrap(), message);
        assert_eq!(message.encode(FOUR).unwrap(), bytes);
        for n in 0..bytes.len() - 12 {
            assert!(is_truncated(&ExternalFilesMessage::decode(&bytes[..n], FOUR).unwrap_err()));
        }
    }

    #[test]
    fn hostile() {
        let decode = |text| ExternalFilesMessage::decode(&hex(text), FOUR);
        assert!(is_corrupt(decode("01 000000 0100 0200 00010000")));
        assert!(is_corrupt(decode("01 000000 0100 0000 ffffffff")));
        assert!(is_unsupported(decode("02 000000 0100 0000 00010000")));
        assert!(is_truncated(&decode("01 000000 ffff ffff 00010000").unwrap_err()));
    }
}
