//! Objects that are copied into a file: made as they were in another one, and linked when they are whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Session, State,
    chunk_data::chunked,
    edit::{NewAttribute, SessionHeap},
    header::{MAX_MESSAGE, attribute_body},
    mapping::selection_style,
    node::{
        AttributeEntry, Attributes, Body, ChunkedState, DatasetBody, GroupBody, LinkEntry, Node, NodeId,
        Order, Parts, RawState, Target, aspect,
    },
    spec::{FilterRequest, check_datatype, filter_spec, index_type},
};
use crate::{
    error::{Error, Result},
    filter::{FilterPipeline, FilterSpec},
    format::{
        message::{MessageType, comment::encode_comment, link::encode_link},
        virtual_mapping::encode_virtual_mappings,
    },
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        fill::{Fill, FillValue},
        layout::VirtualMapping,
        link::{Link, LinkTarget, Name},
    },
    storage::external::ExternalTargets,
};

/// Where the raw data of a copied dataset go.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    Compact,
    Contiguous,
    /// Chunks of this shape.
    Chunked(Vec<u64>),
    External(Arc<ExternalTargets>),
    Virtual(Vec<VirtualMapping>),
}

/// A dataset that is copied.
#[derive(Debug)]
pub(crate) struct ImportDataset {
    pub(crate) datatype: Datatype,
    /// Key of the committed datatype that is its type.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: Dataspace,
    pub(crate) fill: Fill,
    pub(crate) storage: Storage,
    /// Filters as they are, whether they are known here or not.
    pub(crate) filters: Vec<FilterSpec>,
    pub(crate) attribute_order: Order,
}

/// An attribute that is copied.
#[derive(Debug)]
pub(crate) struct ImportAttribute<'a> {
    pub(crate) name: &'a Name,
    pub(crate) charset: Charset,
    /// Its place in the order of creation, if that was tracked.
    pub(crate) order: Option<u32>,
}

impl Session {
    fn import(&self, body: Body, attributes: Order) -> Result<u64> {
        let mut state = self.edit()?;
        Ok(state.push(Node::new(body, attributes))?.key())
    }

    /// Makes a group that no link leads to yet; its key.
    pub(crate) fn import_group(&self, links: Order, attributes: Order) -> Result<u64> {
        self.import(Body::Group(GroupBody { order: links, ..GroupBody::default() }), attributes)
    }

    /// Makes a committed datatype that no link leads to yet; its key.
    pub(crate) fn import_datatype(&self, datatype: Datatype, attributes: Order) -> Result<u64> {
        check_datatype(&datatype, self.lock().sizes().offset)?;
        self.import(Body::Datatype(Arc::new(datatype)), attributes)
    }

    /// Filters with the parameters that a dataset of this kind gives them.
    pub(crate) fn filters_for(
        &self,
        requests: &[FilterRequest],
        datatype: &Datatype,
        chunk: &[u64],
        fill: Option<&[u8]>,
    ) -> Result<Vec<FilterSpec>> {
        requests.iter().map(|request| filter_spec(request, datatype, chunk, fill)).collect()
    }

    /// Makes a dataset without elements that no link leads to yet; its key.
    pub(crate) fn import_dataset(&self, import: ImportDataset) -> Result<u64> {
        let mut state = self.edit()?;
        check_datatype(&import.datatype, state.sizes().offset)?;
        let size = import.datatype.size;
        if let Some(fill) = import.fill.bytes()
            && fill.len() != size
        {
            return Err(Error::usage(format!("a fill value of {} bytes for elements of {size}", fill.len())));
        }
        let dims = import.dataspace.dims().to_vec();
        let max_dims = import.dataspace.max_dims();
        let data = match import.storage {
            Storage::Chunked(chunk) => {
                // Old files have chunks larger than the dataset can be.
                let bounds: Vec<Option<u64>> =
                    max_dims.iter().zip(&chunk).map(|(max, &c)| max.map(|max| max.max(c))).collect();
                state.check_chunk(&chunk, &bounds, size as u64)?;
                let index = index_type(state.profile, &dims, &max_dims, &chunk, false);
                RawState::Chunked(ChunkedState { chunk, index, chunks: BTreeMap::new() })
            }
            _ if !import.filters.is_empty() => return Err(Error::usage("filters need chunks")),
            Storage::Compact => {
                let bytes = import.dataspace.len()?.saturating_mul(size as u64);
                if bytes > MAX_MESSAGE as u64 - 16 {
                    return Err(Error::limit("bytes of a compact dataset", bytes, MAX_MESSAGE as u64 - 16));
                }
                let mut data = vec![0; bytes as usize];
                if let Some(fill) = import.fill.bytes() {
                    data.chunks_exact_mut(size.max(1)).for_each(|element| element.copy_from_slice(fill));
                }
                RawState::Compact(data)
            }
            Storage::Contiguous => RawState::Contiguous { address: None, published: false },
            Storage::External(targets) => RawState::External(targets),
            Storage::Virtual(mappings) => {
                // Checked by whoever made them; version 1 is for HDF5 2.0 and later.
                let style = selection_style(state.profile);
                let object = encode_virtual_mappings(&mappings, 0, style, state.sizes())?;
                let State { heap, tx, .. } = &mut *state;
                let object = if mappings.is_empty() { None } else { Some(heap.store(tx, &object)?) };
                RawState::Virtual { mappings, object }
            }
        };
        if import.filters.len() > 32 {
            return Err(Error::usage("more than 32 filters"));
        }
        let committed = import.committed.map(|key| state.pin_type(key, &import.datatype)).transpose()?;
        let body = DatasetBody {
            layout_version: None,
            datatype: Arc::new(import.datatype),
            committed,
            dataspace: import.dataspace,
            fill: import.fill,
            pipeline: FilterPipeline { filters: import.filters, ..FilterPipeline::default() },
            data,
        };
        body.bytes()?;
        let node = Node::new(Body::Dataset(Box::new(body)), import.attribute_order);
        let encoder = state.encoder(&|_| 0);
        encoder.header(&node, &Parts::default(), true)?;
        let id = state.push(node)?;
        state.count_use(committed)?;
        Ok(id.key())
    }

    /// Makes an attribute as it was; `encode` gives its elements.
    pub(crate) fn import_attribute<'a>(
        &self,
        key: u64,
        import: &ImportAttribute<'_>,
        encode: &mut dyn FnMut(&mut SessionHeap<'_>) -> Result<NewAttribute<'a>>,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        state.load_attributes(id)?;
        let new = encode(&mut SessionHeap(&mut state))?;
        let wanted = new.dataspace.len()?.checked_mul(new.datatype.size as u64);
        if wanted != Some(new.bytes.len() as u64) {
            return Err(Error::shape(format!("{} bytes for an attribute of {wanted:?}", new.bytes.len())));
        }
        if state.node(id)?.attributes.map.contains(import.name.as_bytes()) {
            return Err(Error::usage(format!("there is an attribute {} already", import.name)));
        }
        let committed = new.committed.map(|key| state.pin_type(key, new.datatype)).transpose()?;
        let (name, sizes) = (import.name.as_bytes(), state.sizes());
        let body = attribute_body(&mut state.scratch, name, import.charset, &new, committed, sizes)?;
        if !state.node(id)?.has_dense_attributes() && body.len() > MAX_MESSAGE & !7 {
            return Err(Error::unsupported("a large attribute on an object whose header has version 1"));
        }
        let order = import.order.unwrap_or(state.node(id)?.attributes.next_order);
        state.touch(id, aspect::ATTRIBUTES)?;
        let attributes = &mut state.node_mut(id)?.attributes;
        attributes.next_order = attributes.next_order.max(order.saturating_add(1));
        attributes.map.insert(import.name.clone(), AttributeEntry { order, flags: 0, body });
        state.count_use(committed)
    }

    /// Puts a link into a group, under a name that it does not have yet. A hard one names a key.
    pub(crate) fn import_link(
        &self,
        group: u64,
        name: &Name,
        charset: Charset,
        order: Option<i64>,
        target: &LinkTarget,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(group)?;
        state.load_links(id)?;
        if state.node(id)?.group()?.links.contains(name.as_bytes()) {
            return Err(Error::usage(format!("there is a link {name} already")));
        }
        let is_old = state.node(id)?.group()?.symbol_table.is_some();
        // Whatever a link cannot be is found now and not at the flush.
        let creation_order = order;
        encode_link(
            &Link { name: name.clone(), charset, creation_order, target: target.clone() },
            state.sizes(),
        )?;
        let target = match target {
            LinkTarget::Hard(key) => {
                let target = state.open(*key)?;
                state.count_up(target, id)?
            }
            LinkTarget::Soft(path) => Target::Soft(path.clone()),
            LinkTarget::External { .. } | LinkTarget::User { .. } if is_old => {
                return Err(super::symbol_table::external());
            }
            LinkTarget::External { file, path } => {
                Target::External { file: file.clone(), path: path.clone() }
            }
            LinkTarget::User { class, data } => Target::User { class: *class, data: data.clone() },
        };
        state.touch(id, aspect::LINKS)?;
        let group = state.node_mut(id)?.group_mut()?;
        let order = order.unwrap_or(group.next_order);
        group.next_order = group.next_order.max(order.saturating_add(1));
        group.links.insert(name.clone(), LinkEntry { charset, order, target });
        Ok(())
    }

    /// Gives a new group without links and attributes the orders of creation of another one.
    pub(crate) fn adopt_orders(&self, key: u64, links: Order, attributes: Order) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        if state.node(id)?.stored.is_some() || state.node(id)?.published {
            return Ok(());
        }
        let node = state.node_mut(id)?;
        if node.attributes.map.is_empty() {
            node.attributes = Attributes { order: attributes, loaded: true, ..Attributes::default() };
        }
        let group = node.group_mut()?;
        if group.links.is_empty() {
            group.order = links;
        }
        Ok(())
    }

    /// Replaces the fill value of a dataset without elements.
    pub(crate) fn set_fill_value(&self, key: u64, bytes: Vec<u8>) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        state.touch(id, aspect::DATA)?;
        let dataset = state.node_mut(id)?.dataset_mut()?;
        if bytes.len() != dataset.datatype.size {
            return Err(Error::usage(format!("a fill value of {} bytes", bytes.len())));
        }
        dataset.fill.value = FillValue::User(bytes);
        Ok(())
    }

    /// Sets the comment on an object.
    pub(crate) fn set_comment(&self, key: u64, comment: &Name) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        let body = encode_comment(comment)?;
        state.touch(id, aspect::COUNT)?;
        let node = state.node_mut(id)?;
        match &mut node.stored {
            None => node.comment = Some(comment.clone()),
            Some(stored) => {
                stored.messages.remove(MessageType::Comment);
                stored.messages.put_body(MessageType::Comment, 0, &body);
            }
        }
        Ok(())
    }

    /// Runs something that stores objects in the global heap.
    pub(crate) fn with_heap<R>(&self, f: &mut dyn FnMut(&mut SessionHeap<'_>) -> Result<R>) -> Result<R> {
        f(&mut SessionHeap(&mut *self.edit()?))
    }

    /// All by which an object that is known by this goes: its key, and the address that it keeps.
    pub(crate) fn names_of(&self, address: u64) -> Vec<u64> {
        let state = self.lock();
        let Some(id) = state.known(address) else { return vec![address] };
        let pinned = state.node(id).ok().and_then(|n| n.address.filter(|_| n.pinned.is_some()));
        [Some(address), Some(id.key()), pinned].into_iter().flatten().collect()
    }

    /// Extent of a chunk of a dataset, if it has chunks.
    pub(crate) fn chunk_of(&self, key: u64) -> Result<Option<Vec<u64>>> {
        let state = self.lock();
        Ok(match &state.node(state.find(key)?)?.dataset()?.data {
            RawState::Chunked(chunked) => Some(chunked.chunk.clone()),
            _ => None,
        })
    }

    /// Gives back what objects take that were made to be copied and came to nothing.
    pub(crate) fn abandon(&self, keys: &[u64]) {
        let mut state = self.lock();
        let ids: Vec<NodeId> = keys.iter().filter_map(|&key| state.find(key).ok()).collect();
        for &id in &ids {
            if let Ok(node) = state.node_mut(id) {
                node.parents.clear();
                node.uses = 0;
            }
        }
        let mut gone = Vec::new();
        ids.iter().for_each(|&id| state.delete(id, &mut gone));
        for (id, from) in gone {
            if state.node(id).is_ok_and(|node| !node.deleted) {
                // What cannot be counted down is lost space.
                let _ = state.count_down(id, from);
            }
        }
    }

    /// Sets storage aside for all elements of a contiguous dataset. What it holds is arbitrary until it is written,
    /// or zero if that is asked for.
    pub(crate) fn reserve_contiguous(&self, key: u64, zeroed: bool) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        let total = state.node(id)?.dataset()?.bytes()?;
        if total == 0 {
            return Ok(());
        }
        state.touch(id, aspect::DATA)?;
        let allocator = &mut state.tx.allocator;
        let at = if zeroed { allocator.allocate_zeroed(total)? } else { allocator.allocate(total)? };
        match &mut state.node_mut(id)?.dataset_mut()?.data {
            RawState::Contiguous { address: address @ None, .. } => *address = Some(at),
            _ => {
                state.tx.allocator.release((at, total));
                return Err(Error::usage("storage that is not contiguous, or is allocated"));
            }
        }
        Ok(())
    }

    /// Writes bytes of a contiguous dataset whose storage was set aside since the last flush.
    pub(crate) fn write_contiguous_raw(&self, key: u64, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(key)?;
        let dataset = state.node(id)?.dataset()?;
        let total = dataset.bytes()?;
        match dataset.data {
            RawState::Contiguous { address: Some(at), published: false }
                if offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= total) =>
            {
                state.put_data(at + offset, bytes)
            }
            _ => Err(Error::usage("bytes outside the storage of a contiguous dataset")),
        }
    }
}

impl State {
    /// Drops what is kept in memory of a chunk.
    pub(super) fn forget_elements(&mut self, id: NodeId, place: &[u64]) -> Result<()> {
        let chunk = chunked(self, id)?.chunks.get_mut(place);
        let dropped = chunk.and_then(|c| c.elements.take()).map_or(0, |e| e.len() as u64);
        self.buffered = self.buffered.saturating_sub(dropped);
        Ok(())
    }
}
