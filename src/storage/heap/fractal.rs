//! Fractal heap: objects found by their heap ids.

use std::{borrow::Cow, cell::RefCell, cmp::Ordering, collections::BTreeMap};

use crate::{
    error::{Context, Error, Result},
    filter::{ChunkContext, FilterPipeline, Scratch},
    format::{
        btree_v2_record::{HugeIndirect, HugeIndirectFiltered},
        doubling_table::DoublingTable,
        fractal_heap::{FractalHeapHeader, HeapId},
        fractal_heap_block::{DirectBlock, IndirectBlock},
        message::pipeline::PipelineMessage,
        primitive::Structure,
    },
    storage::{
        Store,
        btree::v2::BTreeV2,
        reader::{Reader, Stored},
    },
};

const NAME: &str = "fractal heap header";
/// The widest header: 12 lengths, 3 addresses, and a pipeline of up to 64 KiB.
const MAX_HEADER: u64 = 26 + 15 * 8 + (64 << 10) + 16;

/// A direct block, unfiltered and verified.
#[derive(Clone, Debug)]
struct Block {
    /// Heap offset of its first byte.
    start: u64,
    /// Bytes that it takes of the heap's offsets.
    size: u64,
    bytes: Stored,
}

/// An open fractal heap. It remembers the direct blocks that it has verified.
#[derive(Debug)]
pub(crate) struct FractalHeap {
    address: u64,
    pub(crate) header: FractalHeapHeader,
    pub(crate) table: DoublingTable,
    filters: FilterPipeline,
    /// By the heap offset of the first byte.
    blocks: RefCell<BTreeMap<u64, Block>>,
}

impl FractalHeap {
    pub(crate) fn open(store: &Store, address: u64) -> Result<Self> {
        let reader = &store.reader;
        let open = || {
            let base = FractalHeapHeader::base_len(reader.sizes) as u64;
            let header = match FractalHeapHeader::decode(&reader.up_to(address, base)?, reader.sizes) {
                Ok(header) => header,
                // With filters the header is longer.
                Err(_) => FractalHeapHeader::decode(&reader.up_to(address, MAX_HEADER)?, reader.sizes)?,
            };
            let filters = match &header.filters {
                Some(filters) => PipelineMessage::decode(&filters.pipeline)?.filters,
                None => Vec::new(),
            };
            let filters = FilterPipeline { filters, codecs: store.settings.codecs.clone() };
            Ok(FractalHeap { address, table: header.table()?, header, filters, blocks: RefCell::default() })
        };
        open().in_structure(NAME).at(address)
    }

    /// The object with this id.
    pub(crate) fn object<'s>(&self, store: &'s Store, id: &[u8]) -> Result<Cow<'s, [u8]>> {
        let reader = &store.reader;
        match HeapId::decode(id, &self.header, reader.sizes).at(self.address)? {
            HeapId::Managed { offset, length } => match self.block(store, offset)? {
                Block { start, bytes: Stored::Range { address, len }, .. } => {
                    let bytes = reader.slice(address, len).unwrap_or_default();
                    self.within(bytes, offset - start, length).map(Cow::Borrowed)
                }
                Block { start, bytes: Stored::Owned(bytes), .. } => {
                    self.within(&bytes, offset - start, length).map(|o| Cow::Owned(o.to_vec()))
                }
            },
            HeapId::Tiny { data } => Ok(Cow::Owned(data.to_vec())),
            HeapId::HugeDirect { address, length, filtered } => self.huge(store, address, length, filtered),
            HeapId::HugeIndexed { key } => {
                let tree = self.header.huge_btree.ok_or_else(|| Error::corrupt("no index of huge objects"));
                let tree = BTreeV2::open(reader, tree.at(self.address)?)?;
                let mut found = None;
                tree.find(reader, &mut |record| {
                    let (address, length, filtered, id) = match tree.header.record_type {
                        1 => {
                            let r = HugeIndirect::decode(record, reader.sizes)?;
                            (r.address, r.length, None, r.id.0)
                        }
                        2 => {
                            let r = HugeIndirectFiltered::decode(record, reader.sizes)?;
                            (r.address, r.length, Some((r.filtered.mask, r.filtered.memory_size)), r.id.0)
                        }
                        other => return Err(Error::corrupt(format!("records of type {other}"))),
                    };
                    let order = id.cmp(&key);
                    if order == Ordering::Equal {
                        found = Some((address, length, filtered));
                    }
                    Ok(order)
                })?;
                let (address, length, filtered) =
                    found.ok_or_else(|| Error::corrupt(format!("no huge object {key}")).at(self.address))?;
                self.huge(store, address, length, filtered)
            }
        }
    }

    /// Calls `f` with the object with this id.
    pub(crate) fn with_object<R>(
        &self,
        store: &Store,
        id: &[u8],
        f: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        if let HeapId::Managed { offset, length } =
            HeapId::decode(id, &self.header, store.reader.sizes).at(self.address)?
        {
            let block = self.block(store, offset)?;
            let bytes = block.bytes.bytes(&store.reader);
            return f(self.within(bytes, offset - block.start, length)?);
        }
        f(&self.object(store, id)?)
    }

    fn huge<'s>(
        &self,
        store: &'s Store,
        address: u64,
        length: u64,
        filtered: Option<(u32, u64)>,
    ) -> Result<Cow<'s, [u8]>> {
        let stored = store.reader.bytes(address, length).in_structure("huge object of a fractal heap")?;
        match filtered {
            Some((mask, size)) => self.unfilter(store, &stored, mask, size).map(Cow::Owned),
            None => Ok(stored),
        }
    }

    fn unfilter(&self, store: &Store, stored: &[u8], mask: u32, size: u64) -> Result<Vec<u8>> {
        let limits = &store.reader.limits;
        // Deflate cannot do better than about 1:1032 a stage.
        let possible = (stored.len() as u64 + 64).saturating_mul(1 << 20);
        if size > limits.allocation.min(possible) {
            return Err(Error::limit("object of a fractal heap", size, limits.allocation.min(possible)));
        }
        let context = ChunkContext { chunk_bytes: size as usize, element_size: 1 };
        let mut scratch = Scratch::default();
        Ok(self.filters.decode_chunk(&context, mask, stored, &mut scratch)?.to_vec())
    }

    /// An object of a block.
    fn within<'b>(&self, block: &'b [u8], start: u64, length: u64) -> Result<&'b [u8]> {
        let start = usize::try_from(start).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(usize::try_from(length).ok()?)?));
        range.and_then(|range| block.get(range)).ok_or_else(|| {
            let text = format!("object of {length} bytes at {start:?} of its block");
            Error::corrupt(text).in_structure("fractal heap").at(self.address)
        })
    }

    /// The direct block that holds a heap offset.
    fn block(&self, store: &Store, offset: u64) -> Result<Block> {
        if let Some((_, block)) = self.blocks.borrow().range(..=offset).next_back()
            && offset - block.start < block.size
        {
            return Ok(block.clone());
        }
        let (bytes, within, size) = self.find_block(store, offset)?;
        let block = Block { start: offset - within, size, bytes };
        self.blocks.borrow_mut().insert(block.start, block.clone());
        Ok(block)
    }

    /// Reads the direct block that holds a heap offset; with it the offset within it, and its size.
    fn find_block(&self, store: &Store, offset: u64) -> Result<(Stored, u64, u64)> {
        let reader = &store.reader;
        let bad = |text: String| Error::corrupt(text).in_structure("fractal heap").at(self.address);
        let root = self.header.root.ok_or_else(|| bad("an object in an empty heap".into()))?;
        if self.header.root_rows == 0 {
            let size = self.header.start_size;
            if offset >= size {
                return Err(bad(format!("heap offset {offset} is beyond the only block, of {size} bytes")));
            }
            let filtered = self.header.filters.as_ref().map(|f| (f.root_size, f.root_mask));
            return Ok((self.direct(store, root, size, filtered)?, offset, size));
        }
        let (mut address, mut rows, mut offset) = (root, self.header.root_rows, offset);
        loop {
            let place = self.table.locate(offset).at(self.address)?;
            if place.row >= rows {
                return Err(bad(format!("heap offset {offset} is beyond {rows} rows")));
            }
            let len = IndirectBlock::encoded_len(&self.header, &self.table, rows, reader.sizes)?;
            let bytes = reader.bytes(address, len as u64).in_structure("fractal heap indirect block")?;
            let block = IndirectBlock::decode(&bytes, &self.header, &self.table, rows, reader.sizes);
            let block = block.at(address)?;
            if block.heap != self.address {
                return Err(bad(format!("indirect block {address:#x} belongs to another heap")));
            }
            let index = usize::from(place.row) * usize::from(self.table.width) + usize::from(place.column);
            let child = block.child(index).at(address)?;
            let child_address =
                child.address.ok_or_else(|| bad(format!("heap offset {offset} is in no block")))?;
            if place.row < self.table.direct_rows() {
                let size = self.table.row_block_size(place.row)?;
                let block = self.direct(store, child_address, size, child.filtered)?;
                return Ok((block, place.offset, size));
            }
            let below = self.table.rows_below(place.row).at(address)?;
            if below >= rows && child_address == address {
                return Err(bad("indirect blocks in a circle".into()));
            }
            (address, rows, offset) = (child_address, below, place.offset);
        }
    }

    /// A direct block, unfiltered and verified.
    fn direct(&self, store: &Store, address: u64, size: u64, filtered: Option<(u64, u32)>) -> Result<Stored> {
        let reader: &Reader = &store.reader;
        let read = || {
            let stored = match filtered {
                Some((stored, mask)) => {
                    let bytes = reader.bytes(address, stored)?;
                    Cow::Owned(self.unfilter(store, &bytes, mask, size)?)
                }
                None => reader.bytes(address, size)?,
            };
            let block = DirectBlock::decode(&stored, &self.header, true, reader.sizes)?;
            if block.heap != self.address {
                return Err(Error::corrupt("the block belongs to another heap"));
            }
            Ok(Stored::new(address, stored))
        };
        read().in_structure("fractal heap direct block").at(address)
    }
}
