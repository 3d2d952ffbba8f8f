//! Free-space manager: which parts of a file or of a fractal heap are free.
//!
//! HDF5 File Format Specification, III.F "Disk Format: Level 1F - Global Heap ... Free-space Manager".
//!
//! ```text
//! header
//! +------+---------+-----------+---------+------------+------------+---------+------------+
//! | FSHD | version | client u8 | space L | sections L | serialized | ghost L | classes u16|
//! |      |    0    |           |         |            | sections L |         |            |
//! +------+---------+-----------+---------+------------+------------+---------+------------+
//! | shrink u16 | expand u16 | address bits u16 | max section L | section list O           |
//! | section list bytes used L | allocated L | checksum u32                                |
//! +---------------------------------------------------------------------------------------+
//! section list
//! +------+---------+----------+------------------------------------------+-------+----------+
//! | FSSE | version | header O | sections of a size: count, size,         | slack | checksum |
//! |      |    0    |          |   each: offset, type u8, data            |       |   u32    |
//! +------+---------+----------+------------------------------------------+-------+----------+
//! data, of types 1 and 3 of a fractal heap: heap offset, row u16, column u16, count u16
//! ```
//!
//! The checksum ends the "bytes used", which may be more than the sections need.

use binrw::binrw;

use super::checksum;
use super::primitive::{
    Bytes, Put, Sizes, Structure, limit_width, read_address, read_length, read_version, write_address,
    write_length,
};
use crate::error::{Context, Error, Result};

const LIST: &[u8; 4] = b"FSSE";
const LIST_NAME: &str = "free-space section list";

/// Client of the free space of a fractal heap.
pub const CLIENT_HEAP: u8 = 0;
/// Client of the free space of a file.
pub const CLIENT_FILE: u8 = 1;

/// What is known of a free space.
#[binrw]
#[brw(little, magic = b"FSHD", import(sizes: Sizes))]
#[br(assert(client <= CLIENT_FILE, "client {client}"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeSpaceHeader {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// [`CLIENT_HEAP`] or [`CLIENT_FILE`].
    pub client: u8,
    /// Free bytes.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub space: u64,
    /// Number of sections.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub sections: u64,
    /// Number of sections in the list.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub serialized: u64,
    /// Number of sections that are not in the list.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub ghost: u64,
    /// Number of classes of sections.
    pub classes: u16,
    /// Percentage of use below which the list shrinks.
    pub shrink: u16,
    /// Percentage by which the list grows.
    pub expand: u16,
    /// Bits of an offset.
    pub address_bits: u16,
    /// Bytes of the largest section.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub max_section: u64,
    /// Address of the list.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub list: Option<u64>,
    /// Bytes of the list, its checksum included.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub list_used: u64,
    /// Bytes set aside for the list.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub list_allocated: u64,
}

impl Structure for FreeSpaceHeader {
    const NAME: &'static str = "free-space header";
    const CHECKSUM: bool = true;
}

impl FreeSpaceHeader {
    /// Bytes of the header.
    pub const fn encoded_len(sizes: Sizes) -> usize {
        18 + 7 * sizes.length as usize + sizes.offset as usize
    }

    fn widths(&self) -> (u8, u8, u8) {
        let offset = self.address_bits.min(64).div_ceil(8) as u8;
        (limit_width(self.serialized), limit_width(self.max_section), offset)
    }

    fn has_rows(&self, kind: u8) -> bool {
        self.client == CLIENT_HEAP && (kind == 1 || kind == 3)
    }
}

/// Blocks of a fractal heap that do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeRows {
    /// Heap offset of the indirect block.
    pub offset: u64,
    /// First row.
    pub row: u16,
    /// First column.
    pub column: u16,
    /// Number of blocks.
    pub count: u16,
}

/// A free part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSection {
    /// Bytes.
    pub size: u64,
    /// Address in the file, or heap offset.
    pub offset: u64,
    /// What kind of section its client takes it for.
    pub kind: u8,
    /// Which blocks of a fractal heap it is made of.
    pub rows: Option<FreeRows>,
}

/// Parses the section list at the start of `bytes`; its checksum is verified. Tells the address of the header too.
pub fn decode_sections(
    bytes: &[u8],
    space: &FreeSpaceHeader,
    sizes: Sizes,
) -> Result<(u64, Vec<FreeSection>)> {
    let parse = || {
        Bytes(bytes).signature(LIST)?;
        let whole = usize::try_from(space.list_used).ok().and_then(|n| bytes.get(..n));
        let whole = whole.ok_or_else(|| Error::truncated("the block is shorter than the list"))?;
        let mut b = Bytes(checksum::verify(whole)?);
        b.signature(LIST)?;
        b.version(0)?;
        let header = b.defined(sizes)?;
        let (count_width, size_width, offset_width) = space.widths();
        // A section takes bytes of the list: their number is bounded by its length, not by the header's word.
        let mut sections = Vec::new();
        while (sections.len() as u64) < space.serialized {
            let (count, size) = (b.uint(count_width)?, b.uint(size_width)?);
            if count == 0 || count > space.serialized - sections.len() as u64 {
                return Err(Error::corrupt(format!("{count} sections of {size} bytes")));
            }
            for _ in 0..count {
                let (offset, kind) = (b.uint(offset_width)?, b.u8()?);
                let rows = match space.has_rows(kind) {
                    true => Some(FreeRows {
                        offset: b.uint(offset_width)?,
                        row: b.u16()?,
                        column: b.u16()?,
                        count: b.u16()?,
                    }),
                    false => None,
                };
                sections.push(FreeSection { size, offset, kind, rows });
            }
        }
        Ok((header, sections))
    };
    parse().in_structure(LIST_NAME)
}

/// The bytes of a section list, as many as the header says are used; sections of one size follow each other.
pub fn encode_sections(
    header: u64,
    sections: &[FreeSection],
    space: &FreeSpaceHeader,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let encode = || {
        let (count_width, size_width, offset_width) = space.widths();
        let mut out = LIST.to_vec();
        out.push(0);
        out.uint(header, sizes.offset)?;
        for group in sections.chunk_by(|a, b| a.size == b.size) {
            out.uint(group.len() as u64, count_width)?;
            out.uint(group[0].size, size_width)?;
            for section in group {
                out.uint(section.offset, offset_width)?;
                out.push(section.kind);
                if let Some(rows) = section.rows.filter(|_| space.has_rows(section.kind)) {
                    out.uint(rows.offset, offset_width)?;
                    [rows.row, rows.column, rows.count]
                        .iter()
                        .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
                }
            }
        }
        let end = space.list_used.checked_sub(checksum::CHECKSUM_LEN as u64);
        match end.and_then(|n| usize::try_from(n).ok()).filter(|&n| n >= out.len()) {
            Some(end) => out.resize(end, 0),
            None => return Err(Error::usage(format!("{} bytes used of {}", out.len(), space.list_used))),
        }
        checksum::append(&mut out);
        Ok(out)
    };
    encode().in_structure(LIST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn header() -> FreeSpaceHeader {
        FreeSpaceHeader {
            client: CLIENT_FILE,
            space: 300,
            sections: 3,
            serialized: 3,
            ghost: 0,
            classes: 3,
            shrink: 80,
            expand: 120,
            address_bits: 16,
            max_section: 300,
            list: Some(0x400),
            list_used: 13 + 2 * 3 + 3 * 3 + 4,
            list_allocated: 64,
        }
    }

    const LITERAL: &[u8] =
        b"FSHD\0\x01\x2c\x01\x03\0\x03\0\0\0\x03\0\x50\0\x78\0\x10\0\x2c\x01\0\x04\0\0\x1c\0\x40\0";

    #[test]
    fn literal_header() {
        let sizes = Sizes { offset: 4, length: 2 };
        let value = FreeSpaceHeader { list_used: 28, ..header() };
        let bytes = value.encode(sizes).unwrap();
        assert_eq!(&bytes[..bytes.len() - 4], LITERAL);
        assert_eq!(bytes.len(), FreeSpaceHeader::encoded_len(sizes));
        assert_eq!(FreeSpaceHeader::decode(&bytes, sizes).unwrap(), value);
        for n in 0..bytes.len() {
            let e = FreeSpaceHeader::decode(&bytes[..n], sizes).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
        }
        for (at, value) in [(0, 0), (5, 2), (7, 9)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            let e = FreeSpaceHeader::decode(&bad, sizes).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Corrupt(_)));
        }
        let mut bad = bytes.clone();
        bad[4] = 1;
        assert!(matches!(
            FreeSpaceHeader::decode(&bad, sizes).unwrap_err().kind(),
            ErrorKind::Unsupported(_)
        ));
    }

    #[test]
    fn literal_sections() {
        let mut bytes = b"FSSE\0\0\x02\0\0\0\0\0\0\x02\x64\0\0\x01\0\0\x03\x01\x01\x2c\x01\0\x05\0".to_vec();
        checksum::append(&mut bytes);
        let (at, sections) = decode_sections(&bytes, &header(), Sizes::EIGHT).unwrap();
        assert_eq!(at, 0x200);
        let of = |size, offset, kind| FreeSection { size, offset, kind, rows: None };
        assert_eq!(sections, [of(100, 0x100, 0), of(100, 0x300, 1), of(300, 0x500, 0)]);
        assert_eq!(encode_sections(at, &sections, &header(), Sizes::EIGHT).unwrap(), bytes);
        let slack = FreeSpaceHeader { list_used: 64, ..header() };
        let padded = encode_sections(at, &sections, &slack, Sizes::EIGHT).unwrap();
        assert_eq!(decode_sections(&padded, &slack, Sizes::EIGHT).unwrap().1, sections);
        bytes[14] = 0;
        let e = decode_sections(&bytes, &header(), Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
    }

    #[test]
    fn rows_of_a_fractal_heap() {
        let space = FreeSpaceHeader { client: CLIENT_HEAP, list_used: 100, serialized: 1, ..header() };
        let rows = Some(FreeRows { offset: 1, row: 2, column: 3, count: 4 });
        let sections = [FreeSection { size: 7, offset: 9, kind: 1, rows }];
        let bytes = encode_sections(5, &sections, &space, Sizes::EIGHT).unwrap();
        assert_eq!(decode_sections(&bytes, &space, Sizes::EIGHT).unwrap(), (5, sections.to_vec()));
        // More sections than the list has bytes for.
        let wild = FreeSpaceHeader { serialized: u64::MAX, ..space };
        let e = decode_sections(&bytes, &wild, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Corrupt(_) | ErrorKind::Truncated(_)));
        let tiny = FreeSpaceHeader { list_used: 3, ..header() };
        assert!(decode_sections(&bytes, &tiny, Sizes::EIGHT).is_err());
        assert!(encode_sections(5, &sections, &tiny, Sizes::EIGHT).is_err());
    }
}
