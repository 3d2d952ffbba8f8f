//! Byte stores: sources that can also be written. Every write, change of length and barrier of a commit goes through
//! [`ByteStore`], so that a test can record, cut, reorder and fail it.

use std::{
    fmt,
    sync::{PoisonError, RwLock},
};

use super::{ByteSource, past_end};
use crate::error::{Error, Result};

/// Where a file is written to.
pub trait ByteStore: ByteSource {
    /// Writes bytes at an offset; the store grows if they reach beyond its end, and a gap reads as zeros.
    ///
    /// # Errors
    /// `Io`. What was written of `bytes` is then unknown.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the store so long; new bytes are zeros.
    ///
    /// # Errors
    /// `Io`.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Returns when all that was written so far would survive a loss of power.
    ///
    /// # Errors
    /// `Io`. What of the earlier writes survives is then unknown.
    fn sync(&self) -> Result<()>;

    /// Ends the lock that keeps others from the store: nothing will be written to it any more.
    ///
    /// # Errors
    /// `Io`.
    fn unlock(&self) -> Result<()> {
        Ok(())
    }
}

/// A file in memory that can be written.
#[derive(Default)]
pub struct MemoryStore(RwLock<Vec<u8>>);

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// A copy of all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn resize(bytes: &mut Vec<u8>, len: u64) -> Result<()> {
        let too_large = || Error::limit("a file in memory", len, isize::MAX as u64);
        let len = usize::try_from(len).map_err(|_| too_large())?;
        bytes.try_reserve(len.saturating_sub(bytes.len())).map_err(|_| too_large())?;
        bytes.resize(len, 0);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} bytes)", self.len())
    }
}

impl ByteSource for MemoryStore {
    fn len(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let bytes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..start.checked_add(buffer.len())?))
            .ok_or_else(|| past_end(offset, buffer.len(), bytes.len() as u64))?;
        buffer.copy_from_slice(part);
        Ok(())
    }
}

impl ByteStore for MemoryStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let end = offset.saturating_add(bytes.len() as u64);
        if end > all.len() as u64 {
            Self::resize(&mut all, end)?;
        }
        all[offset as usize..end as usize].copy_from_slice(bytes);
        Ok(())
    }
    fn set_len(&self, len: u64) -> Result<()> {
        Self::resize(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), len)
    }
    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// A file on disk that is written at positions.
#[cfg(any(unix, windows))]
#[derive(Debug)]
pub struct FileStore {
    file: super::LockedFile,
    len: std::sync::atomic::AtomicU64,
}

#[cfg(any(unix, windows))]
mod of_file {
    use std::{fs::File, sync::atomic::Ordering};

    use super::{ByteSource, ByteStore, FileStore, Result, past_end};
    use crate::source::{LockedFile, file::read_exact_at};

    impl FileStore {
        /// Takes a file that is open for reading and writing; nobody else may change its length.
        ///
        /// # Errors
        /// `Io`.
        pub fn new(file: File) -> Result<Self> {
            Self::locked(file.into())
        }

        pub(crate) fn locked(file: LockedFile) -> Result<Self> {
            let len = file.metadata()?.len().into();
            Ok(FileStore { file, len })
        }
    }

    fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        #[cfg(unix)]
        {
            std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
        }
        #[cfg(windows)]
        {
            use std::os::windows::fs::FileExt;
            let mut done = 0;
            while done < bytes.len() {
                match file.seek_write(&bytes[done..], offset + done as u64) {
                    Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                    Ok(n) => done += n,
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(())
        }
    }

    impl ByteSource for FileStore {
        fn len(&self) -> u64 {
            self.len.load(Ordering::Acquire)
        }
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
            let len = self.len();
            if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > len) {
                return Err(past_end(offset, buffer.len(), len));
            }
            read_exact_at(&self.file, offset, buffer).map_err(Into::into)
        }
    }

    impl ByteStore for FileStore {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
            write_all_at(&self.file, offset, bytes)?;
            self.len.fetch_max(offset.saturating_add(bytes.len() as u64), Ordering::AcqRel);
            Ok(())
        }
        fn set_len(&self, len: u64) -> Result<()> {
            self.file.set_len(len)?;
            self.len.store(len, Ordering::Release);
            Ok(())
        }
        fn sync(&self) -> Result<()> {
            // Not only the data: the length has changed too.
            Ok(self.file.sync_all()?)
        }
        fn unlock(&self) -> Result<()> {
            self.file.unlock()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_a_store(store: &dyn ByteStore) {
        store.write_at(4, b"abcd").unwrap();
        let mut all = [9; 8];
        store.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"\0\0\0\0abcd");
        store.set_len(10).unwrap();
        store.write_at(0, b"X").unwrap();
        assert_eq!(store.len(), 10);
        let mut some = [9; 3];
        store.read_at(7, &mut some).unwrap();
        assert_eq!(&some, b"d\0\0");
        assert!(store.read_at(8, &mut some).is_err());
        store.set_len(5).unwrap();
        assert_eq!(store.len(), 5);
        store.sync().unwrap();
    }

    #[test]
    fn memory() {
        is_a_store(&MemoryStore::new());
    }

    #[cfg(unix)]
    #[test]
    fn file() {
        let path = std::env::temp_dir().join(format!("h5-store-{}", std::process::id()));
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        is_a_store(&FileStore::new(file).unwrap());
        std::fs::remove_file(path).unwrap();
    }
}
