//! Index block, super blocks and data blocks of an extensible array.
//!
//! HDF5 File Format Specification, VII.D "Extensible Array Index Block", "Secondary Block" and "Data Block".
//!
//! ```text
//! +------+---+--------+----------+   +------+---+--------+----------+--------+
//! | EAIB | 0 | client | header O |   | EASB | 0 | client | header O | offset |
//! +------+---+--------+----------+   +------+---+--------+----------+--------+
//! | elements                     |   | bitmap of pages, if there are any     |
//! | data block addresses O       |   | data block addresses O                |
//! | super block addresses O      |   | checksum u32                          |
//! | checksum u32                 |   +---------------------------------------+
//! +------------------------------+
//! +------+---+--------+----------+--------+----------+----------+
//! | EADB | 0 | client | header O | offset | elements | checksum |
//! +------+---+--------+----------+--------+----------+----------+
//! data block of pages: no elements; after its checksum, pages: elements, checksum u32
//! ```
//!
//! The offset, of (max bits + 7) / 8 bytes, is the number of elements before the block; libhdf5 does not check it, and
//! writes something else for the blocks that the index block points to. The bitmap of a super block has
//! ceil(pages / 8) bytes a data block, but its bits are packed without gaps, most significant first.

use std::ops::Range;

use super::checksum;
use super::extensible_array::{ArrayShape, ExtensibleArrayHeader, SuperBlock};
use super::fixed_array::bit;
use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const INDEX: (&[u8; 4], &str) = (b"EAIB", "extensible array index block");
const SUPER: (&[u8; 4], &str) = (b"EASB", "extensible array super block");
const DATA: (&[u8; 4], &str) = (b"EADB", "extensible array data block");

/// An array, as far as its blocks need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayLayout {
    /// Where the elements are.
    pub shape: ArrayShape,
    client: u8,
    element_size: u64,
    sizes: Sizes,
}

impl ArrayLayout {
    /// Of the array with this header.
    pub fn new(header: &ExtensibleArrayHeader, sizes: Sizes) -> Result<Self> {
        let format = header.format(sizes)?;
        let element_size = format.len() as u64;
        Ok(ArrayLayout { shape: header.shape()?, client: header.client, element_size, sizes })
    }

    fn start_len(&self, with_offset: bool) -> u64 {
        let offset = if with_offset { self.shape.offset_width() } else { 0 };
        6 + u64::from(self.sizes.offset) + u64::from(offset)
    }

    /// Bytes of the index block.
    pub fn index_len(&self) -> u64 {
        let addresses = (self.shape.index_data_blocks() + self.shape.index_super_blocks()) as u64;
        let elements = self.shape.index_elements() as u64 * self.element_size;
        self.start_len(false) + elements + addresses * u64::from(self.sizes.offset) + 4
    }

    fn bitmap_len(&self, block: &SuperBlock) -> u64 {
        block.data_blocks * block.pages.div_ceil(8)
    }

    /// Bytes of super block `u`.
    ///
    /// # Errors
    /// `Corrupt` if the array has no such block.
    pub fn super_len(&self, u: u8) -> Result<u64> {
        let block = self.shape.super_block(u).in_structure(SUPER.1)?;
        let addresses = block.data_blocks * u64::from(self.sizes.offset);
        Ok(self.start_len(true) + self.bitmap_len(&block) + addresses + 4)
    }

    /// Bytes of a data block of super block `u` before any page: all of it if there are none.
    pub fn data_len(&self, u: u8) -> Result<u64> {
        let block = self.shape.super_block(u).in_structure(DATA.1)?;
        let elements = if block.pages > 0 { 0 } else { block.elements * self.element_size };
        Ok(self.start_len(true) + elements + 4)
    }

    /// Where page `page` of a data block of super block `u`, its checksum included, lies relative to the data block.
    /// Its bytes are verified and stripped by [`fixed_array::page`](super::fixed_array::page).
    pub fn page(&self, u: u8, page: u64) -> Result<Range<u64>> {
        let block = self.shape.super_block(u).in_structure(DATA.1)?;
        if page >= block.pages {
            return Err(Error::usage(format!("page {page} of {}", block.pages)).in_structure(DATA.1));
        }
        let len = self.shape.page_elements() * self.element_size + 4;
        let start = self.data_len(u)? + page * len;
        Ok(start..start + len)
    }

    /// Checks what all blocks start with, and the checksum of the first `len` bytes; tells the rest and the header.
    fn open<'a>(&self, bytes: &'a [u8], signature: &[u8; 4], len: u64) -> Result<(u64, Bytes<'a>)> {
        let mut b = Bytes(bytes);
        b.signature(signature)?;
        b.version(0)?;
        let client = b.u8()?;
        if client != self.client {
            return Err(Error::corrupt(format!("client {client}, but {} in the header", self.client)));
        }
        let header = b.defined(self.sizes)?;
        let whole = usize::try_from(len).ok().and_then(|n| bytes.get(..n));
        let whole =
            whole.ok_or_else(|| Error::truncated(format!("{len} bytes wanted, {} left", bytes.len())))?;
        let body = checksum::verify(whole)?;
        Ok((header, Bytes(&body[6 + usize::from(self.sizes.offset)..])))
    }

    fn start(&self, signature: &[u8; 4], header: u64) -> Result<Vec<u8>> {
        let mut out = signature.to_vec();
        out.extend_from_slice(&[0, self.client]);
        out.uint(header, self.sizes.offset)?;
        Ok(out)
    }

    fn close(mut out: Vec<u8>, len: u64) -> Result<Vec<u8>> {
        checksum::append(&mut out);
        if out.len() as u64 != len {
            return Err(Error::usage(format!("a block of {} bytes, not {len}", out.len())));
        }
        Ok(out)
    }
}

/// Addresses one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses<'a> {
    bytes: &'a [u8],
    sizes: Sizes,
}

impl<'a> Addresses<'a> {
    /// Number of addresses.
    pub fn len(&self) -> usize {
        self.bytes.len() / usize::from(self.sizes.offset.max(1))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Address `index`; none if the block does not exist, an error beyond the last.
    pub fn get(&self, index: usize) -> Result<Option<u64>> {
        let at = index.saturating_mul(usize::from(self.sizes.offset));
        Bytes(self.bytes.get(at..).unwrap_or_default()).address(self.sizes)
    }
}

/// The block that starts an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexBlock<'a> {
    /// Address of the array's header.
    pub header: u64,
    /// The bytes of the first elements.
    pub elements: &'a [u8],
    /// Addresses of the first data blocks.
    pub data_blocks: Addresses<'a>,
    /// Addresses of the super blocks.
    pub super_blocks: Addresses<'a>,
}

impl<'a> IndexBlock<'a> {
    /// Parses the block at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &'a [u8], array: &ArrayLayout) -> Result<Self> {
        let parse = || {
            let (header, mut b) = array.open(bytes, INDEX.0, array.index_len())?;
            let elements = b.take(array.shape.index_elements() * array.element_size as usize)?;
            let width = usize::from(array.sizes.offset);
            let data_blocks = b.take(array.shape.index_data_blocks() * width)?;
            let addresses = |bytes| Addresses { bytes, sizes: array.sizes };
            Ok(IndexBlock {
                header,
                elements,
                data_blocks: addresses(data_blocks),
                super_blocks: addresses(b.0),
            })
        };
        parse().in_structure(INDEX.1)
    }

    /// The bytes of an index block.
    pub fn encode(
        array: &ArrayLayout,
        header: u64,
        elements: &[u8],
        data_blocks: &[Option<u64>],
        super_blocks: &[Option<u64>],
    ) -> Result<Vec<u8>> {
        let encode = || {
            let mut out = array.start(INDEX.0, header)?;
            out.extend_from_slice(elements);
            for address in data_blocks.iter().chain(super_blocks) {
                out.address(*address, array.sizes)?;
            }
            ArrayLayout::close(out, array.index_len())
        };
        encode().in_structure(INDEX.1)
    }
}

/// A block of addresses of data blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSuperBlock<'a> {
    /// Address of the array's header.
    pub header: u64,
    /// Block offset, as stored.
    pub offset: u64,
    /// Which pages of which data blocks were written; empty if they have no pages.
    pub bitmap: &'a [u8],
    /// Addresses of the data blocks.
    pub data_blocks: Addresses<'a>,
    pages: u64,
}

impl<'a> StoredSuperBlock<'a> {
    /// Parses super block `u` at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &'a [u8], array: &ArrayLayout, u: u8) -> Result<Self> {
        let parse = || {
            let block = array.shape.super_block(u)?;
            let (header, mut b) = array.open(bytes, SUPER.0, array.super_len(u)?)?;
            let offset = b.uint(array.shape.offset_width())?;
            let bitmap = b.take(array.bitmap_len(&block) as usize)?;
            let data_blocks = Addresses { bytes: b.0, sizes: array.sizes };
            Ok(StoredSuperBlock { header, offset, bitmap, data_blocks, pages: block.pages })
        };
        parse().in_structure(SUPER.1)
    }

    /// Whether a page of a data block was written.
    pub fn has_page(&self, data_block: u64, page: u64) -> bool {
        let index = data_block.checked_mul(self.pages).and_then(|n| n.checked_add(page));
        page < self.pages && index.is_some_and(|index| bit(self.bitmap, index))
    }

    /// The bytes of super block `u`.
    pub fn encode(
        array: &ArrayLayout,
        u: u8,
        header: u64,
        bitmap: &[u8],
        data_blocks: &[Option<u64>],
    ) -> Result<Vec<u8>> {
        let encode = || {
            let mut out = array.start(SUPER.0, header)?;
            out.uint(array.shape.super_block(u)?.first_element, array.shape.offset_width())?;
            out.extend_from_slice(bitmap);
            for address in data_blocks {
                out.address(*address, array.sizes)?;
            }
            ArrayLayout::close(out, array.super_len(u)?)
        };
        encode().in_structure(SUPER.1)
    }
}

/// A block of elements, without its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataBlock<'a> {
    /// Address of the array's header.
    pub header: u64,
    /// Block offset, as stored.
    pub offset: u64,
    /// The bytes of all elements if there are no pages, otherwise none.
    pub elements: &'a [u8],
}

impl<'a> DataBlock<'a> {
    /// Parses a data block of super block `u` at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &'a [u8], array: &ArrayLayout, u: u8) -> Result<Self> {
        let parse = || {
            let (header, mut b) = array.open(bytes, DATA.0, array.data_len(u)?)?;
            let offset = b.uint(array.shape.offset_width())?;
            Ok(DataBlock { header, offset, elements: b.0 })
        };
        parse().in_structure(DATA.1)
    }

    /// The bytes of a data block of super block `u`, without its pages.
    pub fn encode(&self, array: &ArrayLayout, u: u8) -> Result<Vec<u8>> {
        let encode = || {
            let mut out = array.start(DATA.0, self.header)?;
            out.uint(self.offset, array.shape.offset_width())?;
            out.extend_from_slice(self.elements);
            ArrayLayout::close(out, array.data_len(u)?)
        };
        encode().in_structure(DATA.1)
    }
}

#[cfg(test)]
#[path = "extensible_array_block_tests.rs"]
mod tests;
