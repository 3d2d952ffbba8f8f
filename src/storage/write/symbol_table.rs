//! Groups of the old style: the root of the B-tree and the header of the heap stay where they are, because symbol
//! table entries of other groups repeat their addresses; all else is written anew.

use super::{
    flush::Patches,
    header::Encoder,
    node::{GroupBody, Target},
};
use crate::{
    error::{Error, Result},
    format::{
        btree_v1::{BTreeV1Header, Key, KeyKind, encode_node},
        local_heap::{FREE_NULL, LocalHeap},
        primitive::Structure,
        symbol_table::{EntryCache, SymbolTableEntry, SymbolTableNode},
    },
    storage::{allocator::Block, transaction::Transaction},
};

/// Ranks of the B-trees version 1 of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ranks {
    pub(super) leaf: u16,
    pub(super) internal: u16,
    pub(super) chunk: u16,
}

/// A child of a node, and the offset of its last name.
type Child = (u64, u64);

/// Writes the links of a group, whose tree and heap have these addresses.
pub(super) fn write(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    patches: &mut Patches,
    encoder: &Encoder<'_>,
    group: &GroupBody,
    (btree, heap): (u64, u64),
    ranks: Ranks,
) -> Result<()> {
    let sizes = encoder.sizes;
    let mut names = Names::default();
    let mut entries = Vec::with_capacity(group.links.len());
    for (name, link) in group.links.iter() {
        let name_offset = names.put(name.as_bytes());
        let (header, cache) = match &link.target {
            Target::Node(id) => (Some((encoder.address_of)(*id)), EntryCache::None),
            Target::Address(address) => (Some(*address), EntryCache::None),
            Target::Soft(path) => {
                let offset = names.put(path.as_bytes());
                let offset = u32::try_from(offset)
                    .map_err(|_| Error::limit("bytes of a local heap", offset, u32::MAX.into()))?;
                (None, EntryCache::Soft { offset })
            }
            Target::External { .. } | Target::User { .. } => return Err(external()),
        };
        entries.push(SymbolTableEntry { name_offset, header, cache });
    }
    let data = tx.put(&names.0)?;
    blocks.push(data);
    let header = LocalHeap { size: data.1, free_list: FREE_NULL, data: data.0 };
    patches.push((heap, header.encode(sizes)?));

    let capacity = 2 * usize::from(ranks.leaf);
    let mut level: Vec<Child> = Vec::new();
    for part in evenly(&entries, capacity) {
        let block = tx.put(&SymbolTableNode::encode(part, capacity, sizes)?)?;
        blocks.push(block);
        level.push((block.0, part.last().map_or(0, |e| e.name_offset)));
    }
    let capacity = 2 * usize::from(ranks.internal);
    let node_len = KeyKind::Group.node_len(ranks.internal, sizes) as u64;
    let mut height = 0;
    while level.len() > capacity {
        let parts: Vec<&[Child]> = evenly(&level, capacity).collect();
        let addresses: Vec<u64> =
            parts.iter().map(|_| tx.allocator.allocate(node_len)).collect::<Result<_>>()?;
        let mut above = Vec::with_capacity(parts.len());
        let mut before = 0;
        for (i, part) in parts.iter().enumerate() {
            let left = i.checked_sub(1).map(|i| addresses[i]);
            let bytes = node(part, before, height, left, addresses.get(i + 1).copied(), encoder, ranks)?;
            tx.put_at(addresses[i], &bytes)?;
            blocks.push((addresses[i], node_len));
            before = part.last().map_or(before, |child| child.1);
            above.push((addresses[i], before));
        }
        level = above;
        height += 1;
    }
    patches.push((btree, node(&level, 0, height, None, None, encoder, ranks)?));
    Ok(())
}

/// What an external link into a group of the old style comes to.
pub(super) fn external() -> Error {
    Error::unsupported("an external or user-defined link in a group of the old style (symbol table)")
}

fn node(
    children: &[Child],
    before: u64,
    level: u8,
    left: Option<u64>,
    right: Option<u64>,
    encoder: &Encoder<'_>,
    ranks: Ranks,
) -> Result<Vec<u8>> {
    let header = BTreeV1Header { node_type: 0, level, entries: 0, left, right };
    let keys: Vec<Key> = [before].into_iter().chain(children.iter().map(|c| c.1)).map(Key::Group).collect();
    let children: Vec<u64> = children.iter().map(|c| c.0).collect();
    encode_node(header, KeyKind::Group, &keys, &children, ranks.internal, encoder.sizes)
}

/// Parts of at most so many, all about equally long.
fn evenly<T>(all: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    let parts = all.len().div_ceil(most.max(1));
    (0..parts).map(move |i| &all[all.len() * i / parts..all.len() * (i + 1) / parts])
}

/// The data of a local heap: an empty string, and then strings that start at multiples of 8.
struct Names(Vec<u8>);

impl Default for Names {
    fn default() -> Self {
        Names(vec![0; 8])
    }
}

impl Names {
    fn put(&mut self, name: &[u8]) -> u64 {
        let offset = self.0.len();
        self.0.extend_from_slice(name);
        self.0.resize((self.0.len() + 1).next_multiple_of(8), 0);
        offset as u64
    }
}
