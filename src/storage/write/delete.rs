//! Links and attributes go, and with the last link to an object the object.

use rustc_hash::FxHashSet;

use super::{
    Session, State,
    load::is_shared,
    node::{AttributeEntry, Body, ChunkState, NodeId, RawState, Target, aspect},
};
use crate::{
    error::{Error, Result},
    format::message::{
        MessageType,
        attribute::{AttributeMessage, Embedded},
        shared::{SharedPointer, decode_shared},
    },
    model::link::Name,
    storage::{allocator::Block, object::ObjectKind},
};

impl Session {
    /// Deletes a link, and the object that it leads to if it was the last.
    pub(crate) fn unlink(&self, from: u64, path: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let from = state.open(from)?;
        let (group, name) = state.find_link(from, path)?;
        let target = state.take_link(group, name)?;
        match target {
            Target::Node(id) => state.count_down(id, Some(group)),
            // A damaged object can be unlinked; its space is lost.
            Target::Address(address) => match state.open(address) {
                Ok(id) => state.count_down(id, Some(group)),
                Err(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Gives a link another name or another group.
    pub(crate) fn move_link(&self, from: u64, path: &[u8], to: u64, new_path: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let (from, to) = (state.open(from)?, state.open(to)?);
        let (group, name) = state.find_link(from, path)?;
        let place = state.place(to, new_path)?;
        let moved =
            state.child(group, name)?.ok_or_else(|| Error::not_found(Name::from(name).to_string()))?;
        state.load_links(group)?;
        if state.node(place.group)?.group()?.symbol_table.is_some()
            && place.names.len() == 1
            && matches!(moved, Target::External { .. } | Target::User { .. })
        {
            return Err(super::symbol_table::external());
        }
        if let Target::Node(_) | Target::Address(_) = moved
            && state.is_below(&moved, place.group)?
        {
            return Err(Error::usage("a group cannot be moved below itself"));
        }
        // First the new one: no moment without a link.
        state.link(&place, moved.clone())?;
        let old = state.take_link(group, name)?;
        match state.target_node(&old)? {
            Some(id) => state.count_down(id, Some(group)),
            None => Ok(()),
        }
    }

    /// Deletes an attribute.
    pub(crate) fn delete_attribute(&self, address: u64, name: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_attributes(id)?;
        let missing = || Error::not_found(format!("attribute {}", Name::from(name)));
        let entry = state.node_mut(id)?.attributes.map.remove(name).ok_or_else(missing)?;
        state.touch(id, aspect::ATTRIBUTES)?;
        state.release_datatype(&entry)
    }

    /// Gives an attribute another name.
    pub(crate) fn rename_attribute(&self, address: u64, name: &[u8], new: &[u8]) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_attributes(id)?;
        let (old, key) = (Name::from(name), Name::from(new));
        let charset = super::edit::charset(new)?;
        let map = &state.node(id)?.attributes.map;
        let entry = map.get(name).ok_or_else(|| Error::not_found(format!("attribute {old}")))?;
        if old == key {
            return Ok(());
        }
        if map.contains(new) {
            return Err(Error::usage(format!("there is an attribute {key} already")));
        }
        if is_shared(entry) {
            return Err(Error::unsupported("another name for an attribute that is a shared message"));
        }
        let message = AttributeMessage::decode(&entry.body)?;
        let version = message.version;
        let renamed = AttributeMessage { name: new, charset, ..message };
        let entry = AttributeEntry { body: renamed.encode()?, ..entry.clone() };
        if version < 3 && !new.is_ascii() {
            return Err(Error::unsupported("a name that is not ASCII for an attribute of version 1 or 2"));
        }
        state.touch(id, aspect::ATTRIBUTES)?;
        let map = &mut state.node_mut(id)?.attributes.map;
        map.remove(name);
        map.insert(key, entry);
        Ok(())
    }
}

impl State {
    fn target_node(&mut self, target: &Target) -> Result<Option<NodeId>> {
        match target {
            Target::Node(id) => Ok(Some(*id)),
            Target::Address(address) => self.open(*address).map(Some),
            _ => Ok(None),
        }
    }

    /// Removes a link from its group; what it led to.
    fn take_link(&mut self, group: NodeId, name: &[u8]) -> Result<Target> {
        self.load_links(group)?;
        self.touch(group, aspect::LINKS)?;
        let links = &mut self.node_mut(group)?.group_mut()?.links;
        let entry = links.remove(name);
        entry.map(|e| e.target).ok_or_else(|| Error::not_found(Name::from(name).to_string()))
    }

    /// Whether a group lies below the object that a link leads to, or is it.
    fn is_below(&mut self, above: &Target, group: NodeId) -> Result<bool> {
        let Some(above) = self.target_node(above)? else { return Ok(false) };
        let mut seen = FxHashSet::from_iter([above]);
        let mut next = vec![above];
        while let Some(id) = next.pop() {
            if id == group {
                return Ok(true);
            }
            if self.node(id)?.kind() != ObjectKind::Group {
                continue;
            }
            self.load_links(id)?;
            let targets: Vec<Target> =
                self.node(id)?.group()?.links.values().map(|link| link.target.clone()).collect();
            for target in targets {
                if let Ok(Some(child)) = self.target_node(&target)
                    && seen.insert(child)
                {
                    next.push(child);
                }
            }
        }
        Ok(false)
    }

    /// One link fewer to an object; without the last it is deleted, with all below that nothing else leads to.
    pub(super) fn count_down(&mut self, id: NodeId, from: Option<NodeId>) -> Result<()> {
        let mut gone = vec![(id, from)];
        while let Some((id, from)) = gone.pop() {
            self.touch(id, aspect::COUNT)?;
            let node = self.node_mut(id)?;
            let parent = from.and_then(|from| node.parents.iter().position(|&p| p == from));
            match (parent, &mut node.stored) {
                (Some(at), _) => {
                    node.parents.swap_remove(at);
                }
                (None, Some(stored)) => stored.links = stored.links.saturating_sub(1),
                (None, None) => node.uses = node.uses.saturating_sub(1),
            }
            if node.links() == 0 && !node.deleted && id != super::ROOT {
                self.delete(id, &mut gone);
            }
        }
        Ok(())
    }

    /// Gives back what an object takes. What cannot be read of it is lost space.
    pub(super) fn delete(&mut self, id: NodeId, gone: &mut Vec<(NodeId, Option<NodeId>)>) {
        let Ok(kind) = self.node(id).map(|n| n.kind()) else { return };
        let mut blocks: Vec<Block> = Vec::new();
        let _ = match kind {
            ObjectKind::Group => self.delete_links(id, gone, &mut blocks),
            ObjectKind::Dataset => self.delete_data(id, &mut blocks),
            ObjectKind::Datatype => Ok(()),
        };
        let _ = self.delete_attributes(id, gone);
        let committed = self.committed_of(id).and_then(|address| self.open(address).ok());
        gone.extend(committed.map(|id| (id, None)));
        let Ok(node) = self.node_mut(id) else { return };
        let published = node.published;
        (node.deleted, node.dirty) = (true, 0);
        blocks.extend(std::mem::take(&mut node.blocks).iter());
        if published {
            blocks.into_iter().for_each(|block| self.tx.allocator.leave(block));
            self.has_deleted = true;
        }
    }

    /// The committed datatype that counts a dataset among its links.
    fn committed_of(&self, id: NodeId) -> Option<u64> {
        let node = self.node(id).ok()?;
        if let Body::Dataset(dataset) = &node.body {
            return dataset.committed;
        }
        let message = node.stored.as_ref()?.messages.find(MessageType::Datatype)?;
        if message.flags & crate::format::object_header::SHARED == 0 {
            return None;
        }
        match decode_shared(message.body, self.superblock.sizes).ok()?.0 {
            SharedPointer::Committed(address) => Some(address),
            _ => None,
        }
    }

    fn delete_links(
        &mut self,
        id: NodeId,
        gone: &mut Vec<(NodeId, Option<NodeId>)>,
        blocks: &mut Vec<Block>,
    ) -> Result<()> {
        self.load_links(id)?;
        let group = self.node_mut(id)?.group_mut()?;
        let links = std::mem::take(&mut group.links);
        if let Some((btree, heap)) = group.symbol_table.as_deref().copied() {
            use crate::format::{btree_v1::KeyKind, local_heap::LocalHeap};
            let sizes = self.superblock.sizes;
            blocks.push((btree, KeyKind::Group.node_len(0, sizes) as u64));
            blocks.push((heap, LocalHeap::encoded_len(sizes) as u64));
        }
        for link in links.into_values() {
            if let Ok(Some(child)) = self.target_node(&link.target) {
                gone.push((child, Some(id)));
            }
        }
        Ok(())
    }

    fn delete_data(&mut self, id: NodeId, blocks: &mut Vec<Block>) -> Result<()> {
        self.load_data(id)?;
        if !self.node(id)?.published {
            self.drop_data(id);
            return Ok(());
        }
        let dataset = self.node_mut(id)?.dataset_mut()?;
        let (mut fresh, mut buffered) = (Vec::new(), 0);
        match &mut dataset.data {
            RawState::Compact(_) | RawState::External(_) | RawState::Virtual { .. } => {}
            RawState::Contiguous { address: Some(at), published } => {
                let block = (*at, dataset.dataspace.len()?.saturating_mul(dataset.datatype.size as u64));
                if *published { blocks.push(block) } else { fresh.push(block) }
            }
            RawState::Contiguous { .. } => {}
            RawState::Chunked(state) => {
                for ChunkState { stored, elements, .. } in std::mem::take(&mut state.chunks).into_values() {
                    buffered += elements.map_or(0, |e| e.len() as u64);
                    if let Some((entry, published)) = stored {
                        let block = (entry.address, entry.size);
                        if published { blocks.push(block) } else { fresh.push(block) }
                    }
                }
            }
        }
        self.buffered = self.buffered.saturating_sub(buffered);
        fresh.into_iter().for_each(|block| self.tx.allocator.release(block));
        Ok(())
    }

    fn delete_attributes(&mut self, id: NodeId, gone: &mut Vec<(NodeId, Option<NodeId>)>) -> Result<()> {
        self.load_attributes(id)?;
        let entries = std::mem::take(&mut self.node_mut(id)?.attributes.map);
        for entry in entries.values() {
            let Some(address) = self.committed_type(entry) else { continue };
            gone.extend(self.open(address).ok().map(|id| (id, None)));
        }
        Ok(())
    }

    /// The committed datatype that counts an attribute among its links.
    fn committed_type(&self, entry: &AttributeEntry) -> Option<u64> {
        if is_shared(entry) {
            return None;
        }
        let Embedded::Shared(pointer) = AttributeMessage::decode(&entry.body).ok()?.datatype else {
            return None;
        };
        match decode_shared(pointer, self.superblock.sizes).ok()?.0 {
            SharedPointer::Committed(address) => Some(address),
            _ => None,
        }
    }

    /// An attribute goes: its committed datatype has one link fewer.
    pub(super) fn release_datatype(&mut self, entry: &AttributeEntry) -> Result<()> {
        match self.committed_type(entry) {
            Some(address) => {
                let id = self.open(address)?;
                self.count_down(id, None)
            }
            None => Ok(()),
        }
    }
}
