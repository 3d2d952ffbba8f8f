//! Object headers of a file that is being written: messages in, the bytes of chunk 0 and its continuation out.

use super::{
    NewAttribute, Profile, external,
    messages::{Message, Messages, Missing, message_size},
    node::{
        Body, DatasetBody, DenseParts, GroupBody, LinkEntry, Node, NodeId, Order, Parts, RawState, Target,
        aspect,
    },
};
use crate::{
    error::{Error, Result},
    format::{
        checksum,
        message::{
            MessageFlags, MessageType,
            attribute::{AttributeMessage, Embedded},
            attribute_info::AttributeInfoMessage,
            comment::encode_comment,
            dataspace::{decode_dataspace, put_dataspace},
            datatype::put_datatype,
            fill::put_fill,
            group_info::GroupInfoMessage,
            layout::LayoutMessage,
            link::put_link,
            link_info::{IndexAddress, LinkInfoMessage},
            pipeline::PipelineMessage,
            reference_count::ReferenceCountMessage,
            shared::{SharedPointer, encode_shared},
        },
        object_header::{
            HeaderPrefix, INDEXES_ORDER, MARK_IF_UNKNOWN, SHARED, TRACKS_ORDER, WAS_UNKNOWN,
            encode_continuation, header_len,
        },
        primitive::{Put, Sizes, Structure},
    },
    model::{
        datatype::{Charset, Datatype},
        layout::{ChunkIndexType, ChunkedLayout, Layout},
        link::{LinkTarget, Name},
    },
};

/// More links or attributes than this are kept in a heap.
pub(super) const MAX_COMPACT: usize = 8;
/// Bytes of the body of a message.
pub(super) const MAX_MESSAGE: usize = u16::MAX as usize;

/// What the messages of an object depend on.
pub(super) struct Encoder<'a> {
    pub(super) sizes: Sizes,
    pub(super) profile: Profile,
    /// Address of the header of an object.
    pub(super) address_of: &'a dyn Fn(NodeId) -> u64,
}

/// Appends a datatype message, which can be written to a file with addresses of `width` bytes.
pub(super) fn put_checked_datatype(out: &mut Vec<u8>, datatype: &Datatype, width: u8) -> Result<()> {
    if !datatype.has_addresses(width) {
        return Err(Error::unsupported(format!("{datatype} in a file with addresses of {width} bytes")));
    }
    let start = out.len();
    put_datatype(out, datatype, 3)?;
    let len = out.len() - start;
    if len > MAX_MESSAGE {
        return Err(Error::limit("bytes of a datatype message", len as u64, MAX_MESSAGE as u64));
    }
    Ok(())
}

/// The body of an attribute message; its datatype is checked. `parts` is room for datatype and dataspace.
pub(super) fn attribute_body(
    parts: &mut Vec<u8>,
    name: &[u8],
    charset: Charset,
    attribute: &NewAttribute<'_>,
    committed: Option<u64>,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    parts.clear();
    put_checked_datatype(parts, attribute.datatype, sizes.offset)?;
    if let Some(address) = committed {
        *parts = encode_shared(SharedPointer::Committed(address), 3, sizes)?;
    }
    let end = parts.len();
    put_dataspace(parts, attribute.dataspace, 2, sizes)?;
    let (datatype, dataspace) = parts.split_at(end);
    AttributeMessage {
        version: 3,
        name,
        charset,
        datatype: if committed.is_some() { Embedded::Shared(datatype) } else { Embedded::Inline(datatype) },
        dataspace: Embedded::Inline(dataspace),
        data: &attribute.bytes,
    }
    .encode()
}

/// Attributes that are kept in a heap: those that are many or long, but for headers of version 1, which have none.
pub(super) fn attributes_are_dense(node: &Node) -> bool {
    let map = &node.attributes.map;
    node.has_dense_attributes()
        && (map.len() > MAX_COMPACT || map.values().any(|a| a.body.len() > MAX_MESSAGE))
}

/// Links that are kept in a heap: those that are many or long, but for groups of the old style.
pub(super) fn links_are_dense(group: &GroupBody) -> bool {
    // Far below what a message can hold: the rest of the message is less than the difference.
    let is_long = |(name, link): (&Name, &LinkEntry)| {
        let target = match &link.target {
            Target::Node(_) | Target::Address(_) => 0,
            Target::Soft(path) => path.as_bytes().len(),
            Target::External { file, path } => file.as_bytes().len() + path.as_bytes().len(),
            Target::User { data, .. } => data.len(),
        };
        name.as_bytes().len().saturating_add(target) > MAX_MESSAGE - 64
    };
    group.symbol_table.is_none() && (group.links.len() > MAX_COMPACT || group.links.iter().any(is_long))
}

impl Encoder<'_> {
    /// Appends the body of a link message.
    pub(super) fn put_link(
        &self,
        out: &mut Vec<u8>,
        name: &Name,
        link: &LinkEntry,
        order: Order,
    ) -> Result<()> {
        let target = match &link.target {
            Target::Node(id) => LinkTarget::Hard((self.address_of)(*id)),
            Target::Address(address) => LinkTarget::Hard(*address),
            Target::Soft(path) => LinkTarget::Soft(path.clone()),
            Target::External { file, path } => {
                LinkTarget::External { file: file.clone(), path: path.clone() }
            }
            Target::User { class, data } => LinkTarget::User { class: *class, data: data.clone() },
        };
        put_link(out, name, link.charset, order.tracked.then_some(link.order), &target, self.sizes)
    }

    /// The messages of an object; `with_lists` with its links and attributes, if they lie in the header.
    pub(super) fn messages(
        &self,
        out: &mut Messages,
        node: &Node,
        parts: &Parts,
        with_lists: bool,
    ) -> Result<()> {
        out.clear();
        match &node.stored {
            None => self.new_messages(out, node, parts, with_lists),
            Some(stored) => {
                out.clone_from(&stored.messages);
                self.change_messages(out, node, parts, with_lists)
            }
        }
    }

    fn new_messages(&self, out: &mut Messages, node: &Node, parts: &Parts, with_lists: bool) -> Result<()> {
        let constant = MessageFlags::CONSTANT;
        match &node.body {
            Body::Group(group) => {
                let info = self.link_info(group, parts.links);
                out.put(MessageType::LinkInfo, 0, |body| info.put(body, self.sizes))?;
                let info = GroupInfoMessage::default();
                out.put(MessageType::GroupInfo, constant, |body| info.put(body, self.sizes))?;
                if parts.links.is_none() && with_lists {
                    self.put_links(group, out)?;
                }
            }
            Body::Dataset(dataset) => {
                let DatasetBody { dataspace, datatype, fill, pipeline, .. } = &**dataset;
                out.put(MessageType::Dataspace, 0, |body| put_dataspace(body, dataspace, 2, self.sizes))?;
                match dataset.committed {
                    Some(address) => {
                        let pointer = encode_shared(SharedPointer::Committed(address), 3, self.sizes)?;
                        out.put_body(MessageType::Datatype, constant | MessageFlags::SHARED, &pointer);
                    }
                    None => {
                        out.put(MessageType::Datatype, constant, |body| put_datatype(body, datatype, 3))?;
                    }
                }
                out.put(MessageType::Fill, constant, |body| put_fill(body, fill, 3))?;
                if !pipeline.filters.is_empty() {
                    let pipeline = PipelineMessage { version: 2, filters: pipeline.filters.clone() };
                    out.put_body(MessageType::Pipeline, constant, &pipeline.encode()?);
                }
                if let RawState::External(targets) = &dataset.data {
                    let list = external::message(&targets.files, parts.external.unwrap_or(0))?;
                    out.put_body(MessageType::ExternalFiles, 0, &list.encode(self.sizes)?);
                }
                let layout = self.layout(dataset, parts)?;
                out.put(MessageType::Layout, 0, |body| layout.put(body, self.sizes))?;
            }
            Body::Datatype(datatype) => {
                out.put(MessageType::Datatype, constant, |body| put_datatype(body, datatype, 3))?;
            }
            Body::Stored => return Err(Error::usage("an object without a header")),
        }
        if let Some(comment) = &node.comment {
            out.put_body(MessageType::Comment, 0, &encode_comment(comment)?);
        }
        self.put_attributes(node, parts, with_lists, out)?;
        self.put_count(node, out)
    }

    /// Brings the messages that an object had up to date with what has changed.
    fn change_messages(
        &self,
        out: &mut Messages,
        node: &Node,
        parts: &Parts,
        with_lists: bool,
    ) -> Result<()> {
        match &node.body {
            Body::Group(group) if group.symbol_table.is_none() => {
                let changed = node.dirty & aspect::LINKS != 0;
                if changed || !with_lists {
                    out.remove(MessageType::Link);
                }
                if changed {
                    let info = self.link_info(group, parts.links);
                    out.replace(MessageType::LinkInfo, 0, |body| info.put(body, self.sizes))?;
                }
                if changed && with_lists && parts.links.is_none() {
                    self.put_links(group, out)?;
                }
            }
            Body::Dataset(dataset) if node.dirty & aspect::DATA != 0 => {
                let old = out.find(MessageType::Dataspace).filter(|m| m.flags & SHARED == 0);
                let version = old.and_then(|m| m.body.first()).copied().unwrap_or(2);
                // Version 1 may have what is not written any more: it stays if the extent is as it was.
                let same = old.is_some_and(|m| {
                    decode_dataspace(m.body, self.sizes).is_ok_and(|(space, _)| space == dataset.dataspace)
                });
                if !same {
                    out.replace(MessageType::Dataspace, 0, |body| {
                        put_dataspace(body, &dataset.dataspace, version, self.sizes)
                    })?;
                }
                let layout = self.layout(dataset, parts)?;
                let old = out.find(MessageType::Layout);
                let old = old.and_then(|m| LayoutMessage::decode(m.body, self.sizes).ok());
                if old.is_none_or(|old| old.layout != layout.layout) {
                    out.replace(MessageType::Layout, 0, |body| layout.put(body, self.sizes))?;
                }
            }
            _ => {}
        }
        if node.attributes.loaded {
            let changed = node.dirty & aspect::ATTRIBUTES != 0;
            if changed || !with_lists {
                out.remove(MessageType::Attribute);
            }
            if changed {
                self.put_attributes(node, parts, with_lists, out)?;
            }
        }
        self.put_count(node, out)?;
        if node.dirty != 0 {
            out.flag(|id, flags| match MessageType::from_id(id) {
                None if flags & MARK_IF_UNKNOWN != 0 => flags | WAS_UNKNOWN,
                _ => flags,
            });
        }
        Ok(())
    }

    fn put_links(&self, group: &GroupBody, out: &mut Messages) -> Result<()> {
        for (name, link) in group.links.iter() {
            out.put(MessageType::Link, 0, |body| self.put_link(body, name, link, group.order))?;
            if let Target::Node(id) = link.target {
                out.ends_with_address_of(id);
            }
        }
        Ok(())
    }

    fn put_attributes(&self, node: &Node, parts: &Parts, with_lists: bool, out: &mut Messages) -> Result<()> {
        let attributes = &node.attributes;
        let Order { tracked, indexed } = attributes.order;
        let dense = parts.attributes;
        let wanted = !attributes.map.is_empty() || tracked;
        if node.has_dense_attributes() && (wanted || out.find(MessageType::AttributeInfo).is_some()) {
            let info = AttributeInfoMessage {
                max_creation_index: tracked.then_some(attributes.next_order.min(0xffff) as u16),
                heap: dense.map(|d| d.heap),
                name_index: dense.map(|d| d.names),
                order_index: indexed.then(|| IndexAddress(dense.and_then(|d| d.order))),
            };
            let flags = MessageFlags::DONT_SHARE;
            out.replace(MessageType::AttributeInfo, flags, |body| info.put(body, self.sizes))?;
        }
        if dense.is_none() && with_lists {
            for attribute in attributes.map.values() {
                let order = tracked.then_some(attribute.order as u16);
                let (id, flags) = (MessageType::Attribute.id(), attribute.flags);
                out.push(Message { id, flags, order, body: &attribute.body });
            }
        }
        Ok(())
    }

    /// The number of hard links, where it is a message.
    fn put_count(&self, node: &Node, out: &mut Messages) -> Result<()> {
        let stored = node.stored.as_ref();
        if stored.is_some_and(|s| s.prefix.version == 1 || node.dirty & aspect::COUNT == 0) {
            return Ok(());
        }
        if node.links() > 1 {
            let count = ReferenceCountMessage { count: count(node)? };
            out.replace(MessageType::ReferenceCount, 0, |body| count.put(body, self.sizes))?;
        } else {
            out.remove(MessageType::ReferenceCount);
        }
        Ok(())
    }

    fn link_info(&self, group: &GroupBody, dense: Option<DenseParts>) -> LinkInfoMessage {
        LinkInfoMessage {
            max_creation_index: group.order.tracked.then_some(group.next_order),
            heap: dense.map(|d| d.heap),
            name_index: dense.map(|d| d.names),
            order_index: group.order.indexed.then(|| IndexAddress(dense.and_then(|d| d.order))),
        }
    }

    fn layout(&self, dataset: &DatasetBody, parts: &Parts) -> Result<LayoutMessage> {
        let layout = match &dataset.data {
            RawState::Compact(bytes) => Layout::Compact(bytes.clone()),
            RawState::Contiguous { address, .. } => {
                Layout::Contiguous { address: *address, size: dataset.bytes()? }
            }
            RawState::External(_) => Layout::Contiguous { address: None, size: dataset.bytes()? },
            RawState::Virtual { object, .. } => {
                Layout::Virtual { address: object.map(|o| o.0), index: object.map_or(0, |o| o.1) }
            }
            RawState::Chunked(state) => {
                // In the first pass the type must already be as wide as it will be.
                let filtered = !dataset.pipeline.filters.is_empty();
                let (address, index) = parts.index.unwrap_or((
                    None,
                    match state.index {
                        ChunkIndexType::Single { .. } if filtered => {
                            ChunkIndexType::Single { filtered: Some((0, 0)) }
                        }
                        index => index,
                    },
                ));
                Layout::Chunked(ChunkedLayout {
                    chunk: state.chunk.clone(),
                    element_size: dataset.datatype.size as u64,
                    edge_chunks_unfiltered: false,
                    index,
                    address,
                })
            }
        };
        let version = match (&layout, self.profile) {
            (Layout::Chunked(_), Profile::Modern) | (Layout::Virtual { .. }, _) => 4,
            _ => 3,
        };
        Ok(LayoutMessage::new(dataset.layout_version.unwrap_or(version).max(3), layout))
    }

    /// What precedes the messages of an object; `chunk0_size` is that of those in chunk 0, `messages` the number of all.
    fn prefix(&self, node: &Node, chunk0_size: u64, messages: usize) -> Result<HeaderPrefix> {
        let order = node.attributes.order;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut prefix = match &node.stored {
            Some(stored) => HeaderPrefix { chunk0_size, ..stored.prefix.clone() },
            None => HeaderPrefix {
                version: 2,
                flags: flag(order.tracked, TRACKS_ORDER) | flag(order.indexed, INDEXES_ORDER),
                message_count: 0,
                reference_count: 1,
                times: None,
                phase_change: None,
                chunk0_size,
                prefix_len: 0,
            },
        };
        if prefix.version == 1 {
            prefix.reference_count = count(node)?;
            prefix.message_count = u16::try_from(messages).map_err(|_| {
                Error::limit("messages of an object header", messages as u64, u16::MAX.into())
            })?;
        }
        // The field of a header that stays where it is keeps its width.
        let keeps = node.stored.as_ref().is_some_and(|s| s.prefix.chunk0_size == chunk0_size);
        Ok(if keeps { prefix } else { prefix.fit() })
    }

    /// Bytes of a header of these messages, all in chunk 0.
    pub(super) fn len(&self, node: &Node, messages: &Messages) -> Result<u64> {
        let (version, tracked) = node.header_version();
        Ok(self.prefix(node, messages.size(version, tracked) as u64, messages.len())?.total_len())
    }

    /// The whole header of an object, all in chunk 0; `with_lists` as for `messages`.
    pub(super) fn header(&self, node: &Node, parts: &Parts, with_lists: bool) -> Result<Vec<u8>> {
        let mut messages = Messages::default();
        self.messages(&mut messages, node, parts, with_lists)?;
        let mut out = Vec::new();
        self.encode(node, &messages, &mut out, None)?;
        Ok(out)
    }

    /// Appends a header of these messages, all in chunk 0. If addresses of objects are not known yet, it is noted in
    /// `missing` where they belong; the checksum is missing too then.
    pub(super) fn encode(
        &self,
        node: &Node,
        messages: &Messages,
        out: &mut Vec<u8>,
        missing: Option<&mut Missing>,
    ) -> Result<()> {
        let (version, tracked) = node.header_version();
        let prefix = self.prefix(node, messages.size(version, tracked) as u64, messages.len())?;
        let start = out.len();
        prefix.put(out)?;
        let is_whole = messages.encode(version, tracked, out, missing)?;
        match version {
            1 => {}
            _ if is_whole => checksum::append_from(out, start),
            _ => out.extend_from_slice(&[0; checksum::CHECKSUM_LEN]),
        }
        Ok(())
    }

    /// A header whose chunk 0, with prefix and checksum, has exactly `capacity` bytes. What does not fit is the
    /// content of a continuation block, for which `place` finds an address.
    pub(super) fn encode_fixed(
        &self,
        node: &Node,
        messages: &mut Messages,
        capacity: u64,
        place: &mut dyn FnMut(&[u8]) -> Result<u64>,
    ) -> Result<Vec<u8>> {
        let (version, tracked) = node.header_version();
        let each = header_len(version, tracked);
        let room = self.inner(node, capacity)? as usize;
        let pointer = message_size(version, tracked, usize::from(self.sizes.offset + self.sizes.length));
        let mut used = messages.size(version, tracked);
        let mut kept = messages.len();
        let mut sizes = messages.iter().rev().map(|m| message_size(version, tracked, m.body.len()));
        while used + if kept == messages.len() { 0 } else { pointer } > room {
            // The last ones go: links and attributes come last.
            used -= sizes.next().ok_or_else(|| Error::unsupported("an object header so small"))?;
            kept -= 1;
        }
        drop(sizes);
        let mut count = messages.len();
        let moved = messages.split_off(kept);
        if moved.len() > 0 {
            let mut body = Vec::new();
            moved.encode(version, tracked, &mut body, None)?;
            let block = encode_continuation(version, &body);
            let address = place(&block)?;
            messages.put(MessageType::Continuation, 0, |body| {
                body.uint(address, self.sizes.offset)?;
                body.length(block.len() as u64, self.sizes)
            })?;
            (used, count) = (used + pointer, count + 1);
        }
        while room - used >= each {
            let len = (room - used - each).min(MAX_MESSAGE & !7);
            messages.put_body(MessageType::Nil, 0, &vec![0; len]);
            (used, count) = (used + each + len, count + 1);
        }
        let mut out = Vec::with_capacity(capacity as usize);
        self.prefix(node, room as u64, count)?.put(&mut out)?;
        let body = out.len();
        messages.encode(version, tracked, &mut out, None)?;
        // What is too short for a message is a gap.
        out.resize(body + room, 0);
        if version > 1 {
            checksum::append(&mut out);
        }
        Ok(out)
    }

    /// Bytes for messages in a chunk 0 of `capacity` bytes.
    fn inner(&self, node: &Node, capacity: u64) -> Result<u64> {
        if let Some(stored) = &node.stored {
            return Ok(stored.prefix.chunk0_size);
        }
        (0..32)
            .filter_map(|less| capacity.checked_sub(less))
            .find(|&size| self.prefix(node, size, 0).is_ok_and(|prefix| prefix.total_len() == capacity))
            .ok_or_else(|| Error::usage(format!("an object header of {capacity} bytes")))
    }
}

fn count(node: &Node) -> Result<u32> {
    u32::try_from(node.links())
        .map_err(|_| Error::limit("links to an object", node.links(), u64::from(u32::MAX)))
}
