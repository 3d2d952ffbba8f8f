//! Fixed array: the chunk index of a dataset that cannot grow.
//!
//! HDF5 File Format Specification, VII.C "The Fixed Array Index".
//!
//! ```text
//! header
//! +------+---------+--------+--------------+-----------+----------+--------------+----------+
//! | FAHD | version | client | element size | page bits | elements | data block O | checksum |
//! |      |    0    |   u8   |      u8      |    u8     |    L     |              |   u32    |
//! +------+---------+--------+--------------+-----------+----------+--------------+----------+
//! data block, up to 2^(page bits) elements           data block of pages
//! +------+---+--------+----------+----------+----------+   +------+---+--------+----------+--------+----------+
//! | FADB | 0 | client | header O | elements | checksum |   | FADB | 0 | client | header O | bitmap | checksum |
//! +------+---+--------+----------+----------+----------+   +------+---+--------+----------+--------+----------+
//!                                                          | page: 2^(page bits) elements, checksum           |
//!                                                          | ...   the last page may be shorter               |
//!                                                          +--------------------------------------------------+
//! ```
//!
//! The bitmap has a bit a page, most significant first; a page whose bit is not set holds garbage.

use std::ops::Range;

use binrw::binrw;

use super::checksum;
use super::chunk_element::ElementFormat;
use super::primitive::{
    Bytes, Put, Sizes, Structure, read_address, read_length, read_version, write_address, write_length,
};
use crate::error::{Context, Error, Result};

const BLOCK: &[u8; 4] = b"FADB";
const BLOCK_NAME: &str = "fixed array data block";

/// What a fixed array holds and where.
#[binrw]
#[brw(little, magic = b"FAHD", import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedArrayHeader {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// What the elements are.
    pub client: u8,
    /// Bytes of an element.
    pub element_size: u8,
    /// Binary logarithm of the elements of a page.
    pub page_bits: u8,
    /// Number of elements.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub count: u64,
    /// Address of the data block; none before the first chunk is written.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub data_block: Option<u64>,
}

impl Structure for FixedArrayHeader {
    const NAME: &'static str = "fixed array header";
    const CHECKSUM: bool = true;
}

impl FixedArrayHeader {
    /// Bytes of the header.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        12 + sizes.length as usize + sizes.offset as usize
    }

    /// How the elements are stored.
    pub fn format(&self, sizes: Sizes) -> Result<ElementFormat> {
        ElementFormat::new(self.client, self.element_size, sizes).in_structure(Self::NAME)
    }

    /// Elements of every page but the last.
    pub fn page_elements(&self) -> u64 {
        1u64.checked_shl(u32::from(self.page_bits)).unwrap_or(u64::MAX)
    }

    /// Whether the elements are in pages.
    pub fn is_paged(&self) -> bool {
        self.count > self.page_elements()
    }

    /// Number of pages; 0 if the elements are in the data block itself.
    pub fn pages(&self) -> u64 {
        if self.is_paged() { self.count.div_ceil(self.page_elements()) } else { 0 }
    }

    /// Bytes to read of the data block before any page: all of it if there are none.
    ///
    /// # Errors
    /// `Corrupt` if it would be longer than any file.
    pub fn block_len(&self, sizes: Sizes) -> Result<u64> {
        let body = match self.pages() {
            0 => self.elements_len(self.count),
            pages => Some(pages.div_ceil(8)),
        };
        self.bounded(body.and_then(|n| n.checked_add(6 + u64::from(sizes.offset) + 4)))
    }

    /// Where page `page`, its checksum included, lies relative to the data block, and how many elements it has.
    pub fn page(&self, page: u64, sizes: Sizes) -> Result<(Range<u64>, u64)> {
        if page >= self.pages() {
            return Err(Error::usage(format!("page {page} of {}", self.pages())).in_structure(Self::NAME));
        }
        let elements = self.page_elements().min(self.count - page * self.page_elements());
        let range = || {
            let whole = self.elements_len(self.page_elements())?.checked_add(4)?;
            let start = page.checked_mul(whole)?.checked_add(self.block_len(sizes).ok()?)?;
            Some(start..start.checked_add(self.elements_len(elements)?.checked_add(4)?)?)
        };
        match range() {
            Some(range) => Ok((range, elements)),
            None => self.bounded(None).map(|end| (0..end, 0)),
        }
    }

    fn elements_len(&self, count: u64) -> Option<u64> {
        count.checked_mul(u64::from(self.element_size))
    }

    fn bounded(&self, len: Option<u64>) -> Result<u64> {
        len.ok_or_else(|| Error::corrupt(format!("{} elements", self.count)).in_structure(Self::NAME))
    }
}

/// The data block, without its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedArrayBlock<'a> {
    /// Address of the header.
    pub header: u64,
    /// A bit a page; empty if there are no pages.
    pub bitmap: &'a [u8],
    /// The bytes of all elements if there are no pages, otherwise none.
    pub elements: &'a [u8],
}

impl<'a> FixedArrayBlock<'a> {
    /// Parses the data block at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &'a [u8], array: &FixedArrayHeader, sizes: Sizes) -> Result<Self> {
        let parse = || {
            let whole = usize::try_from(array.block_len(sizes)?).ok().and_then(|n| bytes.get(..n));
            let mut b = Bytes(bytes);
            b.signature(BLOCK)?;
            b.version(0)?;
            let client = b.u8()?;
            if client != array.client {
                return Err(Error::corrupt(format!("client {client}, but {} in the header", array.client)));
            }
            let header = b.defined(sizes)?;
            let whole = whole.ok_or_else(|| Error::truncated("the block is shorter than its elements"))?;
            let body = &checksum::verify(whole)?[6 + usize::from(sizes.offset)..];
            let (bitmap, elements) = if array.is_paged() { (body, &[][..]) } else { (&[][..], body) };
            Ok(FixedArrayBlock { header, bitmap, elements })
        };
        parse().in_structure(BLOCK_NAME)
    }

    /// Whether a page was written.
    pub fn has_page(&self, page: u64) -> bool {
        bit(self.bitmap, page)
    }

    /// The bytes of the data block, without its pages.
    pub fn encode(&self, array: &FixedArrayHeader, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = BLOCK.to_vec();
        out.extend_from_slice(&[0, array.client]);
        out.uint(self.header, sizes.offset).in_structure(BLOCK_NAME)?;
        out.extend_from_slice(self.bitmap);
        out.extend_from_slice(self.elements);
        checksum::append(&mut out);
        if out.len() as u64 != array.block_len(sizes)? {
            return Err(Error::usage("bitmap or elements of another array").in_structure(BLOCK_NAME));
        }
        Ok(out)
    }
}

/// Whether bit `index` is set, counted from the most significant bit of the first byte; none is beyond the end.
pub fn bit(bitmap: &[u8], index: u64) -> bool {
    let byte = usize::try_from(index / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0)
}

/// The elements of a page without its checksum, which is verified.
pub fn page(bytes: &[u8]) -> Result<&[u8]> {
    checksum::verify(bytes).in_structure("page of a fixed or extensible array")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    // Of datasets that h5py wrote with libver='latest': four chunks of five elements.
    fn header() -> Vec<u8> {
        hex("464148440000080a0400000000000000cb050000000000001438933b")
    }
    fn block() -> Vec<u8> {
        hex(concat!(
            "4641444200006304000000000000008901000000000014890100000000002889010000000000",
            "3c89010000000000ef4dbd44"
        ))
    }

    #[test]
    fn of_a_file() {
        let array = FixedArrayHeader::decode(&header(), Sizes::EIGHT).unwrap();
        assert_eq!((array.client, array.element_size, array.page_bits, array.count), (0, 8, 10, 4));
        assert_eq!(array.encode(Sizes::EIGHT).unwrap(), header());
        assert_eq!(header().len(), FixedArrayHeader::encoded_len(Sizes::EIGHT));
        assert_eq!(array.block_len(Sizes::EIGHT).unwrap(), block().len() as u64);
        let bytes = block();
        let block = FixedArrayBlock::decode(&bytes, &array, Sizes::EIGHT).unwrap();
        assert_eq!((block.header, block.bitmap.len()), (0x463, 0));
        let format = array.format(Sizes::EIGHT).unwrap();
        let addresses: Vec<_> =
            format.decode_all(block.elements).map(|e| e.unwrap().address.unwrap()).collect();
        assert_eq!(addresses, [0x18900, 0x18914, 0x18928, 0x1893c]);
        assert_eq!(block.encode(&array, Sizes::EIGHT).unwrap(), bytes);
    }

    #[test]
    fn pages() {
        let array =
            FixedArrayHeader { client: 0, element_size: 8, page_bits: 10, count: 3000, data_block: None };
        assert_eq!((array.is_paged(), array.pages()), (true, 3));
        assert_eq!(array.block_len(Sizes::EIGHT).unwrap(), 14 + 1 + 4);
        assert_eq!(array.page(0, Sizes::EIGHT).unwrap(), (19..19 + 8196, 1024));
        assert_eq!(array.page(2, Sizes::EIGHT).unwrap(), (19 + 2 * 8196..19 + 2 * 8196 + 7620, 952));
        assert!(array.page(3, Sizes::EIGHT).is_err());
        let block = FixedArrayBlock { header: 9, bitmap: &[0x60], elements: &[] };
        let bytes = block.encode(&array, Sizes::EIGHT).unwrap();
        assert_eq!(FixedArrayBlock::decode(&bytes, &array, Sizes::EIGHT).unwrap(), block);
        assert_eq!([0, 1, 2, 3, u64::MAX].map(|p| block.has_page(p)), [false, true, true, false, false]);
        let exact = FixedArrayHeader { count: 1024, ..array };
        assert!(!exact.is_paged());
        let mut sealed = vec![1; 8];
        checksum::append(&mut sealed);
        assert_eq!(page(&sealed).unwrap(), [1; 8]);
        sealed[0] = 0;
        assert!(page(&sealed).is_err());
    }

    #[test]
    fn hostile() {
        for n in 0..header().len() {
            let e = FixedArrayHeader::decode(&header()[..n], Sizes::EIGHT).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
        }
        let bad = |at: usize, value: u8| {
            let mut bytes = header();
            bytes[at] = value;
            FixedArrayHeader::decode(&bytes, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(9, 1).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
        let array = FixedArrayHeader::decode(&header(), Sizes::EIGHT).unwrap();
        for (count, page_bits) in [(u64::MAX, 255), (u64::MAX, 0), (u64::MAX, 63), (u64::MAX / 2, 1)] {
            let wild = FixedArrayHeader { count, page_bits, element_size: 255, ..array.clone() };
            let _ = wild.block_len(Sizes::EIGHT);
            let _ = wild.page(wild.pages().saturating_sub(1), Sizes::EIGHT);
            assert!(FixedArrayBlock::decode(&block(), &wild, Sizes::EIGHT).is_err());
        }
        let fail = |at: usize, value: u8| {
            let mut bytes = block();
            bytes[at] = value;
            FixedArrayBlock::decode(&bytes, &array, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(fail(3, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(fail(4, 1).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(fail(5, 1).kind(), ErrorKind::Corrupt(t) if t.contains("client")));
        assert!(matches!(fail(20, 1).kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
        let e = FixedArrayBlock::decode(&block()[..40], &array, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)));
    }
}
