//! Version 1 B-tree nodes: the index of old-style groups and of chunks up to layout version 3.
//!
//! HDF5 File Format Specification, III.A.1 "Disk Format: Level 1A1 - Version 1 B-trees".
//!
//! ```text
//! +------+------+-------+---------+------+-------+
//! | TREE | type | level | entries | left | right |     type 0: group, 1: chunks
//! |      |  u8  |  u8   |   u16   |  O   |   O   |     siblings on the same level
//! +------+------+-------+---------+------+-------+
//! | key 0 | child 0 O | key 1 | child 1 O | ...  |     one key more than children
//! +----------------------------------------------+
//!
//! group key: offset of a name in the local heap (L)
//! chunk key: size u32, filter mask u32, rank + 1 element offsets u64, of which the last is 0
//! ```
//!
//! A node takes room for 2K children and 2K + 1 keys, whatever its count.

use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const NAME: &str = "B-tree v1 node";
const SIGNATURE: &[u8; 4] = b"TREE";

/// What the keys of a tree are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Names of the members of a group.
    Group,
    /// Chunks of a dataset.
    Chunk {
        /// Offsets in a key: the rank of the dataset + 1.
        coordinates: u8,
    },
}

impl KeyKind {
    /// The node type in the file.
    pub const fn node_type(self) -> u8 {
        match self {
            KeyKind::Group => 0,
            KeyKind::Chunk { .. } => 1,
        }
    }

    /// Bytes of a key.
    pub const fn key_len(self, sizes: Sizes) -> usize {
        match self {
            KeyKind::Group => sizes.length as usize,
            KeyKind::Chunk { coordinates } => 8 + 8 * coordinates as usize,
        }
    }

    /// Bytes that a node of rank `k` takes in the file.
    pub const fn node_len(self, k: u16, sizes: Sizes) -> usize {
        let children = 2 * k as usize;
        header_len(sizes) + children * sizes.offset as usize + (children + 1) * self.key_len(sizes)
    }
}

/// Bytes before the first key.
pub const fn header_len(sizes: Sizes) -> usize {
    8 + 2 * sizes.offset as usize
}

/// What precedes the keys of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BTreeV1Header {
    /// 0 for a group, 1 for chunks.
    pub node_type: u8,
    /// 0 for a leaf, whose children are symbol table nodes or chunks.
    pub level: u8,
    /// Number of children.
    pub entries: u16,
    /// The node before it on the same level.
    pub left: Option<u64>,
    /// The node after it on the same level.
    pub right: Option<u64>,
}

impl BTreeV1Header {
    fn parse(b: &mut Bytes<'_>, sizes: Sizes) -> Result<Self> {
        b.signature(SIGNATURE)?;
        let node_type = b.u8()?;
        if node_type > 1 {
            return Err(Error::corrupt(format!("node type {node_type}")));
        }
        Ok(BTreeV1Header {
            node_type,
            level: b.u8()?,
            entries: b.u16()?,
            left: b.address(sizes)?,
            right: b.address(sizes)?,
        })
    }

    /// Parses the header at the start of `bytes` only.
    pub fn decode(bytes: &[u8], sizes: Sizes) -> Result<Self> {
        Self::parse(&mut Bytes(bytes), sizes).in_structure(NAME)
    }

    fn encode_to(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(&[self.node_type, self.level]);
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.address(self.left, sizes)?;
        out.address(self.right, sizes)
    }
}

/// A chunk as its key gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkKey<'a> {
    /// Bytes of the chunk in the file.
    pub size: u32,
    /// Filters that were skipped.
    pub mask: u32,
    offsets: &'a [[u8; 8]],
}

impl<'a> ChunkKey<'a> {
    /// First element of the chunk in every dimension, and then an offset within the element (0).
    pub fn offsets(&self) -> impl ExactSizeIterator<Item = u64> + Clone + 'a {
        self.offsets.iter().map(|b| u64::from_le_bytes(*b))
    }
}

/// A key to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Offset of a name in the local heap.
    Group(u64),
    /// A chunk.
    Chunk {
        /// Bytes of the chunk in the file.
        size: u32,
        /// Filters that were skipped.
        mask: u32,
        /// First element of the chunk in every dimension, and 0.
        offsets: Vec<u64>,
    },
}

/// A node over the bytes that hold it; keys and children are decoded one by one.
#[derive(Clone, Copy, Debug)]
pub struct BTreeV1Node<'a> {
    /// What precedes the keys.
    pub header: BTreeV1Header,
    kind: KeyKind,
    sizes: Sizes,
    /// `entries` pairs of key and child, and a last key.
    body: &'a [u8],
}

impl<'a> BTreeV1Node<'a> {
    /// The node at the start of `bytes`, which must hold all keys and children in use.
    pub fn decode(bytes: &'a [u8], kind: KeyKind, sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(bytes);
            let header = BTreeV1Header::parse(&mut b, sizes)?;
            if header.node_type != kind.node_type() {
                let text = format!("node type {}, expected {}", header.node_type, kind.node_type());
                return Err(Error::corrupt(text));
            }
            let key = kind.key_len(sizes);
            let body = b.take(usize::from(header.entries) * (key + usize::from(sizes.offset)) + key)?;
            Ok(BTreeV1Node { header, kind, sizes, body })
        };
        parse().in_structure(NAME)
    }

    /// Number of children.
    pub fn len(&self) -> usize {
        usize::from(self.header.entries)
    }

    /// Whether there are no children.
    pub fn is_empty(&self) -> bool {
        self.header.entries == 0
    }

    /// Bytes of the node up to its last key.
    pub fn used_len(&self) -> u64 {
        (header_len(self.sizes) + self.body.len()) as u64
    }

    fn field(&self, index: usize, limit: usize, after_key: bool) -> Result<Bytes<'a>> {
        let key = self.kind.key_len(self.sizes);
        let at = index.saturating_mul(key + usize::from(self.sizes.offset));
        let at = at.saturating_add(if after_key { key } else { 0 });
        match self.body.get(at..) {
            Some(bytes) if index < limit => Ok(Bytes(bytes)),
            _ => Err(Error::usage(format!("place {index} of {limit}")).in_structure(NAME)),
        }
    }

    /// Address of child `index`.
    pub fn child(&self, index: usize) -> Result<u64> {
        self.field(index, self.len(), true)?.defined(self.sizes).in_structure(NAME)
    }

    /// Key `index`, up to the number of children inclusive, of a group: a heap offset.
    pub fn group_key(&self, index: usize) -> Result<u64> {
        match self.kind {
            KeyKind::Group => self.field(index, self.len() + 1, false)?.length(self.sizes),
            KeyKind::Chunk { .. } => Err(Error::usage("a group key in a tree of chunks").in_structure(NAME)),
        }
    }

    /// Key `index`, up to the number of children inclusive, of a tree of chunks.
    pub fn chunk_key(&self, index: usize) -> Result<ChunkKey<'a>> {
        let KeyKind::Chunk { coordinates } = self.kind else {
            return Err(Error::usage("a chunk key in a tree of a group").in_structure(NAME));
        };
        let mut b = self.field(index, self.len() + 1, false)?;
        let (size, mask) = (b.u32()?, b.u32()?);
        let offsets = b.take(8 * usize::from(coordinates))?.as_chunks().0;
        Ok(ChunkKey { size, mask, offsets })
    }

    /// Key `index` as a value that can be written.
    pub fn key(&self, index: usize) -> Result<Key> {
        Ok(match self.kind {
            KeyKind::Group => Key::Group(self.group_key(index)?),
            KeyKind::Chunk { .. } => {
                let key = self.chunk_key(index)?;
                Key::Chunk { size: key.size, mask: key.mask, offsets: key.offsets().collect() }
            }
        })
    }
}

/// Bytes of a node of rank `k`, padded with zeros to its full size. There is one key more than children;
/// `header.entries` is derived from the children.
///
/// # Errors
/// `Usage` if the numbers of keys and children, the rank or the kind of a key contradict each other.
pub fn encode_node(
    header: BTreeV1Header,
    kind: KeyKind,
    keys: &[Key],
    children: &[u64],
    k: u16,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let entries = u16::try_from(children.len()).ok().filter(|&n| u32::from(n) <= 2 * u32::from(k));
    let Some(entries) = entries.filter(|_| keys.len() == children.len() + 1) else {
        let text = format!("{} keys and {} children in a node of rank {k}", keys.len(), children.len());
        return Err(Error::usage(text).in_structure(NAME));
    };
    let mut out = Vec::with_capacity(kind.node_len(k, sizes));
    BTreeV1Header { node_type: kind.node_type(), entries, ..header }.encode_to(&mut out, sizes)?;
    for (i, key) in keys.iter().enumerate() {
        match (key, kind) {
            (Key::Group(offset), KeyKind::Group) => out.length(*offset, sizes)?,
            (Key::Chunk { size, mask, offsets }, KeyKind::Chunk { coordinates })
                if offsets.len() == usize::from(coordinates) =>
            {
                out.extend_from_slice(&size.to_le_bytes());
                out.extend_from_slice(&mask.to_le_bytes());
                offsets.iter().for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
            }
            _ => return Err(Error::usage("a key of another kind").in_structure(NAME)),
        }
        if let Some(child) = children.get(i) {
            out.uint(*child, sizes.offset).in_structure(NAME)?;
        }
    }
    out.resize(kind.node_len(k, sizes), 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const CHUNKS: KeyKind = KeyKind::Chunk { coordinates: 2 };

    fn chunks() -> Vec<u8> {
        let mut bytes = b"TREE\x01\0\x02\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x09\0\0\0\0\0\0".to_vec();
        for (size, offset, child) in [(40u32, 0u64, Some(0x800u64)), (24, 10, Some(0x900)), (0, 20, None)] {
            bytes.extend_from_slice(&size.to_le_bytes());
            bytes.extend_from_slice(&1u32.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend(child.iter().flat_map(|c| c.to_le_bytes()));
        }
        bytes.resize(CHUNKS.node_len(2, Sizes::EIGHT), 0);
        bytes
    }

    fn rewritten(bytes: &[u8], kind: KeyKind, k: u16, sizes: Sizes) -> Vec<u8> {
        let node = BTreeV1Node::decode(bytes, kind, sizes).unwrap();
        let keys: Vec<_> = (0..=node.len()).map(|i| node.key(i).unwrap()).collect();
        let children: Vec<_> = (0..node.len()).map(|i| node.child(i).unwrap()).collect();
        encode_node(node.header, kind, &keys, &children, k, sizes).unwrap()
    }

    #[test]
    fn chunk_node() {
        let bytes = chunks();
        let node = BTreeV1Node::decode(&bytes, CHUNKS, Sizes::EIGHT).unwrap();
        assert_eq!((node.len(), node.header.left, node.header.right), (2, None, Some(0x900)));
        let key = node.chunk_key(1).unwrap();
        assert_eq!((key.size, key.mask, key.offsets().collect::<Vec<_>>()), (24, 1, vec![10, 0]));
        assert_eq!(node.chunk_key(2).unwrap().offsets().next(), Some(20));
        assert_eq!(node.child(1).unwrap(), 0x900);
        assert!(node.child(2).is_err() && node.chunk_key(3).is_err() && node.group_key(0).is_err());
        assert_eq!(rewritten(&bytes, CHUNKS, 2, Sizes::EIGHT), bytes);
    }

    #[test]
    fn group_node_with_lengths_other_than_addresses() {
        let sizes = Sizes { offset: 4, length: 2 };
        let mut bytes = b"TREE\0\x01\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\x10\x20\0\0\x08\0".to_vec();
        bytes.resize(KeyKind::Group.node_len(16, sizes), 0);
        let node = BTreeV1Node::decode(&bytes, KeyKind::Group, sizes).unwrap();
        assert_eq!((node.group_key(0).unwrap(), node.group_key(1).unwrap()), (0, 8));
        assert_eq!((node.header.level, node.child(0).unwrap()), (1, 0x2010));
        assert_eq!(rewritten(&bytes, KeyKind::Group, 16, sizes), bytes);
    }

    #[test]
    fn hostile() {
        let bad = |at: usize, value: u8| {
            let mut bytes = chunks();
            bytes[at] = value;
            BTreeV1Node::decode(&bytes, CHUNKS, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 2).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(7, 0xff).kind(), ErrorKind::Truncated(_)));
        let mut bytes = chunks();
        bytes[48..56].fill(0xff);
        let node = BTreeV1Node::decode(&bytes, CHUNKS, Sizes::EIGHT).unwrap();
        assert!(matches!(node.child(0).unwrap_err().kind(), ErrorKind::Corrupt(_)));
        assert!(encode_node(node.header, CHUNKS, &[], &[], 2, Sizes::EIGHT).is_err());
        assert!(encode_node(node.header, CHUNKS, &[Key::Group(0)], &[], 2, Sizes::EIGHT).is_err());
    }
}
