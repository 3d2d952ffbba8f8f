//! Object headers of a file that is being written: messages in, the bytes of chunk 0 and its continuation out.

use super::{
    Profile,
    node::{
        AttributeEntry, Attributes, Body, DatasetBody, GroupBody, LinkEntry, Node, NodeId, Order, RawState,
        Target,
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
            dataspace::encode_dataspace,
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
            HeaderPrefix, INDEXES_ORDER, TRACKS_ORDER, encode_continuation, encode_message, header_len,
        },
        primitive::{Put, Sizes, Structure},
    },
    model::{
        datatype::Datatype,
        layout::{ChunkIndexType, ChunkedLayout, Layout},
        link::{Link, LinkTarget, Name},
    },
};

/// More links or attributes than this are kept in a heap.
pub(super) const MAX_COMPACT: usize = 8;
/// Bytes of the body of a message.
pub(super) const MAX_MESSAGE: usize = u16::MAX as usize;

/// Where the parts of an object are that do not lie in its header.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) links: Option<DenseParts>,
    pub(super) attributes: Option<DenseParts>,
    /// The index of the chunks, and its type with what the layout message says of it.
    pub(super) index: Option<(Option<u64>, ChunkIndexType)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct DenseParts {
    pub(super) heap: u64,
    pub(super) names: u64,
    pub(super) order: Option<u64>,
}

/// A message of a header.
pub(super) struct Message {
    kind: MessageType,
    flags: u8,
    order: Option<u16>,
    body: Vec<u8>,
}

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

/// The body of an attribute message.
pub(super) fn attribute_body(name: &Name, attribute: &AttributeEntry, sizes: Sizes) -> Result<Vec<u8>> {
    let datatype = match attribute.committed {
        Some(address) => encode_shared(SharedPointer::Committed(address), 3, sizes)?,
        None => datatype_body(&attribute.datatype)?,
    };
    let dataspace = encode_dataspace(&attribute.dataspace, 2, sizes)?;
    AttributeMessage {
        version: 3,
        name: name.as_bytes(),
        charset: attribute.charset,
        datatype: match attribute.committed {
            Some(_) => Embedded::Shared(&datatype),
            None => Embedded::Inline(&datatype),
        },
        dataspace: Embedded::Inline(&dataspace),
        data: &attribute.bytes,
    }
    .encode()
}

/// Attributes that are kept in a heap.
pub(super) fn attributes_are_dense(attributes: &Attributes) -> bool {
    attributes.map.len() > MAX_COMPACT || attributes.map.values().any(|a| a.message_len > MAX_MESSAGE)
}

/// Links that are kept in a heap.
pub(super) fn links_are_dense(group: &GroupBody) -> bool {
    // Far below what a message can hold: the rest of the message is less than the difference.
    let is_long = |(name, link): (&Name, &LinkEntry)| {
        let target = match &link.target {
            Target::Node(_) => 0,
            Target::Soft(path) => path.as_bytes().len(),
            Target::External { file, path } => file.as_bytes().len() + path.as_bytes().len(),
            Target::User { data, .. } => data.len(),
        };
        name.as_bytes().len().saturating_add(target) > MAX_MESSAGE - 64
    };
    group.links.len() > MAX_COMPACT || group.links.iter().any(is_long)
}

impl Encoder<'_> {
    pub(super) fn link_body(&self, name: &Name, link: &LinkEntry, order: Order) -> Result<Vec<u8>> {
        let target = match &link.target {
            Target::Node(id) => LinkTarget::Hard((self.address_of)(*id)),
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

    pub(super) fn messages(&self, node: &Node, parts: &Parts, with_lists: bool) -> Result<Vec<Message>> {
        let mut out = Vec::with_capacity(8 + node.attributes.map.len().min(8));
        let mut put = |kind, flags, body| out.push(Message { kind, flags, order: None, body });
        match &node.body {
            Body::Group(group) => {
                put(MessageType::LinkInfo, 0, self.link_info(group, parts.links).encode(self.sizes)?);
                put(
                    MessageType::GroupInfo,
                    MessageFlags::CONSTANT,
                    GroupInfoMessage::default().encode(self.sizes)?,
                );
                if parts.links.is_none() && with_lists {
                    for (name, link) in &group.links {
                        put(MessageType::Link, 0, self.link_body(name, link, group.order)?);
                    }
                }
            }
            Body::Dataset(dataset) => {
                let constant = MessageFlags::CONSTANT;
                put(MessageType::Dataspace, 0, encode_dataspace(&dataset.dataspace, 2, self.sizes)?);
                match dataset.committed {
                    Some(address) => {
                        let pointer = encode_shared(SharedPointer::Committed(address), 3, self.sizes)?;
                        put(MessageType::Datatype, constant | MessageFlags::SHARED, pointer);
                    }
                    None => put(MessageType::Datatype, constant, datatype_body(&dataset.datatype)?),
                }
                let fill = FillMessage { version: 3, fill: dataset.fill.clone() };
                put(MessageType::Fill, constant, fill.encode()?);
                if !dataset.pipeline.filters.is_empty() {
                    let pipeline = PipelineMessage { version: 2, filters: dataset.pipeline.filters.clone() };
                    put(MessageType::Pipeline, constant, pipeline.encode()?);
                }
                put(MessageType::Layout, 0, self.layout(dataset, parts)?.encode(self.sizes)?);
            }
            Body::Datatype(datatype) => {
                put(MessageType::Datatype, MessageFlags::CONSTANT, datatype_body(datatype)?);
            }
        }
        if let Some(comment) = &node.comment {
            put(MessageType::Comment, 0, encode_comment(comment)?);
        }
        let attributes = &node.attributes;
        if !attributes.map.is_empty() || attributes.order.tracked {
            let tracked = attributes.order.tracked;
            let dense = parts.attributes;
            let info = AttributeInfoMessage {
                max_creation_index: tracked.then_some(attributes.next_order.min(0xffff) as u16),
                heap: dense.map(|d| d.heap),
                name_index: dense.map(|d| d.names),
                order_index: attributes.order.indexed.then(|| IndexAddress(dense.and_then(|d| d.order))),
            };
            put(MessageType::AttributeInfo, MessageFlags::DONT_SHARE, info.encode(self.sizes)?);
        }
        let links = node.parents.len() + node.outer_links;
        if links > 1 {
            let count = u32::try_from(links)
                .map_err(|_| Error::limit("links to an object", links as u64, u64::from(u32::MAX)))?;
            put(MessageType::ReferenceCount, 0, ReferenceCountMessage { count }.encode(self.sizes)?);
        }
        if parts.attributes.is_none() && with_lists {
            for (name, attribute) in &attributes.map {
                let order = attributes.order.tracked.then_some(attribute.order as u16);
                let body = attribute_body(name, attribute, self.sizes)?;
                out.push(Message { kind: MessageType::Attribute, flags: 0, order, body });
            }
        }
        Ok(out)
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
            (Layout::Chunked(_), Profile::Modern) => 4,
            _ => 3,
        };
        Ok(LayoutMessage::new(version, layout))
    }

    /// Flags of the prefix.
    fn prefix(&self, node: &Node, chunk0_size: u64) -> HeaderPrefix {
        let order = node.attributes.order;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        HeaderPrefix {
            version: 2,
            flags: flag(order.tracked, TRACKS_ORDER) | flag(order.indexed, INDEXES_ORDER),
            message_count: 0,
            reference_count: 1,
            times: None,
            phase_change: None,
            chunk0_size,
            prefix_len: 0,
        }
        .fit()
    }

    /// Bytes of a header of these messages, all in chunk 0.
    pub(super) fn len(&self, node: &Node, messages: &[Message]) -> u64 {
        let each = header_len(2, node.attributes.order.tracked);
        let size: usize = messages.iter().map(|m| each + m.body.len()).sum();
        self.prefix(node, size as u64).total_len()
    }

    /// A header of these messages, all in chunk 0.
    pub(super) fn encode(&self, node: &Node, messages: &[Message]) -> Result<Vec<u8>> {
        let body = self.bodies(node, messages.iter())?;
        let mut out = self.prefix(node, body.len() as u64).encode()?;
        out.extend_from_slice(&body);
        checksum::append(&mut out);
        Ok(out)
    }

    fn bodies<'m>(&self, node: &Node, messages: impl Iterator<Item = &'m Message>) -> Result<Vec<u8>> {
        let tracked = node.attributes.order.tracked;
        let mut out = Vec::with_capacity(512);
        for m in messages {
            let order = tracked.then_some(m.order.unwrap_or(0));
            encode_message(&mut out, 2, m.kind.id(), m.flags, order, &m.body)?;
        }
        Ok(out)
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
        let tracked = node.attributes.order.tracked;
        let each = header_len(2, tracked);
        let overhead = capacity - self.inner(node, capacity)?;
        let room = (capacity - overhead) as usize;
        let size = |messages: &[Message]| messages.iter().map(|m| each + m.body.len()).sum::<usize>();
        let mut moved = Vec::new();
        let pointer = each + usize::from(self.sizes.offset + self.sizes.length);
        while size(&messages) + if moved.is_empty() { 0 } else { pointer } > room {
            // The last ones go: links and attributes come last.
            moved.insert(0, messages.pop().ok_or_else(|| Error::usage("no room in an object header"))?);
        }
        if !moved.is_empty() {
            let block = encode_continuation(2, &self.bodies(node, moved.iter())?);
            let mut body = Vec::new();
            body.uint(place(&block)?, self.sizes.offset)?;
            body.length(block.len() as u64, self.sizes)?;
            messages.push(Message { kind: MessageType::Continuation, flags: 0, order: None, body });
        }
        let left = room - size(&messages);
        if left >= each {
            let body = vec![0; left - each];
            messages.push(Message { kind: MessageType::Nil, flags: 0, order: None, body });
        }
        let mut body = self.bodies(node, messages.iter())?;
        // What is too short for a message is a gap.
        body.resize(room, 0);
        let mut out = self.prefix(node, room as u64).encode()?;
        out.extend_from_slice(&body);
        checksum::append(&mut out);
        Ok(out)
    }

    /// Bytes for messages in a chunk 0 of `capacity` bytes.
    fn inner(&self, node: &Node, capacity: u64) -> Result<u64> {
        (0..32)
            .filter_map(|less| capacity.checked_sub(less))
            .find(|&size| self.prefix(node, size).total_len() == capacity)
            .ok_or_else(|| Error::usage(format!("an object header of {capacity} bytes")))
    }
}
