//! Layouts: where and how the raw data of a dataset are stored.

use crate::model::selection::Selection;

/// Storage of a dataset's raw data. Addresses are relative to the file's base address; `None` is not allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In the object header itself.
    Compact(Vec<u8>),
    /// One block.
    Contiguous {
        /// Address of the first element.
        address: Option<u64>,
        /// Bytes, as stored in the message (may be truncated in versions 1 and 2: recompute).
        size: u64,
    },
    /// Equal chunks found through an index.
    Chunked(ChunkedLayout),
    /// Parts of other datasets.
    Virtual {
        /// Global-heap collection of the mappings.
        address: Option<u64>,
        /// Object within that collection.
        index: u32,
    },
}

/// Chunked storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkedLayout {
    /// Extent of a chunk in each dimension, in elements.
    pub chunk: Vec<u64>,
    /// Bytes of an element, as the layout message gives them.
    pub element_size: u64,
    /// Partial chunks at the edge are stored without filters.
    pub edge_chunks_unfiltered: bool,
    /// Which index finds the chunks, and its parameters.
    pub index: ChunkIndexType,
    /// Address of the index (of the chunk itself for a single chunk).
    pub address: Option<u64>,
}

/// The chunk indexes of HDF5 with the parameters that the layout message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkIndexType {
    /// B-tree version 1 (layout versions 1 to 3).
    BTreeV1,
    /// The dataset is one chunk.
    Single {
        /// Stored bytes and filter mask, if the chunk is filtered.
        filtered: Option<(u64, u32)>,
    },
    /// All chunks one after the other, unfiltered.
    Implicit,
    /// Fixed array.
    FixedArray {
        /// log2 of the elements of a page.
        page_bits: u8,
    },
    /// Extensible array.
    ExtensibleArray {
        /// Bits of the largest index.
        max_bits: u8,
        /// Elements held in the index block.
        index_elements: u8,
        /// Fewest data-block pointers of a super block.
        min_pointers: u8,
        /// Fewest elements of a data block.
        min_elements: u8,
        /// log2 of the elements of a data-block page.
        page_bits: u8,
    },
    /// B-tree version 2.
    BTreeV2 {
        /// Bytes of a node.
        node_size: u32,
        /// Percentage at which a node is split.
        split: u8,
        /// Percentage at which nodes are merged.
        merge: u8,
    },
}

impl ChunkIndexType {
    /// The short name: `btree1`, `single`, `implicit`, `farray`, `earray`, `btree2`.
    pub fn name(&self) -> &'static str {
        match self {
            ChunkIndexType::BTreeV1 => "btree1",
            ChunkIndexType::Single { .. } => "single",
            ChunkIndexType::Implicit => "implicit",
            ChunkIndexType::FixedArray { .. } => "farray",
            ChunkIndexType::ExtensibleArray { .. } => "earray",
            ChunkIndexType::BTreeV2 { .. } => "btree2",
        }
    }
}

/// One slot of an external file list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalFile {
    /// Name of the file, as stored.
    pub name: crate::model::link::Name,
    /// Offset of the data in that file.
    pub offset: u64,
    /// Bytes reserved there; `None` is unlimited.
    pub size: Option<u64>,
}

/// One mapping of a virtual dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualMapping {
    /// Name of the source file, as stored; `.` is the same file. May hold `%b`.
    pub file: crate::model::link::Name,
    /// Path of the source dataset. May hold `%b`.
    pub dataset: crate::model::link::Name,
    /// Elements of the source.
    pub source: Selection,
    /// Elements of the virtual dataset.
    pub target: Selection,
}
