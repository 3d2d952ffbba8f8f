//! Objects that were in the file before the session become part of the model, as far as an edit needs them.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::smallvec;

use super::{
    State,
    by_name::ByName,
    implicit::places,
    messages::{Message, Messages},
    node::{
        AttributeEntry, Body, ChunkState, ChunkedState, DatasetBody, GroupBody, LinkEntry, Node, NodeId,
        Order, RawState, StoredHeader, Target,
    },
};
use crate::{
    error::{Context, Error, Result},
    format::{
        message::{MessageType, file_space_info::FileSpaceInfoMessage, layout::LayoutMessage},
        object_header::{FAIL_ON_WRITE, SHARED},
    },
    model::{
        dataspace::element_count,
        layout::{ChunkIndexType, ChunkedLayout, Layout},
        link::{Link, LinkTarget},
    },
    storage::{
        Store,
        attributes::{self, StoredAttribute},
        dataset::DatasetCore,
        external::ExternalTargets,
        links::LinkStorage,
        object::{ObjectHeader, ObjectKind},
        raw_data::RawData,
        space,
    },
};

impl State {
    /// The file as the last commit has it, with what is to be changed in its place.
    pub(super) fn origin(&self) -> Result<Arc<Store>> {
        self.origin.clone().ok_or_else(|| Error::corrupt("no object of this file"))
    }

    /// The object with this key or address; one of the file becomes part of the model.
    pub(crate) fn open(&mut self, address: u64) -> Result<NodeId> {
        if let Some(id) = self.known(address) {
            return if self.node(id)?.deleted {
                Err(Error::not_found("the object was deleted"))
            } else {
                Ok(id)
            };
        }
        let origin = self.origin().at(address)?;
        let header = ObjectHeader::read(&origin.reader, address)?;
        let kind = header.kind()?;
        let reader = &origin.reader;
        let mut messages = Messages::default();
        for m in &header.messages {
            if MessageType::from_id(m.id).is_none() && m.flags & FAIL_ON_WRITE != 0 {
                let text = format!("changing an object with the unknown message {:#06x}", m.id);
                return Err(Error::unsupported(text).at(address));
            }
            let body = header.body(reader, m);
            messages.push(Message { id: m.id, flags: m.flags, order: m.order, body });
        }
        let stored = StoredHeader {
            prefix: header.prefix.clone(),
            kind,
            messages,
            links: header.reference_count(reader)?,
        };
        let mut blocks = smallvec![(address, header.prefix.total_len())];
        blocks.extend_from_slice(&header.continuations);
        let id = self.push(Node::of_file(address, stored, blocks))?;
        self.pinned.insert(address, id);
        Ok(id)
    }

    /// Readies the superblock extension for the first commit: what the managers of free space know will not be true
    /// any more, and metadata will not be in a cache image.
    pub(super) fn load_extension(&mut self) -> Result<()> {
        let origin = self.origin()?;
        let Some(address) = self.superblock.extension else { return Ok(()) };
        let header = ObjectHeader::read(&origin.reader, address)?;
        let sizes = self.superblock.sizes;
        let (mut messages, mut changed) = (Messages::default(), false);
        for m in &header.messages {
            let mut body = header.body(&origin.reader, m).to_vec();
            if m.is(MessageType::CacheImage) {
                changed = true;
                continue;
            }
            if m.is(MessageType::FileSpaceInfo) {
                let old = FileSpaceInfoMessage::decode(&body, sizes)?;
                let new = old.clone().without_managers();
                if new != old {
                    (body, changed) = (new.encode(sizes)?, true);
                }
            }
            messages.push(Message { id: m.id, flags: m.flags, order: m.order, body: &body });
        }
        if changed {
            let (prefix, kind) = (header.prefix.clone(), ObjectKind::Datatype);
            let stored = StoredHeader { prefix, kind, messages, links: 1 };
            let mut blocks = smallvec![(address, header.prefix.total_len())];
            blocks.extend_from_slice(&header.continuations);
            self.extension = Some(self.push(Node::of_file(address, stored, blocks))?);
        }
        Ok(())
    }

    /// The header of an object as readers of the file know it.
    pub(super) fn object_header(&self, id: NodeId, origin: &Store) -> Result<ObjectHeader> {
        let node = self.node(id)?;
        let encoder = self.encoder(&|id| id.key());
        let bytes = encoder.header(node, &node.blocks.parts(), false)?;
        ObjectHeader::from_bytes(self.name_of(id)?, bytes, &origin.reader)
    }

    /// What handles call an object: the address of one of the file, of a new one its key.
    pub(super) fn name_of(&self, id: NodeId) -> Result<u64> {
        let node = self.node(id)?;
        Ok(node.stored.as_ref().and(node.address).unwrap_or(id.key()))
    }

    /// What a link of a group leads to, if there is one of that name.
    pub(super) fn child(&self, id: NodeId, name: &[u8]) -> Result<Option<Target>> {
        let node = self.node(id)?;
        match &node.body {
            Body::Group(group) => Ok(group.links.get(name).map(|link| link.target.clone())),
            Body::Stored if node.kind() == ObjectKind::Group => {
                let origin = self.origin()?;
                let header = self.object_header(id, &origin)?;
                let link = LinkStorage::of(&origin, &header)?.find(&origin, &header, name)?;
                Ok(link.map(|link| target(link.target)))
            }
            _ => Err(Error::usage("not a group")),
        }
    }

    /// Makes the links of a group part of the model.
    pub(super) fn load_links(&mut self, id: NodeId) -> Result<()> {
        let node = self.node(id)?;
        if !matches!(node.body, Body::Stored) || node.kind() != ObjectKind::Group {
            return Ok(());
        }
        let origin = self.origin()?;
        let header = self.object_header(id, &origin)?;
        let storage = LinkStorage::of(&origin, &header)?;
        let (tracked, indexed) = storage.creation_order();
        let mut group = GroupBody { order: Order { tracked, indexed }, ..GroupBody::default() };
        match &storage {
            LinkStorage::SymbolTable { btree, heap } => group.symbol_table = Some(Box::new((*btree, *heap))),
            LinkStorage::Compact { info } | LinkStorage::Dense { info, .. } => {
                group.next_order = info.max_creation_index.unwrap_or(0);
            }
            LinkStorage::Session { .. } => {}
        }
        storage.for_each(&origin, &header, &mut |link| {
            let Link { name, charset, creation_order, target: to } = link?;
            let order = creation_order.unwrap_or(0);
            group.next_order = group.next_order.max(order.saturating_add(1));
            let entry = LinkEntry { charset, order, target: target(to) };
            match group.links.insert(name, entry) {
                None => Ok(()),
                Some(_) => Err(Error::corrupt("two links of one name")),
            }
        })?;
        let mut blocks = space::link_blocks(&origin, &header)?;
        if let Some((btree, heap)) = group.symbol_table.as_deref().copied() {
            blocks.retain(|(address, _)| *address != btree && *address != heap);
        }
        let node = self.node_mut(id)?;
        node.blocks.outside().links = blocks;
        node.body = Body::Group(group);
        Ok(())
    }

    /// Makes the attributes of an object part of the model.
    pub(super) fn load_attributes(&mut self, id: NodeId) -> Result<()> {
        if self.node(id)?.attributes.loaded {
            return Ok(());
        }
        let origin = self.origin()?;
        let header = self.object_header_whole(id, &origin)?;
        let mut map = ByName::default();
        let mut next = attributes::next_order(&origin, &header)?;
        attributes::for_each_stored(&origin, &header, &mut |found| {
            let StoredAttribute { name, flags, order, body } = found;
            next = next.max(order.saturating_add(1));
            match map.insert(name, AttributeEntry { order, flags, body }) {
                None => Ok(()),
                Some(_) => Err(Error::corrupt("two attributes of one name")),
            }
        })?;
        let blocks = space::attribute_blocks(&origin, &header)?;
        let node = self.node_mut(id)?;
        node.blocks.outside().attributes = blocks;
        (node.attributes.map, node.attributes.next_order, node.attributes.loaded) = (map, next, true);
        Ok(())
    }

    /// The header of an object with its attributes; where its links lead is not said, since keys may be too wide.
    fn object_header_whole(&self, id: NodeId, origin: &Store) -> Result<ObjectHeader> {
        let node = self.node(id)?;
        let encoder = self.encoder(&|_| 0);
        let bytes = encoder.header(node, &node.blocks.parts(), true)?;
        let address = node.address.unwrap_or(id.key());
        ObjectHeader::from_bytes(address, bytes, &origin.reader)
    }

    /// Makes extent, type and chunks of a dataset part of the model.
    pub(super) fn load_data(&mut self, id: NodeId) -> Result<()> {
        let node = self.node(id)?;
        if !matches!(node.body, Body::Stored) {
            return Ok(());
        }
        if node.kind() != ObjectKind::Dataset {
            return Err(Error::usage("not a dataset"));
        }
        let origin = self.origin()?;
        let header = self.object_header(id, &origin)?;
        let core = DatasetCore::open_in(&origin, &header, &Default::default(), 0)?;
        let raw = &core.raw;
        let layout_version = header.content(&origin, MessageType::Layout, |body| {
            Ok(LayoutMessage::decode(body, origin.reader.sizes)?.version)
        })?;
        let data = match &raw.layout {
            Layout::Contiguous { .. } if raw.external.is_some() => {
                let files = raw.external.as_ref().map(|e| e.files.clone()).unwrap_or_default();
                RawState::External(Arc::new(ExternalTargets::new(&origin, files)?))
            }
            Layout::Compact(bytes) => RawState::Compact(bytes.clone()),
            Layout::Contiguous { address, .. } => {
                RawState::Contiguous { address: *address, published: address.is_some() }
            }
            Layout::Chunked(layout) => {
                if layout.edge_chunks_unfiltered && !raw.pipeline.filters.is_empty() {
                    return Err(Error::unsupported("changing a dataset whose edge chunks are not filtered"));
                }
                let extensible = matches!(layout.index, ChunkIndexType::ExtensibleArray { .. });
                if extensible && !raw.dataspace.max_dims().contains(&None) {
                    // Lengths of 2 or 4 bytes cannot say "unlimited".
                    return Err(Error::unsupported(
                        "changing an extensible array of chunks of a fixed extent",
                    ));
                }
                let mut chunks = BTreeMap::new();
                if let (ChunkIndexType::Implicit, Some(address)) = (layout.index, layout.address) {
                    chunks = self.implicit_chunks(&origin, raw, layout, address)?;
                }
                raw.chunk_table(&origin, layout)?.for_each(&mut |place, entry| {
                    chunks.insert(
                        place.into(),
                        ChunkState { stored: Some((entry, true)), ..ChunkState::default() },
                    );
                    Ok(())
                })?;
                let (chunk, index) = (layout.chunk.clone(), layout.index);
                RawState::Chunked(ChunkedState { chunk, index, chunks })
            }
            Layout::Virtual { .. } => return Err(Error::unsupported("changing a virtual dataset")),
        };
        let body = DatasetBody {
            layout_version,
            datatype: core.datatype.clone(),
            committed: core.committed,
            dataspace: raw.dataspace.clone(),
            fill: raw.fill.clone(),
            pipeline: raw.pipeline.clone(),
            data,
        };
        let blocks = space::index_blocks(&origin, &header)?;
        let node = self.node_mut(id)?;
        node.blocks.outside().index = blocks;
        node.body = Body::Dataset(Box::new(body));
        Ok(())
    }
}

impl State {
    /// The chunks of an implicit index, also outside the present extent.
    fn implicit_chunks(
        &self,
        origin: &Store,
        raw: &RawData,
        layout: &ChunkedLayout,
        address: u64,
    ) -> Result<BTreeMap<Box<[u64]>, ChunkState>> {
        let size = raw.chunk_bytes(origin, layout)? as u64;
        let max_dims = raw.dataspace.max_dims();
        let grid = max_dims.iter().zip(&layout.chunk).map(|(max, &c)| max.map(|max| max.div_ceil(c)));
        let grid: Option<Vec<u64>> = grid.collect();
        let grid = grid.ok_or_else(|| Error::corrupt("an implicit index with an unlimited dimension"))?;
        let total = element_count(&grid)?.checked_mul(size).and_then(|total| total.checked_add(address));
        if total.is_none_or(|end| end > origin.reader.end()) {
            return Err(Error::corrupt("chunks beyond the end of the file").at(address));
        }
        places(&grid, address, size, true)
    }
}

fn target(target: LinkTarget) -> Target {
    match target {
        LinkTarget::Hard(address) => Target::Address(address),
        LinkTarget::Soft(path) => Target::Soft(path),
        LinkTarget::External { file, path } => Target::External { file, path },
        LinkTarget::User { class, data } => Target::User { class, data },
    }
}

/// Whether an attribute is shared with other objects.
pub(super) fn is_shared(entry: &AttributeEntry) -> bool {
    entry.flags & SHARED != 0
}
