//! Data layout message (0x08): section IV.A.2.i of the specification.
//!
//! ```text
//! version 1, 2:  | version | n | class | reserved (5) | address (O), unless compact | dimensions (4 x n) |
//!                compact: | size (4) | data |
//! version 3 - 5: | version | class | ... |
//!   0 compact    | size (2) | data |
//!   1 contiguous | address (O) | size (L) |
//!   2 chunked, 3 | n | address (O) | dimensions (4 x n) |
//!   2 chunked, 4 | flags | n | width | dimensions (width x n) | index type | parameters | address (O) |
//!   3 virtual    | address of global-heap collection (O) | index (4) |        (versions 4, 5)
//! flags: bit 0 partial edge chunks are not filtered, bit 1 the single chunk is filtered
//! ```
//!
//! The last of the `n` dimensions of a chunk is the size of an element. Parameters by index type:
//!
//! ```text
//! 1 single chunk     | size (L) | filter mask (4) |  if flags bit 1
//! 2 implicit         none
//! 3 fixed array      | page bits |
//! 4 extensible array | max bits | index elements | min pointers | min elements | page bits |
//! 5 B-tree version 2 | node size (4) | split | merge |
//! ```

use crate::error::{Context, Error, Result};
use crate::format::message::{check_bits, unknown_version};
use crate::format::output::{narrow, put_address, put_length, put_u16, put_u32, put_uint};
use crate::format::primitive::{Bytes, Sizes, limit_width};
use crate::model::layout::{ChunkIndexType, ChunkedLayout, Layout};

const NAME: &str = "data layout message";
const MAX_DIMS: usize = 33;
const EDGE_UNFILTERED: u8 = 0x01;
const SINGLE_FILTERED: u8 = 0x02;

/// A layout, and the version of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutMessage {
    /// Version of the message.
    pub version: u8,
    /// Storage of the raw data.
    pub layout: Layout,
    /// The dimensions that versions 1 and 2 give for layouts that are not chunked. Nothing depends on them.
    pub legacy_dims: Vec<u32>,
}

impl LayoutMessage {
    /// A layout in this version, of which versions 1 and 2 are not for writing.
    pub fn new(version: u8, layout: Layout) -> Self {
        LayoutMessage { version, layout, legacy_dims: Vec::new() }
    }

    /// Decodes the message. The size of a contiguous layout of versions 1 and 2 is the product of the stored
    /// dimensions, which may have been truncated: it is to be computed from the dataspace.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (class, rank, zero extents), `Unsupported` (version, index type).
    pub fn decode(body: &[u8], sizes: Sizes) -> Result<Self> {
        let mut bytes = Bytes(body);
        let mut decode = || {
            let version = bytes.u8()?;
            let mut legacy_dims = Vec::new();
            let layout = match version {
                1 | 2 => decode_v1(&mut bytes, &mut legacy_dims, sizes)?,
                3..=5 => decode_v3(&mut bytes, version, sizes)?,
                _ => return Err(unknown_version(version)),
            };
            Ok(LayoutMessage { version, layout, legacy_dims })
        };
        decode().in_structure(NAME)
    }

    /// The body of the message.
    ///
    /// # Errors
    /// `Usage` for a layout that this version cannot hold.
    pub fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(32);
        self.put(&mut out, sizes)?;
        Ok(out)
    }

    /// Appends what [`encode`](Self::encode) gives.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn put(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        out.push(self.version);
        match self.version {
            1 | 2 => self.encode_v1(out, sizes),
            3..=5 => self.encode_v3(out, sizes),
            _ => Err(unknown_version(self.version)),
        }
        .in_structure(NAME)
    }

    fn encode_v1(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        let (class, address, dims) = match &self.layout {
            Layout::Compact(_) => (0, None, self.legacy_dims.clone()),
            Layout::Contiguous { address, .. } => (1, Some(*address), self.legacy_dims.clone()),
            Layout::Chunked(chunked) => (2, Some(chunked.address), narrow_dims(chunked)?),
            Layout::Virtual { .. } => return Err(Error::usage("virtual layout before version 4")),
        };
        out.extend([narrow(dims.len(), "rank")?, class, 0, 0, 0, 0, 0]);
        if let Some(address) = address {
            put_address(out, address, sizes)?;
        }
        out.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
        if let Layout::Compact(data) = &self.layout {
            put_u32(out, data.len(), "size of compact data")?;
            out.extend_from_slice(data);
        }
        Ok(())
    }

    fn encode_v3(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        match &self.layout {
            Layout::Compact(data) => {
                out.push(0);
                put_u16(out, data.len(), "size of compact data")?;
                out.extend_from_slice(data);
            }
            Layout::Contiguous { address, size } => {
                out.push(1);
                put_address(out, *address, sizes)?;
                put_length(out, *size, sizes)?;
            }
            Layout::Chunked(chunked) if self.version == 3 => {
                if chunked.index != ChunkIndexType::BTreeV1 || chunked.edge_chunks_unfiltered {
                    return Err(Error::usage("a chunk index or flag of version 4 in version 3"));
                }
                let dims = narrow_dims(chunked)?;
                out.extend([2, narrow(dims.len(), "rank")?]);
                put_address(out, chunked.address, sizes)?;
                out.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
            }
            Layout::Chunked(chunked) => {
                out.push(2);
                encode_chunked_v4(chunked, out, sizes)?;
            }
            Layout::Virtual { .. } if self.version == 3 => {
                return Err(Error::usage("virtual layout before version 4"));
            }
            Layout::Virtual { address, index } => {
                out.push(3);
                put_address(out, *address, sizes)?;
                put_u32(out, *index, "index of a heap object")?;
            }
        }
        Ok(())
    }
}

fn decode_v1(bytes: &mut Bytes<'_>, legacy_dims: &mut Vec<u32>, sizes: Sizes) -> Result<Layout> {
    let [rank, class, ..] = bytes.array::<7>()?;
    let rank = usize::from(rank);
    if rank == 0 || rank > MAX_DIMS {
        return Err(Error::corrupt(format!("layout of {rank} dimensions")));
    }
    let address = if class == 0 { None } else { bytes.address(sizes)? };
    let dims = (0..rank).map(|_| bytes.u32()).collect::<Result<Vec<_>>>()?;
    let layout = match class {
        0 => {
            let size = bytes.u32()? as usize;
            Layout::Compact(bytes.take(size)?.to_vec())
        }
        1 => {
            let size = dims.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
            Layout::Contiguous { address, size }
        }
        2 => {
            let dims = dims.iter().map(|&d| d.into()).collect();
            return chunked(dims, ChunkIndexType::BTreeV1, false, address);
        }
        _ => return Err(Error::corrupt(format!("unknown class of layout {class}"))),
    };
    *legacy_dims = dims;
    Ok(layout)
}

fn decode_v3(bytes: &mut Bytes<'_>, version: u8, sizes: Sizes) -> Result<Layout> {
    match bytes.u8()? {
        0 => {
            let size = bytes.u16()?;
            Ok(Layout::Compact(bytes.take(size.into())?.to_vec()))
        }
        1 => Ok(Layout::Contiguous { address: bytes.address(sizes)?, size: bytes.length(sizes)? }),
        2 if version == 3 => {
            let rank = bytes.u8()?;
            let address = bytes.address(sizes)?;
            chunked(dims(bytes, rank, 4)?, ChunkIndexType::BTreeV1, false, address)
        }
        2 => {
            let [flags, rank, width] = bytes.array()?;
            check_bits(flags, EDGE_UNFILTERED | SINGLE_FILTERED)?;
            if !(1..=8).contains(&width) {
                return Err(Error::corrupt(format!("chunk dimensions of {width} bytes")));
            }
            let dims = dims(bytes, rank, width)?;
            let index = decode_index(bytes, flags, sizes)?;
            chunked(dims, index, flags & EDGE_UNFILTERED != 0, bytes.address(sizes)?)
        }
        3 if version > 3 => Ok(Layout::Virtual { address: bytes.address(sizes)?, index: bytes.u32()? }),
        class => Err(Error::corrupt(format!("unknown class of layout {class}"))),
    }
}

fn dims(bytes: &mut Bytes<'_>, rank: u8, width: u8) -> Result<Vec<u64>> {
    if usize::from(rank) > MAX_DIMS {
        return Err(Error::corrupt(format!("chunks of {rank} dimensions")));
    }
    (0..rank).map(|_| bytes.uint(width)).collect()
}

/// Chunked layout of these dimensions, the last of which is the size of an element.
fn chunked(
    mut chunk: Vec<u64>,
    index: ChunkIndexType,
    edge_chunks_unfiltered: bool,
    address: Option<u64>,
) -> Result<Layout> {
    let valid = chunk.len() >= 2
        && !chunk.contains(&0)
        && chunk.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).is_some();
    match chunk.pop() {
        Some(element_size) if valid => {
            Ok(Layout::Chunked(ChunkedLayout { chunk, element_size, edge_chunks_unfiltered, index, address }))
        }
        last => Err(Error::corrupt(format!("chunk {chunk:?} of elements of {last:?} bytes"))),
    }
}

fn decode_index(bytes: &mut Bytes<'_>, flags: u8, sizes: Sizes) -> Result<ChunkIndexType> {
    let nonzero = |parameters: &[u8]| {
        if parameters.contains(&0) {
            return Err(Error::corrupt(format!("zero among the parameters {parameters:?} of a chunk index")));
        }
        Ok(())
    };
    match bytes.u8()? {
        1 if flags & SINGLE_FILTERED != 0 => {
            Ok(ChunkIndexType::Single { filtered: Some((bytes.length(sizes)?, bytes.u32()?)) })
        }
        1 => Ok(ChunkIndexType::Single { filtered: None }),
        2 => Ok(ChunkIndexType::Implicit),
        3 => {
            let page_bits = bytes.u8()?;
            nonzero(&[page_bits])?;
            Ok(ChunkIndexType::FixedArray { page_bits })
        }
        4 => {
            let parameters = bytes.array::<5>()?;
            nonzero(&parameters)?;
            let [max_bits, index_elements, min_pointers, min_elements, page_bits] = parameters;
            Ok(ChunkIndexType::ExtensibleArray {
                max_bits,
                index_elements,
                min_pointers,
                min_elements,
                page_bits,
            })
        }
        5 => Ok(ChunkIndexType::BTreeV2 { node_size: bytes.u32()?, split: bytes.u8()?, merge: bytes.u8()? }),
        0 => Err(Error::corrupt("B-tree version 1 as chunk index of layout version 4")),
        n => Err(Error::unsupported(format!("chunk index type {n}"))),
    }
}

fn check_chunked(chunked: &ChunkedLayout) -> Result<()> {
    if chunked.chunk.is_empty() || chunked.chunk.len() >= MAX_DIMS {
        return Err(Error::usage(format!("chunks of {} dimensions", chunked.chunk.len())));
    }
    if chunked.chunk.contains(&0) || chunked.element_size == 0 {
        return Err(Error::usage("chunks of no bytes"));
    }
    Ok(())
}

fn narrow_dims(chunked: &ChunkedLayout) -> Result<Vec<u32>> {
    check_chunked(chunked)?;
    chunked.chunk.iter().chain([&chunked.element_size]).map(|&d| narrow(d, "chunk dimension")).collect()
}

fn encode_chunked_v4(chunked: &ChunkedLayout, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
    check_chunked(chunked)?;
    let mut flags = if chunked.edge_chunks_unfiltered { EDGE_UNFILTERED } else { 0 };
    if let ChunkIndexType::Single { filtered: Some(_) } = chunked.index {
        flags |= SINGLE_FILTERED;
    }
    // Libraries before 2.2 require the least width that holds every dimension.
    let dims = || chunked.chunk.iter().chain([&chunked.element_size]).copied();
    let width = limit_width(dims().max().unwrap_or(1));
    out.extend([flags, chunked.chunk.len() as u8 + 1, width]);
    for dim in dims() {
        put_uint(out, dim, width)?;
    }
    match chunked.index {
        ChunkIndexType::BTreeV1 => return Err(Error::usage("B-tree version 1 in layout version 4")),
        ChunkIndexType::Single { filtered } => {
            out.push(1);
            if let Some((size, mask)) = filtered {
                put_length(out, size, sizes)?;
                put_u32(out, mask, "filter mask")?;
            }
        }
        ChunkIndexType::Implicit => out.push(2),
        ChunkIndexType::FixedArray { page_bits } => out.extend([3, page_bits]),
        ChunkIndexType::ExtensibleArray {
            max_bits,
            index_elements,
            min_pointers,
            min_elements,
            page_bits,
        } => {
            out.extend([4, max_bits, index_elements, min_pointers, min_elements, page_bits]);
        }
        ChunkIndexType::BTreeV2 { node_size, split, merge } => {
            out.push(5);
            put_u32(out, node_size, "node size")?;
            out.extend([split, merge]);
        }
    }
    put_address(out, chunked.address, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    fn same(bytes: &str, message: LayoutMessage) {
        let bytes = hex(bytes);
        assert_eq!(LayoutMessage::decode(&bytes, FOUR).unwrap(), message);
        assert_eq!(message.encode(FOUR).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&LayoutMessage::decode(&bytes[..n], FOUR).unwrap_err()), "{n}");
        }
    }

    fn chunks(chunk: &[u64], element_size: u64, index: ChunkIndexType, address: Option<u64>) -> Layout {
        let chunk = chunk.to_vec();
        Layout::Chunked(ChunkedLayout { chunk, element_size, edge_chunks_unfiltered: false, index, address })
    }

    #[test]
    fn versions_1_to_3() {
        let compact = Layout::Compact(vec![1, 2]);
        let contiguous = Layout::Contiguous { address: Some(0x100), size: 40 };
        let chunked = chunks(&[5, 6], 8, ChunkIndexType::BTreeV1, None);
        let legacy = |version, layout: &Layout, dims: &[u32]| LayoutMessage {
            version,
            layout: layout.clone(),
            legacy_dims: dims.to_vec(),
        };
        same("01 01 00 0000000000 02000000 02000000 0102", legacy(1, &compact, &[2]));
        same("01 02 01 0000000000 00010000 0a000000 04000000", legacy(1, &contiguous, &[10, 4]));
        same("02 03 02 0000000000 ffffffff 05000000 06000000 08000000", legacy(2, &chunked, &[]));
        same("03 00 0200 0102", LayoutMessage::new(3, compact));
        same("03 01 00010000 28000000", LayoutMessage::new(3, contiguous));
        same("03 02 03 ffffffff 05000000 06000000 08000000", LayoutMessage::new(3, chunked));
    }

    #[test]
    fn every_index_of_version_4() {
        let of = |dims: &[u64], index| LayoutMessage::new(4, chunks(dims, 8, index, Some(0x200)));
        let single = |filtered| ChunkIndexType::Single { filtered };
        same("04 02 00 02 01 05 08 01 00020000", of(&[5], single(None)));
        same("04 02 02 02 01 05 08 01 10000000 01000000 00020000", of(&[5], single(Some((16, 1)))));
        same("04 02 00 02 02 0001 0800 02 00020000", of(&[256], ChunkIndexType::Implicit));
        same(
            "04 02 00 02 03 000001 080000 03 0a 00020000",
            of(&[65536], ChunkIndexType::FixedArray { page_bits: 10 }),
        );
        let extensible = ChunkIndexType::ExtensibleArray {
            max_bits: 32,
            index_elements: 4,
            min_pointers: 4,
            min_elements: 16,
            page_bits: 10,
        };
        same("04 02 00 03 01 05 06 08 04 20 04 04 10 0a 00020000", of(&[5, 6], extensible));
        let tree = ChunkIndexType::BTreeV2 { node_size: 2048, split: 100, merge: 40 };
        same("04 02 00 03 01 05 06 08 05 00080000 64 28 00020000", of(&[5, 6], tree));
    }

    #[test]
    fn virtual_and_large_chunks() {
        same(
            "04 03 00020000 01000000",
            LayoutMessage::new(4, Layout::Virtual { address: Some(0x200), index: 1 }),
        );
        let mut large = chunks(&[1 << 32], 8, ChunkIndexType::Implicit, None);
        same("05 02 00 02 05 0000000001 0800000000 02 ffffffff", LayoutMessage::new(5, large.clone()));
        let Layout::Chunked(c) = &mut large else { panic!() };
        c.edge_chunks_unfiltered = true;
        c.chunk = vec![3];
        same("05 02 01 02 01 03 08 02 ffffffff", LayoutMessage::new(5, large));
    }

    #[test]
    fn a_wider_width_than_needed_is_read() {
        let m =
            LayoutMessage::decode(&hex("04 02 00 02 08 0500000000000000 0800000000000000 02 ffffffff"), FOUR);
        assert_eq!(m.unwrap().layout, chunks(&[5], 8, ChunkIndexType::Implicit, None));
    }

    #[test]
    fn hostile() {
        let decode = |text: &str| LayoutMessage::decode(&hex(text), FOUR);
        assert!(is_unsupported(decode("06 01 00010000 28000000")));
        assert!(is_unsupported(decode("00 01 00010000 28000000")));
        assert!(is_corrupt(decode("03 03 00020000 01000000")));
        assert!(is_corrupt(decode("03 02 02 ffffffff 00000000 08000000")));
        assert!(is_corrupt(decode("03 02 01 ffffffff 08000000")));
        assert!(is_corrupt(decode(&format!("03 02 22 ffffffff {}", "01000000".repeat(34)))));
        assert!(is_corrupt(decode(&format!("01 22 01 0000000000 ffffffff {}", "01000000".repeat(34)))));
        assert!(is_corrupt(decode("04 02 04 02 01 05 08 01 00020000")));
        assert!(is_corrupt(decode("04 02 00 02 09 05 08 01 00020000")));
        assert!(is_corrupt(decode("04 02 00 02 01 05 08 00 00020000")));
        assert!(is_unsupported(decode("04 02 00 02 01 05 08 06 00020000")));
        assert!(is_corrupt(decode("04 02 00 02 01 05 08 03 00 00020000")));
        let huge = "ffffffff".repeat(3);
        assert!(is_corrupt(decode(&format!("03 02 03 ffffffff {huge}"))));
        let v1 = LayoutMessage::new(4, chunks(&[5], 8, ChunkIndexType::BTreeV1, None));
        assert!(is_usage(v1.encode(FOUR)));
    }
}
