//! Chunk indexes, built at once from the chunks of a dataset.

use super::{
    btree_v2,
    extensible_array::{self, ArrayContext},
    node::ChunkedState,
};
use crate::{
    error::{Error, Result},
    format::{
        btree_v1::{BTreeV1Header, Key, KeyKind, encode_node},
        btree_v2_record::encode_chunk,
        checksum,
        chunk_element::{CLIENT_CHUNK, CLIENT_FILTERED, ChunkElement, ElementFormat},
        fixed_array::{FixedArrayBlock, FixedArrayHeader},
        primitive::{Sizes, Structure},
    },
    model::{dataspace::element_count, layout::ChunkIndexType},
    storage::{allocator::Block, chunk_index::ChunkEntry, transaction::Transaction},
};

/// What an index is built from.
pub(super) struct IndexSource<'a> {
    pub(super) state: &'a ChunkedState,
    pub(super) max_dims: &'a [Option<u64>],
    pub(super) dims: &'a [u64],
    pub(super) element_size: u64,
    pub(super) filtered: bool,
    pub(super) sizes: Sizes,
    /// Half of the children of a node of a B-tree version 1.
    pub(super) chunk_k: u16,
    /// Version of the layout message.
    pub(super) layout_version: u8,
}

impl IndexSource<'_> {
    /// The stored chunks within the extent, in C order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u64], ChunkEntry)> {
        let inside = |place: &[u64]| {
            place.iter().zip(&self.state.chunk).zip(self.dims).all(|((p, c), d)| p.saturating_mul(*c) < *d)
        };
        self.state
            .chunks
            .iter()
            .filter(move |(place, _)| inside(place))
            .filter_map(|(place, state)| state.stored.map(|(entry, _)| (&**place, entry)))
    }

    pub(super) fn chunk_bytes(&self) -> u64 {
        self.state.chunk.iter().fold(self.element_size, |n, &c| n.saturating_mul(c))
    }

    /// Bytes of the size of a filtered chunk in an element of an array or a record.
    fn size_width(&self) -> u8 {
        if self.layout_version >= 5 {
            return self.sizes.length;
        }
        (1 + (self.chunk_bytes().max(1).ilog2() + 8) / 8).min(8) as u8
    }

    pub(super) fn client(&self) -> (u8, u8) {
        match self.filtered {
            true => (CLIENT_FILTERED, self.sizes.offset + self.size_width() + 4),
            false => (CLIENT_CHUNK, self.sizes.offset),
        }
    }

    pub(super) fn element(&self, entry: ChunkEntry) -> ChunkElement {
        let size = self.filtered.then_some(entry.size);
        ChunkElement { address: Some(entry.address), size, mask: entry.mask }
    }
}

/// Writes the index of a dataset: its address, and its type as the layout message has it.
pub(super) fn build(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    source: &IndexSource<'_>,
) -> Result<(Option<u64>, ChunkIndexType)> {
    let index = source.state.index;
    if index == ChunkIndexType::Implicit {
        // Also of an extent without elements.
        let first = source.state.chunks.values().next().and_then(|chunk| chunk.stored);
        return Ok((first.map(|(entry, _)| entry.address), index));
    }
    let Some((_, first)) = source.entries().next() else { return Ok((None, index)) };
    let address = match index {
        ChunkIndexType::BTreeV1 => btree_v1(tx, blocks, source)?,
        ChunkIndexType::Single { .. } => {
            let filtered = source.filtered.then_some((first.size, first.mask));
            return Ok((Some(first.address), ChunkIndexType::Single { filtered }));
        }
        ChunkIndexType::FixedArray { page_bits } => fixed_array(tx, blocks, source, page_bits)?,
        ChunkIndexType::ExtensibleArray { .. } => {
            let context = ArrayContext::new(source)?;
            extensible_array::build(tx, blocks, source, context)?
        }
        ChunkIndexType::BTreeV2 { node_size, split, merge } => {
            let width = source.size_width();
            let rank = source.dims.len() as u16;
            let filtered = if source.filtered { u16::from(width) + 4 } else { 0 };
            let kind = btree_v2::Kind {
                record_type: if source.filtered { 11 } else { 10 },
                record_size: u16::from(source.sizes.offset) + filtered + 8 * rank,
                node_size,
                split,
                merge,
            };
            let mut records = Vec::new();
            for (place, entry) in source.entries() {
                let filtered = source.filtered.then_some((entry.size, entry.mask));
                encode_chunk(&mut records, entry.address, filtered, width, place, source.sizes)?;
            }
            btree_v2::build(tx, blocks, kind, &records, source.sizes)?
        }
        ChunkIndexType::Implicit => return Ok((None, index)),
    };
    Ok((Some(address), index))
}

/// The root of a B-tree version 1 of all chunks.
fn btree_v1(tx: &mut Transaction, blocks: &mut Vec<Block>, source: &IndexSource<'_>) -> Result<u64> {
    let chunk: Vec<u64> = source.state.chunk.iter().copied().chain([source.element_size]).collect();
    let key = |place: &[u64], entry: Option<ChunkEntry>| -> Result<Key> {
        let entry = entry.unwrap_or(ChunkEntry { address: 0, size: 0, mask: 0 });
        let size = u32::try_from(entry.size)
            .map_err(|_| Error::limit("bytes of a chunk", entry.size, u64::from(u32::MAX)))?;
        let offsets = place.iter().zip(&chunk).map(|(p, c)| p.saturating_mul(*c)).collect();
        Ok(Key::Chunk { size, mask: entry.mask, offsets })
    };
    let kind = KeyKind::Chunk { coordinates: chunk.len() as u8 };
    // Key and child of every node of a level; the key behind the last.
    let mut level: Vec<(Key, u64)> = Vec::new();
    let mut last = Vec::new();
    for (place, entry) in source.entries() {
        let mut place = place.to_vec();
        place.push(0);
        level.push((key(&place, Some(entry))?, entry.address));
        last = place;
    }
    last.iter_mut().for_each(|p| *p += 1);
    let behind = key(&last, None)?;
    let node_len = kind.node_len(source.chunk_k, source.sizes) as u64;
    let (capacity, mut height) = (2 * usize::from(source.chunk_k), 0);
    loop {
        let nodes = level.len().div_ceil(capacity);
        // All about equally full; their addresses first, since they name their neighbours.
        let addresses: Vec<u64> =
            (0..nodes).map(|_| tx.allocator.allocate(node_len)).collect::<Result<_>>()?;
        let mut above = Vec::with_capacity(nodes);
        for (i, &address) in addresses.iter().enumerate() {
            let (from, to) = (level.len() * i / nodes, level.len() * (i + 1) / nodes);
            let mut keys: Vec<Key> = level[from..to].iter().map(|(key, _)| key.clone()).collect();
            keys.push(level.get(to).map_or_else(|| behind.clone(), |(key, _)| key.clone()));
            let children: Vec<u64> = level[from..to].iter().map(|(_, child)| *child).collect();
            let header = BTreeV1Header {
                node_type: kind.node_type(),
                level: height,
                entries: 0,
                left: i.checked_sub(1).map(|i| addresses[i]),
                right: addresses.get(i + 1).copied(),
            };
            let bytes = encode_node(header, kind, &keys, &children, source.chunk_k, source.sizes)?;
            tx.put_at(address, &bytes)?;
            blocks.push((address, node_len));
            above.push((keys.swap_remove(0), address));
        }
        if let [(_, root)] = above[..] {
            return Ok(root);
        }
        level = above;
        height += 1;
    }
}

/// Elements of an array as they are written.
pub(super) fn elements(
    format: &ElementFormat,
    count: u64,
    chunks: impl Iterator<Item = (u64, ChunkElement)>,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(count as usize * format.len());
    let mut next = 0;
    for (index, element) in chunks {
        (next..index).try_for_each(|_| format.encode_to(&ChunkElement::default(), &mut out))?;
        format.encode_to(&element, &mut out)?;
        next = index + 1;
    }
    (next..count).try_for_each(|_| format.encode_to(&ChunkElement::default(), &mut out))?;
    Ok(out)
}

fn fixed_array(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    source: &IndexSource<'_>,
    page_bits: u8,
) -> Result<u64> {
    let sizes = source.sizes;
    let grid: Option<Vec<u64>> =
        source.max_dims.iter().zip(&source.state.chunk).map(|(m, &c)| m.map(|m| m.div_ceil(c))).collect();
    let grid = grid.ok_or_else(|| Error::usage("fixed array with an unlimited dimension"))?;
    let count = element_count(&grid)?;
    let (client, element_size) = source.client();
    let mut header = FixedArrayHeader { client, element_size, page_bits, count, data_block: None };
    let format = header.format(sizes)?;
    let chunks: Vec<(u64, ChunkElement)> = source
        .entries()
        .map(|(place, entry)| {
            let number = place.iter().zip(&grid).fold(0, |n, (p, g)| n * g + p);
            (number, source.element(entry))
        })
        .collect();
    let len = header.encode(sizes)?.len() as u64;
    let address = tx.allocator.allocate(len)?;
    blocks.push((address, len));
    if header.is_paged() {
        let end = header.page(header.pages() - 1, sizes)?.0.end;
        let block = tx.allocator.allocate(end)?;
        blocks.push((block, end));
        let mut bitmap = vec![0u8; header.pages().div_ceil(8) as usize];
        let page_elements = header.page_elements();
        for part in chunks.chunk_by(|a, b| a.0 / page_elements == b.0 / page_elements) {
            let page = part[0].0 / page_elements;
            bitmap[(page / 8) as usize] |= 0x80 >> (page % 8);
            let (range, count) = header.page(page, sizes)?;
            let within = part.iter().map(|(n, element)| (n - page * page_elements, *element));
            let mut bytes = elements(&format, count, within)?;
            checksum::append(&mut bytes);
            tx.put_at(block + range.start, &bytes)?;
        }
        let data = FixedArrayBlock { header: address, bitmap: &bitmap, elements: &[] };
        tx.put_at(block, &data.encode(&header, sizes)?)?;
        header.data_block = Some(block);
    } else {
        let elements = elements(&format, count, chunks.into_iter())?;
        let data = FixedArrayBlock { header: address, bitmap: &[], elements: &elements };
        let block = tx.put(&data.encode(&header, sizes)?)?;
        blocks.push(block);
        header.data_block = Some(block.0);
    }
    tx.put_at(address, &header.encode(sizes)?)?;
    Ok(address)
}
