//! The one error type: what went wrong, in which structure, at which address, of which object and chunk.

use std::fmt;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and where.
///
/// Boxed, so that a `Result<T>` stays small. [`Error::kind`] tells programs what happened; the text names the file,
/// the object, the chunk, the filter, the structure and its address, as far as they are known.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    structure: Option<&'static str>,
    address: Option<u64>,
    file: Option<String>,
    object: Option<String>,
    selection: Option<usize>,
    chunk: Option<Vec<u64>>,
    filter: Option<(u16, String)>,
}

/// The kinds of [`Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read or a write.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The signature of HDF5 is not found at offset 0, 512, 1024, 2048, ...
    #[error("not an HDF5 file")]
    NotHdf5,
    /// The file ends before the structure does.
    #[error("truncated: {0}")]
    Truncated(String),
    /// The bytes contradict the format or a checksum.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// Valid, but not supported by this build; the text names what.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// A bound of [`Limits`](crate::Limits) would be exceeded.
    #[error("limit on {what} exceeded: {wanted} wanted, {allowed} allowed")]
    Limit {
        /// What is bounded.
        what: &'static str,
        /// What the file or the caller asks for.
        wanted: u64,
        /// What the limits allow.
        allowed: u64,
    },
    /// The [`Policy`](crate::Policy) forbids to follow this.
    #[error("denied by policy: {0}")]
    Denied(String),
    /// No object, attribute or file of that name.
    #[error("not found: {0}")]
    NotFound(String),
    /// The element type asked for is not the one stored.
    #[error("type mismatch: expected {expected}, found {found}")]
    Type {
        /// The type that the caller asked for.
        expected: String,
        /// The type that the file has.
        found: String,
    },
    /// A selection or buffer does not fit the shape of the dataset.
    #[error("shape mismatch: {0}")]
    Shape(String),
    /// Another handle or program has the file open, or left it marked so.
    #[error("locked: {0}")]
    Locked(String),
    /// The call makes no sense on this object.
    #[error("{0}")]
    Usage(String),
    /// A source that fetches on demand needs these byte ranges (start, end) first.
    #[error("{} byte ranges must be fetched first", .0.len())]
    NeedBytes(Vec<(u64, u64)>),
}

impl Error {
    /// An error of this kind, without a place yet.
    pub fn new(kind: ErrorKind) -> Self {
        Error(Box::new(Inner {
            kind,
            structure: None,
            address: None,
            file: None,
            object: None,
            selection: None,
            chunk: None,
            filter: None,
        }))
    }
    pub(crate) fn corrupt(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt(text.into()))
    }
    pub(crate) fn truncated(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Truncated(text.into()))
    }
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported(text.into()))
    }
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound(text.into()))
    }
    pub(crate) fn shape(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape(text.into()))
    }
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage(text.into()))
    }
    pub(crate) fn denied(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied(text.into()))
    }
    pub(crate) fn type_mismatch(expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Type { expected: expected.to_string(), found: found.to_string() })
    }
    pub(crate) fn limit(what: &'static str, wanted: u64, allowed: u64) -> Self {
        Self::new(ErrorKind::Limit { what, wanted, allowed })
    }

    /// What happened.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }
    pub(crate) fn into_kind(self) -> ErrorKind {
        self.0.kind
    }
    /// The structure of the format that was being read, if known.
    pub fn structure(&self) -> Option<&'static str> {
        self.0.structure
    }
    /// Address of that structure, relative to the base address of the file.
    pub fn address(&self) -> Option<u64> {
        self.0.address
    }
    /// Name of the file, if known.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }
    /// Path of the object, if known.
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }
    /// Which of several selections that were given at once could not be read, if known.
    pub fn selection(&self) -> Option<usize> {
        self.0.selection
    }
    /// Offset (in elements) of the chunk, if known.
    pub fn chunk(&self) -> Option<&[u64]> {
        self.0.chunk.as_deref()
    }
    /// Identification and name of the filter, if one failed.
    pub fn filter(&self) -> Option<(u16, &str)> {
        self.0.filter.as_ref().map(|(id, name)| (*id, name.as_str()))
    }

    // Each place is set once, by whoever knows it first: the innermost.
    pub(crate) fn in_structure(mut self, name: &'static str) -> Self {
        self.0.structure.get_or_insert(name);
        self
    }
    pub(crate) fn at(mut self, address: u64) -> Self {
        self.0.address.get_or_insert(address);
        self
    }
    pub(crate) fn in_file(mut self, file: &str) -> Self {
        self.0.file.get_or_insert_with(|| file.to_owned());
        self
    }
    pub(crate) fn of_object(mut self, path: &str) -> Self {
        self.0.object.get_or_insert_with(|| path.to_owned());
        self
    }
    pub(crate) fn of_selection(mut self, index: usize) -> Self {
        self.0.selection.get_or_insert(index);
        self
    }
    pub(crate) fn of_chunk(mut self, offset: &[u64]) -> Self {
        self.0.chunk.get_or_insert_with(|| offset.to_vec());
        self
    }
    pub(crate) fn of_filter(mut self, id: u16, name: &str) -> Self {
        self.0.filter.get_or_insert_with(|| (id, name.to_owned()));
        self
    }
}

/// Adds places to the error of a result.
pub(crate) trait Context<T> {
    fn in_structure(self, name: &'static str) -> Result<T>;
    fn at(self, address: u64) -> Result<T>;
    fn of_object(self, path: &str) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn in_structure(self, name: &'static str) -> Result<T> {
        self.map_err(|e| e.in_structure(name))
    }
    fn at(self, address: u64) -> Result<T> {
        self.map_err(|e| e.at(address))
    }
    fn of_object(self, path: &str) -> Result<T> {
        self.map_err(|e| e.of_object(path))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        if let Some(file) = &e.file {
            write!(f, "{file}: ")?;
        }
        if let Some(object) = &e.object {
            write!(f, "{object}: ")?;
        }
        if let Some(selection) = e.selection {
            write!(f, "selection {selection}: ")?;
        }
        if let Some(chunk) = &e.chunk {
            write!(f, "chunk {chunk:?}: ")?;
        }
        if let Some((id, name)) = &e.filter {
            write!(f, "filter {id} ({name}): ")?;
        }
        if let Some(structure) = e.structure {
            write!(f, "{structure}")?;
            if let Some(address) = e.address {
                write!(f, " at {address:#x}")?;
            }
            write!(f, ": ")?;
        } else if let Some(address) = e.address {
            write!(f, "at {address:#x}: ")?;
        }
        e.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Self::new(ErrorKind::Io(e))
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_every_place_and_the_innermost_wins() {
        let e = Error::corrupt("checksum is 1, should be 2")
            .in_structure("B-tree v2 header")
            .at(0x200)
            .at(0x900)
            .of_filter(32008, "bitshuffle")
            .of_chunk(&[0, 3])
            .of_selection(7)
            .of_object("/a/x")
            .in_file("f.h5");
        assert_eq!(
            e.to_string(),
            "f.h5: /a/x: selection 7: chunk [0, 3]: filter 32008 (bitshuffle): B-tree v2 header at 0x200: \
             corrupt: checksum is 1, should be 2"
        );
        assert_eq!(e.address(), Some(0x200));
        assert_eq!(e.filter(), Some((32008, "bitshuffle")));
    }

    #[test]
    fn result_stays_small() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
