//! An open HDF5 file.

use std::{path::Path, sync::Arc};

use crate::{
    dataset::Dataset,
    element::{ObjectReference, Reference},
    error::{Error, Result},
    filter::{Filter, FilterSet},
    group::Group,
    limits::{Limits, Opener, Policy, lasting},
    object::{NamedDatatype, Object},
    source::{ByteSource, ByteStore, Locking, MemorySource},
    storage::{
        Settings, Store,
        open::{open_path, source_of},
        resolve::Location,
        space::FileSpace,
        transaction::Durability,
        write::EditSettings,
    },
};

/// An HDF5 file, open for reading. Clones share it; every handle keeps it open.
///
/// ```
/// # fn main() -> h5::Result<()> {
/// let file = h5::File::open("testdata/basic.h5")?;
/// let temperature = file.dataset("/measurements/temperature")?;
/// let values: ndarray::ArrayD<f64> = temperature.read()?;
/// assert_eq!(values.shape(), [4, 3]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct File {
    store: Arc<Store>,
}

/// How a file is opened; see [`File::options`].
#[derive(Clone, Debug)]
pub struct OpenOptions {
    limits: Limits,
    settings: Settings,
    durability: Durability,
    mark: bool,
    buffer_limit: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        let settings = Settings {
            policy: Policy::default(),
            cache_bytes: 64 << 20,
            threads: 0,
            mmap: true,
            locking: Locking::default(),
            ignore_flags: false,
            codecs: FilterSet::default(),
        };
        let durability = Durability::Full;
        OpenOptions { limits: Limits::default(), settings, durability, mark: false, buffer_limit: 64 << 20 }
    }
}

impl OpenOptions {
    /// Bounds on what the file may cost.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
    /// Which other files it may lead to; the default is those below its own folder.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy.lasting();
        self
    }
    /// Map the file into memory (the default, where it is built in), or read at positions. Positioned reads are for
    /// files that other programs may make shorter.
    pub fn mmap(mut self, mmap: bool) -> Self {
        self.settings.mmap = mmap;
        self
    }
    /// Bytes of decoded chunks that each dataset keeps for later small reads; 64 MiB by default.
    pub fn chunk_cache_bytes(mut self, bytes: usize) -> Self {
        self.settings.cache_bytes = bytes;
        self
    }
    /// Threads that decode the chunks of one read: 1 is the calling thread only, 0 (the default) all processors.
    pub fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = threads;
        self
    }
    /// Open the file though its superblock says that a writer has it open (which a crashed writer leaves behind).
    pub fn ignore_write_flag(mut self, ignore: bool) -> Self {
        self.settings.ignore_flags = ignore;
        self
    }

    /// Mark a file with a superblock of version 3 as open for writing until it is closed, as libhdf5 does: where there
    /// are no locks, others then refuse to open it. A kill leaves the mark behind, which [`File::clear`] takes back, so
    /// this is not the default: without it a file can be opened at every instant.
    pub fn mark_open(mut self, mark: bool) -> Self {
        self.mark = mark;
        self
    }
    /// What a flush waits for, of a file that is opened to change it.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
    /// Bytes of chunks that are kept in memory because more may be written to them; 64 MiB by default.
    pub fn chunk_buffer_bytes(mut self, bytes: u64) -> Self {
        self.buffer_limit = bytes;
        self
    }
    /// Whether the file is locked while it is open: nobody can open it for writing then.
    pub fn locking(mut self, locking: Locking) -> Self {
        self.settings.locking = locking;
        self
    }

    /// A codec for a filter, for the files opened with these options only; it takes the place of one that is built in
    /// or was registered for the process.
    pub fn filter(mut self, id: u16, filter: impl Filter + 'static) -> Self {
        self.settings.codecs.insert(id, filter);
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `Io`; `NotHdf5`; `Truncated` if it is shorter than its superblock says; `Corrupt`; `Unsupported`; `Locked`.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let source =
            open_path(path, self.settings.mmap, self.settings.locking).map_err(|e| e.in_file(&name))?;
        self.store(source, name, lasting(path))
    }

    /// Opens a file that `opener` opens, and reads it at positions, so that it may become shorter meanwhile. For the
    /// files that it leads to give the same opener to the [`policy`](Self::policy), as [`Reach::Through`](crate::Reach).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_through(&self, opener: &Opener, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let source = opener.open_file(path).map_err(Error::from).and_then(source_of);
        self.store(source.map_err(|e| e.in_file(&name))?, name, Some(path.to_owned()))
    }

    /// Opens a file that is in memory: `Vec<u8>`, `&'static [u8]`, `Arc<[u8]>` ...
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(&self, bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<File> {
        self.from_source(Arc::new(MemorySource::new(bytes)))
    }

    /// Opens a file over a source of your own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_source(&self, source: Arc<dyn ByteSource>) -> Result<File> {
        self.store(source, "(no name)".to_owned(), None)
    }

    /// Opens a file to change it; see [`File::open_rw`].
    ///
    /// # Errors
    /// As [`open`](Self::open); `Unsupported` for a file that cannot be changed safely.
    #[cfg(any(unix, windows))]
    pub fn open_rw(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let open = || {
            let file = std::fs::File::options().read(true).write(true).open(path)?;
            crate::source::FileStore::locked(crate::source::LockedFile::new(
                file,
                true,
                self.settings.locking,
            )?)
        };
        let store = open().map_err(|e| e.in_file(&name))?;
        self.edit(Arc::new(store), name, lasting(path))
    }

    /// Opens a file to change it: not on this platform.
    ///
    /// # Errors
    /// `Unsupported`.
    #[cfg(not(any(unix, windows)))]
    pub fn open_rw(&self, path: impl AsRef<Path>) -> Result<File> {
        let _ = path;
        Err(Error::unsupported("files on this platform; open_rw_in changes them in memory"))
    }

    /// Opens a file in a store of your own to change it.
    ///
    /// # Errors
    /// As [`open_rw`](Self::open_rw).
    pub fn open_rw_in(&self, store: Arc<dyn ByteStore>) -> Result<File> {
        self.edit(store, "(no name)".to_owned(), None)
    }

    fn edit(
        &self,
        store: Arc<dyn ByteStore>,
        name: String,
        path: Option<std::path::PathBuf>,
    ) -> Result<File> {
        let limits = Arc::new(self.limits.clone());
        let edit = EditSettings {
            durability: self.durability,
            mark: self.mark,
            buffer_limit: self.buffer_limit,
            threads: self.settings.threads,
        };
        Ok(File { store: Store::open_rw(store, name, path, limits, self.settings.clone(), &edit)? })
    }

    pub(crate) fn parts(&self) -> (&Limits, &Settings) {
        (&self.limits, &self.settings)
    }

    fn store(
        &self,
        source: Arc<dyn ByteSource>,
        name: String,
        path: Option<std::path::PathBuf>,
    ) -> Result<File> {
        let limits = Arc::new(self.limits.clone());
        Ok(File { store: Store::open(source, name, path, limits, self.settings.clone())? })
    }
}

/// What the superblock and its extension say of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Version of the superblock, 0 to 3.
    pub superblock_version: u8,
    /// Offset of the superblock: bytes of the user block.
    pub base: u64,
    /// Bytes of an address.
    pub offset_size: u8,
    /// Bytes of a length.
    pub length_size: u8,
    /// Bytes of the file from the base on, as the superblock has it.
    pub end: u64,
    /// Bytes of the source, user block included.
    pub file_size: u64,
    /// Strategy of file-space management: `fsm_aggr`, `page`, `aggr` or `none`.
    pub space_strategy: &'static str,
    /// Free space is kept across sessions.
    pub space_persists: bool,
    /// Number of indexes of shared messages.
    pub shared_message_indexes: u8,
}

impl File {
    /// Opens a file with the default options: mapped into memory, chunks decoded by all processors.
    ///
    /// # Errors
    /// `Io`; `NotHdf5`; `Truncated` if it is shorter than its superblock says; `Corrupt`; `Unsupported`; `Locked`.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        OpenOptions::default().open(path)
    }

    /// Opens a file that is in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<File> {
        OpenOptions::default().from_bytes(bytes)
    }

    /// Opens a file to change it, whichever library made it. What is not touched stays as it is, and every object where
    /// it is, so that links and references hold. Nothing counts before a [`flush`](Self::flush); what a kill leaves is
    /// told in `docs/CRASH.md`.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("h5-doc-rw-{}.h5", std::process::id()));
    /// # std::fs::copy("testdata/basic.h5", &path)?;
    /// let file = h5::File::open_rw(&path)?;
    /// file.dataset("measurements/temperature")?.set_attr("checked", true)?;
    /// file.root()?.create_group("notes")?;
    /// file.close()?;
    /// # std::fs::remove_file(path)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open); `Unsupported` for a file that cannot be changed safely.
    pub fn open_rw(path: impl AsRef<Path>) -> Result<File> {
        OpenOptions::default().open_rw(path)
    }

    /// Takes back the mark that a writer has left in the superblock of a file that it did not close, and brings a
    /// change of this library to its end; tells whether there was anything. A file of libhdf5 may hold what its
    /// writer had not finished.
    ///
    /// # Errors
    /// `Io`; `NotHdf5`; `Corrupt` if the superblock cannot be read.
    #[cfg(any(unix, windows))]
    pub fn clear(path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        let clear = || {
            let file = std::fs::File::options().read(true).write(true).open(path)?;
            let file = crate::source::LockedFile::new(file, true, Locking::default())?;
            crate::storage::open::clear(&crate::source::FileStore::locked(file)?)
        };
        clear().map_err(|e: Error| e.in_file(&path.display().to_string()))
    }

    /// Options to open a file with.
    pub fn options() -> OpenOptions {
        OpenOptions::default()
    }

    /// The root group.
    ///
    /// # Errors
    /// `Corrupt`, `Truncated` or `Unsupported` if its object header cannot be read.
    pub fn root(&self) -> Result<Group> {
        self.object("/")?.into_group()
    }

    /// The object at a path from the root. Links of all kinds are followed.
    ///
    /// # Errors
    /// `NotFound`; `Limit` if links form a loop; `Denied` if an external link leads where the policy forbids.
    pub fn object(&self, path: impl AsRef<[u8]>) -> Result<Object> {
        Object::resolve(&Location::root(&self.store), "/", path.as_ref())
    }

    /// The group at a path.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no group.
    pub fn group(&self, path: impl AsRef<[u8]>) -> Result<Group> {
        self.object(path)?.into_group()
    }

    /// The dataset at a path.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no dataset.
    pub fn dataset(&self, path: impl AsRef<[u8]>) -> Result<Dataset> {
        self.object(path)?.into_dataset()
    }

    /// The committed datatype at a path.
    ///
    /// # Errors
    /// As [`object`](Self::object); `Usage` if it is no committed datatype.
    pub fn named_datatype(&self, path: impl AsRef<[u8]>) -> Result<NamedDatatype> {
        self.object(path)?.into_datatype()
    }

    /// The object whose header is at this address, as hard links and references give it. It has no path.
    ///
    /// # Errors
    /// `Corrupt` or `Truncated` if there is none.
    pub fn object_at(&self, address: u64) -> Result<Object> {
        Object::open(Location { store: self.store.clone(), address }, format!("(object at {address:#x})"))
    }

    /// What a reference refers to; for a region or attribute reference, the object that has it.
    ///
    /// # Errors
    /// `NotFound` for a null reference; `Unsupported` for one into another file; as [`object_at`](Self::object_at).
    pub fn dereference(&self, reference: &Reference) -> Result<Object> {
        match reference {
            Reference::Object { address }
            | Reference::Region { address, .. }
            | Reference::Attribute { address, .. } => self.object_at(*address),
            Reference::Null => Err(Error::not_found("a null reference")),
            Reference::External { file, .. } => {
                Err(Error::unsupported(format!("a reference into the file {file}")))
            }
        }
    }

    /// The object that an object reference refers to.
    ///
    /// # Errors
    /// As [`dereference`](Self::dereference).
    pub fn dereference_object(&self, reference: ObjectReference) -> Result<Object> {
        let address = reference.0.ok_or_else(|| Error::not_found("a null reference"))?;
        self.object_at(address)
    }

    /// Facts about the file as a whole.
    pub fn info(&self) -> FileInfo {
        use crate::format::message::file_space_info::FileSpaceInfoMessage as Space;
        let s = &self.store.superblock;
        let (strategy, persists) = match &self.store.file_space {
            None => (0, false),
            // The strategies of version 0 are numbered otherwise.
            Some(Space::V0 { strategy, managers, .. }) => {
                (if *strategy <= 2 { 0 } else { strategy - 1 }, managers.is_some())
            }
            Some(Space::V1 { strategy, managers, .. }) => (*strategy, managers.is_some()),
        };
        FileInfo {
            superblock_version: s.version,
            base: self.store.reader.base(),
            offset_size: s.sizes.offset,
            length_size: s.sizes.length,
            end: match &self.store.session {
                Some(session) => session.end(),
                None => s.eof.saturating_sub(s.base),
            },
            file_size: self.store.reader.source().len(),
            space_strategy: ["fsm_aggr", "page", "aggr", "none"][usize::from(strategy.min(3))],
            space_persists: persists,
            shared_message_indexes: self.store.shared_indexes(),
        }
    }

    /// Bytes that the file takes for itself, and that its managers of free space say are free. What cannot be read
    /// is not counted.
    pub fn space(&self) -> FileSpace {
        self.store.space()
    }

    /// Makes a file, or makes an existing one empty, for HDF5 1.8 and later; see [`create_options`](Self::create_options).
    ///
    /// Nothing that is written to it counts before a [`flush`](Self::flush).
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("h5-doc-create-{}.h5", std::process::id()));
    /// let file = h5::File::create(&path)?;
    /// let temperature = ndarray::arr2(&[[20.5, 21.0], [19.5, 22.25]]);
    /// let dataset = file.root()?.new_dataset::<f64>().shuffle().deflate(4).with_data(&temperature).create("t")?;
    /// dataset.set_attr("units", "degree Celsius")?;
    /// file.close()?;
    /// assert_eq!(h5::File::open(&path)?.dataset("t")?.read_2d::<f64>()?, temperature);
    /// # std::fs::remove_file(path)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Io`.
    pub fn create(path: impl AsRef<Path>) -> Result<File> {
        crate::create::CreateOptions::default().create(path)
    }

    /// Options to make a file with.
    pub fn create_options() -> crate::create::CreateOptions {
        crate::create::CreateOptions::default()
    }

    /// Brings everything that was written to disk: after it the file holds this, whatever happens, until the next
    /// flush is done. Does nothing for a file that is open for reading.
    ///
    /// # Errors
    /// `Io`: the file holds the content of the flush before, and nothing more can be written to it.
    pub fn flush(&self) -> Result<()> {
        let flushed = self.store.session.as_ref().map_or(Ok(()), |session| session.flush());
        flushed.map_err(|e| e.in_file(&self.store.name))
    }

    /// Flushes, and ends the writing: all handles can only be read from then on, and others can open the file. A file that is dropped without it
    /// holds the content of the last flush.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn close(self) -> Result<()> {
        let closed = self.store.session.as_ref().map_or(Ok(()), |session| session.close());
        closed.map_err(|e| e.in_file(&self.store.name))
    }

    /// Name of the file: the path by which it was opened.
    pub fn name(&self) -> &str {
        &self.store.name
    }

    /// Two handles of the same open file.
    pub fn is_same(&self, other: &File) -> bool {
        Arc::ptr_eq(&self.store, &other.store)
    }

    pub(crate) fn of(store: Arc<Store>) -> Self {
        File { store }
    }
}
