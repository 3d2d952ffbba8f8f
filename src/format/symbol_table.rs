//! Symbol table node and its entries: the members of an old-style group.
//!
//! HDF5 File Format Specification, III.B "Group Symbol Table Nodes" and III.C "Symbol Table Entry".
//!
//! ```text
//! node                                  entry
//! +------+---------+----------+-------+   +-----------------------+---+
//! | SNOD | version | reserved | count |   | offset of name        | L |
//! |      |    1    |    1     |  u16  |   | object header         | O |
//! +------+---------+----------+-------+   | cache type            | 4 |
//! | entry ... (count of them, sorted  |   | reserved              | 4 |
//! | by name)                          |   | scratch pad           |16 |
//! +-----------------------------------+   +-----------------------+---+
//! ```
//!
//! A node takes room for twice the "leaf K" of the superblock, whatever its count.

use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const NAME: &str = "symbol table node";
const SIGNATURE: &[u8; 4] = b"SNOD";
/// Bytes before the first entry.
pub const NODE_HEADER_LEN: usize = 8;
const SCRATCH: usize = 16;

/// What an entry repeats of the object that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryCache {
    /// Nothing.
    #[default]
    None,
    /// The symbol table message of a group, as stored: the object header is to be trusted first.
    Group {
        /// Address of the B-tree.
        btree: u64,
        /// Address of the local heap.
        heap: u64,
    },
    /// A soft link.
    Soft {
        /// Offset of the target path in the local heap of the group.
        offset: u32,
    },
}

/// One member of an old-style group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SymbolTableEntry {
    /// Offset of the name in the local heap of the group.
    pub name_offset: u64,
    /// Address of the object header; undefined for a soft link.
    pub header: Option<u64>,
    /// What the scratch pad holds.
    pub cache: EntryCache,
}

impl SymbolTableEntry {
    /// Bytes of an entry.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        sizes.length as usize + sizes.offset as usize + 8 + SCRATCH
    }

    /// Parses the entry at the start of `bytes`.
    pub fn decode(bytes: &[u8], sizes: Sizes) -> Result<Self> {
        let mut b = Bytes(bytes);
        let name_offset = b.length(sizes)?;
        let header = b.address(sizes)?;
        let cache_type = b.u32()?;
        b.take(4)?;
        let mut scratch = Bytes(b.take(SCRATCH)?);
        let cache = match cache_type {
            0 => EntryCache::None,
            1 => EntryCache::Group { btree: scratch.uint(sizes.offset)?, heap: scratch.uint(sizes.offset)? },
            2 => EntryCache::Soft { offset: scratch.u32()? },
            other => return Err(Error::corrupt(format!("cache type {other} of a symbol table entry"))),
        };
        Ok(SymbolTableEntry { name_offset, header, cache })
    }

    /// Appends the bytes of the entry.
    pub fn encode_to(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        let end = out.len() + Self::encoded_len(sizes);
        out.length(self.name_offset, sizes)?;
        out.address(self.header, sizes)?;
        match self.cache {
            EntryCache::None => out.uint(0, 8)?,
            EntryCache::Group { btree, heap } => {
                out.uint(1, 8)?;
                out.uint(btree, sizes.offset)?;
                out.uint(heap, sizes.offset)?;
            }
            EntryCache::Soft { offset } => {
                out.uint(2, 8)?;
                out.extend_from_slice(&offset.to_le_bytes());
            }
        }
        out.resize(end, 0);
        Ok(())
    }
}

/// A node of an old-style group: its members in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolTableNode;

impl SymbolTableNode {
    /// Number of entries of the node at the start of `bytes`, checked to lie within them.
    pub fn count(bytes: &[u8], sizes: Sizes) -> Result<usize> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.signature(SIGNATURE)?;
            b.version(1)?;
            b.u8()?;
            let count = usize::from(b.u16()?);
            b.take(count * SymbolTableEntry::encoded_len(sizes))?;
            Ok(count)
        };
        parse().in_structure(NAME)
    }

    /// Entry `index`, without a look at the others or at the header of the node.
    pub fn entry(bytes: &[u8], index: usize, sizes: Sizes) -> Result<SymbolTableEntry> {
        let entry = index
            .checked_mul(SymbolTableEntry::encoded_len(sizes))
            .and_then(|at| at.checked_add(NODE_HEADER_LEN))
            .and_then(|at| bytes.get(at..))
            .ok_or_else(|| Error::truncated(format!("entry {index} is outside the node")));
        entry.and_then(|b| SymbolTableEntry::decode(b, sizes)).in_structure(NAME)
    }

    /// All entries.
    pub fn decode(bytes: &[u8], sizes: Sizes) -> Result<Vec<SymbolTableEntry>> {
        (0..Self::count(bytes, sizes)?).map(|i| Self::entry(bytes, i, sizes)).collect()
    }

    /// Bytes of a node of up to `capacity` (twice leaf K) entries, padded with zeros to its full size.
    pub fn encode(entries: &[SymbolTableEntry], capacity: usize, sizes: Sizes) -> Result<Vec<u8>> {
        let count = match u16::try_from(entries.len()) {
            Ok(count) if entries.len() <= capacity => count,
            _ => return Err(Error::usage(format!("{} entries in a node of {capacity}", entries.len()))),
        };
        let mut out = SIGNATURE.to_vec();
        out.extend_from_slice(&[1, 0]);
        out.extend_from_slice(&count.to_le_bytes());
        for entry in entries {
            entry.encode_to(&mut out, sizes)?;
        }
        out.resize(Self::encoded_len(capacity, sizes), 0);
        Ok(out)
    }

    /// Bytes that a node of `capacity` entries takes in the file.
    pub const fn encoded_len(capacity: usize, sizes: Sizes) -> usize {
        NODE_HEADER_LEN + capacity * SymbolTableEntry::encoded_len(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    // A soft link and a group, in a node of three places.
    fn literal() -> Vec<u8> {
        let mut bytes = b"SNOD\x01\0\x02\0".to_vec();
        bytes.extend_from_slice(b"\x08\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\0\0\0");
        bytes.extend_from_slice(b"\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend_from_slice(b"\x10\0\0\0\0\0\0\0\x20\x03\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
        bytes.extend_from_slice(b"\x88\x01\0\0\0\0\0\0\xa8\x02\0\0\0\0\0\0");
        bytes.resize(8 + 3 * 40, 0);
        bytes
    }

    #[test]
    fn literal_bytes() {
        let entries = SymbolTableNode::decode(&literal(), Sizes::EIGHT).unwrap();
        assert_eq!(
            entries,
            [
                SymbolTableEntry { name_offset: 8, header: None, cache: EntryCache::Soft { offset: 24 } },
                SymbolTableEntry {
                    name_offset: 16,
                    header: Some(0x320),
                    cache: EntryCache::Group { btree: 0x188, heap: 0x2a8 }
                },
            ]
        );
        assert_eq!(SymbolTableNode::encode(&entries, 3, Sizes::EIGHT).unwrap(), literal());
        assert_eq!(SymbolTableNode::entry(&literal(), 1, Sizes::EIGHT).unwrap(), entries[1]);
    }

    #[test]
    fn narrow_addresses_leave_the_scratch_pad_at_16_bytes() {
        let sizes = Sizes { offset: 2, length: 2 };
        let entry = SymbolTableEntry {
            name_offset: 8,
            header: Some(9),
            cache: EntryCache::Group { btree: 1, heap: 2 },
        };
        let bytes = SymbolTableNode::encode(&[entry], 1, sizes).unwrap();
        assert_eq!(bytes.len(), 8 + 28);
        assert_eq!(SymbolTableNode::decode(&bytes, sizes).unwrap(), [entry]);
    }

    #[test]
    fn hostile() {
        let bad = |at: usize, value: u8| {
            let mut bytes = literal();
            bytes[at] = value;
            SymbolTableNode::decode(&bytes, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, b'X').kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 2).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(7, 0xff).kind(), ErrorKind::Truncated(_)));
        assert!(matches!(bad(24, 3).kind(), ErrorKind::Corrupt(_)));
        assert!(SymbolTableNode::entry(&literal(), usize::MAX, Sizes::EIGHT).is_err());
        assert!(SymbolTableNode::encode(&[], 0, Sizes::EIGHT).is_ok());
    }

    #[test]
    fn names_have_the_width_of_lengths() {
        let sizes = Sizes { offset: 8, length: 4 };
        let entry = SymbolTableEntry { name_offset: 16, header: Some(0x320), cache: EntryCache::None };
        let bytes = SymbolTableNode::encode(&[entry], 2, sizes).unwrap();
        assert_eq!(bytes.len(), 8 + 2 * 36);
        assert_eq!(bytes[8..20], [16, 0, 0, 0, 0x20, 3, 0, 0, 0, 0, 0, 0]);
        assert_eq!(SymbolTableNode::decode(&bytes, sizes).unwrap(), [entry]);
    }
}
