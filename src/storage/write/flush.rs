//! Flush: the model becomes blocks at fresh addresses, and the superblock leads to them.

use rustc_hash::FxHashMap;

use super::{
    State,
    btree_v2::{self, Kind},
    chunk_index::{self, IndexSource},
    fractal_heap::{self, ATTRIBUTES, LINKS},
    header::{DenseParts, Encoder, Parts, attribute_body, attributes_are_dense, links_are_dense},
    node::{Attributes, Body, GroupBody, Node, NodeId, RawState},
};
use crate::{
    error::{Error, Result},
    format::{
        btree_v2_record::{AttributeName, AttributeOrder, LinkName, LinkOrder},
        checksum::lookup3,
        primitive::{Sizes, Structure},
    },
    storage::{allocator::Block, transaction::Transaction},
};

/// The blocks of an object that are on their way.
#[derive(Default)]
struct Fresh {
    address: u64,
    blocks: Vec<Block>,
    parts: Parts,
}

impl State {
    /// Writes what has changed since the last flush, and publishes it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.tx.check()?;
        self.spill_all()?;
        let dirty: Vec<NodeId> =
            (0..self.nodes.len() as u32).map(NodeId).filter(|&id| self.is_dirty(id)).collect();
        if dirty.is_empty() {
            return Ok(());
        }
        self.heap.close(&mut self.tx)?;
        let mut fresh: FxHashMap<NodeId, Fresh> = FxHashMap::default();
        // Addresses first: they are as long as any other.
        for &id in &dirty {
            let node = self.node(id)?;
            let mut new = Fresh::default();
            match (node.pinned, node.address) {
                (Some(len), Some(address)) => {
                    new.address = address;
                    new.blocks.push((address, len));
                }
                _ => {
                    let encoder = self.encoder(&|_| 0);
                    let len = encoder.len(node, &encoder.messages(node, &planned(node), true)?);
                    new.address = self.tx.allocator.allocate(len)?;
                    new.blocks.push((new.address, len));
                }
            }
            fresh.insert(id, new);
        }
        let addresses: Vec<u64> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(i, node)| fresh.get(&NodeId(i as u32)).map_or(node.address.unwrap_or(0), |f| f.address))
            .collect();
        let address_of = |id: NodeId| addresses.get(id.0 as usize).copied().unwrap_or(0);
        let (sizes, profile) = (self.sizes(), self.profile);
        let encoder = Encoder { sizes, profile, address_of: &address_of };
        let State { nodes, tx, .. } = self;
        for &id in &dirty {
            let (Some(node), Some(new)) = (nodes.get(id.0 as usize), fresh.get_mut(&id)) else { continue };
            new.parts = parts(tx, &mut new.blocks, &encoder, node)?;
        }
        for &id in &dirty {
            let (Some(node), Some(new)) = (nodes.get(id.0 as usize), fresh.get_mut(&id)) else { continue };
            let messages = encoder.messages(node, &new.parts, true)?;
            let bytes = match node.pinned {
                Some(len) => {
                    let blocks = &mut new.blocks;
                    encoder.encode_fixed(node, messages, len, &mut |block| {
                        let block = tx.put(block)?;
                        blocks.push(block);
                        Ok(block.0)
                    })?
                }
                None => encoder.encode(node, &messages)?,
            };
            if new.blocks.first().is_none_or(|b| b.1 != bytes.len() as u64) {
                return Err(Error::usage("an object header of another length than planned"));
            }
            tx.put_at(new.address, &bytes)?;
        }
        self.superblock.root = address_of(super::ROOT);
        for &id in &dirty {
            if let Some(node) = self.nodes.get_mut(id.0 as usize) {
                std::mem::take(&mut node.blocks).into_iter().for_each(|block| self.tx.allocator.leave(block));
            }
        }
        let mut superblock = self.superblock.clone();
        self.tx.commit(&mut superblock)?;
        self.superblock = superblock;
        for (id, new) in fresh {
            if let Some(node) = self.nodes.get_mut(id.0 as usize) {
                node.address = Some(new.address);
                node.blocks = new.blocks;
                (node.published, node.dirty) = (true, false);
                if let Body::Dataset(dataset) = &mut node.body {
                    match &mut dataset.data {
                        RawState::Compact(_) => {}
                        RawState::Contiguous { published, .. } => *published = true,
                        RawState::Chunked(state) => {
                            let stored = state.chunks.values_mut().filter_map(|c| c.stored.as_mut());
                            stored.for_each(|(_, published)| *published = true);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn is_dirty(&self, id: NodeId) -> bool {
        // What no link leads to is not written; the root has none.
        self.node(id).is_ok_and(|n| n.dirty && (id == super::ROOT || !n.parents.is_empty()))
    }
}

/// What an object will have outside its header: messages are as long with any address.
fn planned(node: &Node) -> Parts {
    let dense = DenseParts { heap: 0, names: 0, order: Some(0) };
    let links = match &node.body {
        Body::Group(group) if links_are_dense(group) => Some(dense),
        _ => None,
    };
    Parts { links, attributes: attributes_are_dense(&node.attributes).then_some(dense), index: None }
}

/// Writes what an object has outside its header.
fn parts(tx: &mut Transaction, blocks: &mut Vec<Block>, encoder: &Encoder<'_>, node: &Node) -> Result<Parts> {
    let planned = planned(node);
    let mut parts = Parts::default();
    match &node.body {
        Body::Group(group) if planned.links.is_some() => {
            parts.links = Some(dense_links(tx, blocks, encoder, group)?);
        }
        Body::Dataset(dataset) => {
            if let RawState::Chunked(state) = &dataset.data {
                let source = IndexSource {
                    state,
                    dims: dataset.dataspace.dims(),
                    max_dims: &dataset.dataspace.max_dims(),
                    element_size: dataset.datatype.size as u64,
                    filtered: !dataset.pipeline.filters.is_empty(),
                    sizes: encoder.sizes,
                };
                let (address, index) = chunk_index::build(tx, blocks, &source)?;
                parts.index = Some(match (address, index) {
                    // As wide as it was planned.
                    (None, crate::model::layout::ChunkIndexType::Single { .. }) if source.filtered => {
                        (None, crate::model::layout::ChunkIndexType::Single { filtered: Some((0, 0)) })
                    }
                    other => other,
                });
            }
        }
        _ => {}
    }
    if planned.attributes.is_some() {
        parts.attributes = Some(dense_attributes(tx, blocks, &node.attributes, encoder.sizes)?);
    }
    Ok(parts)
}

fn id<const N: usize>(id: &[u8]) -> Result<[u8; N]> {
    id.try_into().map_err(|_| Error::usage("a heap id of another length"))
}

fn dense_links(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    encoder: &Encoder<'_>,
    group: &GroupBody,
) -> Result<DenseParts> {
    let sizes = encoder.sizes;
    let bodies: Vec<Vec<u8>> = group
        .links
        .iter()
        .map(|(name, link)| encoder.link_body(name, link, group.order))
        .collect::<Result<_>>()?;
    let (heap, ids) = fractal_heap::build(tx, blocks, LINKS, &bodies, sizes)?;
    drop(bodies);
    // The names are in order: a stable sort by hash leaves those of one hash in it.
    let mut by_name: Vec<(u32, usize)> =
        group.links.keys().enumerate().map(|(i, name)| (lookup3(name.as_bytes()), i)).collect();
    by_name.sort_by_key(|(hash, _)| *hash);
    let mut records = Vec::with_capacity(11 * ids.len());
    for (hash, i) in by_name {
        records.extend(LinkName { hash, id: id(&ids[i])? }.encode(sizes)?);
    }
    let names = btree_v2::build(tx, blocks, Kind::of_names(5, 11), &records, sizes)?;
    let mut order = None;
    if group.order.indexed {
        let mut by_order: Vec<(i64, usize)> =
            group.links.values().enumerate().map(|(i, l)| (l.order, i)).collect();
        by_order.sort_unstable();
        let mut records = Vec::with_capacity(15 * ids.len());
        for (order, i) in by_order {
            records.extend(LinkOrder { order, id: id(&ids[i])? }.encode(sizes)?);
        }
        order = Some(btree_v2::build(tx, blocks, Kind::of_names(6, 15), &records, sizes)?);
    }
    Ok(DenseParts { heap, names, order })
}

fn dense_attributes(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    attributes: &Attributes,
    sizes: Sizes,
) -> Result<DenseParts> {
    let bodies: Vec<Vec<u8>> =
        attributes.map.iter().map(|(name, a)| attribute_body(name, a, sizes)).collect::<Result<_>>()?;
    let (heap, ids) = fractal_heap::build(tx, blocks, ATTRIBUTES, &bodies, sizes)?;
    drop(bodies);
    let mut by_name: Vec<(u32, usize, u32)> = attributes
        .map
        .iter()
        .enumerate()
        .map(|(i, (name, a))| (lookup3(name.as_bytes()), i, a.order))
        .collect();
    by_name.sort_by_key(|(hash, ..)| *hash);
    let mut records = Vec::new();
    for &(hash, i, order) in &by_name {
        records.extend(AttributeName { id: id(&ids[i])?, flags: 0, order, hash }.encode(sizes)?);
    }
    let names = btree_v2::build(tx, blocks, Kind::of_names(8, 17), &records, sizes)?;
    let mut index = None;
    if attributes.order.indexed {
        by_name.sort_by_key(|(.., order)| *order);
        let mut records = Vec::new();
        for &(_, i, order) in &by_name {
            records.extend(AttributeOrder { id: id(&ids[i])?, flags: 0, order }.encode(sizes)?);
        }
        index = Some(btree_v2::build(tx, blocks, Kind::of_names(9, 13), &records, sizes)?);
    }
    Ok(DenseParts { heap, names, order: index })
}
