//! Objects of a file that is being written, as a model in memory: what the next flush turns into blocks.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    error::{Error, Result},
    filter::FilterPipeline,
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        fill::Fill,
        layout::ChunkIndexType,
        link::Name,
    },
    storage::{allocator::Block, chunk_index::ChunkEntry},
};

/// Which object of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// An object.
#[derive(Debug)]
pub(crate) struct Node {
    /// The groups with a hard link to it, one entry a link; of a committed datatype also those who use it.
    pub(crate) parents: Vec<NodeId>,
    /// Object header in the file.
    pub(crate) address: Option<u64>,
    /// Bytes set aside for chunk 0 of the header where its address must stay: something in the file holds it.
    pub(crate) pinned: Option<u64>,
    /// The last commit reaches it.
    pub(crate) published: bool,
    /// It differs from what the last commit has of it.
    pub(crate) dirty: bool,
    /// Metadata blocks that the last commit has of it, its header included.
    pub(crate) blocks: Vec<Block>,
    /// Counts the edits.
    pub(crate) version: u64,
    /// Links to it that no group has: the superblock leads to the root.
    pub(crate) outer_links: usize,
    pub(crate) attributes: Attributes,
    pub(crate) comment: Option<Name>,
    pub(crate) body: Body,
}

impl Node {
    pub(crate) fn new(body: Body, order: Order) -> Self {
        Node {
            parents: Vec::new(),
            address: None,
            pinned: None,
            published: false,
            dirty: true,
            blocks: Vec::new(),
            version: 0,
            attributes: Attributes { order, ..Attributes::default() },
            outer_links: 0,
            comment: None,
            body,
        }
    }

    pub(crate) fn group(&self) -> Result<&GroupBody> {
        match &self.body {
            Body::Group(group) => Ok(group),
            _ => Err(Error::usage("not a group")),
        }
    }
    pub(crate) fn group_mut(&mut self) -> Result<&mut GroupBody> {
        match &mut self.body {
            Body::Group(group) => Ok(group),
            _ => Err(Error::usage("not a group")),
        }
    }
    pub(crate) fn dataset(&self) -> Result<&DatasetBody> {
        match &self.body {
            Body::Dataset(dataset) => Ok(dataset),
            _ => Err(Error::usage("not a dataset")),
        }
    }
    pub(crate) fn dataset_mut(&mut self) -> Result<&mut DatasetBody> {
        match &mut self.body {
            Body::Dataset(dataset) => Ok(dataset),
            _ => Err(Error::usage("not a dataset")),
        }
    }
}

/// What an object is.
#[derive(Debug)]
pub(crate) enum Body {
    Group(GroupBody),
    Dataset(Box<DatasetBody>),
    Datatype(Arc<Datatype>),
}

/// Whether the order of creation is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) tracked: bool,
    pub(crate) indexed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct GroupBody {
    pub(crate) links: BTreeMap<Name, LinkEntry>,
    pub(crate) order: Order,
    pub(crate) next_order: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct LinkEntry {
    pub(crate) charset: Charset,
    pub(crate) order: i64,
    pub(crate) target: Target,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Node(NodeId),
    Soft(Name),
    External { file: Name, path: Name },
    User { class: u8, data: Vec<u8> },
}

#[derive(Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) map: BTreeMap<Name, AttributeEntry>,
    pub(crate) order: Order,
    pub(crate) next_order: u32,
}

/// An attribute; `bytes` are its elements as the file has them.
#[derive(Clone, Debug)]
pub(crate) struct AttributeEntry {
    pub(crate) charset: Charset,
    pub(crate) order: u32,
    pub(crate) datatype: Arc<Datatype>,
    /// Address of the committed datatype that it is, which is pinned.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: Dataspace,
    pub(crate) bytes: Vec<u8>,
    /// Bytes of its message.
    pub(crate) message_len: usize,
}

#[derive(Debug)]
pub(crate) struct DatasetBody {
    pub(crate) datatype: Arc<Datatype>,
    /// Address of the committed datatype that it is, which is pinned.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: Dataspace,
    pub(crate) fill: Fill,
    pub(crate) pipeline: FilterPipeline,
    pub(crate) data: RawState,
}

/// Where the raw data are.
#[derive(Debug)]
pub(crate) enum RawState {
    Compact(Vec<u8>),
    /// Block of all elements; `published` if the last commit reaches it.
    Contiguous {
        address: Option<u64>,
        published: bool,
    },
    Chunked(ChunkedState),
}

#[derive(Debug)]
pub(crate) struct ChunkedState {
    pub(crate) chunk: Vec<u64>,
    pub(crate) index: ChunkIndexType,
    /// By place in the grid of chunks, in C order.
    pub(crate) chunks: BTreeMap<Box<[u64]>, ChunkState>,
}

#[derive(Debug, Default)]
pub(crate) struct ChunkState {
    /// Where it is stored, and whether the last commit reaches that.
    pub(crate) stored: Option<(ChunkEntry, bool)>,
    /// Its elements, if they differ from what is stored.
    pub(crate) elements: Option<Vec<u8>>,
}

impl DatasetBody {
    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let bytes = self.dataspace.len()?.checked_mul(self.datatype.size as u64);
        bytes.ok_or_else(|| Error::limit("bytes of a dataset", u64::MAX, 1 << 62))
    }
}
