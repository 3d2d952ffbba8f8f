//! Byte sources: the only place of the library that asks the operating system for bytes.

mod advice;
#[cfg(any(unix, windows))]
mod file;
mod lock;
mod memory;
#[cfg(feature = "mmap")]
mod mmap;
mod overlay;
mod store;

use std::fmt;

use crate::error::{Error, Result};

pub(crate) use advice::{advise_huge_pages, prefetch};
#[cfg(any(unix, windows))]
pub use file::FileSource;
#[cfg(any(unix, windows))]
pub(crate) use lock::LockedFile;
pub use lock::Locking;
pub use memory::MemorySource;
#[cfg(feature = "mmap")]
pub use mmap::MmapSource;
pub(crate) use overlay::PatchedStore;
pub use overlay::{OverlaySource, Piece};
#[cfg(any(unix, windows))]
pub use store::FileStore;
pub use store::{ByteStore, MemoryStore};

/// Where the bytes of a file come from. Offsets count from the start of the source.
///
/// One synchronous parser serves every source: a source that fetches on demand answers
/// [`ErrorKind::NeedBytes`](crate::ErrorKind::NeedBytes) and is asked again. A trait object is kept (and not a type
/// parameter on `File`), so that handles of files from different sources are one type.
pub trait ByteSource: Send + Sync + fmt::Debug {
    /// Number of bytes.
    fn len(&self) -> u64;

    /// True if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `Truncated` if the source ends before; `Io`; `NeedBytes`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;

    /// All bytes, if they are addressable.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }

    /// True if a large copy is made faster by `read_at` than out of `as_slice`.
    fn copies_faster(&self) -> bool {
        false
    }

    /// Tells which ranges (start, end) will be read soon.
    ///
    /// # Errors
    /// `Io`, `NeedBytes`.
    fn prefetch(&self, ranges: &[(u64, u64)]) -> Result<()> {
        let _ = ranges;
        Ok(())
    }
}

/// The error of a read beyond the end.
pub(crate) fn past_end(offset: u64, wanted: usize, len: u64) -> Error {
    Error::truncated(format!("{wanted} bytes wanted at {offset:#x}, the file has {len:#x}"))
}
