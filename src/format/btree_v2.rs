//! Version 2 B-trees: links and attributes by name and order, huge heap objects, shared messages, chunks.
//!
//! HDF5 File Format Specification, III.A.2 "Disk Format: Level 1A2 - Version 2 B-trees".
//!
//! ```text
//! header
//! +------+---------+------+-----------+-------------+-------+-------+-------+------+---------+-------+----------+
//! | BTHD | version | type | node size | record size | depth | split | merge | root | records | total | checksum |
//! |      |    0    |  u8  |    u32    |     u16     |  u16  | u8 %  | u8 %  |  O   | of root |   L   |   u32    |
//! +------+---------+------+-----------+-------------+-------+-------+-------+------+---u16---+-------+----------+
//! leaf                                          internal node
//! +------+---------+------+---------+----------+  +------+---------+------+---------+----------+----------+
//! | BTLF | version | type | records | checksum |  | BTIN | version | type | records | children | checksum |
//! |      |    0    |  u8  |         |   u32    |  |      |    0    |  u8  |         |          |   u32    |
//! +------+---------+------+---------+----------+  +------+---------+------+---------+----------+----------+
//! child: address O, number of its records, number of records in and below it (unless it is a leaf)
//! ```
//!
//! The numbers are as wide as the most records that a leaf, respectively the subtree, can hold. What follows the
//! checksum up to the node size is garbage.

use binrw::binrw;

use super::checksum;
use super::primitive::{
    Bytes, Put, Sizes, Structure, limit_width, read_address, read_length, read_version, write_address,
    write_length,
};
use crate::error::{Context, Error, Result};

const NAME: &str = "B-tree v2 node";
const LEAF: &[u8; 4] = b"BTLF";
const INTERNAL: &[u8; 4] = b"BTIN";
/// Signature, version and type before the records; the checksum after.
const OVERHEAD: usize = 10;

/// What records a tree has and where its root is.
#[binrw]
#[brw(little, magic = b"BTHD", import(sizes: Sizes))]
#[br(assert(record_size > 0, "records of no bytes"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BTreeV2Header {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Kind of the records, 1 to 11.
    pub record_type: u8,
    /// Bytes of every node.
    pub node_size: u32,
    /// Bytes of a record.
    pub record_size: u16,
    /// Level of the root; 0 if it is a leaf.
    pub depth: u16,
    /// Percentage of a full node above which it is split.
    pub split: u8,
    /// Percentage of a full node below which it is merged.
    pub merge: u8,
    /// Address of the root node; none of an empty tree.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub root: Option<u64>,
    /// Number of records in the root node.
    pub root_records: u16,
    /// Number of records in the tree.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub total: u64,
}

impl Structure for BTreeV2Header {
    const NAME: &'static str = "B-tree v2 header";
    const CHECKSUM: bool = true;
}

impl BTreeV2Header {
    /// Bytes of the header.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        22 + sizes.offset as usize + sizes.length as usize
    }
}

/// Capacities and field widths of the nodes of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Most records of a node.
    pub max_records: u64,
    /// Most records of a node and all below it.
    pub cumulative_max: u64,
    /// Bytes of the number of records of the subtree in a pointer to such a node; 0 for a leaf.
    pub total_width: u8,
}

/// How the nodes of a tree are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    sizes: Sizes,
    record_type: u8,
    record_size: usize,
    node_size: usize,
    count_width: u8,
    levels: Vec<Level>,
}

impl Geometry {
    /// Of the tree with this header.
    ///
    /// # Errors
    /// `Corrupt` if a node has no room for a record, or the depth is beyond any number of records.
    pub fn new(header: &BTreeV2Header, sizes: Sizes) -> Result<Self> {
        Self::compute(header, sizes).in_structure(BTreeV2Header::NAME)
    }

    fn compute(header: &BTreeV2Header, sizes: Sizes) -> Result<Self> {
        let record_size = u64::from(header.record_size);
        let node_size = u64::from(header.node_size);
        let capacity = |overhead: u64, each: u64| {
            let records = node_size.saturating_sub(overhead).checked_div(each).unwrap_or(0);
            match records {
                0 => {
                    Err(Error::corrupt(format!("no record of {record_size} bytes in a node of {node_size}")))
                }
                records => Ok(records),
            }
        };
        let leaf = capacity(OVERHEAD as u64, record_size)?;
        let count_width = limit_width(leaf);
        let mut level = Level { max_records: leaf, cumulative_max: leaf, total_width: 0 };
        let mut levels = vec![level];
        for _ in 0..header.depth {
            let pointer = u64::from(sizes.offset + count_width + level.total_width);
            let max_records = capacity(OVERHEAD as u64 + pointer, record_size + pointer)?;
            let cumulative_max = (max_records + 1)
                .checked_mul(level.cumulative_max)
                .and_then(|n| n.checked_add(max_records))
                .ok_or_else(|| Error::corrupt(format!("depth {} is impossible", header.depth)))?;
            level = Level { max_records, cumulative_max, total_width: limit_width(cumulative_max) };
            levels.push(level);
        }
        Ok(Geometry {
            sizes,
            record_type: header.record_type,
            record_size: usize::from(header.record_size),
            node_size: header.node_size as usize,
            count_width,
            levels,
        })
    }

    /// Bytes of every node.
    pub fn node_size(&self) -> usize {
        self.node_size
    }

    /// Bytes of a record.
    pub fn record_size(&self) -> usize {
        self.record_size
    }

    /// Level of the root.
    pub fn depth(&self) -> u16 {
        (self.levels.len() - 1) as u16
    }

    /// Capacities of the nodes of a level; leaves are on level 0.
    pub fn level(&self, level: u16) -> Result<Level> {
        let found = self.levels.get(usize::from(level)).copied();
        found.ok_or_else(|| Error::usage(format!("level {level} of a tree of depth {}", self.depth())))
    }

    fn pointer_len(&self, level: u16) -> Result<usize> {
        match level.checked_sub(1) {
            None => Ok(0),
            Some(below) => {
                Ok(usize::from(self.sizes.offset + self.count_width + self.level(below)?.total_width))
            }
        }
    }
}

/// Where the node below an internal node is, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// Address of the node.
    pub address: u64,
    /// Number of its records.
    pub records: u16,
    /// Number of records in it and below it.
    pub total: u64,
}

/// A leaf or internal node over the bytes that hold it.
#[derive(Clone, Copy, Debug)]
pub struct BTreeV2Node<'a> {
    geometry: &'a Geometry,
    level: u16,
    records: &'a [u8],
    children: &'a [u8],
}

impl<'a> BTreeV2Node<'a> {
    /// The node of `records` records at the start of `bytes`, on a level of which 0 is that of the leaves.
    ///
    /// Signature, type and checksum are verified.
    pub fn decode(bytes: &'a [u8], geometry: &'a Geometry, level: u16, records: u16) -> Result<Self> {
        let parse = || {
            let max = geometry.level(level)?.max_records;
            if u64::from(records) > max {
                return Err(Error::corrupt(format!("{records} records in a node for {max}")));
            }
            let mut b = Bytes(bytes);
            b.signature(if level == 0 { LEAF } else { INTERNAL })?;
            b.version(0)?;
            let record_type = b.u8()?;
            if record_type != geometry.record_type {
                let text = format!("record type {record_type}, but {} in the header", geometry.record_type);
                return Err(Error::corrupt(text));
            }
            let count = usize::from(records);
            let records = b.take(count * geometry.record_size)?;
            let children = match level {
                0 => &[],
                _ => b.take((count + 1) * geometry.pointer_len(level)?)?,
            };
            let end = bytes.len() - b.take(checksum::CHECKSUM_LEN).map(|_| b.0.len())?;
            checksum::verify(&bytes[..end])?;
            Ok(BTreeV2Node { geometry, level, records, children })
        };
        parse().in_structure(NAME)
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len() / self.geometry.record_size
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of each record, in order.
    pub fn records(&self) -> std::slice::ChunksExact<'a, u8> {
        self.records.chunks_exact(self.geometry.record_size)
    }

    /// The bytes of one record.
    pub fn record(&self, index: usize) -> Option<&'a [u8]> {
        self.records().nth(index)
    }

    /// Number of children: one more than records, none of a leaf.
    pub fn child_count(&self) -> usize {
        if self.level == 0 { 0 } else { self.len() + 1 }
    }

    /// Child `index`, whose records are less than record `index`.
    pub fn child(&self, index: usize) -> Result<Child> {
        let parse = || {
            let Some(below) = self.level.checked_sub(1).filter(|_| index < self.child_count()) else {
                return Err(Error::usage(format!("child {index} of {}", self.child_count())));
            };
            let below = self.geometry.level(below)?;
            let mut b = Bytes(&self.children[index * self.geometry.pointer_len(self.level)?..]);
            let address = b.defined(self.geometry.sizes)?;
            let records = b.uint(self.geometry.count_width)?;
            let total = if below.total_width == 0 { records } else { b.uint(below.total_width)? };
            if records > below.max_records || total < records || total > below.cumulative_max {
                return Err(Error::corrupt(format!("child {index} of {records} records, {total} in all")));
            }
            let records = u16::try_from(records)
                .map_err(|_| Error::unsupported(format!("{records} records in a node")))?;
            Ok(Child { address, records, total })
        };
        parse().in_structure(NAME)
    }
}

/// Bytes of a node, padded with zeros to its full size; a leaf has no children.
///
/// # Errors
/// `Usage` if records and children contradict each other or the level.
pub fn encode_node(geometry: &Geometry, level: u16, records: &[u8], children: &[Child]) -> Result<Vec<u8>> {
    let encode = || {
        let count = records.len() / geometry.record_size;
        let expected = if level == 0 { 0 } else { count + 1 };
        if !records.len().is_multiple_of(geometry.record_size)
            || count as u64 > geometry.level(level)?.max_records
            || children.len() != expected
        {
            let text =
                format!("{} bytes of records, {} children on level {level}", records.len(), children.len());
            return Err(Error::usage(text));
        }
        let mut out = Vec::with_capacity(geometry.node_size);
        out.extend_from_slice(if level == 0 { LEAF } else { INTERNAL });
        out.extend_from_slice(&[0, geometry.record_type]);
        out.extend_from_slice(records);
        for child in children {
            out.uint(child.address, geometry.sizes.offset)?;
            out.uint(u64::from(child.records), geometry.count_width)?;
            let width = geometry.level(level - 1)?.total_width;
            if width > 0 {
                out.uint(child.total, width)?;
            }
        }
        checksum::append(&mut out);
        out.resize(geometry.node_size, 0);
        Ok(out)
    };
    encode().in_structure(NAME)
}

#[cfg(test)]
#[path = "btree_v2_tests.rs"]
mod tests;
