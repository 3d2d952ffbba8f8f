//! Plain values of the format: no bytes, no I/O.

pub mod dataspace;
pub mod datatype;
mod display;
pub mod fill;
pub mod layout;
pub mod link;
pub(crate) mod number;
pub(crate) mod path;
pub mod selection;
