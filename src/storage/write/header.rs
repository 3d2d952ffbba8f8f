//! Object headers of a file that is being written: messages in, the bytes of chunk 0 and its continuation out.

use super::{
    NewAttribute, Profile, external,
    node::{
        Body, DatasetBody, DenseParts, GroupBody, LinkEntry, Message, Node, NodeId, Order, Parts, RawState,
        StoredHeader, Target, aspect,
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
            dataspace::{decode_dataspace, encode_dataspace},
            datatype::encode_datatype,
            fill::FillMessage,
            group_info::GroupInfoMessage,
            layout::LayoutMessage,
            link::encode_link,
            link_info::{IndexAddress, LinkInfoMessage},
            pipeline::PipelineMessage,
            reference_count::ReferenceCountMessage,
            shared::{SharedPointer, encode_shared},
        },
        object_header::{
            HeaderPrefix, INDEXES_ORDER, MARK_IF_UNKNOWN, SHARED, TRACKS_ORDER, WAS_UNKNOWN,
            encode_continuation, encode_message, header_len,
        },
        primitive::{Put, Sizes, Structure},
    },
    model::{
        datatype::{Charset, Datatype},
        layout::{ChunkIndexType, ChunkedLayout, Layout},
        link::{Link, LinkTarget, Name},
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

pub(super) fn datatype_body(datatype: &Datatype) -> Result<Vec<u8>> {
    encode_datatype(datatype, 3)
}

/// Flags and body of a datatype message: the type, or where the committed one is that it is.
fn datatype_message(datatype: &Datatype, committed: Option<u64>, sizes: Sizes) -> Result<(u8, Vec<u8>)> {
    Ok(match committed {
        Some(address) => (MessageFlags::SHARED, encode_shared(SharedPointer::Committed(address), 3, sizes)?),
        None => (0, datatype_body(datatype)?),
    })
}

/// The body of an attribute message.
pub(super) fn attribute_body(
    name: &Name,
    charset: Charset,
    attribute: &NewAttribute,
    committed: Option<u64>,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let (flags, datatype) = datatype_message(&attribute.datatype, committed, sizes)?;
    let dataspace = encode_dataspace(&attribute.dataspace, 2, sizes)?;
    let shared = flags & MessageFlags::SHARED != 0;
    AttributeMessage {
        version: 3,
        name: name.as_bytes(),
        charset,
        datatype: if shared { Embedded::Shared(&datatype) } else { Embedded::Inline(&datatype) },
        dataspace: Embedded::Inline(&dataspace),
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

/// Puts a message in the place of that of its kind, or at the end.
fn replace(messages: &mut Vec<Message>, kind: MessageType, flags: u8, body: Vec<u8>) {
    match messages.iter_mut().find(|m| m.is(kind)) {
        // Stored ones may be padded.
        Some(m) if m.body.starts_with(&body) && m.body[body.len()..].iter().all(|&b| b == 0) => {}
        Some(m) => {
            m.flags &= !SHARED;
            m.body = body;
        }
        None => messages.push(Message { id: kind.id(), flags, order: None, body }),
    }
}

impl Encoder<'_> {
    pub(super) fn link_body(&self, name: &Name, link: &LinkEntry, order: Order) -> Result<Vec<u8>> {
        let target = match &link.target {
            Target::Node(id) => LinkTarget::Hard((self.address_of)(*id)),
            Target::Address(address) => LinkTarget::Hard(*address),
            Target::Soft(path) => LinkTarget::Soft(path.clone()),
            Target::External { file, path } => {
                LinkTarget::External { file: file.clone(), path: path.clone() }
            }
            Target::User { class, data } => LinkTarget::User { class: *class, data: data.clone() },
        };
        let creation_order = order.tracked.then_some(link.order);
        let link = Link { name: name.clone(), charset: link.charset, creation_order, target };
        encode_link(&link, self.sizes)
    }

    /// The messages of an object; `with_lists` with its links and attributes, if they lie in the header.
    pub(super) fn messages(&self, node: &Node, parts: &Parts, with_lists: bool) -> Result<Vec<Message>> {
        match &node.stored {
            None => self.new_messages(node, parts, with_lists),
            Some(stored) => self.changed_messages(stored, node, parts, with_lists),
        }
    }

    fn new_messages(&self, node: &Node, parts: &Parts, with_lists: bool) -> Result<Vec<Message>> {
        let mut out = Vec::with_capacity(8 + node.attributes.map.len().min(8));
        let mut put = |kind: MessageType, flags, body| {
            out.push(Message { id: kind.id(), flags, order: None, body });
        };
        match &node.body {
            Body::Group(group) => {
                put(MessageType::LinkInfo, 0, self.link_info(group, parts.links).encode(self.sizes)?);
                put(
                    MessageType::GroupInfo,
                    MessageFlags::CONSTANT,
                    GroupInfoMessage::default().encode(self.sizes)?,
                );
                if parts.links.is_none() && with_lists {
                    self.put_links(group, &mut out)?;
                }
            }
            Body::Dataset(dataset) => {
                let constant = MessageFlags::CONSTANT;
                put(MessageType::Dataspace, 0, encode_dataspace(&dataset.dataspace, 2, self.sizes)?);
                let (shared, body) = datatype_message(&dataset.datatype, dataset.committed, self.sizes)?;
                put(MessageType::Datatype, constant | shared, body);
                let fill = FillMessage { version: 3, fill: dataset.fill.clone() };
                put(MessageType::Fill, constant, fill.encode()?);
                if !dataset.pipeline.filters.is_empty() {
                    let pipeline = PipelineMessage { version: 2, filters: dataset.pipeline.filters.clone() };
                    put(MessageType::Pipeline, constant, pipeline.encode()?);
                }
                if let RawState::External(targets) = &dataset.data {
                    let list = external::message(&targets.files, parts.external.unwrap_or(0))?;
                    put(MessageType::ExternalFiles, 0, list.encode(self.sizes)?);
                }
                put(MessageType::Layout, 0, self.layout(dataset, parts)?.encode(self.sizes)?);
            }
            Body::Datatype(datatype) => {
                put(MessageType::Datatype, MessageFlags::CONSTANT, datatype_body(datatype)?);
            }
            Body::Stored => return Err(Error::usage("an object without a header")),
        }
        if let Some(comment) = &node.comment {
            let (id, body) = (MessageType::Comment.id(), encode_comment(comment)?);
            out.push(Message { id, flags: 0, order: None, body });
        }
        self.put_attributes(node, parts, with_lists, &mut out)?;
        self.put_count(node, &mut out)?;
        Ok(out)
    }

    /// The messages that an object had, but for those of what has changed.
    fn changed_messages(
        &self,
        stored: &StoredHeader,
        node: &Node,
        parts: &Parts,
        with_lists: bool,
    ) -> Result<Vec<Message>> {
        let mut out = stored.messages.clone();
        match &node.body {
            Body::Group(group) if group.symbol_table.is_none() => {
                let changed = node.dirty & aspect::LINKS != 0;
                if changed || !with_lists {
                    out.retain(|m| !m.is(MessageType::Link));
                }
                if changed {
                    let info = self.link_info(group, parts.links).encode(self.sizes)?;
                    replace(&mut out, MessageType::LinkInfo, 0, info);
                }
                if changed && with_lists && parts.links.is_none() {
                    self.put_links(group, &mut out)?;
                }
            }
            Body::Dataset(dataset) if node.dirty & aspect::DATA != 0 => {
                let dataspace = |version| encode_dataspace(&dataset.dataspace, version, self.sizes);
                let old = out.iter().find(|m| m.is(MessageType::Dataspace) && m.flags & SHARED == 0);
                let version = old.and_then(|m| m.body.first()).copied().unwrap_or(2);
                // Version 1 may have what is not written any more: it stays if the extent is as it was.
                let same = old.is_some_and(|m| {
                    decode_dataspace(&m.body, self.sizes).is_ok_and(|(space, _)| space == dataset.dataspace)
                });
                if !same {
                    replace(&mut out, MessageType::Dataspace, 0, dataspace(version)?);
                }
                let layout = self.layout(dataset, parts)?;
                let old = out.iter().find(|m| m.is(MessageType::Layout));
                let old = old.and_then(|m| LayoutMessage::decode(&m.body, self.sizes).ok());
                if old.is_none_or(|old| old.layout != layout.layout) {
                    replace(&mut out, MessageType::Layout, 0, layout.encode(self.sizes)?);
                }
            }
            _ => {}
        }
        if node.attributes.loaded {
            let changed = node.dirty & aspect::ATTRIBUTES != 0;
            if changed || !with_lists {
                out.retain(|m| !m.is(MessageType::Attribute));
            }
            if changed {
                self.put_attributes(node, parts, with_lists, &mut out)?;
            }
        }
        self.put_count(node, &mut out)?;
        if node.dirty != 0 {
            let unknown = |m: &&mut Message| MessageType::from_id(m.id).is_none();
            for message in out.iter_mut().filter(unknown).filter(|m| m.flags & MARK_IF_UNKNOWN != 0) {
                message.flags |= WAS_UNKNOWN;
            }
        }
        Ok(out)
    }

    fn put_links(&self, group: &GroupBody, out: &mut Vec<Message>) -> Result<()> {
        for (name, link) in &group.links {
            let body = self.link_body(name, link, group.order)?;
            out.push(Message { id: MessageType::Link.id(), flags: 0, order: None, body });
        }
        Ok(())
    }

    fn put_attributes(
        &self,
        node: &Node,
        parts: &Parts,
        with_lists: bool,
        out: &mut Vec<Message>,
    ) -> Result<()> {
        let attributes = &node.attributes;
        let Order { tracked, indexed } = attributes.order;
        let dense = parts.attributes;
        let has_info = out.iter().any(|m| m.is(MessageType::AttributeInfo));
        if node.has_dense_attributes() && (has_info || !attributes.map.is_empty() || tracked) {
            let info = AttributeInfoMessage {
                max_creation_index: tracked.then_some(attributes.next_order.min(0xffff) as u16),
                heap: dense.map(|d| d.heap),
                name_index: dense.map(|d| d.names),
                order_index: indexed.then(|| IndexAddress(dense.and_then(|d| d.order))),
            };
            let flags = MessageFlags::DONT_SHARE;
            replace(out, MessageType::AttributeInfo, flags, info.encode(self.sizes)?);
        }
        if dense.is_none() && with_lists {
            for attribute in attributes.map.values() {
                let order = tracked.then_some(attribute.order as u16);
                let (id, flags) = (MessageType::Attribute.id(), attribute.flags);
                out.push(Message { id, flags, order, body: attribute.body.clone() });
            }
        }
        Ok(())
    }

    /// The number of hard links, where it is a message.
    fn put_count(&self, node: &Node, out: &mut Vec<Message>) -> Result<()> {
        let stored = node.stored.as_ref();
        if stored.is_some_and(|s| s.prefix.version == 1 || node.dirty & aspect::COUNT == 0) {
            return Ok(());
        }
        if node.links() > 1 {
            let count = ReferenceCountMessage { count: count(node)? };
            replace(out, MessageType::ReferenceCount, 0, count.encode(self.sizes)?);
        } else {
            out.retain(|m| !m.is(MessageType::ReferenceCount));
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
    pub(super) fn len(&self, node: &Node, messages: &[Message]) -> Result<u64> {
        Ok(self.prefix(node, size(node, messages) as u64, messages.len())?.total_len())
    }

    /// A header of these messages, all in chunk 0.
    pub(super) fn encode(&self, node: &Node, messages: &[Message]) -> Result<Vec<u8>> {
        let body = bodies(node, messages.iter())?;
        whole(self.prefix(node, body.len() as u64, messages.len())?, body)
    }

    /// A header whose chunk 0, with prefix and checksum, has exactly `capacity` bytes. What does not fit is the
    /// content of a continuation block, for which `place` finds an address.
    pub(super) fn encode_fixed(
        &self,
        node: &Node,
        mut messages: Vec<Message>,
        capacity: u64,
        place: &mut dyn FnMut(&[u8]) -> Result<u64>,
    ) -> Result<Vec<u8>> {
        let (version, tracked) = node.header_version();
        let each = header_len(version, tracked);
        let room = self.inner(node, capacity)? as usize;
        let mut count = messages.len();
        let mut moved = Vec::new();
        let pointer = padded(version, each + usize::from(self.sizes.offset + self.sizes.length));
        let mut used = size(node, &messages);
        while used + if moved.is_empty() { 0 } else { pointer } > room {
            // The last ones go: links and attributes come last.
            let message = messages.pop().ok_or_else(|| Error::unsupported("an object header so small"))?;
            used -= size(node, std::slice::from_ref(&message));
            moved.push(message);
        }
        moved.reverse();
        if !moved.is_empty() {
            let block = encode_continuation(version, &bodies(node, moved.iter())?);
            let mut body = Vec::new();
            body.uint(place(&block)?, self.sizes.offset)?;
            body.length(block.len() as u64, self.sizes)?;
            messages.push(Message { id: MessageType::Continuation.id(), flags: 0, order: None, body });
            (used, count) = (used + pointer, count + 1);
        }
        while room - used >= each {
            let len = (room - used - each).min(MAX_MESSAGE & !7);
            messages.push(Message { id: MessageType::Nil.id(), flags: 0, order: None, body: vec![0; len] });
            (used, count) = (used + each + len, count + 1);
        }
        let mut body = bodies(node, messages.iter())?;
        // What is too short for a message is a gap.
        body.resize(room, 0);
        whole(self.prefix(node, room as u64, count)?, body)
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

fn padded(version: u8, len: usize) -> usize {
    if version == 1 { len.next_multiple_of(8) } else { len }
}

/// Bytes that messages take.
fn size(node: &Node, messages: &[Message]) -> usize {
    let (version, tracked) = node.header_version();
    messages.iter().map(|m| header_len(version, tracked) + padded(version, m.body.len())).sum()
}

fn bodies<'m>(node: &Node, messages: impl Iterator<Item = &'m Message>) -> Result<Vec<u8>> {
    let (version, tracked) = node.header_version();
    let mut out = Vec::with_capacity(512);
    for m in messages {
        let order = tracked.then_some(m.order.unwrap_or(0));
        encode_message(&mut out, version, m.id, m.flags, order, &m.body)?;
    }
    Ok(out)
}

/// Prefix and messages, with the checksum that version 2 has.
fn whole(prefix: HeaderPrefix, body: Vec<u8>) -> Result<Vec<u8>> {
    let mut out = prefix.encode()?;
    out.extend_from_slice(&body);
    if prefix.version > 1 {
        checksum::append(&mut out);
    }
    Ok(out)
}

fn count(node: &Node) -> Result<u32> {
    u32::try_from(node.links())
        .map_err(|_| Error::limit("links to an object", node.links(), u64::from(u32::MAX)))
}
