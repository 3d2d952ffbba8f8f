//! Edits of links and attributes.

use std::sync::Arc;

use super::{
    Session, State,
    header::{MAX_MESSAGE, attribute_body},
    node::{AttributeEntry, Body, GroupBody, LinkEntry, Node, NodeId, Order, Target},
};
use crate::{
    element::HeapWrite,
    error::{Error, Result},
    format::message::dataspace::encode_dataspace,
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        link::Name,
        path::components,
    },
};

/// What a new link leads to.
#[derive(Clone, Debug)]
pub(crate) enum NewLink {
    /// An object of this session, by its key.
    Hard(u64),
    Soft(Name),
    External {
        file: Name,
        path: Name,
    },
}

/// A new attribute; `bytes` are its elements as the file has them.
#[derive(Clone, Debug)]
pub(crate) struct NewAttribute {
    pub(crate) datatype: Arc<Datatype>,
    pub(crate) dataspace: Dataspace,
    pub(crate) bytes: Vec<u8>,
}

/// Stores objects in the global heap of a session, and settles the addresses that are stored.
#[derive(Debug)]
pub(crate) struct SessionHeap<'a>(pub(crate) &'a mut State);

impl HeapWrite for SessionHeap<'_> {
    fn offset_size(&self) -> usize {
        self.0.sizes().offset.into()
    }
    fn store(&mut self, object: &[u8]) -> Result<(u64, u32)> {
        let State { heap, tx, .. } = &mut *self.0;
        heap.store(tx, object)
    }
    fn settle(&mut self, address: u64) -> Result<u64> {
        if address < super::KEYS {
            return Ok(address);
        }
        let id = self.0.find(address)?;
        self.0.pin(id)
    }
}

/// The character set of a name.
fn charset(name: &[u8]) -> Result<Charset> {
    if name.is_empty() || name.contains(&0) {
        return Err(Error::usage(format!("{:?} is no name", Name::from(name))));
    }
    Ok(if name.is_ascii() { Charset::Ascii } else { Charset::Utf8 })
}

impl State {
    /// The group that a link of this path belongs into, as far as it exists, and the names of the groups that are
    /// missing; the last is that of the link.
    fn place<'p>(&self, from: NodeId, path: &'p [u8]) -> Result<(NodeId, Vec<&'p [u8]>)> {
        let mut here = if path.starts_with(b"/") { super::ROOT } else { from };
        let mut names: Vec<&[u8]> = components(path).collect();
        if names.is_empty() {
            return Err(Error::usage("an empty name"));
        }
        names.iter().try_for_each(|name| charset(name).map(drop))?;
        while names.len() > 1 {
            let group = self.node(here)?.group()?;
            match group.links.get(&Name::from(names[0])).map(|link| &link.target) {
                Some(Target::Node(id)) => here = *id,
                Some(_) => {
                    return Err(Error::unsupported("making something behind a soft or external link"));
                }
                None => break,
            }
            names.remove(0);
        }
        let group = self.node(here)?.group()?;
        if names.len() == 1 && group.links.contains_key(&Name::from(names[0])) {
            return Err(Error::usage(format!("there is a link {} already", Name::from(names[0]))));
        }
        Ok((here, names))
    }

    /// Checks that a link can be made, before its object is.
    pub(super) fn check_place(&mut self, from: NodeId, path: &[u8]) -> Result<()> {
        let (here, _) = self.place(from, path)?;
        self.touch(here)
    }

    /// Makes a link, and the groups above it that are missing.
    pub(super) fn link(&mut self, from: NodeId, path: &[u8], target: Target) -> Result<()> {
        let (mut here, names) = self.place(from, path)?;
        if let Target::Node(id) = target {
            // Its link count is in its header.
            self.touch(id)?;
        }
        self.touch(here)?;
        let Some((last, missing)) = names.split_last() else { return Ok(()) };
        for name in missing {
            let order = self.node(here)?.group()?.order;
            let group = GroupBody { order, ..GroupBody::default() };
            let id = self.push(Node::new(Body::Group(group), Order::default()))?;
            self.insert_link(here, name, Target::Node(id))?;
            here = id;
        }
        self.insert_link(here, last, target)
    }

    fn insert_link(&mut self, here: NodeId, name: &[u8], target: Target) -> Result<()> {
        let charset = charset(name)?;
        if let Target::Node(id) = target {
            self.node_mut(id)?.parents.push(here);
        }
        let group = self.node_mut(here)?.group_mut()?;
        let order = group.next_order;
        group.next_order += 1;
        group.links.insert(Name::from(name), LinkEntry { charset, order, target });
        Ok(())
    }

    pub(super) fn push(&mut self, node: Node) -> Result<NodeId> {
        let id = u32::try_from(self.nodes.len())
            .map_err(|_| Error::limit("objects of a file", 1 << 32, 1 << 32))?;
        self.nodes.push(node);
        Ok(NodeId(id))
    }
}

impl Session {
    /// Makes a group; its key.
    pub(crate) fn new_group(&self, from: u64, path: &[u8], links: Order, attributes: Order) -> Result<u64> {
        let mut state = self.edit()?;
        let from = state.find(from)?;
        state.check_place(from, path)?;
        let group = GroupBody { order: links, ..GroupBody::default() };
        let id = state.push(Node::new(Body::Group(group), attributes))?;
        state.link(from, path, Target::Node(id))?;
        Ok(id.key())
    }

    /// Makes a committed datatype; its key.
    pub(crate) fn new_datatype(&self, from: u64, path: &[u8], datatype: Datatype) -> Result<u64> {
        let mut state = self.edit()?;
        let from = state.find(from)?;
        super::spec::check_datatype(&datatype)?;
        state.check_place(from, path)?;
        let id = state.push(Node::new(Body::Datatype(Arc::new(datatype)), Order::default()))?;
        state.link(from, path, Target::Node(id))?;
        Ok(id.key())
    }

    pub(crate) fn new_link(&self, from: u64, path: &[u8], link: NewLink) -> Result<()> {
        let mut state = self.edit()?;
        let from = state.find(from)?;
        let target = match link {
            NewLink::Hard(key) => Target::Node(state.find(key)?),
            NewLink::Soft(path) => Target::Soft(path),
            NewLink::External { file, path } => Target::External { file, path },
        };
        let texts: &[&Name] = match &target {
            Target::Node(_) | Target::User { .. } => &[],
            Target::Soft(path) => &[path],
            Target::External { file, path } => &[file, path],
        };
        for text in texts {
            charset(text.as_bytes())?;
            if text.as_bytes().len() > MAX_MESSAGE / 4 {
                return Err(Error::limit(
                    "bytes of a link",
                    text.as_bytes().len() as u64,
                    (MAX_MESSAGE / 4) as u64,
                ));
            }
        }
        state.link(from, path, target)
    }

    /// Makes an attribute, or replaces the one of that name if `replace` allows it. `encode` gives its elements.
    pub(crate) fn set_attribute(
        &self,
        address: u64,
        name: &[u8],
        replace: bool,
        encode: &mut dyn FnMut(&mut SessionHeap<'_>) -> Result<NewAttribute>,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.find(address)?;
        let charset = charset(name)?;
        let key = Name::from(name);
        if !replace && state.node(id)?.attributes.map.contains_key(&key) {
            return Err(Error::usage(format!("there is an attribute {key} already")));
        }
        if name.len() > 1 << 12 {
            return Err(Error::limit("bytes of the name of an attribute", name.len() as u64, 1 << 12));
        }
        let new = encode(&mut SessionHeap(&mut state))?;
        super::spec::check_datatype(&new.datatype)?;
        let wanted = new.dataspace.len()?.checked_mul(new.datatype.size as u64);
        if wanted != Some(new.bytes.len() as u64) {
            return Err(Error::shape(format!("{} bytes for an attribute of {wanted:?}", new.bytes.len())));
        }
        encode_dataspace(&new.dataspace, 2, state.sizes())?;
        let attributes = &state.node(id)?.attributes;
        let order = attributes.map.get(&key).map_or(attributes.next_order, |old| old.order);
        let NewAttribute { datatype, dataspace, bytes } = new;
        let mut entry =
            AttributeEntry { charset, order, datatype, committed: None, dataspace, bytes, message_len: 0 };
        entry.message_len = attribute_body(&key, &entry, state.sizes())?.len();
        state.touch(id)?;
        let attributes = &mut state.node_mut(id)?.attributes;
        attributes.next_order = attributes.next_order.max(order.saturating_add(1));
        attributes.map.insert(key, entry);
        Ok(())
    }
}
