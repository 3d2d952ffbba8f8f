//! Bytes <-> structures, one structure of the HDF5 File Format Specification a file. Follows no address.

pub mod checksum;
pub mod primitive;
pub mod superblock;
pub mod symbol_table;
