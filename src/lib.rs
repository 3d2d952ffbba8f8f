//! HDF5 in pure Rust: a native engine that reads the files libhdf5 writes, and makes new ones.
//!
//! ```
//! # fn main() -> h5::Result<()> {
//! let file = h5::File::open("testdata/basic.h5")?;
//! for name in file.root()?.names()? {
//!     println!("{name}");
//! }
//! let temperature: ndarray::Array2<f64> = file.dataset("/measurements/temperature")?.read_2d()?;
//! # Ok(()) }
//! ```
//!
//! # Floor plan
//!
//! A module uses only its own floor and those below.
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 6 | `server` (feature `server`) | an HTTP server for viewers; the `h5` command |
//! | 5 | `h5flow` (feature `h5flow`) | rows that refer to each other: data manager, dereference |
//! | 5 | `h5grove` (feature `h5grove`) | content of a file for viewers: metadata, data in many encodings, statistics |
//! | 4 | [`File`], [`Group`], [`Dataset`], [`Attribute`] | what a user holds |
//! | 3 | `storage` | the only place that follows an address |
//! | 2 | `format`, `element` | bytes to structures; bytes to Rust values |
//! | 1 | [`source`], [`model`], `filter` | the only OS I/O; plain values; codecs |
//! | 0 | [`Error`], [`Limits`], [`Policy`] | what can go wrong, what is allowed |

/// The examples of the README must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;

mod attribute;
mod attribute_builder;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod copy;
mod copy_data;
mod copy_dataset;
mod copy_objects;
mod create;
mod dataset;
mod dataset_builder;
mod dataset_slices;
mod dataset_write;
mod dimension_scale;
mod edit;
mod element;
mod elements;
mod error;
mod file;
mod filter;
#[allow(dead_code, reason = "structures are declared once, for reading and for the writer to come")]
mod format;
mod group;
#[cfg(feature = "h5flow")]
pub mod h5flow;
#[cfg(feature = "h5grove")]
pub mod h5grove;
mod limits;
pub mod model;
mod object;
mod read;
mod rescue;
#[cfg(feature = "server")]
pub mod server;
pub mod source;
mod storage;

pub use attribute::Attribute;
pub use attribute_builder::{AttributeBuilder, AttributeValue};
pub use copy::{CopyOptions, DatasetChange, LayoutChange};
pub use create::CreateOptions;
pub use dataset::{ChunkInfo, Dataset};
pub use dataset_builder::{DatasetBuilder, GroupBuilder, IntoShape};
pub use element::{
    Element, Elements, H5Type, HeapRead, HeapWrite, ObjectReference, Reference, RegionReference, Values,
};
pub use elements::{Gathered, ToElements};
pub use error::{Error, ErrorKind, Result};
pub use file::{File, FileInfo, OpenOptions};
#[cfg(feature = "filter-zfp")]
pub use filter::zfp;
pub use filter::{ChunkContext, Filter, FilterSpec, filter_name, register as register_filter};
pub use group::{Group, Members};
#[cfg(feature = "derive")]
pub use h5_derive::H5Type;
pub use limits::{Limits, OpenFile, Opener, Policy, Reach};
pub use model::{
    dataspace::Dataspace,
    datatype::{ByteOrder, Charset, Datatype, DatatypeClass},
    fill::{AllocationTime, Fill, FillTime, FillValue},
    layout::{ChunkIndexType, Layout},
    link::{Link, LinkTarget, Name},
    selection::{HyperslabDim, IntoSelection, Selection},
};
pub use object::{MetadataTally, NamedDatatype, Object, ObjectKind};
pub use rescue::{Condition, RescueReport, RescuedObject};
pub use source::Locking;
pub use storage::{
    space::{FileSpace, MetadataBytes},
    transaction::Durability,
    write::{FilterRequest, Profile},
};

/// For this crate's upper floors, benches and fuzz targets; not part of the API.
#[doc(hidden)]
pub mod internals {
    pub use crate::filter::*;
    pub use crate::format::{checksum, fuzz as structures, round_trip};
    pub use crate::storage::raw_data::output::{room, zeros};
}

/// What the code of `#[derive(H5Type)]` names; not for other use.
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod __private {
    pub use crate::element::derived::*;
    pub use crate::element::{H5Type, HeapRead, HeapWrite};
    pub use crate::error::Result;
    pub use crate::model::datatype::Datatype;
}
