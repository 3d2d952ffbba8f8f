//! B-tree version 2, walked from its header.

use std::cmp::Ordering;

use rustc_hash::FxHashSet;

use crate::{
    error::{Context, Error, Result},
    format::{
        btree_v2::{BTreeV2Header, BTreeV2Node, Geometry},
        primitive::Structure,
    },
    storage::reader::Reader,
};

const NAME: &str = "B-tree v2 node";
/// Signature, version, type, sizes, depth, percentages, root and checksum, at the widest.
const MAX_HEADER: u64 = 64;

/// A B-tree version 2.
#[derive(Debug)]
pub(crate) struct BTreeV2 {
    pub(crate) header: BTreeV2Header,
    geometry: Geometry,
}

/// Called with each record.
type Visit<'v> = dyn FnMut(&[u8]) -> Result<()> + 'v;

impl BTreeV2 {
    pub(crate) fn open(reader: &Reader, address: u64) -> Result<Self> {
        let open = || {
            let header = BTreeV2Header::decode(&reader.up_to(address, MAX_HEADER)?, reader.sizes)?;
            let geometry = Geometry::new(&header, reader.sizes)?;
            if u32::from(header.depth) > reader.limits.tree_depth {
                return Err(Error::limit(
                    "depth of a B-tree",
                    header.depth.into(),
                    reader.limits.tree_depth.into(),
                ));
            }
            Ok(BTreeV2 { header, geometry })
        };
        open().in_structure(BTreeV2Header::NAME).at(address)
    }

    /// Calls `f` for every record, in order.
    pub(crate) fn for_each(&self, reader: &Reader, f: &mut Visit<'_>) -> Result<()> {
        match self.header.root {
            None => Ok(()),
            Some(root) => {
                let mut visited = FxHashSet::default();
                self.walk(reader, root, self.header.depth, self.header.root_records, &mut visited, f)
            }
        }
    }

    /// Calls `f` with the address of every node. Leaves are not read.
    pub(crate) fn for_each_node(&self, reader: &Reader, f: &mut dyn FnMut(u64)) -> Result<()> {
        let mut visited = FxHashSet::default();
        let root = self.header.root.map(|root| (root, self.header.depth, self.header.root_records));
        let mut pending: Vec<_> = root.into_iter().collect();
        while let Some((address, level, records)) = pending.pop() {
            if !visited.insert(address) {
                return Err(Error::corrupt("node is reached twice").in_structure(NAME).at(address));
            }
            f(address);
            let Some(below) = level.checked_sub(1) else { continue };
            let bytes = reader.bytes(address, self.geometry.node_size() as u64).in_structure(NAME)?;
            let node = BTreeV2Node::decode(&bytes, &self.geometry, level, records).at(address)?;
            for i in 0..node.child_count() {
                let child = node.child(i).at(address)?;
                pending.push((child.address, below, child.records));
            }
        }
        Ok(())
    }

    fn walk(
        &self,
        reader: &Reader,
        address: u64,
        level: u16,
        records: u16,
        visited: &mut FxHashSet<u64>,
        f: &mut Visit<'_>,
    ) -> Result<()> {
        if !visited.insert(address) {
            return Err(Error::corrupt("node is reached twice").in_structure(NAME).at(address));
        }
        let bytes = reader.bytes(address, self.geometry.node_size() as u64).in_structure(NAME)?;
        let node = BTreeV2Node::decode(&bytes, &self.geometry, level, records).at(address)?;
        if level == 0 {
            return node.records().try_for_each(&mut *f);
        }
        for (i, record) in node.records().map(Some).chain([None]).enumerate() {
            let child = node.child(i).at(address);
            reader.forgive(
                child.and_then(|c| self.walk(reader, c.address, level - 1, c.records, visited, f)),
            )?;
            if let Some(record) = record {
                f(record)?;
            }
        }
        Ok(())
    }

    /// Searches a record. `order` tells how a record compares with what is looked for, and has the side effect of
    /// noting it when equal.
    pub(crate) fn find(
        &self,
        reader: &Reader,
        order: &mut dyn FnMut(&[u8]) -> Result<Ordering>,
    ) -> Result<bool> {
        let Some(root) = self.header.root else { return Ok(false) };
        let (mut address, mut records) = (root, self.header.root_records);
        for level in (0..=self.header.depth).rev() {
            let bytes = reader.bytes(address, self.geometry.node_size() as u64).in_structure(NAME)?;
            let node = BTreeV2Node::decode(&bytes, &self.geometry, level, records).at(address)?;
            let (mut low, mut high) = (0, node.len());
            while low < high {
                let middle = (low + high) / 2;
                match order(node.record(middle).unwrap_or_default())? {
                    Ordering::Equal => return Ok(true),
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                }
            }
            if level > 0 {
                let child = node.child(low).at(address)?;
                (address, records) = (child.address, child.records);
            }
        }
        Ok(false)
    }
}
