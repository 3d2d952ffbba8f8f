//! HDF5 in pure Rust.
pub mod error;
mod filter;
mod format;
pub mod limits;
pub mod model;

#[doc(hidden)]
pub use format::round_trip;

pub use error::{Error, ErrorKind, Result};
pub use limits::{Limits, Policy, Reach};
