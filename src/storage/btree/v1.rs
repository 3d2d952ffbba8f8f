//! B-tree version 1, walked from its root.

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use crate::{
    error::{Context, Error, Result},
    format::btree_v1::{BTreeV1Header, BTreeV1Node, KeyKind, header_len},
    storage::reader::Reader,
};

const NAME: &str = "B-tree v1 node";

/// The bytes of a node: as many as its entries take (writers may leave out the unused rest at the end of a file).
fn node_bytes(reader: &Reader, address: u64, kind: KeyKind) -> Result<(BTreeV1Header, Cow<'_, [u8]>)> {
    let sizes = reader.sizes;
    let read = || {
        let head = header_len(sizes);
        let header = BTreeV1Header::decode(&reader.bytes(address, head as u64)?, sizes)?;
        let key = kind.key_len(sizes);
        let len = head + usize::from(header.entries) * (key + usize::from(sizes.offset)) + key;
        Ok((header, reader.bytes(address, len as u64)?))
    };
    read().in_structure(NAME).at(address)
}

/// Refuses trees that are deeper than allowed, whose levels do not descend, or that reach a node twice.
pub(crate) struct Descent {
    visited: FxHashSet<u64>,
    allowed: u32,
}

impl Descent {
    pub(crate) fn new(reader: &Reader) -> Self {
        Descent { visited: FxHashSet::default(), allowed: reader.limits.tree_depth }
    }

    fn enter(&mut self, address: u64, header: &BTreeV1Header, parent_level: Option<u8>) -> Result<()> {
        let error = if !self.visited.insert(address) {
            Error::corrupt("node is reached twice")
        } else if parent_level.is_some_and(|level| level != header.level.wrapping_add(1)) {
            Error::corrupt(format!("level {} below level {}", header.level, parent_level.unwrap_or_default()))
        } else if u32::from(header.level) > self.allowed {
            Error::limit("depth of a B-tree", header.level.into(), self.allowed.into())
        } else {
            return Ok(());
        };
        Err(error.in_structure(NAME).at(address))
    }
}

/// Calls `f` for every leaf node, in order.
pub(crate) fn for_each_leaf(
    reader: &Reader,
    root: u64,
    kind: KeyKind,
    f: &mut dyn FnMut(&BTreeV1Node<'_>) -> Result<()>,
) -> Result<()> {
    for_each_node(reader, root, kind, &mut |_, node| if node.header.level == 0 { f(node) } else { Ok(()) })
}

/// Calls `f` for every node with its address, parents first.
pub(crate) fn for_each_node(
    reader: &Reader,
    root: u64,
    kind: KeyKind,
    f: &mut dyn FnMut(u64, &BTreeV1Node<'_>) -> Result<()>,
) -> Result<()> {
    let mut descent = Descent::new(reader);
    walk(reader, root, kind, None, &mut descent, f)
}

fn walk(
    reader: &Reader,
    address: u64,
    kind: KeyKind,
    parent_level: Option<u8>,
    descent: &mut Descent,
    f: &mut dyn FnMut(u64, &BTreeV1Node<'_>) -> Result<()>,
) -> Result<()> {
    let (header, bytes) = node_bytes(reader, address, kind)?;
    descent.enter(address, &header, parent_level)?;
    let node = BTreeV1Node::decode(&bytes, kind, reader.sizes).at(address)?;
    f(address, &node).at(address)?;
    if header.level == 0 {
        return Ok(());
    }
    for i in 0..node.len() {
        let child = node.child(i).at(address);
        reader.forgive(child.and_then(|child| walk(reader, child, kind, Some(header.level), descent, f)))?;
    }
    Ok(())
}

/// The symbol table node that would hold a name. `after(offset)` says whether the name comes after the one at that
/// offset of the local heap.
pub(crate) fn find_group_child(
    reader: &Reader,
    root: u64,
    mut after: impl FnMut(u64) -> Result<bool>,
) -> Result<Option<u64>> {
    let mut descent = Descent::new(reader);
    let (mut address, mut level) = (root, None);
    loop {
        let (header, bytes) = node_bytes(reader, address, KeyKind::Group)?;
        descent.enter(address, &header, level)?;
        let node = BTreeV1Node::decode(&bytes, KeyKind::Group, reader.sizes).at(address)?;
        // The right-hand key of a child is the largest name in it.
        let (mut low, mut high) = (0, node.len());
        while low < high {
            let middle = (low + high) / 2;
            if after(node.group_key(middle + 1)?)? { low = middle + 1 } else { high = middle }
        }
        if low == node.len() {
            return Ok(None);
        }
        let child = node.child(low).at(address)?;
        if header.level == 0 {
            return Ok(Some(child));
        }
        (address, level) = (child, Some(header.level));
    }
}
