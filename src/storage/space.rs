//! What the metadata of objects and of the file as a whole take in the file, block by block.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::{
    Store,
    allocator::Block,
    btree::{v1, v2::BTreeV2},
    dataset::DatasetCore,
    heap::fractal::FractalHeap,
    links::LinkStorage,
    object::{ObjectHeader, ObjectKind},
};
use crate::{
    error::{Context, Error, Result},
    format::{
        btree_v1::KeyKind,
        btree_v2_record::{HugeDirect, HugeDirectFiltered, HugeIndirect, HugeIndirectFiltered},
        extensible_array::ExtensibleArrayHeader,
        extensible_array_block::{ArrayLayout, IndexBlock, StoredSuperBlock},
        fixed_array::FixedArrayHeader,
        fractal_heap_block::IndirectBlock,
        free_space::FreeSpaceHeader,
        local_heap::LocalHeap,
        message::{
            MessageType, attribute_info::AttributeInfoMessage, external_files::ExternalFilesMessage,
            file_space_info::FileSpaceInfoMessage,
        },
        primitive::Structure,
        shared_message_table::{SharedMessageRecord, SharedMessageTable},
        symbol_table::SymbolTableNode,
    },
    model::layout::{ChunkIndexType, ChunkedLayout, Layout},
};

/// Bytes that the metadata of objects take in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataBytes {
    /// Object headers with their continuations, and what is stored in them.
    pub header: u64,
    /// B-trees, symbol table nodes and heaps of the links of groups.
    pub links: u64,
    /// Heaps and B-trees of attributes that are not in the object header.
    pub attributes: u64,
    /// Indexes of chunks, and the names of files with external raw data.
    pub chunk_index: u64,
}

/// Bytes that the file takes for itself, and that it knows to be free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSpace {
    /// Superblock and its extension.
    pub superblock: u64,
    /// Table, indexes and heaps of shared messages.
    pub shared_messages: u64,
    /// Free-space managers and their lists.
    pub managers: u64,
    /// What these managers say is free.
    pub free: u64,
}

/// Counts blocks, each once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: FxHashSet<u64>,
    pub(crate) bytes: MetadataBytes,
}

/// The blocks of one structure.
struct Blocks<'a> {
    store: &'a Arc<Store>,
    seen: &'a mut FxHashSet<u64>,
    total: &'a mut u64,
    /// The blocks one by one, as far as they are sure to be in use.
    list: Option<&'a mut Vec<Block>>,
}

/// The blocks of the links of a group that are not in its header.
pub(crate) fn link_blocks(store: &Arc<Store>, header: &ObjectHeader) -> Result<Vec<Block>> {
    list(store, |blocks| blocks.links(header))
}

/// The blocks of the attributes of an object that are not in its header.
pub(crate) fn attribute_blocks(store: &Arc<Store>, header: &ObjectHeader) -> Result<Vec<Block>> {
    list(store, |blocks| blocks.attributes(header))
}

/// The blocks of the index of the chunks of a dataset.
pub(crate) fn index_blocks(store: &Arc<Store>, header: &ObjectHeader) -> Result<Vec<Block>> {
    list(store, |blocks| blocks.chunk_index(header))
}

fn list(store: &Arc<Store>, f: impl FnOnce(&mut Blocks<'_>) -> Result<()>) -> Result<Vec<Block>> {
    let (mut out, mut seen, mut total) = (Vec::new(), FxHashSet::default(), 0);
    f(&mut Blocks { store, seen: &mut seen, total: &mut total, list: Some(&mut out) })?;
    Ok(out)
}

impl Tally {
    /// Adds what belongs to an object. An error of one part does not keep the others from being counted.
    pub(crate) fn add(&mut self, store: &Arc<Store>, header: &ObjectHeader) -> Result<()> {
        let Tally { seen, bytes } = self;
        let mut blocks = Blocks { store, seen, total: &mut bytes.header, list: None };
        blocks.object_header(header);
        blocks.total = &mut bytes.attributes;
        let attributes = blocks.attributes(header);
        let kind = header.kind()?;
        let rest = match kind {
            ObjectKind::Group => {
                blocks.total = &mut bytes.links;
                blocks.links(header)
            }
            ObjectKind::Dataset => {
                blocks.total = &mut bytes.chunk_index;
                blocks.chunk_index(header)
            }
            ObjectKind::Datatype => Ok(()),
        };
        attributes.and(rest)
    }
}

impl Store {
    /// What belongs to no object. What cannot be read is not counted.
    pub(crate) fn space(self: &Arc<Self>) -> FileSpace {
        let mut space = FileSpace::default();
        let mut seen = FxHashSet::default();
        // Errors end one structure; its rest is unaccounted.
        space.superblock = self.superblock.encode().map_or(0, |b| b.len() as u64);
        let mut blocks = Blocks { store: self, seen: &mut seen, total: &mut space.superblock, list: None };
        if let Some(Ok(header)) = self.superblock.extension.map(|at| ObjectHeader::read(&self.reader, at)) {
            blocks.object_header(&header);
        }
        blocks.total = &mut space.shared_messages;
        let _ = blocks.shared_messages();
        blocks.total = &mut space.managers;
        for address in self.managers() {
            space.free = space.free.saturating_add(blocks.free_space(address).unwrap_or(0));
        }
        space.free = space.free.min(self.reader.end());
        space
    }

    /// The managers of free space of the file.
    fn managers(&self) -> Vec<u64> {
        use FileSpaceInfoMessage as Info;
        let managers = match &self.file_space {
            Some(Info::V0 { managers: Some(managers), .. }) => &managers[..],
            Some(Info::V1 { managers: Some(managers), .. }) => &managers[..],
            _ => &[],
        };
        managers.iter().flatten().copied().collect()
    }
}

impl Blocks<'_> {
    /// Counts a block, if it has not been met, as far as it lies in the file. False if it has.
    fn add(&mut self, address: u64, len: u64) -> bool {
        let inside = len.min(self.store.reader.end().saturating_sub(address));
        self.add_used(address, inside, inside)
    }

    /// Counts a block of which only a part is used. That other writers left room for the rest is not sure.
    fn add_used(&mut self, address: u64, used: u64, len: u64) -> bool {
        let inside = len.min(self.store.reader.end().saturating_sub(address));
        let new = inside > 0 && self.seen.insert(address);
        if new {
            *self.total = self.total.saturating_add(inside);
            if let Some(list) = &mut self.list {
                list.push((address, used.min(inside)));
            }
        }
        new
    }

    fn object_header(&mut self, header: &ObjectHeader) {
        self.add(header.address, header.prefix.total_len());
        for &(address, len) in &header.continuations {
            self.add(address, len);
        }
    }

    fn links(&mut self, header: &ObjectHeader) -> Result<()> {
        let (store, sizes) = (self.store, self.store.reader.sizes);
        match LinkStorage::of(store, header)? {
            // What is being written has its place only after a flush.
            LinkStorage::Compact { .. } | LinkStorage::Session { .. } => Ok(()),
            LinkStorage::Dense { info, heap, name_index } => {
                let trees = [Some(name_index), info.order_index.and_then(|index| index.0)];
                self.dense(heap, trees)
            }
            LinkStorage::SymbolTable { btree, heap } => {
                let heap = self.local_heap(heap);
                let node_len = KeyKind::Group.node_len(store.superblock.internal_k, sizes) as u64;
                let leaf_k = usize::from(store.superblock.leaf_k);
                let symbols_len = SymbolTableNode::encoded_len(2 * leaf_k, sizes) as u64;
                v1::for_each_node(&store.reader, btree, KeyKind::Group, &mut |address, node| {
                    self.add_used(address, node.used_len(), node_len);
                    if node.header.level == 0 {
                        for i in 0..node.len() {
                            let child = node.child(i)?;
                            let used = SymbolTableNode::encoded_len(0, sizes) as u64;
                            let bytes = store.reader.bytes(child, used)?;
                            let count = usize::from(u16::from_le_bytes([bytes[6], bytes[7]]));
                            self.add_used(
                                child,
                                SymbolTableNode::encoded_len(count, sizes) as u64,
                                symbols_len,
                            );
                        }
                    }
                    Ok(())
                })?;
                heap
            }
        }
    }

    fn local_heap(&mut self, address: u64) -> Result<()> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let len = LocalHeap::encoded_len(sizes) as u64;
        let heap = LocalHeap::decode(&reader.bytes(address, len)?, sizes).at(address)?;
        self.add(address, len);
        self.add(heap.data, heap.size);
        Ok(())
    }

    fn attributes(&mut self, header: &ObjectHeader) -> Result<()> {
        let sizes = self.store.reader.sizes;
        let info = header.content(self.store, MessageType::AttributeInfo, |body| {
            AttributeInfoMessage::decode(body, sizes)
        })?;
        match info {
            Some(AttributeInfoMessage { heap: Some(heap), name_index, order_index, .. }) => {
                self.dense(heap, [name_index, order_index.and_then(|index| index.0)])
            }
            _ => Ok(()),
        }
    }

    fn dense(&mut self, heap: u64, trees: [Option<u64>; 2]) -> Result<()> {
        let mut result = self.heap(heap);
        for tree in trees.into_iter().flatten() {
            result = result.and(self.tree(tree).map(|_| ()));
        }
        result
    }

    fn tree(&mut self, address: u64) -> Result<BTreeV2> {
        let reader = &self.store.reader;
        let tree = BTreeV2::open(reader, address)?;
        let header_len = crate::format::btree_v2::BTreeV2Header::encoded_len(reader.sizes) as u64;
        if self.add(address, header_len) {
            let node_len = u64::from(tree.header.node_size);
            tree.for_each_node(reader, &mut |address| _ = self.add(address, node_len))?;
        }
        Ok(tree)
    }

    fn heap(&mut self, address: u64) -> Result<()> {
        let store = self.store;
        let heap = FractalHeap::open(store, address)?;
        let header = &heap.header;
        if !self.add(address, header.encode(store.reader.sizes)?.len() as u64) {
            return Ok(());
        }
        let blocks = self.heap_blocks(address, &heap);
        let manager = header.free_space_manager.map_or(Ok(0), |at| self.free_space(at));
        let huge = header.huge_btree.map_or(Ok(()), |at| self.huge_objects(at));
        blocks.and(manager.map(|_| ())).and(huge)
    }

    fn heap_blocks(&mut self, address: u64, heap: &FractalHeap) -> Result<()> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let (header, table) = (&heap.header, &heap.table);
        let Some(root) = header.root else { return Ok(()) };
        if header.root_rows == 0 {
            let stored = header.filters.as_ref().map_or(header.start_size, |f| f.root_size);
            self.add(root, stored);
            return Ok(());
        }
        let mut indirect = vec![(root, header.root_rows)];
        while let Some((at, rows)) = indirect.pop() {
            let len = IndirectBlock::encoded_len(header, table, rows, sizes)?;
            if !self.add(at, len as u64) {
                continue;
            }
            let bytes = reader.bytes(at, len as u64)?;
            let block = IndirectBlock::decode(&bytes, header, table, rows, sizes).at(at)?;
            if block.heap != address {
                return Err(Error::corrupt("an indirect block of another heap").at(at));
            }
            let width = usize::from(table.width).max(1);
            for i in 0..block.len() {
                let child = block.child(i)?;
                let (Some(place), row) = (child.address, (i / width) as u16) else { continue };
                if row < table.direct_rows() {
                    let size = child.filtered.map_or(table.row_block_size(row), |(stored, _)| Ok(stored))?;
                    self.add(place, size);
                } else {
                    indirect.push((place, table.rows_below(row)?));
                }
            }
        }
        Ok(())
    }

    fn huge_objects(&mut self, index: u64) -> Result<()> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let tree = self.tree(index)?;
        tree.for_each(reader, &mut |record| {
            let (address, length) = match tree.header.record_type {
                1 => HugeIndirect::decode(record, sizes).map(|r| (r.address, r.length)),
                2 => HugeIndirectFiltered::decode(record, sizes).map(|r| (r.address, r.length)),
                3 => HugeDirect::decode(record, sizes).map(|r| (r.address, r.length)),
                4 => HugeDirectFiltered::decode(record, sizes).map(|r| (r.address, r.length)),
                other => Err(Error::corrupt(format!("records of type {other}"))),
            }?;
            self.add(address, length);
            Ok(())
        })
    }

    /// Counts a manager, and tells how many bytes it says are free.
    fn free_space(&mut self, address: u64) -> Result<u64> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let len = FreeSpaceHeader::encoded_len(sizes) as u64;
        let header = FreeSpaceHeader::decode(&reader.bytes(address, len)?, sizes).at(address)?;
        if !self.add(address, len) {
            return Ok(0);
        }
        if let Some(list) = header.list {
            self.add(list, header.list_allocated);
        }
        Ok(header.space)
    }

    fn shared_messages(&mut self) -> Result<()> {
        let (store, sizes) = (self.store, self.store.reader.sizes);
        let Some((address, count)) = store.shared_message_table else { return Ok(()) };
        let len = SharedMessageTable::encoded_len(count, sizes) as u64;
        let table = SharedMessageTable::decode(&store.reader.bytes(address, len)?, count, sizes)?;
        self.add(address, len);
        let mut result = Ok(());
        for index in &table.indexes {
            let list = index.index.map_or(Ok(()), |at| match index.index_type {
                0 => {
                    let record = SharedMessageRecord::encoded_len(sizes) as u64;
                    self.add(at, 4 + u64::from(index.list_max) * record + 4);
                    Ok(())
                }
                _ => self.tree(at).map(|_| ()),
            });
            let heap = index.heap.map_or(Ok(()), |at| self.heap(at));
            result = result.and(list).and(heap);
        }
        result
    }

    fn chunk_index(&mut self, header: &ObjectHeader) -> Result<()> {
        let (store, sizes) = (self.store, self.store.reader.sizes);
        let dataset = DatasetCore::open(store, header)?;
        if dataset.raw.external.is_some() {
            let files = header.content(store, MessageType::ExternalFiles, |body| {
                ExternalFilesMessage::decode(body, sizes)
            })?;
            return files.map_or(Ok(()), |files| self.local_heap(files.heap));
        }
        let Layout::Chunked(ChunkedLayout { address: Some(address), index, chunk, .. }) = &dataset.raw.layout
        else {
            return Ok(());
        };
        match index {
            ChunkIndexType::Single { .. } | ChunkIndexType::Implicit => Ok(()),
            ChunkIndexType::BTreeV1 => {
                let kind = KeyKind::Chunk { coordinates: chunk.len() as u8 + 1 };
                let node_len = kind.node_len(store.superblock.chunk_k, sizes) as u64;
                v1::for_each_node(&store.reader, *address, kind, &mut |address, node| {
                    self.add_used(address, node.used_len(), node_len);
                    Ok(())
                })
            }
            ChunkIndexType::BTreeV2 { .. } => self.tree(*address).map(|_| ()),
            ChunkIndexType::FixedArray { .. } => self.fixed_array(*address),
            ChunkIndexType::ExtensibleArray { .. } => self.extensible_array(*address),
        }
    }

    fn fixed_array(&mut self, address: u64) -> Result<()> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let len = FixedArrayHeader::encoded_len(sizes) as u64;
        let header = FixedArrayHeader::decode(&reader.bytes(address, len)?, sizes).at(address)?;
        self.add(address, len);
        if let Some(block) = header.data_block {
            let len = match header.pages().checked_sub(1) {
                Some(last) => header.page(last, sizes)?.0.end,
                None => header.block_len(sizes)?,
            };
            self.add(block, len);
        }
        Ok(())
    }

    fn extensible_array(&mut self, address: u64) -> Result<()> {
        let (reader, sizes) = (&self.store.reader, self.store.reader.sizes);
        let len = ExtensibleArrayHeader::encoded_len(sizes) as u64;
        let header = ExtensibleArrayHeader::decode(&reader.bytes(address, len)?, sizes).at(address)?;
        let array = ArrayLayout::new(&header, sizes)?;
        self.add(address, len);
        let Some(at) = header.index_block else { return Ok(()) };
        let bytes = reader.bytes(at, array.index_len())?;
        let block = IndexBlock::decode(&bytes, &array).at(at)?;
        self.add(at, array.index_len());
        let shape = array.shape;
        let data_len = |u: u8| match shape.super_block(u)?.pages.checked_sub(1) {
            Some(last) => Ok(array.page(u, last)?.end),
            None => array.data_len(u),
        };
        for u in 0..shape.first_super_block().min(shape.super_blocks()) {
            let super_block = shape.super_block(u)?;
            for i in 0..super_block.data_blocks {
                if let Some(place) = block.data_blocks.get((super_block.first_data_block + i) as usize)? {
                    self.add(place, data_len(u)?);
                }
            }
        }
        for (pointer, u) in (shape.first_super_block()..shape.super_blocks()).enumerate() {
            let Some(place) = block.super_blocks.get(pointer)? else { continue };
            let len = array.super_len(u)?;
            let bytes = reader.bytes(place, len)?;
            let stored = StoredSuperBlock::decode(&bytes, &array, u).at(place)?;
            self.add(place, len);
            for i in 0..shape.super_block(u)?.data_blocks {
                if let Some(place) = stored.data_blocks.get(i as usize)? {
                    self.add(place, data_len(u)?);
                }
            }
        }
        Ok(())
    }
}
