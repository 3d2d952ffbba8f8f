//! Bytes <-> structures, one structure of the HDF5 File Format Specification a file. Follows no address.

pub mod btree_v1;
pub mod checksum;
pub mod global_heap;
pub mod local_heap;
pub mod object_header;
pub mod primitive;
pub mod superblock;
pub mod symbol_table;
