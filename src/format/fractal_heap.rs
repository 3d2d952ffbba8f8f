//! Fractal heap header: where the links, attributes and shared messages of version 2 B-trees lie.
//!
//! HDF5 File Format Specification, III.G "Disk Format: Level 1G - Fractal Heap".
//!
//! ```text
//! +------+---------+-----------+------------------+----------+--------------------+
//! | FRHP | version | id length | filters' length  | flags u8 | max managed object |
//! |      |    0    |    u16    |       u16        |          |        u32         |
//! +------+---------+-----------+------------------+----------+--------------------+
//! | next huge id L | huge B-tree O | free space L | free-space manager O          |
//! | managed space L | allocated L | iterator offset L | managed objects L           |
//! | huge bytes L | huge objects L | tiny bytes L | tiny objects L                  |
//! +-------------------------------------------------------------------------------+
//! | table width u16 | starting block L | max direct block L | max heap bits u16     |
//! | starting rows u16 | root block O | rows of the root u16                         |
//! | [size of the filtered root L | filter mask u32 | filter pipeline]              |
//! | checksum u32                                                                  |
//! +-------------------------------------------------------------------------------+
//! ```
//!
//! The blocks are in `fractal_heap_block`, the arithmetic of the table in `doubling_table`.

use binrw::{BinResult, Endian, binrw, io};

use super::doubling_table::DoublingTable;
use super::primitive::{
    Bytes, Put, Sizes, Structure, limit_width, read_address, read_length, read_version, write_address,
    write_length,
};
use crate::error::{Context, Error, Result};

/// Heap flag: huge object ids have wrapped around.
pub const IDS_WRAPPED: u8 = 0x01;
/// Heap flag: direct blocks have a checksum.
pub const CHECKSUM_DIRECT: u8 = 0x02;

/// A heap of objects in blocks that double in size.
#[binrw]
#[brw(little, magic = b"FRHP", import(sizes: Sizes))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FractalHeapHeader {
    #[br(temp, parse_with = read_version, args(0))]
    #[bw(calc = 0)]
    _version: u8,
    /// Bytes of a heap id.
    pub id_len: u16,
    #[br(temp)]
    #[bw(try_calc = u16::try_from(filters.as_ref().map_or(0, |f| f.pipeline.len())))]
    filters_len: u16,
    /// [`IDS_WRAPPED`], [`CHECKSUM_DIRECT`].
    pub flags: u8,
    /// Bytes of the largest object that is kept in a block.
    pub max_managed: u32,
    /// Key of the next huge object.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub next_huge_id: u64,
    /// Version 2 B-tree of the huge objects.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub huge_btree: Option<u64>,
    /// Free bytes in managed blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub free_space: u64,
    /// Free-space manager of the managed blocks.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub free_space_manager: Option<u64>,
    /// Bytes of the address space of the managed blocks.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub managed_space: u64,
    /// Bytes of the managed blocks that exist.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub managed_allocated: u64,
    /// Heap offset at which the next direct block is made.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub iterator_offset: u64,
    /// Number of managed objects.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub managed_objects: u64,
    /// Bytes of the huge objects.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub huge_bytes: u64,
    /// Number of huge objects.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub huge_objects: u64,
    /// Bytes of the tiny objects.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub tiny_bytes: u64,
    /// Number of tiny objects.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub tiny_objects: u64,
    /// Blocks in a row of the doubling table.
    pub table_width: u16,
    /// Bytes of a block in the first two rows.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub start_size: u64,
    /// Bytes of the largest direct block.
    #[br(parse_with = read_length, args(sizes))]
    #[bw(write_with = write_length, args(sizes))]
    pub max_direct: u64,
    /// Bits of a heap offset.
    pub max_heap_bits: u16,
    /// Rows of the root indirect block when it is made.
    pub start_rows: u16,
    /// Root block: direct if it has no rows.
    #[br(parse_with = read_address, args(sizes))]
    #[bw(write_with = write_address, args(sizes))]
    pub root: Option<u64>,
    /// Rows of the root indirect block; 0 if the root is a direct block.
    pub root_rows: u16,
    /// The filters of the heap, if it has any.
    #[br(if(filters_len > 0), parse_with = read_filters, args(sizes, filters_len))]
    #[bw(write_with = write_filters, args(sizes))]
    pub filters: Option<HeapFilters>,
}

impl Structure for FractalHeapHeader {
    const NAME: &'static str = "fractal heap header";
    const CHECKSUM: bool = true;
}

/// Filters of the objects and direct blocks of a heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapFilters {
    /// Bytes of the root direct block in the file.
    pub root_size: u64,
    /// Filters that the root direct block skipped.
    pub root_mask: u32,
    /// Body of a filter pipeline message.
    pub pipeline: Vec<u8>,
}

fn read_filters<R: io::Read + io::Seek>(
    r: &mut R,
    e: Endian,
    (sizes, len): (Sizes, u16),
) -> BinResult<Option<HeapFilters>> {
    let root_size = read_length(r, e, (sizes,))?;
    let mut mask = [0; 4];
    r.read_exact(&mut mask)?;
    let mut pipeline = vec![0; usize::from(len)];
    r.read_exact(&mut pipeline)?;
    Ok(Some(HeapFilters { root_size, root_mask: u32::from_le_bytes(mask), pipeline }))
}

fn write_filters<W: io::Write + io::Seek>(
    filters: &Option<HeapFilters>,
    w: &mut W,
    e: Endian,
    (sizes,): (Sizes,),
) -> BinResult<()> {
    if let Some(filters) = filters {
        write_length(&filters.root_size, w, e, (sizes,))?;
        w.write_all(&filters.root_mask.to_le_bytes())?;
        w.write_all(&filters.pipeline)?;
    }
    Ok(())
}

impl FractalHeapHeader {
    /// Bytes of a header without filters.
    pub const fn base_len(sizes: Sizes) -> usize {
        26 + 12 * sizes.length as usize + 3 * sizes.offset as usize
    }

    /// The arithmetic of the blocks.
    ///
    /// # Errors
    /// `Corrupt` for sizes that are no powers of two, or do not fit the bits of a heap offset.
    pub fn table(&self) -> Result<DoublingTable> {
        DoublingTable::new(self.table_width, self.start_size, self.max_direct, self.max_heap_bits)
            .in_structure(Self::NAME)
    }

    /// Whether direct blocks have a checksum.
    pub fn checksums_direct(&self) -> bool {
        self.flags & CHECKSUM_DIRECT != 0
    }

    /// Bytes of a heap offset in ids and blocks.
    pub fn offset_width(&self) -> u8 {
        self.max_heap_bits.min(64).div_ceil(8) as u8
    }

    /// Bytes of the length of a managed object in ids.
    pub fn length_width(&self) -> u8 {
        let of_block = (self.max_direct.max(1).ilog2() as u8).div_ceil(8);
        of_block.min(limit_width(u64::from(self.max_managed)))
    }

    fn huge_is_direct(&self, sizes: Sizes) -> bool {
        let filtered = if self.filters.is_some() { 4 + u16::from(sizes.length) } else { 0 };
        u16::from(sizes.offset) + u16::from(sizes.length) + filtered < self.id_len
    }

    fn huge_key_width(&self) -> u8 {
        self.id_len.saturating_sub(1).min(8) as u8
    }
}

/// What a heap id says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapId<'a> {
    /// In the blocks of the heap.
    Managed {
        /// Heap offset.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// On its own in the file, at an address.
    HugeDirect {
        /// Address.
        address: u64,
        /// Bytes in the file.
        length: u64,
        /// Filters skipped and bytes in memory, if the heap has filters.
        filtered: Option<(u32, u64)>,
    },
    /// On its own in the file, to be found in the B-tree of huge objects.
    HugeIndexed {
        /// Key in that B-tree.
        key: u64,
    },
    /// In the id itself.
    Tiny {
        /// The object.
        data: &'a [u8],
    },
}

impl<'a> HeapId<'a> {
    /// Parses the id at the start of `bytes`.
    pub fn decode(bytes: &'a [u8], heap: &FractalHeapHeader, sizes: Sizes) -> Result<Self> {
        Self::parse(Bytes(bytes), heap, sizes).in_structure("fractal heap id")
    }

    fn parse(mut b: Bytes<'a>, heap: &FractalHeapHeader, sizes: Sizes) -> Result<Self> {
        let first = b.u8()?;
        if first >> 6 != 0 {
            return Err(Error::unsupported(format!("version {}", first >> 6)));
        }
        Ok(match first >> 4 & 3 {
            0 => {
                HeapId::Managed { offset: b.uint(heap.offset_width())?, length: b.uint(heap.length_width())? }
            }
            1 if heap.huge_is_direct(sizes) => HeapId::HugeDirect {
                address: b.defined(sizes)?,
                length: b.length(sizes)?,
                filtered: match heap.filters {
                    Some(_) => Some((b.u32()?, b.length(sizes)?)),
                    None => None,
                },
            },
            1 => HeapId::HugeIndexed { key: b.uint(heap.huge_key_width())? },
            2 => {
                let mut length = usize::from(first & 0x0f);
                if heap.id_len > 18 {
                    length = length << 8 | usize::from(b.u8()?);
                }
                HeapId::Tiny { data: b.take(length + 1)? }
            }
            other => return Err(Error::corrupt(format!("type {other}"))),
        })
    }

    /// The bytes of the id, as many as the heap's ids have.
    pub fn encode(&self, heap: &FractalHeapHeader, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(heap.id_len.into());
        self.put(&mut out, heap, sizes)?;
        Ok(out)
    }

    /// Appends the bytes of the id.
    pub fn put(&self, out: &mut Vec<u8>, heap: &FractalHeapHeader, sizes: Sizes) -> Result<()> {
        let start = out.len();
        match *self {
            HeapId::Managed { offset, length } => {
                out.push(0);
                out.uint(offset, heap.offset_width())?;
                out.uint(length, heap.length_width())?;
            }
            HeapId::HugeDirect { address, length, filtered } => {
                out.push(0x10);
                out.uint(address, sizes.offset)?;
                out.length(length, sizes)?;
                if let Some((mask, memory_size)) = filtered {
                    out.extend_from_slice(&mask.to_le_bytes());
                    out.length(memory_size, sizes)?;
                }
            }
            HeapId::HugeIndexed { key } => {
                out.push(0x10);
                out.uint(key, heap.huge_key_width())?;
            }
            HeapId::Tiny { data } => {
                let length = data.len().wrapping_sub(1);
                match (heap.id_len > 18, length) {
                    (false, 0..=0x0f) => out.push(0x20 | length as u8),
                    (true, 0..=0xfff) => out.extend_from_slice(&[0x20 | (length >> 8) as u8, length as u8]),
                    _ => return Err(Error::usage(format!("{} bytes are no tiny object", data.len()))),
                }
                out.extend_from_slice(data);
            }
        }
        let len = out.len() - start;
        if len > usize::from(heap.id_len) {
            return Err(Error::usage(format!("an id of {len} bytes, not {}", heap.id_len)));
        }
        out.resize(start + usize::from(heap.id_len), 0);
        Ok(())
    }
}

#[cfg(test)]
#[path = "fractal_heap_tests.rs"]
pub(super) mod tests;
