//! HDF5 in pure Rust.
pub mod error;
mod filter;
mod format;
pub mod limits;
pub mod model;
pub mod source;

pub use error::{Error, ErrorKind, Result};
pub use limits::{Limits, Policy, Reach};

/// For this crate's benches and fuzz targets; not part of the API.
#[doc(hidden)]
pub mod internals {
    pub use crate::filter::*;
}
