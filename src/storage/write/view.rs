//! What readers see of a file that is being written: the model, in the forms that are read from files.

use std::sync::Arc;

use super::{
    Session, State,
    node::{AttributeEntry, RawState, Target},
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
        attributes::{self, AttributeData},
        chunk_index::{ChunkEntry, ChunkTable},
        dataset::DatasetCore,
        external::ExternalData,
        links::LinkStorage,
        object::{ObjectHeader, ObjectKind},
        raw_data::RawData,
        virtual_dataset,
    },
};

impl Session {
    /// The header of an object, without the links and attributes that the session has.
    pub(crate) fn header(&self, address: u64, store: &Store) -> Result<ObjectHeader> {
        let state = self.lock();
        let id = state.find(address)?;
        state.object_header(id, store)
    }

    /// The address of an object, or the key that stands for it, and what it is.
    pub(crate) fn look(&self, address: u64) -> Result<(u64, ObjectKind)> {
        let state = self.lock();
        let id = state.find(address)?;
        Ok((state.name_of(id)?, state.node(id)?.kind()))
    }

    /// Number of hard links to an object.
    pub(crate) fn link_count(&self, address: u64) -> Result<u32> {
        let state = self.lock();
        Ok(state.node(state.find(address)?)?.links().try_into().unwrap_or(u32::MAX))
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
        Ok(group.links.get(name).map(|entry| link(&Name::from(name), entry, group.order.tracked)))
    }

    /// The attributes of an object, by name.
    pub(crate) fn attributes(&self, store: &Store, address: u64) -> Result<Vec<AttributeData>> {
        let (entries, tracked) = {
            let mut state = self.lock();
            let id = state.find(address)?;
            state.show_heap(store)?;
            let attributes = &state.node(id)?.attributes;
            (attributes.map.values().cloned().collect::<Vec<_>>(), attributes.order.tracked)
        };
        entries.iter().map(|entry| attribute(store, entry, tracked)).collect()
    }

    /// The names of the attributes of an object, sorted.
    pub(crate) fn attribute_names(&self, address: u64) -> Result<Vec<Name>> {
        let state = self.lock();
        Ok(state.node(state.find(address)?)?.attributes.map.names().cloned().collect())
    }

    pub(crate) fn attribute(
        &self,
        store: &Store,
        address: u64,
        name: &[u8],
    ) -> Result<Option<AttributeData>> {
        let (entry, tracked) = {
            let mut state = self.lock();
            let id = state.find(address)?;
            state.show_heap(store)?;
            let attributes = &state.node(id)?.attributes;
            (attributes.map.get(name).cloned(), attributes.order.tracked)
        };
        entry.map(|entry| attribute(store, &entry, tracked)).transpose()
    }

    /// How often an object was changed.
    pub(crate) fn version(&self, address: u64) -> Result<u64> {
        let state = self.lock();
        Ok(state.node(state.find(address)?)?.version)
    }

    /// A dataset with all that was written to it, in the file or on its way there.
    pub(crate) fn dataset(
        &self,
        store: &Arc<Store>,
        address: u64,
        sources: &virtual_dataset::Session,
        depth: u32,
    ) -> Result<DatasetCore> {
        let mut state = self.lock();
        let id = state.find(address)?;
        state.spill(id)?;
        state.show_heap(store)?;
        let version = state.node(id)?.version;
        let dataset = state.node(id)?.dataset()?;
        let (mut table, mut external, mut virtual_mappings) = (None, None, Vec::new());
        let layout = match &dataset.data {
            RawState::Compact(bytes) => Layout::Compact(bytes.clone()),
            RawState::Contiguous { address, .. } => {
                Layout::Contiguous { address: *address, size: dataset.bytes()? }
            }
            RawState::External(targets) => {
                external = Some(ExternalData::of(targets.files.clone()));
                Layout::Contiguous { address: None, size: dataset.bytes()? }
            }
            RawState::Virtual { mappings, object } => {
                virtual_mappings.clone_from(mappings);
                Layout::Virtual { address: object.map(|o| o.0), index: object.map_or(0, |o| o.1) }
            }
            RawState::Chunked(chunked) => {
                let dims = dataset.dataspace.dims();
                let inside = |p: &[u64]| {
                    p.iter().zip(&chunked.chunk).zip(dims).all(|((p, c), d)| p.saturating_mul(*c) < *d)
                };
                let entries = chunked.chunks.iter().filter(|(p, _)| inside(p));
                let entries = entries.filter_map(|(p, c)| Some((&**p, c.stored?.0)));
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
        let committed = dataset.committed;
        let (datatype, pipeline) = (dataset.datatype.clone(), dataset.pipeline.clone());
        let mut raw =
            RawData::new(datatype.clone(), dataspace, layout, pipeline, fill, store.settings.cache_bytes);
        if let Some(table) = table {
            let _ = raw.chunks.set(table);
        }
        // The sources of a virtual dataset may be in this session.
        drop(state);
        (raw.external, raw.mappings) = (external, virtual_mappings);
        let stored_dims = (!raw.mappings.is_empty()).then(|| raw.dims().to_vec());
        if stored_dims.is_some() {
            virtual_dataset::extend(store, &raw.mappings, &mut raw.dataspace, sources, depth)?;
        }
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
        Ok(())
    }
}

fn link(name: &Name, entry: &super::node::LinkEntry, tracked: bool) -> Link {
    let target = match &entry.target {
        Target::Node(id) => LinkTarget::Hard(id.key()),
        Target::Address(address) => LinkTarget::Hard(*address),
        Target::User { class, data } => LinkTarget::User { class: *class, data: data.clone() },
        Target::Soft(path) => LinkTarget::Soft(path.clone()),
        Target::External { file, path } => LinkTarget::External { file: file.clone(), path: path.clone() },
    };
    let creation_order = tracked.then_some(entry.order);
    Link { name: name.clone(), charset: entry.charset, creation_order, target }
}

fn attribute(store: &Store, entry: &AttributeEntry, tracked: bool) -> Result<AttributeData> {
    attributes::from_stored(store, entry.flags, &entry.body, tracked.then_some(entry.order))
}
