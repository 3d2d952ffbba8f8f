//! Storage: the only floor that follows an address.

mod allocator;
pub(crate) mod attributes;
pub(crate) mod btree;
pub(crate) mod chunk_index;
pub(crate) mod dataset;
pub(crate) mod external;
pub(crate) mod heap;
pub(crate) mod links;
pub(crate) mod object;
pub(crate) mod open;
mod other_files;
pub(crate) mod raw_data;
pub(crate) mod reader;
pub(crate) mod rescue;
pub(crate) mod resolve;
mod shared;
pub(crate) mod space;
pub(crate) mod transaction;
pub(crate) mod virtual_dataset;
pub(crate) mod write;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
};

use rustc_hash::FxHashMap;

use self::{
    heap::global::GlobalHeap,
    object::ObjectHeader,
    raw_data::worker::Workers,
    reader::Reader,
    write::{Session, aspect},
};
use crate::{
    error::{Context, Error, Result},
    filter::FilterSet,
    format::{
        message::file_space_info::FileSpaceInfoMessage, shared_message_table::SharedMessageTable,
        superblock::Superblock,
    },
    limits::Policy,
    source::Locking,
};

/// Settings of an open file.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    /// Bytes of the decoded chunks that each dataset keeps.
    pub(crate) cache_bytes: usize,
    /// Threads that decode chunks; 0 is as many as the machine has.
    pub(crate) threads: usize,
    pub(crate) mmap: bool,
    /// Locks of the file and of those it leads to.
    pub(crate) locking: Locking,
    /// Open in spite of status flags that say that a writer has the file open.
    pub(crate) ignore_flags: bool,
    /// Codecs of this file.
    pub(crate) codecs: FilterSet,
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) reader: Reader,
    pub(crate) superblock: Superblock,
    /// Name for errors.
    pub(crate) name: String,
    /// Path of the file, if it has one: other files are looked for beside it.
    pub(crate) path: Option<PathBuf>,
    pub(crate) settings: Settings,
    pub(crate) global_heap: GlobalHeap,
    /// The edits, if the file is being written.
    pub(crate) session: Option<Session>,
    pub(crate) file_space: Option<FileSpaceInfoMessage>,
    /// Metadata that are in the cache image only: address and bytes.
    image: Option<Vec<(u64, Vec<u8>)>>,
    /// Address and number of indexes of the table of shared messages.
    shared_message_table: Option<(u64, u8)>,
    shared: OnceLock<Vec<SharedHeap>>,
    /// Buffers of threads that decode chunks.
    workers: Workers,
    /// Other files that this one led to.
    others: Mutex<FxHashMap<PathBuf, Arc<Store>>>,
    #[cfg(feature = "parallel")]
    pool: Option<rayon::ThreadPool>,
}

/// Types of messages (a bit each) and the heap that shares them.
pub(crate) type SharedHeap = (u16, Option<u64>);

impl Store {
    /// The edits of the file, if the object at this address is one of theirs.
    pub(crate) fn session_of(&self, address: u64) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.knows(address))
    }

    /// The edits of the file, if they have all links of the group at this address.
    pub(crate) fn session_links(&self, address: u64) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.has(address, aspect::LINKS))
    }

    /// The edits of the file, if they have all attributes of the object at this address.
    pub(crate) fn session_attributes(&self, address: u64) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.has(address, aspect::ATTRIBUTES))
    }

    /// The edits of the file, if they have the raw data of the dataset at this address.
    pub(crate) fn session_data(&self, address: u64) -> Option<&Session> {
        self.session.as_ref().filter(|session| session.has(address, aspect::DATA))
    }

    /// The header of an object.
    pub(crate) fn header(&self, address: u64) -> Result<ObjectHeader> {
        match self.session_of(address) {
            Some(session) => session.header(address, self),
            None => ObjectHeader::read(&self.reader, address),
        }
    }

    /// The heaps of shared messages.
    pub(crate) fn shared_table(&self) -> Result<&[SharedHeap]> {
        if let Some(heaps) = self.shared.get() {
            return Ok(heaps);
        }
        let Some((address, indexes)) = self.shared_message_table else {
            return Err(Error::corrupt("a shared message in a file without a table of shared messages"));
        };
        let bytes = self.reader.up_to(address, 4 + 8 * 40 + 64).in_structure("shared message table")?;
        let table = SharedMessageTable::decode(&bytes, indexes, self.reader.sizes).at(address)?;
        let heaps = table.indexes.iter().map(|index| (index.message_types, index.heap)).collect();
        Ok(self.shared.get_or_init(|| heaps))
    }

    /// The pool in which chunks are decoded, if it is not the global one.
    #[cfg(feature = "parallel")]
    pub(crate) fn pool(&self) -> Option<&rayon::ThreadPool> {
        self.pool.as_ref()
    }

    /// Number of indexes of shared messages.
    pub(crate) fn shared_indexes(&self) -> u8 {
        self.shared_message_table.map_or(0, |(_, n)| n)
    }
}
