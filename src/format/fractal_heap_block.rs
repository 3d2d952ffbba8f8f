//! Direct and indirect blocks of a fractal heap.
//!
//! HDF5 File Format Specification, III.G "Fractal Heap Direct Block" and "Fractal Heap Indirect Block".
//!
//! ```text
//! direct                                          indirect
//! +------+---------+-----------+--------------+   +------+---------+-----------+--------------+
//! | FHDB | version | heap      | block offset |   | FHIB | version | heap      | block offset |
//! |      |    0    | header O  | heap bits    |   |      |    0    | header O  | heap bits    |
//! +------+---------+-----------+--------------+   +------+---------+-----------+--------------+
//! | [checksum u32 of the whole block, itself  |   | direct child: address O                   |
//! | taken as zero: heap flag 2]               |   |   [filtered size L, mask u32]             |
//! | objects                                   |   | indirect child: address O                 |
//! +-------------------------------------------+   | checksum u32                              |
//!                                                 +-------------------------------------------+
//! ```
//!
//! An object's heap offset counts the header of its block too. In a heap with filters the direct block is
//! unfiltered before it is parsed.

use super::checksum;
use super::doubling_table::DoublingTable;
use super::fractal_heap::FractalHeapHeader;
use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const DIRECT: &[u8; 4] = b"FHDB";
const INDIRECT: &[u8; 4] = b"FHIB";
const DIRECT_NAME: &str = "fractal heap direct block";
const INDIRECT_NAME: &str = "fractal heap indirect block";

/// What precedes the objects of a direct block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectBlock {
    /// Address of the heap's header.
    pub heap: u64,
    /// Heap offset of the block.
    pub offset: u64,
    /// Bytes before the first object.
    pub prefix_len: usize,
}

impl DirectBlock {
    /// Bytes before the first object.
    pub fn prefix_len(heap: &FractalHeapHeader, sizes: Sizes) -> usize {
        let checksum = if heap.checksums_direct() { checksum::CHECKSUM_LEN } else { 0 };
        5 + usize::from(sizes.offset + heap.offset_width()) + checksum
    }

    /// Parses the block that is all of `bytes`; its checksum, if the heap has them, is verified if `verify` says so.
    pub fn decode(bytes: &[u8], heap: &FractalHeapHeader, verify: bool, sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.signature(DIRECT)?;
            b.version(0)?;
            let address = b.defined(sizes)?;
            let offset = b.uint(heap.offset_width())?;
            if heap.checksums_direct() {
                let hole = bytes.len() - b.0.len();
                let stored = b.u32()?;
                if verify {
                    checksum::compare(stored, checksum::lookup3_with_hole(bytes, hole)?)?;
                }
            }
            Ok(DirectBlock { heap: address, offset, prefix_len: bytes.len() - b.0.len() })
        };
        parse().in_structure(DIRECT_NAME)
    }

    /// Writes the prefix into the start of `block`, whose objects are in their places, and its checksum.
    pub fn encode_into(&self, block: &mut [u8], heap: &FractalHeapHeader, sizes: Sizes) -> Result<()> {
        let prefix_len = Self::prefix_len(heap, sizes);
        let mut out = Vec::with_capacity(prefix_len);
        out.extend_from_slice(DIRECT);
        out.push(0);
        out.uint(self.heap, sizes.offset).in_structure(DIRECT_NAME)?;
        out.uint(self.offset, heap.offset_width()).in_structure(DIRECT_NAME)?;
        let hole = out.len();
        out.resize(prefix_len, 0);
        let Some(prefix) = block.get_mut(..prefix_len) else {
            return Err(Error::usage("a block shorter than its prefix").in_structure(DIRECT_NAME));
        };
        prefix.copy_from_slice(&out);
        if heap.checksums_direct() {
            let checksum = checksum::lookup3(block);
            block[hole..prefix_len].copy_from_slice(&checksum.to_le_bytes());
        }
        Ok(())
    }
}

/// Where a block below an indirect block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildBlock {
    /// Address; none if the block does not exist.
    pub address: Option<u64>,
    /// Bytes in the file and filters skipped, of a direct block in a heap with filters.
    pub filtered: Option<(u64, u32)>,
}

/// How the children of an indirect block are laid out.
#[derive(Clone, Copy, Debug)]
struct Entries {
    direct: usize,
    indirect: usize,
    direct_len: usize,
    filtered: bool,
    sizes: Sizes,
}

impl Entries {
    fn new(heap: &FractalHeapHeader, table: &DoublingTable, rows: u16, sizes: Sizes) -> Result<Self> {
        if rows > table.max_rows() {
            return Err(Error::corrupt(format!("{rows} rows, of {} at most", table.max_rows())));
        }
        let filtered = heap.filters.is_some();
        let direct_rows = usize::from(rows.min(table.direct_rows()));
        let width = usize::from(table.width);
        Ok(Entries {
            direct: direct_rows * width,
            indirect: (usize::from(rows) - direct_rows) * width,
            direct_len: usize::from(sizes.offset) + if filtered { 4 + usize::from(sizes.length) } else { 0 },
            filtered,
            sizes,
        })
    }

    fn bytes(&self) -> usize {
        self.direct * self.direct_len + self.indirect * usize::from(self.sizes.offset)
    }
}

/// A table of blocks over the bytes that hold it.
#[derive(Clone, Copy, Debug)]
pub struct IndirectBlock<'a> {
    /// Address of the heap's header.
    pub heap: u64,
    /// Heap offset of the first block in it.
    pub offset: u64,
    entries: Entries,
    body: &'a [u8],
}

impl<'a> IndirectBlock<'a> {
    /// Bytes of an indirect block of so many rows.
    pub fn encoded_len(
        heap: &FractalHeapHeader,
        table: &DoublingTable,
        rows: u16,
        sizes: Sizes,
    ) -> Result<usize> {
        let entries = Entries::new(heap, table, rows, sizes).in_structure(INDIRECT_NAME)?;
        Ok(5 + usize::from(sizes.offset + heap.offset_width()) + entries.bytes() + checksum::CHECKSUM_LEN)
    }

    /// The indirect block of so many rows at the start of `bytes`; its checksum is verified.
    pub fn decode(
        bytes: &'a [u8],
        heap: &FractalHeapHeader,
        table: &DoublingTable,
        rows: u16,
        sizes: Sizes,
    ) -> Result<Self> {
        let parse = || {
            let entries = Entries::new(heap, table, rows, sizes)?;
            let mut b = Bytes(bytes);
            b.signature(INDIRECT)?;
            b.version(0)?;
            let address = b.defined(sizes)?;
            let offset = b.uint(heap.offset_width())?;
            let body = b.take(entries.bytes())?;
            b.take(checksum::CHECKSUM_LEN)?;
            checksum::verify(&bytes[..bytes.len() - b.0.len()])?;
            Ok(IndirectBlock { heap: address, offset, entries, body })
        };
        parse().in_structure(INDIRECT_NAME)
    }

    /// Number of children: rows times width.
    pub fn len(&self) -> usize {
        self.entries.direct + self.entries.indirect
    }

    /// Whether there are no children.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Child `index`: row times width plus column.
    pub fn child(&self, index: usize) -> Result<ChildBlock> {
        let parse = || {
            if index >= self.len() {
                return Err(Error::usage(format!("child {index} of {}", self.len())));
            }
            let Entries { direct, direct_len, sizes, filtered, .. } = self.entries;
            let at = match index.checked_sub(direct) {
                None => index * direct_len,
                Some(indirect) => direct * direct_len + indirect * usize::from(sizes.offset),
            };
            let mut b = Bytes(&self.body[at..]);
            let address = b.address(sizes)?;
            let filtered = if filtered && index < direct { Some((b.length(sizes)?, b.u32()?)) } else { None };
            Ok(ChildBlock { address, filtered })
        };
        parse().in_structure(INDIRECT_NAME)
    }

    /// Bytes of an indirect block of these children: `rows` times the width of the table.
    ///
    /// # Errors
    /// `Usage` if there are more or fewer children, `Corrupt` if a value does not fit its field.
    pub fn encode(
        address: u64,
        offset: u64,
        children: &[ChildBlock],
        heap: &FractalHeapHeader,
        table: &DoublingTable,
        sizes: Sizes,
    ) -> Result<Vec<u8>> {
        let encode = || {
            let width = usize::from(table.width);
            let rows = u16::try_from(children.len() / width).unwrap_or(u16::MAX);
            let entries = Entries::new(heap, table, rows, sizes)?;
            if entries.direct + entries.indirect != children.len() {
                return Err(Error::usage(format!("{} children in rows of {width}", children.len())));
            }
            let mut out = Vec::with_capacity(Self::encoded_len(heap, table, rows, sizes)?);
            out.extend_from_slice(INDIRECT);
            out.push(0);
            out.uint(address, sizes.offset)?;
            out.uint(offset, heap.offset_width())?;
            for (i, child) in children.iter().enumerate() {
                out.address(child.address, sizes)?;
                if entries.filtered && i < entries.direct {
                    let (size, mask) = child.filtered.unwrap_or_default();
                    out.length(size, sizes)?;
                    out.extend_from_slice(&mask.to_le_bytes());
                }
            }
            checksum::append(&mut out);
            Ok(out)
        };
        encode().in_structure(INDIRECT_NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fractal_heap::HeapFilters;
    use super::super::fractal_heap::tests::of_links;
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn direct_block() {
        let heap = of_links();
        let block = DirectBlock { heap: 0x759, offset: 512, prefix_len: 21 };
        let mut bytes = vec![0xaa; 64];
        block.encode_into(&mut bytes, &heap, Sizes::EIGHT).unwrap();
        assert_eq!(&bytes[..17], b"FHDB\0\x59\x07\0\0\0\0\0\0\0\x02\0\0");
        assert_eq!(DirectBlock::decode(&bytes, &heap, true, Sizes::EIGHT).unwrap(), block);
        bytes[63] ^= 1;
        let e = DirectBlock::decode(&bytes, &heap, true, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
        assert!(DirectBlock::decode(&bytes, &heap, false, Sizes::EIGHT).is_ok());
        let e = DirectBlock::decode(&bytes[..20], &heap, true, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)));
        let plain = FractalHeapHeader { flags: 0, ..heap };
        assert_eq!(DirectBlock::decode(&bytes, &plain, true, Sizes::EIGHT).unwrap().prefix_len, 17);
        assert!(block.encode_into(&mut bytes[..16], &plain, Sizes::EIGHT).is_err());
    }

    #[test]
    fn indirect_block() {
        let mut heap = of_links();
        let table = heap.table().unwrap();
        for filters in [None, Some(HeapFilters { root_size: 0, root_mask: 0, pipeline: vec![2, 0] })] {
            heap.filters = filters;
            let mut children = vec![ChildBlock::default(); 40];
            children[1].address = Some(0x1000);
            children[36].address = Some(0x2000);
            if heap.filters.is_some() {
                children[..36].iter_mut().for_each(|c| c.filtered = Some((77, 1)));
            }
            let bytes = IndirectBlock::encode(0x759, 0, &children, &heap, &table, Sizes::EIGHT).unwrap();
            let len = IndirectBlock::encoded_len(&heap, &table, 10, Sizes::EIGHT).unwrap();
            assert_eq!(bytes.len(), len);
            let block = IndirectBlock::decode(&bytes, &heap, &table, 10, Sizes::EIGHT).unwrap();
            assert_eq!((block.heap, block.offset, block.len()), (0x759, 0, 40));
            let found: Vec<_> = (0..40).map(|i| block.child(i).unwrap()).collect();
            assert_eq!(found, children);
            assert!(block.child(40).is_err());
            let fail = |bytes: &[u8], rows| {
                IndirectBlock::decode(bytes, &heap, &table, rows, Sizes::EIGHT).unwrap_err()
            };
            assert!(matches!(fail(&bytes, 11).kind(), ErrorKind::Truncated(_)));
            assert!(matches!(fail(&bytes, 9).kind(), ErrorKind::Corrupt(_)));
            assert!(matches!(fail(&bytes, u16::MAX).kind(), ErrorKind::Corrupt(_)));
            assert!(matches!(fail(&bytes[1..], 10).kind(), ErrorKind::Corrupt(_)));
        }
        assert!(
            IndirectBlock::encode(0, 0, &[ChildBlock::default(); 3], &heap, &table, Sizes::EIGHT).is_err()
        );
    }
}
