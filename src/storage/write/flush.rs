//! Flush: the model becomes blocks at fresh addresses, and the superblock leads to them.

use std::ops::Range;

use smallvec::smallvec;

use super::{
    ROOT, State,
    btree_v2::{self, Kind},
    chunk_index::{self, IndexSource},
    external,
    fractal_heap::{self, ATTRIBUTES, LINKS},
    header::{Encoder, attributes_are_dense, links_are_dense},
    messages::{Messages, Missing},
    node::{Attributes, Blocks, Body, DenseParts, GroupBody, Node, NodeId, Outside, Parts, RawState, aspect},
    symbol_table,
};
use crate::{
    error::{Error, Result},
    format::{
        btree_v2_record::{AttributeName, AttributeOrder, LinkName, LinkOrder},
        checksum::{CHECKSUM_LEN, lookup3},
        message::shared::{SharedPointer, decode_shared},
        object_header::SHARED,
        primitive::{Sizes, Structure},
    },
    model::layout::ChunkIndexType,
    storage::{allocator::Block, transaction::Transaction},
};

/// An object on its way.
#[derive(Default)]
struct Fresh {
    address: u64,
    blocks: Blocks,
    /// Of an object that was in the file before the session.
    messages: Option<Box<Messages>>,
    /// Where its header lies among those that are settled.
    settled: Option<Range<usize>>,
}

/// Headers that are known but for the addresses of objects, before all objects have theirs.
#[derive(Default)]
struct Settled {
    bytes: Vec<u8>,
    missing: Missing,
    /// Those in which an address is missing.
    unsealed: Vec<Range<usize>>,
}

impl Settled {
    /// Adds the header of an object with these messages; where it is.
    fn push(&mut self, encoder: &Encoder<'_>, node: &Node, messages: &Messages) -> Result<Range<usize>> {
        let (start, known) = (self.bytes.len(), self.missing.len());
        encoder.encode(node, messages, &mut self.bytes, Some(&mut self.missing))?;
        let place = start..self.bytes.len();
        if self.missing.len() > known {
            self.unsealed.push(place.clone());
        }
        Ok(place)
    }

    /// Puts the addresses in.
    fn resolve(&mut self, address_of: &dyn Fn(NodeId) -> u64, width: u8) -> Result<()> {
        let outside = || Error::usage("an address outside its header");
        for &(end, id) in &self.missing {
            let start = end.checked_sub(width.into()).ok_or_else(outside)?;
            let place = self.bytes.get_mut(start..end).ok_or_else(outside)?;
            place.copy_from_slice(address_of(id).to_le_bytes().get(..place.len()).ok_or_else(outside)?);
        }
        for header in self.unsealed.drain(..) {
            let header = self.bytes.get_mut(header).and_then(|h| h.split_last_chunk_mut::<CHECKSUM_LEN>());
            let (body, checksum) = header.ok_or_else(outside)?;
            *checksum = lookup3(body).to_le_bytes();
        }
        Ok(())
    }

    /// Puts them where they belong: those that follow each other at once.
    fn put(&self, tx: &mut Transaction, fresh: &[Fresh]) -> Result<()> {
        let mut run = (0, 0..0);
        let mut put = |(address, place): (u64, Range<usize>)| match self.bytes.get(place) {
            None | Some([]) => Ok(()),
            Some(bytes) => tx.put_at(address, bytes),
        };
        for (address, place) in fresh.iter().filter_map(|new| Some((new.address, new.settled.clone()?))) {
            let (start, whole) = &mut run;
            if whole.end == place.start && *start + whole.len() as u64 == address {
                whole.end = place.end;
            } else {
                put(std::mem::replace(&mut run, (address, place)))?;
            }
        }
        put(run)
    }
}

/// What is to be changed in its place: address and bytes.
pub(super) type Patches = Vec<(u64, Vec<u8>)>;

impl State {
    /// Writes what has changed since the last flush, and publishes it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.tx.check()?;
        self.spill_all()?;
        self.sync_external()?;
        let mut dirty: Vec<NodeId> =
            (0..self.nodes.len() as u32).map(NodeId).filter(|&id| self.is_dirty(id)).collect();
        if dirty.is_empty() && !self.has_deleted {
            return Ok(());
        }
        dirty.extend(self.extension);
        self.heap.close(&mut self.tx)?;
        if self.origin.is_some() {
            dirty.iter().try_for_each(|&id| self.pin(id).map(drop))?;
        }
        let mut settled = Settled::default();
        let mut fresh = self.places(&dirty, &mut settled)?;
        let mut addresses: Vec<u64> = self.nodes.iter().map(|node| node.address.unwrap_or(0)).collect();
        for (id, new) in dirty.iter().zip(&fresh) {
            if let Some(address) = addresses.get_mut(id.0 as usize) {
                *address = new.address;
            }
        }
        let address_of = |id: NodeId| addresses.get(id.0 as usize).copied().unwrap_or(0);
        let (sizes, profile) = (self.superblock.sizes, self.profile);
        let encoder = Encoder { sizes, profile, address_of: &address_of };
        let ranks = symbol_table::Ranks {
            leaf: self.superblock.leaf_k,
            internal: self.superblock.internal_k,
            chunk: self.superblock.chunk_k,
        };
        settled.resolve(&address_of, sizes.offset)?;
        let mut patches = Patches::new();
        let State { nodes, tx, extension, .. } = self;
        for (&id, new) in dirty.iter().zip(&mut fresh).filter(|(_, new)| new.settled.is_none()) {
            let Some(node) = nodes.get(id) else { continue };
            parts(tx, new, &mut patches, &encoder, node, ranks)?;
        }
        settled.put(tx, &fresh)?;
        drop(settled);
        for (&id, new) in dirty.iter().zip(&mut fresh).filter(|(_, new)| new.settled.is_none()) {
            let Some(node) = nodes.get(id) else { continue };
            header(tx, new, &mut patches, &encoder, node, *extension == Some(id))?;
        }
        self.superblock.root = address_of(ROOT);
        for (address, bytes) in patches {
            self.tx.patch(address, &bytes)?;
        }
        for (id, new) in dirty.iter().zip(&fresh) {
            let Some(node) = self.nodes.get_mut(*id) else { continue };
            std::mem::take(&mut node.blocks)
                .without(&new.blocks, &mut |block| self.tx.allocator.leave(block));
        }
        self.tx.allocator.align_end(self.page_size);
        let mut superblock = self.superblock.clone();
        self.tx.commit(&mut superblock)?;
        self.superblock = superblock;
        self.has_deleted = false;
        self.extension = None;
        for (id, new) in dirty.iter().zip(fresh) {
            if let Some(node) = self.nodes.get_mut(*id) {
                published(node, new);
            }
        }
        Ok(())
    }

    fn is_dirty(&self, id: NodeId) -> bool {
        // What no link leads to is not written; the root has none.
        self.node(id).is_ok_and(|n| n.dirty != 0 && !n.deleted && (id == ROOT || n.links() > 0))
    }

    /// The addresses of the headers, which are as long with any address.
    fn places(&mut self, dirty: &[NodeId], settled: &mut Settled) -> Result<Vec<Fresh>> {
        let mut fresh = Vec::with_capacity(dirty.len());
        let mut messages = Messages::default();
        for &id in dirty {
            let node = self.node(id)?;
            let mut new = Fresh { blocks: node.blocks.clone(), ..Fresh::default() };
            match (node.pinned, node.address) {
                (Some(len), Some(address)) => {
                    new.address = address;
                    new.blocks.header = smallvec![(address, len)];
                }
                _ => {
                    let encoder = self.encoder(&|_| 0);
                    let planned = planned(node);
                    encoder.messages(&mut messages, node, &planned, true)?;
                    let len = if is_settled(node, &planned) {
                        let place = settled.push(&encoder, node, &messages)?;
                        new.settled.insert(place).len() as u64
                    } else {
                        encoder.len(node, &messages)?
                    };
                    new.address = self.tx.allocator.allocate(len)?;
                    new.blocks.header = smallvec![(new.address, len)];
                }
            }
            fresh.push(new);
        }
        Ok(fresh)
    }
}

/// Notes that the commit has an object as it is now.
fn published(node: &mut Node, new: Fresh) {
    node.address = Some(new.address);
    node.blocks = new.blocks;
    (node.published, node.dirty) = (true, 0);
    let links = node.links() as u32;
    if let (Some(stored), Some(messages)) = (&mut node.stored, new.messages) {
        stored.messages = *messages;
        if stored.prefix.version == 1 {
            stored.prefix.reference_count = links;
        }
    }
    if let Body::Dataset(dataset) = &mut node.body {
        match &mut dataset.data {
            RawState::Compact(_) | RawState::External(_) | RawState::Virtual { .. } => {}
            RawState::Contiguous { published, .. } => *published = true,
            RawState::Chunked(state) => {
                let stored = state.chunks.values_mut().filter_map(|c| c.stored.as_mut());
                stored.for_each(|(_, published)| *published = true);
            }
        }
    }
}

/// What an object will have outside its header: messages are as long with any address.
fn planned(node: &Node) -> Parts {
    let dense = DenseParts { heap: 0, names: 0, order: Some(0) };
    let links = match &node.body {
        Body::Group(group) if links_are_dense(group) => Some(dense),
        _ => None,
    };
    Parts { links, attributes: attributes_are_dense(node).then_some(dense), ..Parts::default() }
}

/// Whether the header of a new object names nothing that this flush finds a place for, but for objects.
fn is_settled(node: &Node, planned: &Parts) -> bool {
    let body = match &node.body {
        Body::Dataset(dataset) => !matches!(dataset.data, RawState::Chunked(_) | RawState::External(_)),
        Body::Group(_) => planned.links.is_none(),
        Body::Datatype(_) => true,
        Body::Stored => false,
    };
    body && node.stored.is_none() && planned.attributes.is_none() && node.blocks.is_header()
}

/// Writes what has changed of what an object has outside its header.
fn parts(
    tx: &mut Transaction,
    new: &mut Fresh,
    patches: &mut Patches,
    encoder: &Encoder<'_>,
    node: &Node,
    ranks: symbol_table::Ranks,
) -> Result<()> {
    let planned = planned(node);
    let changed = |aspect: u8| node.dirty & aspect != 0;
    match &node.body {
        Body::Group(group) if changed(aspect::LINKS) => {
            let Outside { links: blocks, parts, .. } = new.blocks.outside();
            blocks.clear();
            parts.links = None;
            if let Some(place) = group.symbol_table.as_deref() {
                symbol_table::write(tx, blocks, patches, encoder, group, *place, ranks)?;
            } else if planned.links.is_some() {
                parts.links = Some(dense_links(tx, blocks, encoder, group)?);
            }
        }
        Body::Dataset(dataset) if changed(aspect::DATA) => {
            if let (RawState::External(targets), None) = (&dataset.data, &node.stored) {
                let Outside { index, parts, .. } = new.blocks.outside();
                index.clear();
                parts.external = Some(external::heap(tx, index, &targets.files, encoder.sizes)?);
            }
            if let RawState::Chunked(state) = &dataset.data {
                let Outside { index: blocks, parts, .. } = new.blocks.outside();
                blocks.clear();
                let source = IndexSource {
                    state,
                    dims: dataset.dataspace.dims(),
                    max_dims: &dataset.dataspace.max_dims(),
                    element_size: dataset.datatype.size as u64,
                    filtered: !dataset.pipeline.filters.is_empty(),
                    sizes: encoder.sizes,
                    chunk_k: ranks.chunk,
                    layout_version: dataset.layout_version.unwrap_or(4),
                };
                let (address, index) = chunk_index::build(tx, blocks, &source)?;
                parts.index = Some(match (address, index) {
                    // As wide as it was planned.
                    (None, ChunkIndexType::Single { .. }) if source.filtered => {
                        (None, ChunkIndexType::Single { filtered: Some((0, 0)) })
                    }
                    other => other,
                });
            }
        }
        _ => {}
    }
    if changed(aspect::ATTRIBUTES) && node.attributes.loaded {
        let Outside { attributes: blocks, parts, .. } = new.blocks.outside();
        blocks.clear();
        parts.attributes = None;
        if planned.attributes.is_some() {
            parts.attributes = Some(dense_attributes(tx, blocks, &node.attributes, encoder.sizes)?);
        }
    }
    Ok(())
}

/// Writes the header of an object, or has it changed in its place; `always` even if its messages are the same.
fn header(
    tx: &mut Transaction,
    new: &mut Fresh,
    patches: &mut Patches,
    encoder: &Encoder<'_>,
    node: &Node,
    always: bool,
) -> Result<()> {
    let mut messages = Messages::default();
    encoder.messages(&mut messages, node, &new.blocks.parts(), true)?;
    if let Some(stored) = &node.stored {
        let count = stored.prefix.version == 1 && u64::from(stored.prefix.reference_count) != node.links();
        if stored.messages == messages && !count && !always {
            new.blocks.header = node.blocks.header.clone();
            return Ok(());
        }
        new.messages = Some(Box::new(messages.compact()));
    }
    let bytes = match node.pinned {
        Some(len) => {
            let blocks = &mut new.blocks.header;
            encoder.encode_fixed(node, &mut messages, len, &mut |block| {
                let block = tx.put(block)?;
                blocks.push(block);
                Ok(block.0)
            })?
        }
        None => {
            let mut bytes = Vec::new();
            encoder.encode(node, &messages, &mut bytes, None)?;
            bytes
        }
    };
    if new.blocks.header.first().is_none_or(|b| b.1 != bytes.len() as u64) {
        return Err(Error::usage("an object header of another length than planned"));
    }
    // One that was pinned after the last commit has got another place.
    if node.blocks.header.first().is_some_and(|(address, _)| *address == new.address) {
        patches.push((new.address, bytes));
        return Ok(());
    }
    tx.put_at(new.address, &bytes)
}

fn dense_links(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    encoder: &Encoder<'_>,
    group: &GroupBody,
) -> Result<DenseParts> {
    let sizes = encoder.sizes;
    let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(group.links.len()));
    for (name, link) in group.links.iter() {
        encoder.put_link(&mut bytes, name, link, group.order)?;
        ends.push(bytes.len());
    }
    let mut start = 0;
    let bodies: Vec<&[u8]> = ends
        .iter()
        .map(|&end| bytes.get(std::mem::replace(&mut start, end)..end).unwrap_or_default())
        .collect();
    let (heap, ids) = fractal_heap::build(tx, blocks, LINKS, &bodies, sizes)?;
    drop(bodies);
    drop(bytes);
    // The names are in order, and so are those of one hash.
    let mut by_name: Vec<(u32, usize)> =
        group.links.names().enumerate().map(|(i, name)| (lookup3(name.as_bytes()), i)).collect();
    by_name.sort_unstable();
    let mut records = Vec::with_capacity(11 * ids.len());
    for (hash, i) in by_name {
        LinkName { hash, id: ids[i] }.put(&mut records, sizes)?;
    }
    let names = btree_v2::build(tx, blocks, Kind::of_names(5, 11), &records, sizes)?;
    let mut order = None;
    if group.order.indexed {
        let mut by_order: Vec<(i64, usize)> =
            group.links.values().enumerate().map(|(i, l)| (l.order, i)).collect();
        by_order.sort_unstable();
        let mut records = Vec::with_capacity(15 * ids.len());
        for (order, i) in by_order {
            LinkOrder { order, id: ids[i] }.put(&mut records, sizes)?;
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
    // Those that are shared stay where they are.
    let own = |a: &&super::node::AttributeEntry| a.flags & SHARED == 0;
    let bodies: Vec<&[u8]> = attributes.map.values().filter(own).map(|a| &a.body[..]).collect();
    let (heap, ids) = fractal_heap::build(tx, blocks, ATTRIBUTES, &bodies, sizes)?;
    drop(bodies);
    let mut ids = ids.into_iter();
    let mut by_name: Vec<AttributeName> = Vec::with_capacity(attributes.map.len());
    for (name, a) in attributes.map.iter() {
        let id = match a.flags & SHARED {
            0 => ids.next().unwrap_or_default(),
            _ => match decode_shared(&a.body, sizes)?.0 {
                SharedPointer::Heap(id) => id,
                other => return Err(Error::unsupported(format!("an attribute shared as {other:?}"))),
            },
        };
        by_name.push(AttributeName { id, flags: a.flags, order: a.order, hash: lookup3(name.as_bytes()) });
    }
    by_name.sort_by_key(|record| record.hash);
    let mut records = Vec::new();
    for record in &by_name {
        record.put(&mut records, sizes)?;
    }
    let names = btree_v2::build(tx, blocks, Kind::of_names(8, 17), &records, sizes)?;
    let mut index = None;
    if attributes.order.indexed {
        by_name.sort_by_key(|record| record.order);
        let mut records = Vec::new();
        for &AttributeName { id, flags, order, .. } in &by_name {
            AttributeOrder { id, flags, order }.put(&mut records, sizes)?;
        }
        index = Some(btree_v2::build(tx, blocks, Kind::of_names(9, 13), &records, sizes)?);
    }
    Ok(DenseParts { heap, names, order: index })
}
