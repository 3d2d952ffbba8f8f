//! Edits of links and attributes.

use std::{borrow::Cow, sync::Arc};

use smallvec::SmallVec;

use super::{
    Session, State,
    header::{MAX_MESSAGE, attribute_body},
    node::{AttributeEntry, Body, GroupBody, LinkEntry, Node, NodeId, Order, Target, aspect},
};
use crate::{
    element::HeapWrite,
    error::{Error, Result},
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
pub(crate) struct NewAttribute<'a> {
    pub(crate) datatype: &'a Datatype,
    /// Key of the committed datatype that it is.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: &'a Dataspace,
    pub(crate) bytes: Cow<'a, [u8]>,
}

/// Where a new link belongs: a group, whose links are loaded, and the names of the groups below it that are missing;
/// the last is that of the link.
pub(super) struct Place<'p> {
    pub(super) group: NodeId,
    pub(super) names: SmallVec<[&'p [u8]; 4]>,
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
pub(super) fn charset(name: &[u8]) -> Result<Charset> {
    if name.is_empty() || name.contains(&0) {
        return Err(Error::usage(format!("{:?} is no name", Name::from(name))));
    }
    Ok(if name.is_ascii() { Charset::Ascii } else { Charset::Utf8 })
}

/// Soft links that are followed on the way to a group.
const MAX_HOPS: u32 = 16;

impl State {
    /// The object that a link of a group leads to, within the file.
    fn follow(&mut self, group: NodeId, target: &Target, hops: u32) -> Result<NodeId> {
        match target {
            Target::Node(id) => Ok(*id),
            Target::Address(address) => self.open(*address),
            Target::Soft(path) if hops < MAX_HOPS => {
                let mut here = if path.as_bytes().starts_with(b"/") { super::ROOT } else { group };
                for name in components(path.as_bytes()) {
                    let missing = || Error::not_found(format!("{} in {path}", Name::from(name)));
                    let target = self.child(here, name)?.ok_or_else(missing)?;
                    here = self.follow(here, &target, hops + 1)?;
                }
                Ok(here)
            }
            Target::Soft(_) => Err(Error::limit("links followed", u64::from(hops) + 1, MAX_HOPS.into())),
            Target::External { .. } | Target::User { .. } => {
                Err(Error::unsupported("a change behind an external or user-defined link"))
            }
        }
    }

    /// Where a new link of this path belongs.
    pub(super) fn place<'p>(&mut self, from: NodeId, path: &'p [u8]) -> Result<Place<'p>> {
        let mut here = if path.starts_with(b"/") { super::ROOT } else { from };
        let mut names: SmallVec<[&[u8]; 4]> = components(path).collect();
        if names.is_empty() {
            return Err(Error::usage("an empty name"));
        }
        names.iter().try_for_each(|name| charset(name).map(drop))?;
        while names.len() > 1 {
            let Some(target) = self.child(here, names[0])? else { break };
            here = self.follow(here, &target, 0)?;
            names.remove(0);
        }
        let there = self.child(here, names[0])?;
        if names.len() == 1 && there.is_some() {
            return Err(Error::usage(format!("there is a link {} already", Name::from(names[0]))));
        }
        self.load_links(here)?;
        Ok(Place { group: here, names })
    }

    /// The group and the name of a link that is there.
    pub(super) fn find_link<'p>(&mut self, from: NodeId, path: &'p [u8]) -> Result<(NodeId, &'p [u8])> {
        let mut here = if path.starts_with(b"/") { super::ROOT } else { from };
        let names: Vec<&[u8]> = components(path).collect();
        let Some((last, groups)) = names.split_last() else { return Err(Error::usage("an empty name")) };
        let missing = |name: &[u8]| Error::not_found(format!("{} in {}", Name::from(name), Name::from(path)));
        for name in groups {
            let target = self.child(here, name)?.ok_or_else(|| missing(name))?;
            here = self.follow(here, &target, 0)?;
        }
        self.child(here, last)?.ok_or_else(|| missing(last))?;
        Ok((here, last))
    }

    /// Makes a link, and the groups above it that are missing.
    pub(super) fn link(&mut self, place: &Place<'_>, target: Target) -> Result<()> {
        let (mut here, names) = (place.group, &place.names);
        let is_old = names.len() == 1 && self.node(here)?.group()?.symbol_table.is_some();
        if is_old && matches!(target, Target::External { .. } | Target::User { .. }) {
            return Err(super::symbol_table::external());
        }
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

    pub(super) fn insert_link(&mut self, here: NodeId, name: &[u8], target: Target) -> Result<()> {
        let charset = charset(name)?;
        // Its link count is in its header.
        let target = match target {
            Target::Address(address) => Target::Node(self.open(address)?),
            other => other,
        };
        let target = match target {
            Target::Node(id) => self.count_up(id, here)?,
            other => other,
        };
        self.touch(here, aspect::LINKS)?;
        let group = self.node_mut(here)?.group_mut()?;
        let order = group.next_order;
        group.next_order += 1;
        group.links.insert(Name::from(name), LinkEntry { charset, order, target });
        Ok(())
    }

    /// One more hard link to an object; how the link names it.
    pub(super) fn count_up(&mut self, id: NodeId, from: NodeId) -> Result<Target> {
        self.touch(id, aspect::COUNT)?;
        let node = self.node_mut(id)?;
        match (&mut node.stored, node.address) {
            (Some(stored), Some(address)) => {
                stored.links = stored.links.saturating_add(1);
                Ok(Target::Address(address))
            }
            _ => {
                node.parents.push(from);
                Ok(Target::Node(id))
            }
        }
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
        let from = state.open(from)?;
        let place = state.place(from, path)?;
        let group = GroupBody { order: links, ..GroupBody::default() };
        let id = state.push(Node::new(Body::Group(group), attributes))?;
        state.link(&place, Target::Node(id))?;
        Ok(id.key())
    }

    /// Makes a committed datatype; its key.
    pub(crate) fn new_datatype(&self, from: u64, path: &[u8], datatype: Datatype) -> Result<u64> {
        let mut state = self.edit()?;
        let from = state.open(from)?;
        super::spec::check_datatype(&datatype, state.sizes().offset)?;
        let place = state.place(from, path)?;
        let id = state.push(Node::new(Body::Datatype(Arc::new(datatype)), Order::default()))?;
        state.link(&place, Target::Node(id))?;
        Ok(id.key())
    }

    pub(crate) fn new_link(&self, from: u64, path: &[u8], link: NewLink) -> Result<()> {
        let mut state = self.edit()?;
        let from = state.open(from)?;
        let target = match link {
            NewLink::Hard(key) => Target::Node(state.open(key)?),
            NewLink::Soft(path) => Target::Soft(path),
            NewLink::External { file, path } => Target::External { file, path },
        };
        let texts: &[&Name] = match &target {
            Target::Node(_) | Target::Address(_) | Target::User { .. } => &[],
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
        let place = state.place(from, path)?;
        state.link(&place, target)
    }

    /// Makes an attribute, or replaces the one of that name if `replace` allows it. `encode` gives its elements.
    pub(crate) fn set_attribute<'a>(
        &self,
        address: u64,
        name: &[u8],
        replace: bool,
        encode: &mut dyn FnMut(&mut SessionHeap<'_>) -> Result<NewAttribute<'a>>,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        let charset = charset(name)?;
        state.load_attributes(id)?;
        let old = state.node(id)?.attributes.map.get(name).map(|old| old.order);
        if !replace && old.is_some() {
            return Err(Error::usage(format!("there is an attribute {} already", Name::from(name))));
        }
        if name.len() > 1 << 12 {
            return Err(Error::limit("bytes of the name of an attribute", name.len() as u64, 1 << 12));
        }
        let new = encode(&mut SessionHeap(&mut state))?;
        let wanted = new.dataspace.len()?.checked_mul(new.datatype.size as u64);
        if wanted != Some(new.bytes.len() as u64) {
            return Err(Error::shape(format!("{} bytes for an attribute of {wanted:?}", new.bytes.len())));
        }
        let committed = new.committed.map(|key| state.pin_type(key, new.datatype)).transpose()?;
        let sizes = state.sizes();
        let body = attribute_body(&mut state.scratch, name, charset, &new, committed, sizes)?;
        if !state.node(id)?.has_dense_attributes() && body.len() > MAX_MESSAGE & !7 {
            return Err(Error::unsupported(format!(
                "an attribute of {} bytes on an object whose header has version 1",
                body.len()
            )));
        }
        state.touch(id, aspect::ATTRIBUTES)?;
        let attributes = &mut state.node_mut(id)?.attributes;
        let order = old.unwrap_or(attributes.next_order);
        attributes.next_order = attributes.next_order.max(order.saturating_add(1));
        let old = attributes.map.insert(Name::from(name), AttributeEntry { order, flags: 0, body });
        state.count_use(committed)?;
        old.map_or(Ok(()), |old| state.release_datatype(&old))
    }
}
