//! What readers see of a file that is being written: the model, in the forms that are read from files.

use std::sync::Arc;

use super::{
    Session, State,
    header::Parts,
    node::{RawState, Target},
};
use crate::{
    error::Result,
    model::{
        dataspace::Dataspace,
        fill::Fill,
        layout::{ChunkedLayout, Layout},
        link::{Link, LinkTarget, Name},
    },
    storage::{
        Store,
        attributes::AttributeData,
        chunk_index::{ChunkEntry, ChunkTable},
        dataset::DatasetCore,
        links::LinkStorage,
        object::ObjectHeader,
        raw_data::RawData,
        reader::Reader,
    },
};

impl Session {
    /// The header of an object, without links and attributes.
    pub(crate) fn header(&self, address: u64, reader: &Reader) -> Result<ObjectHeader> {
        let state = self.lock();
        let id = state.find(address)?;
        let node = state.node(id)?;
        let encoder = state.encoder(&|id| id.key());
        let messages = encoder.messages(node, &Parts::default(), false)?;
        ObjectHeader::from_bytes(id.key(), encoder.encode(node, &messages)?, reader)
    }

    pub(crate) fn link_storage(&self, address: u64) -> Result<LinkStorage> {
        let state = self.lock();
        let group = state.node(state.find(address)?)?.group()?;
        let dense = super::header::links_are_dense(group);
        Ok(LinkStorage::Session { dense, order: (group.order.tracked, group.order.indexed) })
    }

    /// The links of a group, by name.
    pub(crate) fn links(&self, address: u64) -> Result<Vec<Link>> {
        let state = self.lock();
        let group = state.node(state.find(address)?)?.group()?;
        Ok(group.links.iter().map(|(name, entry)| link(name, entry, group.order.tracked)).collect())
    }

    pub(crate) fn link(&self, address: u64, name: &[u8]) -> Result<Option<Link>> {
        let state = self.lock();
        let group = state.node(state.find(address)?)?.group()?;
        let name = Name::from(name);
        Ok(group.links.get(&name).map(|entry| link(&name, entry, group.order.tracked)))
    }

    /// The attributes of an object, by name.
    pub(crate) fn attributes(&self, store: &Store, address: u64) -> Result<Vec<AttributeData>> {
        let mut state = self.lock();
        let id = state.find(address)?;
        state.show_heap(store)?;
        let attributes = &state.node(id)?.attributes;
        Ok(attributes.map.iter().map(|(name, a)| attribute(name, a, attributes.order.tracked)).collect())
    }

    pub(crate) fn attribute(
        &self,
        store: &Store,
        address: u64,
        name: &[u8],
    ) -> Result<Option<AttributeData>> {
        let mut state = self.lock();
        let id = state.find(address)?;
        state.show_heap(store)?;
        let attributes = &state.node(id)?.attributes;
        let name = Name::from(name);
        Ok(attributes.map.get(&name).map(|a| attribute(&name, a, attributes.order.tracked)))
    }

    /// How often an object was changed.
    pub(crate) fn version(&self, address: u64) -> Result<u64> {
        let state = self.lock();
        Ok(state.node(state.find(address)?)?.version)
    }

    /// A dataset with all that was written to it, in the file or on its way there.
    pub(crate) fn dataset(&self, store: &Store, address: u64) -> Result<DatasetCore> {
        let mut state = self.lock();
        let id = state.find(address)?;
        state.spill(id)?;
        state.show_heap(store)?;
        let version = state.node(id)?.version;
        let dataset = state.node(id)?.dataset()?;
        let mut table = None;
        let layout = match &dataset.data {
            RawState::Compact(bytes) => Layout::Compact(bytes.clone()),
            RawState::Contiguous { address, .. } => {
                Layout::Contiguous { address: *address, size: dataset.bytes()? }
            }
            RawState::Chunked(chunked) => {
                let dims = dataset.dataspace.dims();
                let entries = chunked.chunks.iter().filter_map(|(p, c)| Some((&**p, c.stored?.0)));
                let entries: Vec<(&[u64], ChunkEntry)> = entries.collect();
                table = Some(Arc::new(ChunkTable::of(dims, &chunked.chunk, &entries)?));
                Layout::Chunked(ChunkedLayout {
                    chunk: chunked.chunk.clone(),
                    element_size: dataset.datatype.size as u64,
                    edge_chunks_unfiltered: false,
                    index: chunked.index,
                    address: None,
                })
            }
        };
        let (dataspace, fill): (Dataspace, Fill) = (dataset.dataspace.clone(), dataset.fill.clone());
        let dataset_committed = dataset.committed;
        let (datatype, pipeline) = (dataset.datatype.clone(), dataset.pipeline.clone());
        let raw =
            RawData::new(datatype.clone(), dataspace, layout, pipeline, fill, store.settings.cache_bytes);
        if let Some(table) = table {
            let _ = raw.chunks.set(table);
        }
        state.tx.drain()?;
        let (stored_dims, committed) = (raw.dims().to_vec(), dataset_committed);
        Ok(DatasetCore { datatype, committed, raw, stored_dims, version })
    }

    /// Bytes of the file as the next flush would leave it if nothing were dirty.
    pub(crate) fn end(&self) -> u64 {
        self.lock().tx.allocator.end()
    }
}

impl State {
    /// Writes the open collection of the global heap, so that it can be read.
    fn show_heap(&mut self, store: &Store) -> Result<()> {
        self.heap.show(&mut self.tx)?.into_iter().for_each(|changed| store.global_heap.forget(changed));
        self.tx.drain()
    }
}

fn link(name: &Name, entry: &super::node::LinkEntry, tracked: bool) -> Link {
    let target = match &entry.target {
        Target::Node(id) => LinkTarget::Hard(id.key()),
        Target::Soft(path) => LinkTarget::Soft(path.clone()),
        Target::External { file, path } => LinkTarget::External { file: file.clone(), path: path.clone() },
        Target::User { class, data } => LinkTarget::User { class: *class, data: data.clone() },
    };
    let creation_order = tracked.then_some(entry.order);
    Link { name: name.clone(), charset: entry.charset, creation_order, target }
}

fn attribute(name: &Name, entry: &super::node::AttributeEntry, tracked: bool) -> AttributeData {
    AttributeData {
        name: name.clone(),
        charset: entry.charset,
        datatype: (*entry.datatype).clone(),
        committed: entry.committed,
        dataspace: entry.dataspace.clone(),
        bytes: entry.bytes.clone(),
        creation_order: tracked.then_some(entry.order),
    }
}
