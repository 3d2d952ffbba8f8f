//! Objects of a file that is being written, as a model in memory: what the next flush turns into blocks.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{by_name::ByName, messages::Messages};

use crate::{
    error::{Error, Result},
    filter::FilterPipeline,
    format::object_header::{HeaderPrefix, INDEXES_ORDER, TRACKS_ORDER},
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        fill::Fill,
        layout::{ChunkIndexType, VirtualMapping},
        link::Name,
    },
    storage::{allocator::Block, chunk_index::ChunkEntry, external::ExternalTargets, object::ObjectKind},
};

/// Which object of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// What of an object differs from what the last commit has of it; a bit each.
pub(crate) mod aspect {
    pub(crate) const LINKS: u8 = 1;
    pub(crate) const ATTRIBUTES: u8 = 2;
    /// Extent, layout, chunks.
    pub(crate) const DATA: u8 = 4;
    /// Number of hard links.
    pub(crate) const COUNT: u8 = 8;
    pub(crate) const ALL: u8 = 15;
}

/// An object.
#[derive(Debug)]
pub(crate) struct Node {
    /// The groups with a hard link to it that was made in this session, one entry a link.
    pub(crate) parents: SmallVec<[NodeId; 2]>,
    /// Object header in the file.
    pub(crate) address: Option<u64>,
    /// Bytes set aside for chunk 0 of the header where its address must stay: something in the file holds it.
    pub(crate) pinned: Option<u64>,
    /// The last commit reaches it.
    pub(crate) published: bool,
    /// No link leads to it any more.
    pub(crate) deleted: bool,
    pub(crate) dirty: u8,
    pub(crate) blocks: Blocks,
    /// Counts the edits.
    pub(crate) version: u64,
    /// Its header as the last commit has it, of an object that was in the file before the session.
    pub(crate) stored: Option<Box<StoredHeader>>,
    /// Datasets and attributes whose type this committed datatype is: they count as links.
    pub(crate) uses: u32,
    /// Links to it that no group has: the superblock leads to the root.
    pub(crate) outer_links: u32,
    pub(crate) attributes: Attributes,
    /// The comment on an object that is new.
    pub(crate) comment: Option<Name>,
    pub(crate) body: Body,
}

/// The metadata blocks of an object in the last commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    /// Header: chunk 0 first.
    pub(crate) header: SmallVec<[Block; 1]>,
    outside: Option<Box<Outside>>,
}

/// What an object has outside its header: many have nothing there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    pub(crate) parts: Parts,
    pub(crate) links: Vec<Block>,
    pub(crate) attributes: Vec<Block>,
    pub(crate) index: Vec<Block>,
}

impl Blocks {
    /// Where the last commit has what is not in the header.
    pub(crate) fn parts(&self) -> Parts {
        self.outside.as_ref().map_or_else(Parts::default, |outside| outside.parts)
    }

    /// Whether there is nothing outside the header.
    pub(crate) fn is_header(&self) -> bool {
        self.outside.is_none()
    }

    pub(crate) fn outside(&mut self) -> &mut Outside {
        self.outside.get_or_insert_default()
    }

    /// Calls `f` with those that are not blocks of the same part of `other`.
    pub(crate) fn without(&self, other: &Blocks, f: &mut dyn FnMut(Block)) {
        let mut among = |own: &[Block], other: &[Block]| {
            own.iter().filter(|block| !other.contains(block)).for_each(|block| f(*block));
        };
        among(&self.header, &other.header);
        let Some(own) = &self.outside else { return };
        let none = Outside::default();
        let other = other.outside.as_deref().unwrap_or(&none);
        among(&own.links, &other.links);
        among(&own.attributes, &other.attributes);
        among(&own.index, &other.index);
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Block> {
        let outside = self.outside.iter().flat_map(|o| o.links.iter().chain(&o.attributes).chain(&o.index));
        self.header.iter().chain(outside)
    }
}

/// An object header whose messages are kept as they are, but for those of what is changed.
#[derive(Clone, Debug)]
pub(crate) struct StoredHeader {
    pub(crate) prefix: HeaderPrefix,
    pub(crate) kind: ObjectKind,
    pub(crate) messages: Messages,
    /// Hard links that were there before the session.
    pub(crate) links: u32,
}

/// Where the parts of an object are that do not lie in its header.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) links: Option<DenseParts>,
    pub(crate) attributes: Option<DenseParts>,
    /// The index of the chunks, and its type with what the layout message says of it.
    pub(crate) index: Option<(Option<u64>, ChunkIndexType)>,
    /// The heap of the names of external files.
    pub(crate) external: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct DenseParts {
    pub(crate) heap: u64,
    pub(crate) names: u64,
    pub(crate) order: Option<u64>,
}

impl Node {
    pub(crate) fn new(body: Body, order: Order) -> Self {
        Node {
            parents: SmallVec::new(),
            address: None,
            pinned: None,
            published: false,
            deleted: false,
            dirty: aspect::ALL,
            blocks: Blocks::default(),
            version: 0,
            stored: None,
            attributes: Attributes { order, loaded: true, ..Attributes::default() },
            uses: 0,
            outer_links: 0,
            comment: None,
            body,
        }
    }

    /// Of an object that is in the file: what its header says is loaded when it is needed.
    pub(crate) fn of_file(address: u64, header: StoredHeader, blocks: SmallVec<[Block; 1]>) -> Self {
        let order = header.prefix.flags;
        let has = |flag| header.prefix.version > 1 && order & flag != 0;
        let order = Order { tracked: has(TRACKS_ORDER), indexed: has(INDEXES_ORDER) };
        Node {
            address: Some(address),
            pinned: Some(header.prefix.total_len()),
            published: true,
            dirty: 0,
            blocks: Blocks { header: blocks, ..Blocks::default() },
            attributes: Attributes { order, ..Attributes::default() },
            stored: Some(Box::new(header)),
            ..Node::new(Body::Stored, Order::default())
        }
    }

    /// Number of hard links to it.
    pub(crate) fn links(&self) -> u64 {
        let own = u64::from(self.uses) + u64::from(self.outer_links);
        self.parents.len() as u64 + own + self.stored.as_ref().map_or(0, |s| s.links.into())
    }

    /// Version of its header, and whether messages carry a creation order.
    pub(crate) fn header_version(&self) -> (u8, bool) {
        match &self.stored {
            Some(stored) => (stored.prefix.version, stored.prefix.tracks_order()),
            None => (2, self.attributes.order.tracked),
        }
    }

    /// Whether its attributes may lie in a heap.
    pub(crate) fn has_dense_attributes(&self) -> bool {
        self.header_version().0 > 1
    }

    pub(crate) fn kind(&self) -> ObjectKind {
        match (&self.body, &self.stored) {
            (Body::Stored, Some(stored)) => stored.kind,
            (Body::Dataset(_), _) => ObjectKind::Dataset,
            (Body::Datatype(_), _) => ObjectKind::Datatype,
            (Body::Group(_) | Body::Stored, _) => ObjectKind::Group,
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
    /// What the file has, which was not needed yet.
    Stored,
}

/// Whether the order of creation is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) tracked: bool,
    pub(crate) indexed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct GroupBody {
    pub(crate) links: ByName<LinkEntry>,
    pub(crate) order: Order,
    pub(crate) next_order: i64,
    /// B-tree and local heap of a group of the old style.
    pub(crate) symbol_table: Option<Box<(u64, u64)>>,
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
    /// An object of the file that was not needed yet.
    Address(u64),
    Soft(Name),
    External {
        file: Name,
        path: Name,
    },
    User {
        class: u8,
        data: Vec<u8>,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Attributes {
    /// Those of the file are in the map.
    pub(crate) loaded: bool,
    pub(crate) map: ByName<AttributeEntry>,
    pub(crate) order: Order,
    pub(crate) next_order: u32,
}

/// An attribute: its message, as the file has it.
#[derive(Clone, Debug)]
pub(crate) struct AttributeEntry {
    pub(crate) order: u32,
    /// Of the message; with `SHARED` the body is the pointer to where it is shared.
    pub(crate) flags: u8,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct DatasetBody {
    /// Of the layout message; of a new dataset the profile says.
    pub(crate) layout_version: Option<u8>,
    /// Address of the committed datatype that its type is.
    pub(crate) committed: Option<u64>,
    pub(crate) datatype: Arc<Datatype>,
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
    /// In files of their own, which a flush does not make safe against a crash.
    External(Arc<ExternalTargets>),
    /// Elements of other datasets; the object of the global heap that says which.
    Virtual {
        mappings: Vec<VirtualMapping>,
        object: Option<(u64, u32)>,
    },
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
    /// Bytes that were written to it since the last time it was stored, some perhaps several times.
    pub(crate) written: u64,
}

impl DatasetBody {
    /// Bytes of all elements.
    pub(crate) fn bytes(&self) -> Result<u64> {
        let bytes = self.dataspace.len()?.checked_mul(self.datatype.size as u64);
        bytes.ok_or_else(|| Error::limit("bytes of a dataset", u64::MAX, 1 << 62))
    }
}
