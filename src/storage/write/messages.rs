//! The messages of an object header that is being written.

use std::ops::Range;

use super::node::NodeId;
use crate::{
    error::Result,
    format::{
        message::MessageType,
        object_header::{SHARED, encode_message, header_len},
    },
};

/// Messages, their bodies one behind the other in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Messages {
    list: Vec<Entry>,
    bodies: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Entry {
    id: u16,
    flags: u8,
    order: Option<u16>,
    /// The object whose address the body ends with.
    target: Option<NodeId>,
    body: Range<usize>,
}

/// A message of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) id: u16,
    pub(crate) flags: u8,
    pub(crate) order: Option<u16>,
    pub(crate) body: &'a [u8],
}

impl Message<'_> {
    pub(crate) fn is(&self, kind: MessageType) -> bool {
        self.id == kind.id()
    }
}

/// Where in some bytes the address of an object is missing, with which the one before it ends.
pub(crate) type Missing = Vec<(usize, NodeId)>;

impl Messages {
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.bodies.clear();
    }

    /// Adds a message whose body `encode` appends.
    pub(crate) fn put(
        &mut self,
        kind: MessageType,
        flags: u8,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let start = self.bodies.len();
        encode(&mut self.bodies)?;
        let body = start..self.bodies.len();
        self.list.push(Entry { id: kind.id(), flags, order: None, target: None, body });
        Ok(())
    }

    /// Adds a message with this body.
    pub(crate) fn put_body(&mut self, kind: MessageType, flags: u8, body: &[u8]) {
        self.push(Message { id: kind.id(), flags, order: None, body });
    }

    pub(crate) fn push(&mut self, message: Message<'_>) {
        let start = self.bodies.len();
        self.bodies.extend_from_slice(message.body);
        let Message { id, flags, order, .. } = message;
        self.list.push(Entry { id, flags, order, target: None, body: start..self.bodies.len() });
    }

    /// Notes that the last message ends with the address of an object.
    pub(crate) fn ends_with_address_of(&mut self, target: NodeId) {
        if let Some(last) = self.list.last_mut() {
            last.target = Some(target);
        }
    }

    /// Puts a message in the place of that of its kind, or at the end.
    pub(crate) fn replace(
        &mut self,
        kind: MessageType,
        flags: u8,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let Some(at) = self.list.iter().position(|m| m.id == kind.id()) else {
            return self.put(kind, flags, encode);
        };
        let start = self.bodies.len();
        encode(&mut self.bodies)?;
        let (before, body) = self.bodies.split_at(start);
        let entry = &mut self.list[at];
        let old = before.get(entry.body.clone()).unwrap_or_default();
        // Stored ones may be padded.
        if old.starts_with(body) && old[body.len()..].iter().all(|&b| b == 0) {
            self.bodies.truncate(start);
        } else {
            entry.flags &= !SHARED;
            entry.body = start..self.bodies.len();
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, kind: MessageType) {
        self.list.retain(|m| m.id != kind.id());
    }

    /// Takes the last messages away, those from `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Messages {
        let moved = self.list.split_off(at);
        self.copy_of(&moved)
    }

    /// The same messages without the bodies of those that were replaced or removed.
    pub(crate) fn compact(&self) -> Messages {
        self.copy_of(&self.list)
    }

    fn copy_of(&self, entries: &[Entry]) -> Messages {
        let mut copy = Messages::default();
        copy.bodies.reserve_exact(entries.iter().map(|entry| entry.body.len()).sum());
        copy.list.reserve_exact(entries.len());
        for entry in entries {
            let start = copy.bodies.len();
            copy.bodies.extend_from_slice(self.bodies.get(entry.body.clone()).unwrap_or_default());
            copy.list.push(Entry { body: start..copy.bodies.len(), ..entry.clone() });
        }
        copy
    }

    /// Changes the flags of those that `change` gives others.
    pub(crate) fn flag(&mut self, change: impl Fn(u16, u8) -> u8) {
        self.list.iter_mut().for_each(|m| m.flags = change(m.id, m.flags));
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Message<'_>> {
        self.list.iter().map(|Entry { id, flags, order, body, .. }| {
            let body = self.bodies.get(body.clone()).unwrap_or_default();
            Message { id: *id, flags: *flags, order: *order, body }
        })
    }

    pub(crate) fn find(&self, kind: MessageType) -> Option<Message<'_>> {
        self.iter().find(|m| m.is(kind))
    }

    /// Bytes that they take in a header of this version.
    pub(crate) fn size(&self, version: u8, tracked: bool) -> usize {
        self.list.iter().map(|m| message_size(version, tracked, m.body.len())).sum()
    }

    /// Appends them as a header of this version has them, and notes which addresses are missing, if some may be; true
    /// if none is.
    pub(crate) fn encode(
        &self,
        version: u8,
        tracked: bool,
        out: &mut Vec<u8>,
        mut missing: Option<&mut Missing>,
    ) -> Result<bool> {
        let mut is_whole = true;
        for (message, entry) in self.iter().zip(&self.list) {
            let Message { id, flags, order, body } = message;
            let start = out.len() + header_len(version, tracked);
            encode_message(out, version, id, flags, tracked.then_some(order.unwrap_or(0)), body)?;
            if let (Some(missing), Some(target)) = (missing.as_deref_mut(), entry.target) {
                missing.push((start + body.len(), target));
                is_whole = false;
            }
        }
        Ok(is_whole)
    }
}

/// Bytes that a message takes in a header of this version.
pub(crate) fn message_size(version: u8, tracked: bool, body: usize) -> usize {
    header_len(version, tracked) + if version == 1 { body.next_multiple_of(8) } else { body }
}

impl PartialEq for Messages {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: MessageType = MessageType::Link;
    const LAYOUT: MessageType = MessageType::Layout;

    fn of(list: &[(MessageType, &[u8])]) -> Messages {
        let mut out = Messages::default();
        list.iter().for_each(|(kind, body)| out.put_body(*kind, 0, body));
        out
    }

    fn replaced(messages: &Messages, body: &[u8]) -> Messages {
        let mut out = messages.clone();
        let put = |out: &mut Vec<u8>| {
            out.extend_from_slice(body);
            Ok(())
        };
        out.replace(LAYOUT, 1, put).unwrap();
        out
    }

    #[test]
    fn a_message_takes_the_place_of_that_of_its_kind() {
        let messages = of(&[(LAYOUT, b"abc\0\0"), (LINK, b"x")]);
        // What differs in its padding only stays.
        assert_eq!(replaced(&messages, b"abc"), messages);
        assert_eq!(replaced(&messages, b"ab"), of(&[(LAYOUT, b"ab"), (LINK, b"x")]));
        let mut rest = replaced(&messages, b"longer than before");
        assert_eq!(rest.find(LAYOUT).unwrap().body, b"longer than before");
        rest.remove(LAYOUT);
        assert_eq!(rest, of(&[(LINK, b"x")]));
        let last = replaced(&rest, b"new");
        assert_eq!((last.len(), last.find(LAYOUT).unwrap().flags), (2, 1));
        // What is kept from flush to flush does not grow with them.
        assert_eq!(last.compact(), last);
        assert_eq!(last.compact().bodies, b"xnew");
    }

    #[test]
    fn addresses_are_missing_at_the_end_of_bodies() {
        let mut messages = of(&[(LAYOUT, b"abc"), (LINK, b"name\0\0\0\0")]);
        messages.ends_with_address_of(NodeId(7));
        messages.put_body(LAYOUT, 0, b"de");
        for (version, tracked) in [(1, false), (2, false), (2, true)] {
            let (mut out, mut missing) = (vec![9; 3], Missing::new());
            assert!(!messages.encode(version, tracked, &mut out, Some(&mut missing)).unwrap());
            assert_eq!(out.len() - 3, messages.size(version, tracked));
            let [(end, NodeId(7))] = missing[..] else { panic!("{missing:?}") };
            assert_eq!(&out[end - 8..end], b"name\0\0\0\0");
            assert!(messages.encode(version, tracked, &mut out, None).unwrap());
        }
        let moved = messages.split_off(1);
        assert_eq!(messages, of(&[(LAYOUT, b"abc")]));
        assert_eq!(moved, of(&[(LINK, b"name\0\0\0\0"), (LAYOUT, b"de")]));
        let mut missing = Missing::new();
        moved.encode(2, false, &mut Vec::new(), Some(&mut missing)).unwrap();
        assert_eq!(missing, [(12, NodeId(7))]);
    }
}
