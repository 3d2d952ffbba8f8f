//! A memory-mapped file: the one module with unsafe code for it.
#![allow(unsafe_code)]

use std::{fs::File, sync::OnceLock};

use memmap2::{Mmap, MmapOptions};

use super::{ByteSource, LockedFile, file::read_exact_at, past_end};
use crate::error::Result;

/// A mapped file. Metadata and small pieces are read from the map, copies are made by positioned reads, which are faster.
/// It is mapped when that is asked for first, and read where it cannot be: whoever reads one value pays for no map.
///
/// The file must not be made shorter by anyone while it is mapped: the operating system answers an access beyond the
/// end with a signal. Use [`FileSource`](super::FileSource) for files that others may truncate.
#[derive(Debug)]
pub struct MmapSource {
    map: OnceLock<Option<Mmap>>,
    file: LockedFile,
    len: u64,
}

impl MmapSource {
    /// Maps an open file, read-only.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(file: File) -> Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::locked(file.into(), len))
    }

    /// Of `len` bytes.
    pub(crate) fn locked(file: LockedFile, len: u64) -> Self {
        MmapSource { map: OnceLock::new(), file, len }
    }

    fn map(&self) -> Option<Mmap> {
        let len = usize::try_from(self.len).ok()?;
        // SAFETY: the map is read-only and lives as long as `self`. The bytes may change under us when another
        // process writes to the file; every byte is treated as hostile, no reference into the map is ever assumed to
        // hold what was read before, and all values read from it are plain integers. Truncation is the documented
        // duty of the caller, from the time on when the length was asked for.
        unsafe { MmapOptions::new().len(len).map(&*self.file) }.ok()
    }
}

impl ByteSource for MmapSource {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let len = self.len();
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > len) {
            return Err(past_end(offset, buffer.len(), len));
        }
        read_exact_at(&self.file, offset, buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => past_end(offset, buffer.len(), len),
            _ => e.into(),
        })
    }
    fn as_slice(&self) -> Option<&[u8]> {
        self.map.get_or_init(|| self.map()).as_deref()
    }
    fn copies_faster(&self) -> bool {
        true
    }
}
