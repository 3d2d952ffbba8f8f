//! Extensible array: the chunk index of a dataset with one unlimited dimension.
//!
//! HDF5 File Format Specification, VII.D "The Extensible Array Index".
//!
//! ```text
//! header
//! +------+---------+--------+--------------+----------+----------------+--------------+----------------+
//! | EAHD | version | client | element size | max bits | index elements | min elements | min pointers   |
//! |      |    0    |   u8   |      u8      |    u8    |       u8       | of a data    | of a super     |
//! |      |         |        |              |          |                | block  u8    | block  u8      |
//! +------+---------+--------+--------------+----------+----------------+--------------+----------------+
//! | page bits u8 | super blocks L | their bytes L | data blocks L | their bytes L | max index set L     |
//! | realised elements L | index block O | checksum u32                                                  |
//! +----------------------------------------------------------------------------------------------------+
//! ```
//!
//! The blocks are in `extensible_array_block`. Super block `u` has 2^(u/2) data blocks of
//! min elements * 2^((u+1)/2) elements; the first 2 * log2(min pointers) super blocks are not stored as such: the
//! index block points to their data blocks.

use binrw::binrw;

use super::chunk_element::ElementFormat;
use super::primitive::{
    Sizes, Structure, read_address, read_length, read_version, write_address, write_length,
};
use crate::error::{Context, Error, Result};

/// What an extensible array holds and where.
#[binrw]
#[brw(little, magic = b"EAHD", import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensibleArrayHeader {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// What the elements are.
    pub client: u8,
    /// Bytes of an element.
    pub element_size: u8,
    /// Bits of the number of elements.
    pub max_bits: u8,
    /// Elements in the index block.
    pub index_elements: u8,
    /// Elements of the smallest data block.
    pub min_elements: u8,
    /// Data blocks of the smallest super block.
    pub min_pointers: u8,
    /// Binary logarithm of the elements of a page.
    pub page_bits: u8,
    /// Number of super blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub super_blocks: u64,
    /// Bytes of all super blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub super_bytes: u64,
    /// Number of data blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub data_blocks: u64,
    /// Bytes of all data blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub data_bytes: u64,
    /// One more than the highest index that was ever set.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub max_index_set: u64,
    /// Number of elements for which there is room.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub realised: u64,
    /// Address of the index block; none before the first chunk is written.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub index_block: Option<u64>,
}

impl Structure for ExtensibleArrayHeader {
    const NAME: &'static str = "extensible array header";
    const CHECKSUM: bool = true;
}

impl ExtensibleArrayHeader {
    /// Bytes of the header.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        16 + 6 * sizes.length as usize + sizes.offset as usize
    }

    /// How the elements are stored.
    pub fn format(&self, sizes: Sizes) -> Result<ElementFormat> {
        ElementFormat::new(self.client, self.element_size, sizes).in_structure(Self::NAME)
    }

    /// The arithmetic of the blocks.
    ///
    /// # Errors
    /// `Corrupt` for numbers that contradict each other.
    pub fn shape(&self) -> Result<ArrayShape> {
        ArrayShape::new(self).in_structure(Self::NAME)
    }
}

/// How elements are spread over blocks, checked: all arithmetic on it stays within 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayShape {
    max_bits: u8,
    index_elements: u64,
    min_bits: u8,
    pointer_bits: u8,
    page_bits: u8,
}

/// Super block `u`, whether it is stored or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuperBlock {
    /// Number of its data blocks.
    pub data_blocks: u64,
    /// Elements of each of them.
    pub elements: u64,
    /// Elements of all super blocks before it, those of the index block excluded: its block offset.
    pub first_element: u64,
    /// Data blocks of all super blocks before it.
    pub first_data_block: u64,
    /// Pages of each data block; 0 if they have none.
    pub pages: u64,
}

/// Where an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the index block.
    Index {
        /// Number of the element.
        element: usize,
    },
    /// In a data block that the index block points to.
    DataBlock {
        /// Number of the pointer.
        pointer: usize,
        /// Super block that the data block counts to.
        super_block: u8,
        /// Number of the element in the data block.
        element: u64,
    },
    /// In a data block of a super block that the index block points to.
    SuperBlock {
        /// Number of the pointer.
        pointer: usize,
        /// Number of the super block.
        super_block: u8,
        /// Number of the data block in the super block.
        data_block: u64,
        /// Number of the element in the data block.
        element: u64,
    },
}

impl ArrayShape {
    fn new(header: &ExtensibleArrayHeader) -> Result<Self> {
        let power = |what: &str, value: u8| match value.is_power_of_two() {
            true => Ok(value.ilog2() as u8),
            false => Err(Error::corrupt(format!("{what} is {value}, not a power of two"))),
        };
        let shape = ArrayShape {
            max_bits: header.max_bits,
            index_elements: u64::from(header.index_elements),
            min_bits: power("the least number of elements", header.min_elements)?,
            pointer_bits: power("the least number of pointers", header.min_pointers)?,
            page_bits: header.page_bits,
        };
        // Super block u has min * 2^u elements: the highest is below 2^(max bits).
        if header.max_bits > 63 || shape.min_bits > header.max_bits {
            return Err(Error::corrupt(format!("{} bits of the number of elements", header.max_bits)));
        }
        if shape.first_super_block() > shape.super_blocks() {
            return Err(Error::corrupt(format!("{} pointers of a super block", header.min_pointers)));
        }
        // The data blocks that the index block points to have no bitmap of pages.
        if header.page_bits > 63 || shape.index_data_blocks_are_paged() {
            return Err(Error::corrupt(format!("pages of 2^{} elements", header.page_bits)));
        }
        Ok(shape)
    }

    fn index_data_blocks_are_paged(&self) -> bool {
        let last = self.first_super_block().checked_sub(1);
        last.is_some_and(|u| u32::from(self.min_bits) + u32::from(u).div_ceil(2) > u32::from(self.page_bits))
    }

    /// Number of super blocks of a full array, those included that are not stored.
    pub fn super_blocks(&self) -> u8 {
        1 + self.max_bits - self.min_bits
    }

    /// The first super block that is stored.
    pub fn first_super_block(&self) -> u8 {
        2 * self.pointer_bits
    }

    /// Elements in the index block.
    pub fn index_elements(&self) -> usize {
        self.index_elements as usize
    }

    /// Addresses of data blocks in the index block.
    pub fn index_data_blocks(&self) -> usize {
        2 * ((1 << self.pointer_bits) - 1)
    }

    /// Addresses of super blocks in the index block.
    pub fn index_super_blocks(&self) -> usize {
        usize::from(self.super_blocks() - self.first_super_block())
    }

    /// Bytes of the block offset in super blocks and data blocks.
    pub fn offset_width(&self) -> u8 {
        self.max_bits.div_ceil(8)
    }

    /// Elements of a page.
    pub fn page_elements(&self) -> u64 {
        1 << self.page_bits
    }

    /// Super block `u`.
    pub fn super_block(&self, u: u8) -> Result<SuperBlock> {
        if u >= self.super_blocks() {
            return Err(Error::corrupt(format!("super block {u} of {}", self.super_blocks())));
        }
        let data_blocks = 1u64 << (u / 2);
        let elements = 1u64 << (self.min_bits + u.div_ceil(2));
        let first_data_block = if u.is_multiple_of(2) { 2 * data_blocks - 2 } else { 3 * data_blocks - 2 };
        let pages = if elements > self.page_elements() { elements >> self.page_bits } else { 0 };
        let first_element = ((1u64 << u) - 1) << self.min_bits;
        Ok(SuperBlock { data_blocks, elements, first_element, first_data_block, pages })
    }

    /// The place of element `index`.
    ///
    /// # Errors
    /// `Corrupt` if the array cannot have so many.
    pub fn locate(&self, index: u64) -> Result<Place> {
        let Some(element) = index.checked_sub(self.index_elements) else {
            return Ok(Place::Index { element: index as usize });
        };
        // A super block beyond the last is an error either way.
        let u = (element >> self.min_bits).saturating_add(1).ilog2() as u8;
        let block = self.super_block(u)?;
        let within = element - block.first_element;
        let (data_block, element) = (within / block.elements, within % block.elements);
        Ok(match u.checked_sub(self.first_super_block()) {
            None => {
                let pointer = (block.first_data_block + data_block) as usize;
                Place::DataBlock { pointer, super_block: u, element }
            }
            Some(pointer) => {
                Place::SuperBlock { pointer: usize::from(pointer), super_block: u, data_block, element }
            }
        })
    }
}

#[cfg(test)]
#[path = "extensible_array_tests.rs"]
pub(super) mod tests;
