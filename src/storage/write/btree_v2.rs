//! B-trees version 2, built at once from sorted records.

use crate::{
    error::{Error, Result},
    format::{
        btree_v2::{BTreeV2Header, Child, Geometry, encode_node},
        primitive::{Sizes, Structure},
    },
    storage::{allocator::Block, transaction::Transaction},
};

/// The kind of a tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) record_type: u8,
    pub(super) record_size: u16,
    pub(super) node_size: u32,
    pub(super) split: u8,
    pub(super) merge: u8,
}

impl Kind {
    /// The trees of links, attributes and huge objects.
    pub(super) fn of_names(record_type: u8, record_size: u16) -> Self {
        Kind { record_type, record_size, node_size: 512, split: 100, merge: 40 }
    }
}

struct Builder<'a> {
    tx: &'a mut Transaction,
    blocks: &'a mut Vec<Block>,
    geometry: Geometry,
}

/// Writes a tree of these records, which are in order; its header is the last block. Returns the header's address.
pub(super) fn build(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    kind: Kind,
    records: &[u8],
    sizes: Sizes,
) -> Result<u64> {
    let total = (records.len() / usize::from(kind.record_size).max(1)) as u64;
    let mut header = BTreeV2Header {
        record_type: kind.record_type,
        node_size: kind.node_size,
        record_size: kind.record_size,
        depth: 0,
        split: kind.split,
        merge: kind.merge,
        root: None,
        root_records: 0,
        total,
    };
    let mut geometry = Geometry::new(&header, sizes)?;
    while geometry.level(header.depth)?.cumulative_max < total {
        header.depth += 1;
        geometry = Geometry::new(&header, sizes)?;
    }
    if total > 0 {
        let mut builder = Builder { tx, blocks, geometry };
        let root = builder.node(header.depth, records)?;
        (header.root, header.root_records) = (Some(root.address), root.records);
    }
    let block = tx.put(&header.encode(sizes)?)?;
    blocks.push(block);
    Ok(block.0)
}

impl Builder<'_> {
    /// A node on a level, with all that is below it.
    fn node(&mut self, level: u16, records: &[u8]) -> Result<Child> {
        let size = self.geometry.record_size();
        let total = (records.len() / size) as u64;
        let mut own = Vec::new();
        let mut children = Vec::new();
        if level == 0 {
            own.extend_from_slice(records);
        } else {
            // As few children as can hold the records, all about equally full.
            let below = self.geometry.level(level - 1)?.cumulative_max;
            let count = (total + 1).div_ceil(below + 1).max(2);
            let mut rest = records;
            for i in 0..count {
                let left = (rest.len() / size) as u64;
                let among = count - i;
                let n = (left - (among - 1)) / among;
                let (part, behind) = rest.split_at(n as usize * size);
                children.push(self.node(level - 1, part)?);
                rest = behind;
                if among > 1 {
                    let (between, behind) = rest.split_at(size);
                    own.extend_from_slice(between);
                    rest = behind;
                }
            }
        }
        let count = u16::try_from(own.len() / size);
        let count = count.map_err(|_| Error::unsupported("more than 65535 records in a node"))?;
        let block = self.tx.put(&encode_node(&self.geometry, level, &own, &children)?)?;
        self.blocks.push(block);
        Ok(Child { address: block.0, records: count, total })
    }
}
