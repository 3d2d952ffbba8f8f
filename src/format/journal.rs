//! Journal: what a commit changes in its place, at the end of the file while that is done. It is a structure of this
//! library; the specification knows nothing of it.
//!
//! ```text
//! behind the end that the superblock gives:
//! +-----------------------------------------------------------------+
//! | entries, one after the other                                    |
//! |   0 | offset u64 | length u64 | bytes                           |
//! |   1 | offset u64 | length u64 | offset u64 of where they stand  |
//! +-----------------------------------------------------------------+
//! | footer, the last 44 bytes of the file:                          |
//! |   signature (16) | start u64 | entries u64 | bytes u64 | checksum|
//! +-----------------------------------------------------------------+
//! ```
//!
//! Offsets count from the start of the file. The last entry is the superblock. The checksum is over the entries and the
//! footer before it.

use super::{checksum::lookup3, primitive::Bytes};
use crate::{
    error::{Context, Error, Result},
    source::Piece,
};

const NAME: &str = "journal";
const SIGNATURE: [u8; 16] = *b"\x89h5 journal 1\r\n\x1a";

/// Bytes of the footer.
pub const FOOTER_LEN: usize = 44;
const IN_PLACE: u8 = 0;
const MOVED: u8 = 1;

/// A change: where, and what will stand there.
pub type Change = (u64, Piece);

/// Where the entries of a journal are: the last bytes of a file tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Offset of the first entry.
    pub start: u64,
    entries: u64,
    /// Bytes of all entries.
    pub len: u64,
    checksum: u32,
}

impl Footer {
    /// The footer in the last [`FOOTER_LEN`] bytes of a file of this length; `None` if they are none.
    pub fn decode(bytes: &[u8], file_len: u64) -> Option<Self> {
        let mut b = Bytes(bytes);
        if b.array::<16>().ok()? != SIGNATURE {
            return None;
        }
        let (start, entries, len) = (b.u64().ok()?, b.u64().ok()?, b.u64().ok()?);
        let footer = Footer { start, entries, len, checksum: b.u32().ok()? };
        let end = start.checked_add(len)?.checked_add(FOOTER_LEN as u64)?;
        (end == file_len).then_some(footer)
    }

    /// The changes, from the bytes of the entries. All lie below the start of the journal.
    ///
    /// # Errors
    /// `Corrupt` if the checksum does not hold, or an entry leads elsewhere.
    pub fn changes(&self, bytes: &[u8]) -> Result<Vec<Change>> {
        self.parse(bytes).in_structure(NAME)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Vec<Change>> {
        if bytes.len() as u64 != self.len || lookup3(bytes) ^ lookup3(&self.head()) != self.checksum {
            return Err(Error::corrupt("wrong checksum"));
        }
        let mut b = Bytes(bytes);
        let mut changes = Vec::new();
        while !b.0.is_empty() {
            let kind = b.u8()?;
            let (offset, len) = (b.u64()?, b.u64()?);
            let inside = |at: u64| at.checked_add(len).is_some_and(|end| end <= self.start);
            let piece = match kind {
                IN_PLACE => Piece::Bytes(b.take(usize::try_from(len).unwrap_or(usize::MAX))?.to_vec()),
                MOVED => Piece::Moved { from: b.u64()?, len },
                kind => return Err(Error::corrupt(format!("an entry of kind {kind}"))),
            };
            if !inside(offset) || matches!(piece, Piece::Moved { from, .. } if !inside(from)) {
                return Err(Error::corrupt("an entry that leads out of the file"));
            }
            changes.push((offset, piece));
        }
        if changes.len() as u64 != self.entries {
            return Err(Error::corrupt("another number of entries"));
        }
        Ok(changes)
    }

    /// The footer before its checksum.
    fn head(&self) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        out.extend([self.start, self.entries, self.len].iter().flat_map(|n| n.to_le_bytes()));
        out
    }
}

/// A journal of these changes that starts at this offset.
pub fn encode(start: u64, changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    for (offset, piece) in changes {
        out.push(match piece {
            Piece::Bytes(_) => IN_PLACE,
            Piece::Moved { .. } => MOVED,
        });
        out.extend(offset.to_le_bytes());
        out.extend(piece.len().to_le_bytes());
        match piece {
            Piece::Bytes(bytes) => out.extend_from_slice(bytes),
            Piece::Moved { from, .. } => out.extend(from.to_le_bytes()),
        }
    }
    let (entries, len) = (changes.len() as u64, out.len() as u64);
    let head = Footer { start, entries, len, checksum: 0 }.head();
    let checksum = lookup3(&out) ^ lookup3(&head);
    out.extend(head);
    out.extend(checksum.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &[u8], start: u64) -> Result<Vec<Change>> {
        let len = start + all.len() as u64;
        let footer = Footer::decode(&all[all.len().saturating_sub(FOOTER_LEN)..], len);
        let footer = footer.ok_or_else(|| Error::corrupt("no footer"))?;
        footer.changes(&all[..footer.len as usize])
    }

    #[test]
    fn round_trip() {
        let changes = vec![(8, Piece::Bytes(vec![1, 2, 3])), (64, Piece::Moved { from: 32, len: 16 })];
        let bytes = encode(100, &changes);
        assert_eq!(bytes[..20], [0, 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
        assert_eq!(read(&bytes, 100).unwrap(), changes);
    }

    #[test]
    fn every_damage_is_noticed() {
        let changes = vec![(8, Piece::Bytes(vec![1, 2, 3])), (64, Piece::Moved { from: 32, len: 16 })];
        let bytes = encode(100, &changes);
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            assert!(read(&bad, 100).is_err(), "{i}");
        }
        for n in 1..bytes.len() {
            assert!(read(&bytes[n..], 100).is_err());
        }
        // Beyond its start.
        assert!(read(&encode(79, &changes), 79).is_err());
        assert!(read(&encode(80, &changes), 80).is_ok());
    }
}
