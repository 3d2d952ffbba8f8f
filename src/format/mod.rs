//! Bytes <-> structures, one structure of the HDF5 File Format Specification a file. Follows no address.

pub mod checksum;
pub mod message;
pub mod output;
pub mod primitive;
pub mod reference;
pub mod round_trip;
pub mod selection;
pub mod virtual_mapping;
