//! Fractal heaps, built at once from their objects.

use super::btree_v2::{self, Kind};
use crate::{
    error::{Error, Result},
    format::{
        btree_v2_record::{Absent, HugeId, HugeIndirect},
        doubling_table::DoublingTable,
        fractal_heap::{CHECKSUM_DIRECT, FractalHeapHeader, HeapId},
        fractal_heap_block::{ChildBlock, DirectBlock, IndirectBlock},
        primitive::{Sizes, Structure},
    },
    storage::{allocator::Block, transaction::Transaction},
};

/// Larger objects lie outside the blocks of the heap.
const MAX_MANAGED: u32 = 4096;
const MAX_DIRECT: u64 = 64 << 10;

/// The kind of a heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeapKind {
    pub(super) id_len: u16,
    pub(super) start_size: u64,
    pub(super) max_heap_bits: u16,
}

pub(super) const LINKS: HeapKind = HeapKind { id_len: 7, start_size: 512, max_heap_bits: 32 };
pub(super) const ATTRIBUTES: HeapKind = HeapKind { id_len: 8, start_size: 1024, max_heap_bits: 40 };

struct Builder<'a> {
    tx: &'a mut Transaction,
    blocks: &'a mut Vec<Block>,
    sizes: Sizes,
    header: FractalHeapHeader,
    table: DoublingTable,
    address: u64,
    /// Managed objects, and which of them is next.
    objects: &'a [&'a [u8]],
    next: usize,
    offsets: Vec<u64>,
}

/// Writes a heap of these objects. Returns its address, and the id of each object, which has `N` bytes.
pub(super) fn build<const N: usize>(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    kind: HeapKind,
    objects: &[&[u8]],
    sizes: Sizes,
) -> Result<(u64, Vec<[u8; N]>)> {
    let header = FractalHeapHeader {
        id_len: kind.id_len,
        flags: CHECKSUM_DIRECT,
        max_managed: MAX_MANAGED,
        next_huge_id: 0,
        huge_btree: None,
        free_space: 0,
        free_space_manager: None,
        managed_space: 0,
        managed_allocated: 0,
        iterator_offset: 0,
        managed_objects: 0,
        huge_bytes: 0,
        huge_objects: 0,
        tiny_bytes: 0,
        tiny_objects: 0,
        table_width: 4,
        start_size: kind.start_size,
        max_direct: MAX_DIRECT,
        max_heap_bits: kind.max_heap_bits,
        start_rows: 1,
        root: None,
        root_rows: 0,
        filters: None,
    };
    let len = header.encode(sizes)?.len() as u64;
    let address = tx.allocator.allocate(len)?;
    blocks.push((address, len));
    let is_huge = |object: &[u8]| object.len() > MAX_MANAGED as usize;
    let managed: Vec<&[u8]> = objects.iter().copied().filter(|o| !is_huge(o)).collect();
    let table = header.table()?;
    let offsets = Vec::with_capacity(managed.len());
    let mut builder =
        Builder { tx, blocks, sizes, header, table, address, objects: &managed, next: 0, offsets };
    builder.root()?;
    let Builder { mut header, offsets, .. } = builder;
    let (mut offsets, mut ids) = (offsets.into_iter(), Vec::with_capacity(objects.len()));
    let (mut huge, mut bytes) = (Vec::new(), Vec::with_capacity(N));
    for object in objects {
        let length = object.len() as u64;
        let id = if is_huge(object) {
            let block = tx.put(object)?;
            blocks.push(block);
            header.next_huge_id += 1;
            header.huge_objects += 1;
            header.huge_bytes += length;
            let key = header.next_huge_id;
            let record = HugeIndirect { address: block.0, length, filtered: Absent, id: HugeId(key) };
            huge.extend(record.encode(sizes)?);
            HeapId::HugeIndexed { key }
        } else {
            let offset = offsets.next().ok_or_else(|| Error::usage("an object without a place"))?;
            HeapId::Managed { offset, length }
        };
        bytes.clear();
        id.put(&mut bytes, &header, sizes)?;
        ids.push(bytes[..].try_into().map_err(|_| Error::usage("a heap id of another length"))?);
    }
    if header.huge_objects > 0 {
        let record_size = u16::from(sizes.offset) + 2 * u16::from(sizes.length);
        let tree = btree_v2::build(tx, blocks, Kind::of_names(1, record_size), &huge, sizes)?;
        header.huge_btree = Some(tree);
    }
    tx.put_at(address, &header.encode(sizes)?)?;
    Ok((address, ids))
}

impl Builder<'_> {
    fn prefix(&self) -> u64 {
        DirectBlock::prefix_len(&self.header, self.sizes) as u64
    }

    fn root(&mut self) -> Result<()> {
        if self.objects.is_empty() {
            return Ok(());
        }
        let total: u64 = self.objects.iter().map(|o| o.len() as u64).sum();
        self.header.managed_objects = self.objects.len() as u64;
        let start = self.header.start_size;
        if total + self.prefix() <= start {
            self.header.root = self.direct(0, start)?;
            self.header.managed_space = start;
            self.header.iterator_offset = start;
            return Ok(());
        }
        let mut children = self.table(0, self.table.max_rows())?;
        let width = usize::from(self.table.width);
        // libhdf5 doubles the rows of the root.
        let used = children.len().div_ceil(width).max(1);
        let rows = used.next_power_of_two().min(usize::from(self.table.max_rows()));
        self.header.iterator_offset = self.block_end(children.len())?;
        children.resize(rows * width, ChildBlock::default());
        let root = self.indirect(0, &children)?;
        self.header.root = Some(root);
        self.header.root_rows = rows as u16;
        self.header.managed_space = self.block_end(rows * width)?;
        Ok(())
    }

    /// Heap offset behind so many blocks of the root.
    fn block_end(&self, blocks: usize) -> Result<u64> {
        let last = blocks.saturating_sub(1);
        let width = usize::from(self.table.width);
        let (row, column) = ((last / width) as u16, (last % width) as u16);
        Ok(self.table.block_offset(row, column)? + self.table.row_block_size(row)?)
    }

    /// Fills the blocks of a table that starts at `base` until there are no objects left.
    fn table(&mut self, base: u64, rows: u16) -> Result<Vec<ChildBlock>> {
        let mut children = Vec::new();
        for row in 0..rows {
            for column in 0..self.table.width {
                if self.next == self.objects.len() {
                    return Ok(children);
                }
                let offset = base + self.table.block_offset(row, column)?;
                let size = self.table.row_block_size(row)?;
                let address = if row < self.table.direct_rows() {
                    self.direct(offset, size)?
                } else {
                    let rows = self.table.rows_below(row)?;
                    let width = usize::from(self.table.width);
                    let mut below = self.table(offset, rows)?;
                    below.resize(usize::from(rows) * width, ChildBlock::default());
                    Some(self.indirect(offset, &below)?)
                };
                children.push(ChildBlock { address, filtered: None });
            }
        }
        if base == 0 && self.next < self.objects.len() {
            return Err(Error::limit("bytes of a fractal heap", 1 << self.table.heap_bits.min(63), u64::MAX));
        }
        Ok(children)
    }

    fn indirect(&mut self, offset: u64, children: &[ChildBlock]) -> Result<u64> {
        let bytes =
            IndirectBlock::encode(self.address, offset, children, &self.header, &self.table, self.sizes)?;
        let block = self.tx.put(&bytes)?;
        self.blocks.push(block);
        Ok(block.0)
    }

    /// A block of as many objects as fit; none if not one does.
    fn direct(&mut self, offset: u64, size: u64) -> Result<Option<u64>> {
        let prefix = self.prefix();
        let mut used = prefix;
        let first = self.next;
        while let Some(object) = self.objects.get(self.next)
            && used + object.len() as u64 <= size
        {
            self.offsets.push(offset + used);
            used += object.len() as u64;
            self.next += 1;
        }
        if self.next == first {
            return Ok(None);
        }
        let mut bytes = vec![0; size as usize];
        let mut at = prefix as usize;
        for object in &self.objects[first..self.next] {
            bytes[at..at + object.len()].copy_from_slice(object);
            at += object.len();
        }
        let block = DirectBlock { heap: self.address, offset, prefix_len: prefix as usize };
        block.encode_into(&mut bytes, &self.header, self.sizes)?;
        let block = self.tx.put(&bytes)?;
        self.blocks.push(block);
        self.header.managed_allocated += size;
        self.header.free_space += size - used;
        Ok(Some(block.0))
    }
}
