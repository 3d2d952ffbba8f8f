//! Links of a group: symbol table, compact and dense storage.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    Store,
    btree::{v1, v2::BTreeV2},
    heap::{fractal::FractalHeap, local::LocalHeapData},
    object::ObjectHeader,
};
use crate::{
    error::{Context, Error, Result},
    format::{
        btree_v1::KeyKind,
        checksum::lookup3,
        message::{
            MessageType, link::decode_link, link_info::LinkInfoMessage,
            symbol_table_message::SymbolTableMessage,
        },
        primitive::Structure,
        symbol_table::{EntryCache, SymbolTableEntry, SymbolTableNode},
    },
    model::{
        datatype::Charset,
        link::{Link, LinkTarget, Name},
    },
};

/// How a group stores its links.
#[derive(Clone, Debug)]
pub(crate) enum LinkStorage {
    SymbolTable {
        btree: u64,
        heap: u64,
    },
    Compact {
        info: LinkInfoMessage,
    },
    Dense {
        info: LinkInfoMessage,
        heap: u64,
        name_index: u64,
    },
    /// Of a file that is being written: how the next flush would store them, and whether the order of creation is
    /// tracked and indexed.
    Session {
        dense: bool,
        order: (bool, bool),
    },
}

impl LinkStorage {
    pub(crate) fn of(store: &Store, header: &ObjectHeader) -> Result<Self> {
        if let Some(session) = store.session_links(header.address) {
            return session.link_storage(header.address).map_err(|e| e.at(header.address));
        }
        let sizes = store.reader.sizes;
        if let Some(info) =
            header.content(store, MessageType::LinkInfo, |body| LinkInfoMessage::decode(body, sizes))?
        {
            return Ok(match (info.heap, info.name_index) {
                (Some(heap), Some(name_index)) => LinkStorage::Dense { info, heap, name_index },
                (Some(_), None) => {
                    return Err(Error::corrupt("dense links without an index of names")
                        .in_structure("link info")
                        .at(header.address));
                }
                (None, _) => LinkStorage::Compact { info },
            });
        }
        match header.content(store, MessageType::SymbolTable, |b| SymbolTableMessage::decode(b, sizes))? {
            Some(SymbolTableMessage { btree: Some(btree), heap: Some(heap) }) => {
                for address in [btree, heap] {
                    store.reader.prefetch(address, 64);
                }
                Ok(LinkStorage::SymbolTable { btree, heap })
            }
            Some(_) => {
                Err(Error::corrupt("undefined address").in_structure("symbol table").at(header.address))
            }
            None => Err(Error::usage("not a group").at(header.address)),
        }
    }

    /// `symtab`, `compact` or `dense`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            LinkStorage::SymbolTable { .. } => "symtab",
            LinkStorage::Compact { .. } | LinkStorage::Session { dense: false, .. } => "compact",
            LinkStorage::Dense { .. } | LinkStorage::Session { dense: true, .. } => "dense",
        }
    }

    /// Link creation order: tracked, indexed.
    pub(crate) fn creation_order(&self) -> (bool, bool) {
        match self {
            LinkStorage::SymbolTable { .. } => (false, false),
            LinkStorage::Session { order, .. } => *order,
            LinkStorage::Compact { info } | LinkStorage::Dense { info, .. } => {
                (info.max_creation_index.is_some(), info.order_index.is_some())
            }
        }
    }

    /// Calls `f` for every link in the order of storage. A link that cannot be read is an error for itself only; an
    /// error of the whole structure ends the list.
    pub(crate) fn for_each(
        &self,
        store: &Store,
        header: &ObjectHeader,
        f: &mut dyn FnMut(Result<Link>) -> Result<()>,
    ) -> Result<()> {
        if let Some(session) = store.session_links(header.address) {
            return session.links(header.address)?.into_iter().try_for_each(|link| f(Ok(link)));
        }
        let reader = &store.reader;
        match self {
            LinkStorage::SymbolTable { btree, heap } => {
                let heap = LocalHeapData::open(reader, *heap)?;
                v1::for_each_leaf(reader, *btree, KeyKind::Group, &mut |node| {
                    for i in 0..node.len() {
                        let address = node.child(i)?;
                        let bytes = match node_bytes(store, address) {
                            Ok(bytes) => bytes,
                            Err(e) => {
                                f(Err(e))?;
                                continue;
                            }
                        };
                        let count = match SymbolTableNode::count(&bytes, reader.sizes).at(address) {
                            Ok(count) => count,
                            Err(e) => {
                                f(Err(e))?;
                                continue;
                            }
                        };
                        for k in 0..count {
                            let link = SymbolTableNode::entry(&bytes, k, reader.sizes)
                                .and_then(|entry| from_entry(&entry, &heap))
                                .at(address);
                            f(link)?;
                        }
                    }
                    Ok(())
                })
            }
            LinkStorage::Compact { .. } | LinkStorage::Session { .. } => {
                for message in header.messages.iter().filter(|m| m.is(MessageType::Link)) {
                    f(decode_link(header.body(reader, message), reader.sizes).at(header.address))?;
                }
                Ok(())
            }
            LinkStorage::Dense { heap, name_index, .. } => {
                let heap = FractalHeap::open(store, *heap)?;
                BTreeV2::open(reader, *name_index)?.for_each(reader, &mut |record| {
                    let id = record.get(4..).unwrap_or_default();
                    f(heap.with_object(store, id, |bytes| decode_link(bytes, reader.sizes)))
                })
            }
        }
    }

    /// Finds a link by its name, through the index.
    pub(crate) fn find(&self, store: &Store, header: &ObjectHeader, name: &[u8]) -> Result<Option<Link>> {
        if let Some(session) = store.session_links(header.address) {
            return session.link(header.address, name);
        }
        let reader = &store.reader;
        match self {
            LinkStorage::SymbolTable { btree, heap } => {
                let heap = LocalHeapData::open(reader, *heap)?;
                let child = v1::find_group_child(reader, *btree, |offset| Ok(heap.string(offset)? < name))?;
                let Some(address) = child else { return Ok(None) };
                let bytes = node_bytes(store, address)?;
                let find = || {
                    let (mut low, mut high) = (0, SymbolTableNode::count(&bytes, reader.sizes)?);
                    while low < high {
                        let middle = (low + high) / 2;
                        let entry = SymbolTableNode::entry(&bytes, middle, reader.sizes)?;
                        match heap.string(entry.name_offset)?.cmp(name) {
                            Ordering::Equal => return from_entry(&entry, &heap).map(Some),
                            Ordering::Less => low = middle + 1,
                            Ordering::Greater => high = middle,
                        }
                    }
                    Ok(None)
                };
                find().at(address)
            }
            LinkStorage::Compact { .. } | LinkStorage::Session { .. } => {
                for message in header.messages.iter().filter(|m| m.is(MessageType::Link)) {
                    // A damaged sibling does not hide the one that is looked for.
                    match decode_link(header.body(reader, message), reader.sizes) {
                        Ok(link) if link.name.as_bytes() == name => return Ok(Some(link)),
                        _ => {}
                    }
                }
                Ok(None)
            }
            LinkStorage::Dense { heap, name_index, .. } => {
                let heap = FractalHeap::open(store, *heap)?;
                let hash = lookup3(name);
                let mut found = None;
                BTreeV2::open(reader, *name_index)?.find(reader, &mut |record| {
                    let stored = record.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
                    if stored != hash {
                        return Ok(stored.cmp(&hash));
                    }
                    let id = record.get(4..).unwrap_or_default();
                    let link = heap.with_object(store, id, |bytes| decode_link(bytes, reader.sizes))?;
                    let order = link.name.as_bytes().cmp(name);
                    if order == Ordering::Equal {
                        found = Some(link);
                    }
                    Ok(order)
                })?;
                Ok(found)
            }
        }
    }
}

/// A symbol table node: as many bytes as its entries take.
fn node_bytes(store: &Store, address: u64) -> Result<Cow<'_, [u8]>> {
    let reader = &store.reader;
    let read = || {
        let head = reader.bytes(address, 8)?;
        let count = u16::from_le_bytes([head[6], head[7]]);
        reader.bytes(address, 8 + u64::from(count) * SymbolTableEntry::encoded_len(reader.sizes) as u64)
    };
    read().in_structure("symbol table node").at(address)
}

fn from_entry(entry: &SymbolTableEntry, heap: &LocalHeapData<'_>) -> Result<Link> {
    let name = Name::from(heap.string(entry.name_offset)?);
    let target = match (entry.cache, entry.header) {
        (EntryCache::Soft { offset }, _) => LinkTarget::Soft(Name::from(heap.string(offset.into())?)),
        (_, Some(header)) => LinkTarget::Hard(header),
        (_, None) => return Err(Error::corrupt(format!("link {name} to an undefined address"))),
    };
    Ok(Link { name, charset: Charset::Ascii, creation_order: None, target })
}
