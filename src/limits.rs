//! What a file may cost ([`Limits`]) and what it may make us touch ([`Policy`]).

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::error::{Error, Result};

/// Bounds on what an untrusted file can make the library do. A file that exceeds one gives
/// [`ErrorKind::Limit`](crate::ErrorKind::Limit).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Nesting of datatypes (compound in array in variable-length ...).
    pub datatype_depth: u32,
    /// Soft, external and user-defined links followed while one path is resolved.
    pub link_hops: u32,
    /// Continuation blocks of one object header.
    pub header_blocks: u32,
    /// Messages of one object header.
    pub header_messages: u32,
    /// Depth of a B-tree or of a fractal heap.
    pub tree_depth: u32,
    /// Nesting of virtual datasets, whose sources may be virtual themselves.
    pub virtual_depth: u32,
    /// Bytes of one allocation for raw data, metadata or a decoded chunk.
    pub allocation: u64,
    /// Bytes of one decoded chunk.
    pub chunk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            datatype_depth: 32,
            link_hops: 32,
            header_blocks: 4096,
            header_messages: 1 << 20,
            tree_depth: 64,
            virtual_depth: 8,
            allocation: 1 << 40,
            chunk: 1 << 32,
        }
    }
}

impl Limits {
    /// An empty vector with room for `len` elements; an error, never an abort, when that is more than allowed or
    /// more than there is.
    pub(crate) fn vec<T>(&self, what: &'static str, len: u64) -> Result<Vec<T>> {
        let bytes = len.saturating_mul(size_of::<T>().max(1) as u64);
        if bytes > self.allocation {
            return Err(Error::limit(what, bytes, self.allocation));
        }
        try_vec(what, len)
    }
}

/// An empty vector with room for `len` elements, or an error when the memory is not to be had.
pub(crate) fn try_vec<T>(what: &'static str, len: u64) -> Result<Vec<T>> {
    let mut v = Vec::new();
    match usize::try_from(len) {
        Ok(n) if v.try_reserve_exact(n).is_ok() => Ok(v),
        _ => Err(Error::limit(what, len.saturating_mul(size_of::<T>() as u64), isize::MAX as u64)),
    }
}

/// Which other files a file may make the library open: external links, external raw data, sources of virtual
/// datasets.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reach {
    /// No other file is opened.
    None,
    /// Only regular files below the folder of the file that names them (the default).
    #[default]
    Beside,
    /// Only regular files below this folder.
    Below(PathBuf),
    /// Only what this opens, with paths relative to wherever it looks. With an opener that holds a handle of a folder
    /// nothing outside that folder can be read, whatever happens to its links meanwhile.
    Through(Opener),
    /// Any file.
    Anywhere,
}

/// Opens files by paths of its own, such as those below a folder it holds a handle of.
pub trait OpenFile: Send + Sync + fmt::Debug {
    /// Opens a file for reading. It must not wait, as for the other end of a pipe.
    ///
    /// # Errors
    /// Those of the operating system; `NotFound` lets another place be looked in.
    fn open_file(&self, path: &Path) -> io::Result<std::fs::File>;
}

/// A shared [`OpenFile`]. Two are equal if they are the same.
#[derive(Clone, Debug)]
pub struct Opener(Arc<dyn OpenFile>);

impl Opener {
    /// Of your own.
    pub fn new(opener: impl OpenFile + 'static) -> Self {
        Opener(Arc::new(opener))
    }
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As [`OpenFile::open_file`].
    pub fn open_file(&self, path: &Path) -> io::Result<std::fs::File> {
        self.0.open_file(path)
    }
}

impl From<Arc<dyn OpenFile>> for Opener {
    fn from(opener: Arc<dyn OpenFile>) -> Self {
        Opener(opener)
    }
}

impl PartialEq for Opener {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Opener {}

/// What a file may make the library touch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Files that external links lead to.
    pub external_links: Reach,
    /// Files that hold external raw data.
    pub external_data: Reach,
    /// Files that hold the sources of virtual datasets.
    pub virtual_sources: Reach,
}

impl Policy {
    /// The same reach for everything.
    pub fn all(reach: Reach) -> Self {
        Policy { external_links: reach.clone(), external_data: reach.clone(), virtual_sources: reach }
    }

    /// The same folders when the process goes to another one.
    pub(crate) fn lasting(mut self) -> Self {
        for reach in [&mut self.external_links, &mut self.external_data, &mut self.virtual_sources] {
            if let Reach::Below(root) = reach {
                *reach = lasting(root).map_or(Reach::None, Reach::Below);
            }
        }
        self
    }
}

/// A path that stays what it is when the process goes to another folder. None if there are no folders.
pub(crate) fn lasting(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn hostile_lengths_are_errors() {
        let limits = Limits { allocation: 100, ..Limits::default() };
        assert!(matches!(
            limits.vec::<u64>("test", 13).unwrap_err().kind(),
            ErrorKind::Limit { wanted: 104, allowed: 100, .. }
        ));
        assert!(limits.vec::<u64>("test", 12).unwrap().capacity() >= 12);
        assert!(matches!(try_vec::<u64>("test", u64::MAX).unwrap_err().kind(), ErrorKind::Limit { .. }));
    }
}
