//! Opening a file: its superblock, and the extension of that.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use rustc_hash::FxHashMap;

use super::{
    Settings, Store,
    heap::global::GlobalHeap,
    object::ObjectHeader,
    reader::Reader,
    transaction::{recover, unfinished},
    write::{EditSettings, NewFile, ROOT_KEY, Session},
};
use crate::{
    error::{Context, Error, ErrorKind, Result},
    format::{
        cache_image::CacheImage,
        driver_info::DriverInfo,
        message::{
            MessageType, btree_k::BTreeKMessage, cache_image::CacheImageMessage,
            driver_info::DriverInfoMessage, file_space_info::FileSpaceInfoMessage,
            shared_table::SharedTableMessage,
        },
        primitive::Structure,
        superblock::{FLAG_JOURNAL, FLAG_SWMR, FLAG_WRITE, MAX_LEN, SIGNATURE, Superblock},
    },
    limits::Limits,
    model::link::Name,
    source::{ByteSource, ByteStore, Locking, OverlaySource, PatchedStore, Piece},
};

fn other_driver(name: &[u8]) -> Error {
    Error::unsupported(format!(
        "a file of the driver {}, which spreads it over several files",
        Name::from(name)
    ))
}

/// The offset of the signature: 0, 512, 1024, 2048 ...
pub(super) fn find_signature(source: &dyn ByteSource) -> Result<u64> {
    let mut offset = 0u64;
    let mut signature = [0; SIGNATURE.len()];
    while offset.checked_add(SIGNATURE.len() as u64).is_some_and(|end| end <= source.len()) {
        source.read_at(offset, &mut signature)?;
        if signature == SIGNATURE {
            return Ok(offset);
        }
        offset = if offset == 0 { 512 } else { offset * 2 };
    }
    Err(ErrorKind::NotHdf5.into())
}

/// The superblock, and the source with a commit done that was published in a journal and did not come to its end.
pub(super) fn read_superblock(
    source: Arc<dyn ByteSource>,
    base: u64,
) -> Result<(Superblock, Arc<dyn ByteSource>)> {
    let read = |source: &dyn ByteSource| {
        let mut head = vec![0; (source.len() - base).min(MAX_LEN as u64) as usize];
        source.read_at(base, &mut head)?;
        Superblock::decode(&head).at(base)
    };
    let superblock = read(&*source);
    if superblock.as_ref().is_ok_and(|s| s.flags & FLAG_JOURNAL == 0) {
        return Ok((superblock?, source));
    }
    let Some(changes) = unfinished(&*source, base)? else { return Ok((superblock?, source)) };
    let mut overlay = OverlaySource::new(source);
    changes.into_iter().for_each(|(at, piece)| overlay.put(at, piece));
    Ok((read(&overlay)?, Arc::new(overlay)))
}

/// Takes the flags of a writer out of the superblock, and brings a commit in a journal to its end. Tells whether there
/// was anything.
#[cfg(any(unix, windows))]
pub(crate) fn clear(store: &dyn ByteStore) -> Result<bool> {
    let base = find_signature(store)?;
    let recovered = recover(store, base)?;
    let mut head = vec![0; (store.len() - base).min(MAX_LEN as u64) as usize];
    store.read_at(base, &mut head)?;
    let superblock = Superblock::decode(&head).at(base)?;
    if superblock.flags == 0 {
        return Ok(recovered);
    }
    store.write_at(base, &Superblock { flags: 0, ..superblock }.encode()?)?;
    store.sync()?;
    Ok(true)
}

impl Store {
    /// Opens a file over any source.
    pub(crate) fn open(
        source: Arc<dyn ByteSource>,
        name: String,
        path: Option<PathBuf>,
        limits: Arc<Limits>,
        settings: Settings,
    ) -> Result<Arc<Store>> {
        let open = || Self::open_source(source, &name, path, limits, settings);
        open().map_err(|e| e.in_file(&name)).map(Arc::new)
    }

    /// Makes a file in an empty store.
    pub(crate) fn create(
        target: Arc<dyn ByteStore>,
        name: String,
        path: Option<PathBuf>,
        settings: Settings,
        new: &NewFile,
    ) -> Result<Arc<Store>> {
        let target = Arc::new(PatchedStore::new(target));
        let (session, superblock) = Session::new(target.clone(), new)?;
        let sizes = superblock.sizes;
        let reader = Reader::growing(target, superblock.base, sizes, Arc::new(Limits::default()));
        Ok(Arc::new(Store {
            reader,
            superblock: Superblock { root: ROOT_KEY, ..superblock },
            name,
            path,
            settings,
            global_heap: GlobalHeap::default(),
            session: Some(session),
            file_space: None,
            image: None,
            shared_message_table: None,
            shared: OnceLock::new(),
            workers: Default::default(),
            others: Mutex::new(FxHashMap::default()),
            #[cfg(feature = "parallel")]
            pool: None,
        }))
    }

    /// Opens a file to change it. A commit that was not brought to its end is, first.
    pub(crate) fn open_rw(
        target: Arc<dyn ByteStore>,
        name: String,
        path: Option<PathBuf>,
        limits: Arc<Limits>,
        settings: Settings,
        edit: &EditSettings,
    ) -> Result<Arc<Store>> {
        let open = || {
            let base = find_signature(&*target)?;
            recover(&*target, base)?;
            let found = Self::open_source(target.clone(), &name, path, limits, settings)?;
            if found.superblock.flags & FLAG_SWMR != 0 && !found.settings.ignore_flags {
                return Err(ErrorKind::Locked(
                    "the superblock says that a SWMR writer has the file open".into(),
                )
                .into());
            }
            let target = Arc::new(PatchedStore::new(target.clone()));
            // What is in a cache image gets to its own place with the first commit.
            for (address, bytes) in found.image.iter().flatten() {
                target.with(|pieces| pieces.put(base + address, Piece::Bytes(bytes.clone())));
            }
            let (sizes, limits) = (found.reader.sizes, found.reader.limits.clone());
            let reader = Reader::growing(target.clone(), base, sizes, limits);
            let origin = Store { reader: reader.clone(), ..found };
            let mut store = origin.again(reader);
            store.session = Some(Session::edit_of(Arc::new(origin), target, edit)?);
            store.start_pool()?;
            Ok(Arc::new(store))
        };
        open().map_err(|e: Error| e.in_file(&name))
    }

    /// The same file, read otherwise.
    fn again(&self, reader: Reader) -> Store {
        Store {
            reader,
            superblock: self.superblock.clone(),
            name: self.name.clone(),
            path: self.path.clone(),
            settings: self.settings.clone(),
            global_heap: GlobalHeap::default(),
            session: None,
            file_space: self.file_space.clone(),
            image: None,
            shared_message_table: self.shared_message_table,
            shared: OnceLock::new(),
            workers: Default::default(),
            others: Mutex::new(FxHashMap::default()),
            #[cfg(feature = "parallel")]
            pool: None,
        }
    }

    fn start_pool(&mut self) -> Result<()> {
        #[cfg(feature = "parallel")]
        if self.settings.threads > 1 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(self.settings.threads).build();
            self.pool = Some(pool.map_err(|e| Error::from(std::io::Error::other(e)))?);
        }
        Ok(())
    }

    fn open_source(
        source: Arc<dyn ByteSource>,
        name: &str,
        path: Option<PathBuf>,
        limits: Arc<Limits>,
        settings: Settings,
    ) -> Result<Store> {
        let base = find_signature(&*source)?;
        let (mut superblock, source) = read_superblock(source, base)?;
        let swmr = superblock.version == 3 && superblock.flags & FLAG_SWMR != 0;
        if superblock.version == 3 && superblock.flags & FLAG_WRITE != 0 && !swmr && !settings.ignore_flags {
            return Err(ErrorKind::Locked(
                "the superblock says that a writer has the file open; if none has, the flag is left from a crash, and \
                 `h5 clear` (or File::clear) takes it back"
                    .into(),
            )
            .into());
        }
        // The stored end counts from the start of the source as the writer saw it.
        let stored_end = superblock.eof.checked_sub(superblock.base);
        let stored_end = stored_end.ok_or_else(|| Error::corrupt("end of file before the base address"))?;
        let available = source.len() - base;
        if stored_end > available && !swmr {
            return Err(Error::truncated(format!(
                "the file should have {} bytes, it has {}",
                base.saturating_add(stored_end),
                source.len()
            )));
        }
        let end = if swmr { available } else { stored_end };
        let reader = Reader::new(source, base, end, superblock.sizes, limits);
        let mut store = Store {
            reader,
            name: name.to_owned(),
            path,
            settings,
            global_heap: GlobalHeap::default(),
            session: None,
            file_space: None,
            image: None,
            shared_message_table: None,
            shared: OnceLock::new(),
            workers: Default::default(),
            others: Mutex::new(FxHashMap::default()),
            #[cfg(feature = "parallel")]
            pool: None,
            superblock: superblock.clone(),
        };
        if let Some(address) = superblock.driver_info {
            let bytes = store.reader.up_to(address, 16 + (1 << 16))?;
            let driver = DriverInfo::decode(&bytes).at(address)?;
            return Err(other_driver(&driver.name));
        }
        store.extension(&mut superblock)?;
        store.superblock = superblock;
        store.start_pool()?;
        Ok(store)
    }

    /// Reads the superblock extension.
    pub(super) fn extension(&mut self, superblock: &mut Superblock) -> Result<()> {
        let Some(address) = superblock.extension else { return Ok(()) };
        let header = ObjectHeader::read(&self.reader, address).in_structure("superblock extension")?;
        let sizes = self.reader.sizes;
        if let Some(k) = header.content(self, MessageType::BTreeK, |b| BTreeKMessage::decode(b, sizes))? {
            superblock.chunk_k = k.chunk;
            superblock.internal_k = k.group_internal;
            superblock.leaf_k = k.group_leaf;
        }
        if let Some(d) = header.content(self, MessageType::DriverInfo, DriverInfoMessage::decode)? {
            return Err(other_driver(&d.driver));
        }
        self.file_space =
            header.content(self, MessageType::FileSpaceInfo, |b| FileSpaceInfoMessage::decode(b, sizes))?;
        let table =
            header.content(self, MessageType::SharedTable, |b| SharedTableMessage::decode(b, sizes))?;
        self.shared_message_table = table.and_then(|t| Some((t.address?, t.indexes)));
        let image = header.content(self, MessageType::CacheImage, |b| CacheImageMessage::decode(b, sizes))?;
        if let Some(CacheImageMessage { address: Some(address), length }) = image {
            self.overlay_cache_image(address, length).in_structure("metadata cache image").at(address)?;
        }
        Ok(())
    }

    /// Metadata in the cache image are not written at their own addresses: put them there.
    fn overlay_cache_image(&mut self, address: u64, length: u64) -> Result<()> {
        let bytes = self.reader.bytes(address, length)?.into_owned();
        let image = CacheImage::decode(&bytes, self.reader.sizes)?;
        let mut overlay = OverlaySource::new(self.reader.source().clone());
        let base = self.reader.base();
        for entry in &image.entries {
            let end = entry.address.checked_add(entry.data.len() as u64);
            if end.is_none_or(|end| end > self.reader.end()) {
                return Err(Error::corrupt(format!(
                    "entry for {:#x} beyond the end of the file",
                    entry.address
                )));
            }
            overlay.put(base + entry.address, Piece::Bytes(entry.data.to_vec()));
        }
        self.image = Some(image.entries.iter().map(|entry| (entry.address, entry.data.to_vec())).collect());
        self.reader = Reader::new(
            Arc::new(overlay),
            base,
            self.reader.end(),
            self.reader.sizes,
            self.reader.limits.clone(),
        );
        Ok(())
    }
}

/// Opens a file for reading, mapped if that is wanted and built in. The source keeps the lock.
pub(crate) fn open_path(path: &Path, mmap: bool, locking: Locking) -> Result<Arc<dyn ByteSource>> {
    #[cfg(any(unix, windows))]
    {
        let file = crate::source::LockedFile::new(std::fs::File::open(path)?, false, locking)?;
        // Asked for when it is locked: only then does the length stay.
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_regular());
        }
        #[cfg(feature = "mmap")]
        if mmap && metadata.len() > 0 {
            return Ok(Arc::new(crate::source::MmapSource::locked(file, metadata.len())));
        }
        let _ = mmap;
        Ok(Arc::new(crate::source::FileSource::locked(file, metadata.len())))
    }
    #[cfg(not(any(unix, windows)))]
    {
        let _ = (mmap, locking);
        Ok(Arc::new(crate::source::MemorySource::new(std::fs::read(path)?)))
    }
}

#[cfg(any(unix, windows))]
fn not_regular() -> Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file").into()
}

/// A file that was opened, read at positions.
#[cfg(any(unix, windows))]
pub(crate) fn source_of(file: std::fs::File) -> Result<Arc<dyn ByteSource>> {
    if !file.metadata()?.is_file() {
        return Err(not_regular());
    }
    Ok(Arc::new(crate::source::FileSource::new(file)?))
}

#[cfg(not(any(unix, windows)))]
pub(crate) fn source_of(_: std::fs::File) -> Result<Arc<dyn ByteSource>> {
    Err(Error::unsupported("files on this platform"))
}
