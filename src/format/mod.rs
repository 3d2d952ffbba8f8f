//! Bytes <-> structures, one structure of the HDF5 File Format Specification a file. Follows no address.

pub mod btree_v1;
pub mod btree_v2;
pub mod btree_v2_record;
pub mod checksum;
pub mod chunk_element;
pub mod doubling_table;
pub mod extensible_array;
pub mod extensible_array_block;
pub mod fixed_array;
pub mod fractal_heap;
pub mod fractal_heap_block;
pub mod global_heap;
pub mod local_heap;
pub mod message;
pub mod object_header;
pub mod output;
pub mod primitive;
pub mod reference;
pub mod selection;
pub mod superblock;
pub mod symbol_table;
pub mod virtual_mapping;
