//! Bytes <-> structures, one structure of the HDF5 File Format Specification a file. Follows no address.

pub mod btree_v1;
pub mod btree_v2;
pub mod btree_v2_record;
pub mod cache_image;
pub mod checksum;
pub mod chunk_element;
pub mod doubling_table;
pub mod driver_info;
pub mod extensible_array;
pub mod extensible_array_block;
pub mod fixed_array;
pub mod fractal_heap;
pub mod fractal_heap_block;
pub mod free_space;
pub mod fuzz;
pub mod global_heap;
pub mod local_heap;
pub mod object_header;
pub mod primitive;
pub mod shared_message_table;
pub mod superblock;
pub mod symbol_table;
