//! Making files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::Result,
    file::File,
    limits::Policy,
    source::{ByteStore, Locking},
    storage::{
        Settings, Store,
        transaction::Durability,
        write::{NewFile, Order, Profile},
    },
};

/// How a file is made; see [`File::create_options`].
#[derive(Clone, Debug)]
pub struct CreateOptions {
    new: NewFile,
    exclusive: bool,
    locking: Locking,
    policy: Policy,
}

impl Default for CreateOptions {
    fn default() -> Self {
        let new = NewFile {
            profile: Profile::Compatible,
            user_block: 0,
            durability: Durability::Full,
            mark: false,
            order: Order::default(),
            buffer_limit: 64 << 20,
            threads: 0,
        };
        CreateOptions { new, exclusive: false, locking: Locking::default(), policy: Policy::default() }
    }
}

impl CreateOptions {
    /// Which libraries can open the file.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.new.profile = profile;
        self
    }
    /// Bytes before the HDF5 content that belong to the user: 0, or a power of two from 512 on. They are zero.
    pub fn user_block(mut self, bytes: u64) -> Self {
        self.new.user_block = bytes;
        self
    }
    /// What a flush waits for.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.new.durability = durability;
        self
    }
    /// Keep the order in which the links of the root group are made, and index it.
    pub fn track_creation_order(mut self, track: bool) -> Self {
        self.new.order = Order { tracked: track, indexed: track };
        self
    }
    /// Bytes of chunks that are kept in memory because more may be written to them; 64 MiB by default.
    pub fn chunk_buffer_bytes(mut self, bytes: u64) -> Self {
        self.new.buffer_limit = bytes;
        self
    }
    /// Threads that work on the chunks of one write or read: 1 is the calling thread only, 0 (the default) all
    /// processors.
    pub fn threads(mut self, threads: usize) -> Self {
        self.new.threads = threads;
        self
    }
    /// Refuse to make a file where there is one already.
    pub fn exclusive(mut self, exclusive: bool) -> Self {
        self.exclusive = exclusive;
        self
    }
    /// Which other files it may lead to: those that hold external raw data are written. The default is those below its
    /// own folder.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy.lasting();
        self
    }
    /// Mark a file of [`Profile::Modern`] as open for writing until it is closed, as libhdf5 does; see
    /// [`OpenOptions::mark_open`](crate::OpenOptions::mark_open).
    pub fn mark_open(mut self, mark: bool) -> Self {
        self.new.mark = mark;
        self
    }
    /// Whether the file is locked while it is written: nobody else can open it then.
    pub fn locking(mut self, locking: Locking) -> Self {
        self.locking = locking;
        self
    }

    /// Makes a file, or makes an existing one empty.
    ///
    /// # Errors
    /// `Io`; `Locked` if someone has the file open, which then stays as it is; `Usage` for an impossible user block.
    #[cfg(any(unix, windows))]
    pub fn create(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let store = || {
            let mut options = std::fs::File::options();
            options.read(true).write(true);
            if self.exclusive {
                options.create_new(true);
            } else {
                options.create(true).truncate(false);
            }
            // Locked first: what another has open is not cut.
            let file = crate::source::LockedFile::new(options.open(path)?, true, self.locking)?;
            file.set_len(0)?;
            Ok(Arc::new(crate::source::FileStore::locked(file)?))
        };
        let store = store().map_err(|e: crate::error::Error| e.in_file(&name))?;
        self.file(store, name, crate::limits::lasting(path))
    }

    /// Makes a file: not on this platform.
    ///
    /// # Errors
    /// `Unsupported`.
    #[cfg(not(any(unix, windows)))]
    pub fn create(&self, path: impl AsRef<Path>) -> Result<File> {
        let _ = path;
        Err(crate::error::Error::unsupported("files on this platform; create_in makes them in memory"))
    }

    /// Makes a file in an empty store: in memory, or one of your own.
    ///
    /// # Errors
    /// `Usage` for an impossible user block.
    pub fn create_in(&self, store: Arc<dyn ByteStore>) -> Result<File> {
        self.file(store, "(no name)".to_owned(), None)
    }

    fn file(&self, store: Arc<dyn ByteStore>, name: String, path: Option<PathBuf>) -> Result<File> {
        let settings = Settings {
            policy: self.policy.clone(),
            cache_bytes: 64 << 20,
            threads: self.new.threads,
            mmap: false,
            locking: self.locking,
            ignore_flags: false,
            codecs: Default::default(),
        };
        Ok(File::of(Store::create(store, name, path, settings, &self.new)?))
    }
}
