//! What can go wrong, and which status of HTTP says so.

use crate::ErrorKind;

/// Result of the calls of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error, with the message that a client is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such file.
    #[error("File not found!")]
    FileNotFound,
    /// The file may not be read.
    #[error("Cannot read file: Permission denied!")]
    PermissionDenied,
    /// There is no object or link at the path.
    #[error("{0}")]
    PathError(String),
    /// A link leads nowhere, and was to be resolved.
    #[error("{0}")]
    LinkError(String),
    /// There is no attribute of that name.
    #[error("{0}")]
    AttributeError(String),
    /// An argument of the query makes no sense, or not for this object.
    #[error("{0}")]
    QueryArgumentError(String),
    /// The answer would be larger, or cost more, than is allowed.
    #[error("{what} of {wanted} bytes: the limit is {allowed}")]
    TooLarge {
        /// What is bounded.
        what: &'static str,
        /// What was asked for.
        wanted: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] crate::Error),
}

impl Error {
    pub(super) fn query(text: impl Into<String>) -> Self {
        Error::QueryArgumentError(text.into())
    }

    /// The error of a file that could not be opened.
    pub fn of_opening(error: crate::Error) -> Self {
        match error.kind() {
            ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::NotFound => Error::FileNotFound,
            ErrorKind::Io(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Error::PermissionDenied,
            _ => Error::File(error),
        }
    }

    /// The status of HTTP: 403, 404 and 422 as h5grove has them; 413 for what is too large; 422 for a file that is
    /// damaged or of a kind that cannot be read; 500 when the operating system fails.
    pub fn status(&self) -> u16 {
        match self {
            Error::PermissionDenied => 403,
            Error::FileNotFound | Error::PathError(_) | Error::LinkError(_) | Error::AttributeError(_) => 404,
            Error::QueryArgumentError(_) => 422,
            Error::TooLarge { .. } => 413,
            Error::File(e) => match e.kind() {
                ErrorKind::Io(_) | ErrorKind::NeedBytes(_) => 500,
                ErrorKind::Denied(_) => 403,
                ErrorKind::NotFound(_) => 404,
                ErrorKind::Limit { .. } => 413,
                _ => 422,
            },
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        Error::File(e.into())
    }
}
