//! Plain values of the format: no bytes, no I/O.

pub mod dataspace;
pub mod datatype;
pub mod fill;
pub mod layout;
pub mod link;
pub mod path;
pub mod selection;
