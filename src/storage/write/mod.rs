//! The write engine: what is made or changed is a model in memory (`node.rs`), whose raw data go to the file at once and
//! whose metadata a flush turns into blocks (`flush.rs`). Objects that were in the file before become part of it as far
//! as an edit needs them (`load.rs`), and keep their addresses.
//!
//! An object has a key for as long as the session lasts: a number above all addresses. Handles, links between
//! handles and the code that reads use it wherever an address is used; [`Session::header`] and its fellows answer for
//! keys what the file answers for addresses. The address of an object's header is settled when something that is
//! written needs it: then it is pinned. All others are given a new one by every flush that changes them.

mod btree_v2;
mod by_name;
mod chunk_data;
mod chunk_index;
mod committed;
mod create;
mod data;
mod delete;
mod edit;
mod extensible_array;
mod external;
mod flush;
mod fractal_heap;
mod global_heap;
mod header;
mod implicit;
mod import;
mod load;
mod mapping;
mod messages;
mod node;
mod nodes;
mod raw_chunk;
mod spec;
mod symbol_table;
mod view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

pub use self::spec::FilterRequest;
pub(crate) use self::{
    create::Data,
    edit::{NewAttribute, NewLink, SessionHeap},
    import::{ImportAttribute, ImportDataset, Storage},
    node::{NodeId, Order, aspect},
    spec::{DatasetSpec, guess_chunk},
};
use self::{
    global_heap::HeapWriter,
    header::Encoder,
    messages::Messages,
    node::{Body, Node},
    nodes::Nodes,
};
use super::{
    Store,
    external::ExternalTargets,
    transaction::{Durability, Transaction},
};
use crate::{
    error::{Error, Result},
    format::{
        primitive::Sizes,
        superblock::{FLAG_JOURNAL, FLAG_WRITE, Superblock},
    },
    source::PatchedStore,
};

/// Which libraries can open a file that is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// HDF5 1.8 and later (the default): superblock 2, chunks in B-trees version 1.
    #[default]
    Compatible,
    /// HDF5 1.10 and later: superblock 3, and the chunk indexes of layout version 4, which are faster.
    Modern,
}

/// Keys of objects start here; no file is so long.
const KEYS: u64 = 1 << 62;
const ROOT: NodeId = NodeId(0);

/// The key of the root group.
pub(crate) const ROOT_KEY: u64 = KEYS;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    tx: Transaction,
    superblock: Superblock,
    profile: Profile,
    nodes: Nodes,
    /// Objects whose address is pinned.
    pinned: FxHashMap<u64, NodeId>,
    heap: HeapWriter,
    /// Room for parts of messages, which is used again and again.
    scratch: Vec<u8>,
    /// Bytes of chunks that are kept because they may change again, and how many may be.
    buffered: u64,
    buffer_limit: u64,
    threads: usize,
    /// External files that were written and are perhaps not on disk yet.
    unsynced: Vec<Arc<ExternalTargets>>,
    closed: bool,
    /// The file as it was opened, of one that was there before.
    origin: Option<Arc<Store>>,
    /// The superblock extension, if the first commit must change it.
    extension: Option<NodeId>,
    /// Something was deleted since the last flush.
    has_deleted: bool,
    /// The end of the file is a multiple of this.
    page_size: u64,
}

/// How a file is made.
#[derive(Clone, Debug)]
pub(crate) struct NewFile {
    pub(crate) profile: Profile,
    pub(crate) user_block: u64,
    pub(crate) durability: Durability,
    /// Mark the file as open for writing, where the superblock can say that.
    pub(crate) mark: bool,
    pub(crate) order: Order,
    pub(crate) buffer_limit: u64,
    pub(crate) threads: usize,
}

/// How an existing file is changed.
#[derive(Clone, Debug)]
pub(crate) struct EditSettings {
    pub(crate) durability: Durability,
    pub(crate) mark: bool,
    pub(crate) buffer_limit: u64,
    pub(crate) threads: usize,
}

impl NodeId {
    pub(crate) fn key(self) -> u64 {
        KEYS + u64::from(self.0)
    }
}

impl Session {
    /// A file in an empty store, in which there is nothing but a root group. Nothing of it is written yet.
    pub(crate) fn new(store: Arc<PatchedStore>, new: &NewFile) -> Result<(Session, Superblock)> {
        let base = new.user_block;
        if base != 0 && (base < 512 || !base.is_power_of_two()) {
            return Err(Error::usage(format!(
                "a user block of {base} bytes; 512, 1024, 2048 ... are possible"
            )));
        }
        let superblock = Superblock {
            version: match new.profile {
                Profile::Compatible => 2,
                Profile::Modern => 3,
            },
            sizes: Sizes::EIGHT,
            base,
            eof: base + 4096,
            extension: None,
            root: 48,
            root_symbol_table: None,
            flags: if new.mark && new.profile == Profile::Modern { FLAG_WRITE } else { 0 },
            leaf_k: crate::format::superblock::DEFAULT_LEAF_K,
            internal_k: crate::format::superblock::DEFAULT_INTERNAL_K,
            chunk_k: crate::format::superblock::DEFAULT_CHUNK_K,
            free_space: None,
            driver_info: None,
        };
        let first_free = superblock.encode()?.len() as u64;
        let tx = Transaction::new(store, base, new.durability, first_free, None);
        let root = node::GroupBody { order: new.order, ..node::GroupBody::default() };
        let mut state = State {
            tx,
            superblock: superblock.clone(),
            profile: new.profile,
            nodes: Nodes::default(),
            pinned: FxHashMap::default(),
            heap: HeapWriter::new(Sizes::EIGHT),
            scratch: Vec::new(),
            buffered: 0,
            buffer_limit: new.buffer_limit,
            threads: new.threads,
            unsynced: Vec::new(),
            closed: false,
            origin: None,
            extension: None,
            has_deleted: false,
            page_size: 1,
        };
        let mut root = Node::new(Body::Group(root), Order::default());
        root.outer_links = 1;
        state.nodes.push(root);
        Ok((Session { state: Mutex::new(state) }, superblock))
    }

    /// The edits of a file that is there. `origin` reads it out of `store`.
    pub(crate) fn edit_of(
        origin: Arc<Store>,
        store: Arc<PatchedStore>,
        edit: &EditSettings,
    ) -> Result<Session> {
        let superblock = origin.superblock.clone();
        let end = superblock.eof.saturating_sub(superblock.base);
        let base = origin.reader.base();
        let tx = Transaction::new(store, base, edit.durability, end, Some(superblock.clone()));
        let page_size = origin.file_space.as_ref().and_then(|info| info.page_size()).unwrap_or(1);
        let root = superblock.root;
        let mut state = State {
            tx,
            profile: if superblock.version >= 3 { Profile::Modern } else { Profile::Compatible },
            nodes: Nodes::default(),
            pinned: FxHashMap::default(),
            heap: HeapWriter::new(superblock.sizes),
            scratch: Vec::new(),
            superblock,
            buffered: 0,
            buffer_limit: edit.buffer_limit,
            threads: edit.threads,
            unsynced: Vec::new(),
            closed: false,
            origin: Some(origin),
            extension: None,
            has_deleted: false,
            page_size,
        };
        if state.superblock.flags & !FLAG_JOURNAL != 0 {
            // A stale flag that was to be ignored.
            state.superblock.flags = 0;
        }
        state.open(root)?;
        state.load_extension()?;
        if edit.mark && state.superblock.version >= 3 {
            state.superblock.flags = FLAG_WRITE;
            state.tx.mark(&state.superblock)?;
        }
        Ok(Session { state: Mutex::new(state) })
    }

    /// The state, for reading and for what must work on a closed file.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for an edit.
    pub(crate) fn edit(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.lock();
        if state.closed {
            return Err(Error::usage("the file has been closed"));
        }
        state.tx.check()?;
        Ok(state)
    }

    /// Whether this is the key or the pinned address of an object.
    pub(crate) fn knows(&self, address: u64) -> bool {
        address >= KEYS || self.lock().known(address).is_some()
    }

    /// Whether this part of an object is in the model.
    pub(crate) fn has(&self, address: u64, part: u8) -> bool {
        let state = self.lock();
        let node = state.known(address).and_then(|id| state.node(id).ok());
        node.is_some_and(|node| match part {
            aspect::LINKS => matches!(node.body, Body::Group(_)),
            aspect::DATA => matches!(node.body, Body::Dataset(_)),
            _ => node.attributes.loaded,
        })
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.edit()?.flush()
    }

    /// Flushes; nothing can be changed after that.
    pub(crate) fn close(&self) -> Result<()> {
        let mut state = self.lock();
        if !state.closed {
            state.tx.check()?;
            state.flush()?;
            if state.superblock.flags != 0 {
                state.superblock.flags = 0;
                let State { tx, superblock, .. } = &mut *state;
                tx.mark(superblock)?;
            }
            state.closed = true;
            state.tx.unlock()?;
        }
        Ok(())
    }
}

impl State {
    fn sizes(&self) -> Sizes {
        self.superblock.sizes
    }

    fn encoder<'a>(&self, address_of: &'a dyn Fn(NodeId) -> u64) -> Encoder<'a> {
        Encoder { sizes: self.sizes(), profile: self.profile, address_of }
    }

    /// The object with this key or pinned address, if the model has it.
    pub(crate) fn known(&self, address: u64) -> Option<NodeId> {
        let id = match address.checked_sub(KEYS) {
            Some(n) => u32::try_from(n).ok().map(NodeId),
            None => self.pinned.get(&address).copied(),
        };
        id.filter(|id| (id.0 as usize) < self.nodes.len())
    }

    /// The object with this key or pinned address.
    pub(crate) fn find(&self, address: u64) -> Result<NodeId> {
        let id = self.known(address).ok_or_else(|| Error::corrupt("no object of this file").at(address))?;
        if self.node(id)?.deleted {
            return Err(Error::not_found("the object was deleted"));
        }
        Ok(id)
    }

    pub(crate) fn node(&self, id: NodeId) -> Result<&Node> {
        self.nodes.get(id).ok_or_else(|| Error::usage("no such object"))
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> Result<&mut Node> {
        self.nodes.get_mut(id).ok_or_else(|| Error::usage("no such object"))
    }

    /// Notes that a part of an object is about to change, and with it the links to it, where its header will get a new
    /// address.
    fn touch(&mut self, id: NodeId, part: u8) -> Result<()> {
        self.node_mut(id)?.version += 1;
        let (mut found, mut next) = (Vec::new(), Some((id, part)));
        while let Some((id, part)) = next {
            let node = self.node_mut(id)?;
            let was_clean = node.dirty == 0;
            node.dirty |= part;
            if was_clean && node.published && node.pinned.is_none() {
                found.extend(node.parents.iter().map(|&parent| (parent, aspect::LINKS)));
            }
            next = found.pop();
        }
        Ok(())
    }

    /// The address of an object's header that will stay, because something that is written names it.
    pub(crate) fn pin(&mut self, id: NodeId) -> Result<u64> {
        let node = self.node(id)?;
        if let (Some(_), Some(address)) = (node.pinned, node.address) {
            return Ok(address);
        }
        let address = match node.address.filter(|_| node.published && node.dirty == 0) {
            Some(address) => {
                let len = node.blocks.header.first().map_or(0, |b| b.1);
                self.node_mut(id)?.pinned = Some(len);
                address
            }
            None => {
                // Room for what usually comes; the rest will be in a continuation.
                let encoder = self.encoder(&|_| 0);
                let mut messages = Messages::default();
                encoder.messages(&mut messages, node, &node::Parts::default(), false)?;
                let len = encoder.len(node, &messages)?.saturating_add(160).next_multiple_of(64).max(320);
                let address = self.tx.allocator.allocate_header(len, self.tx.base())?;
                let node = self.node_mut(id)?;
                (node.pinned, node.address) = (Some(len), Some(address));
                address
            }
        };
        self.pinned.insert(address, id);
        Ok(address)
    }
}
