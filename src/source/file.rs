//! Positioned reads of a file.

use std::fs::File;

use super::{ByteSource, LockedFile, past_end};
use crate::error::Result;

/// A file that is read at positions; many threads may read at once.
#[derive(Debug)]
pub struct FileSource {
    file: LockedFile,
    len: u64,
}

impl FileSource {
    /// Takes an open file; its length is asked once.
    ///
    /// # Errors
    /// `Io`.
    pub fn new(file: File) -> Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::locked(file.into(), len))
    }

    /// Of `len` bytes.
    pub(crate) fn locked(file: LockedFile, len: u64) -> Self {
        FileSource { file, len }
    }
}

/// Fills `buffer` from `offset` on, whatever the platform's positioned read is called.
pub(super) fn read_exact_at(file: &File, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let mut done = 0;
        while done < buffer.len() {
            match file.seek_read(&mut buffer[done..], offset + done as u64) {
                Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

impl ByteSource for FileSource {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.len) {
            return Err(past_end(offset, buffer.len(), self.len));
        }
        read_exact_at(&self.file, offset, buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => past_end(offset, buffer.len(), self.len),
            _ => e.into(),
        })
    }
}
