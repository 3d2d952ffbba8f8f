//! h5flow: datasets of rows that refer to each other, and the loading of what they refer to.
//!
//! A file holds datasets `NAME/data`, and for a pair of them the references `PARENT/ref/CHILD/ref`: pairs of rows. Tables
//! of regions, `PARENT/ref/CHILD/ref_region` and `CHILD/ref/PARENT/ref_region`, tell where the references of each row
//! are. It is the layout of the Python package h5flow, whose files are read, and which reads these.
//!
//! [`dereference`] loads what rows refer to. Where the package loads all from the first to the last reference and child
//! row, only what is asked for is read here.

mod communicator;
mod files;
mod intervals;
mod links;
mod manager;
mod masked;
#[cfg(feature = "mpi")]
mod mpi;
mod numbers;
mod objects;
mod options;
mod place;
mod print;
mod region;
mod request;
mod rows;
mod search;
mod sources;
mod write;

pub use communicator::{Communicator, Serial};
pub use manager::{H5FlowDataManager, Item};
pub use masked::{MaskedArray, MaskedValues, Offsets, Ragged, RaggedValues};
#[cfg(feature = "mpi")]
pub use mpi::MpiCommunicator;
pub use options::{Compression, ManagerOptions, RefLayout};
pub use print::{print_attr, print_data, print_ref};
pub use region::RefRegion;
pub use request::{Dereference, dereference, dereference_chain};
pub use sources::{Refs, Regions, Rows, Sel};
pub use write::Spec;
