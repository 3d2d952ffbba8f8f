//! Extensible arrays, built at once from the chunks of a dataset.

use std::collections::BTreeMap;

use super::chunk_index::{IndexSource, elements};
use crate::{
    error::{Error, Result},
    format::{
        checksum,
        chunk_element::{ChunkElement, ElementFormat},
        extensible_array::{ExtensibleArrayHeader, Place},
        extensible_array_block::{ArrayLayout, DataBlock, IndexBlock, StoredSuperBlock},
        primitive::{Sizes, Structure},
    },
    model::layout::ChunkIndexType,
    storage::{allocator::Block, transaction::Transaction},
};

/// Where the chunks go in the array.
pub(super) struct ArrayContext {
    /// Which dimension is unlimited, and the largest number of chunks in the others.
    unlimited: usize,
    grid: Vec<u64>,
}

impl ArrayContext {
    pub(super) fn new(source: &IndexSource<'_>) -> Result<Self> {
        let unlimited = source.max_dims.iter().position(Option::is_none);
        let unlimited = unlimited.ok_or_else(|| Error::usage("extensible array of a fixed extent"))?;
        let mut grid: Vec<u64> = source
            .max_dims
            .iter()
            .zip(&source.state.chunk)
            .map(|(m, &c)| m.map_or(u64::MAX, |m| m.div_ceil(c)))
            .collect();
        grid.remove(unlimited);
        Ok(ArrayContext { unlimited, grid })
    }

    /// Number of a chunk: the unlimited dimension is the slowest.
    fn number(&self, place: &[u64]) -> Result<u64> {
        let others = place.iter().enumerate().filter(|(d, _)| *d != self.unlimited).map(|(_, p)| p);
        let number = others
            .zip(&self.grid)
            .try_fold(place[self.unlimited], |n, (p, g)| n.checked_mul(*g)?.checked_add(*p));
        number.ok_or_else(|| Error::limit("chunks of a dataset", u64::MAX, u64::MAX))
    }
}

struct Builder<'a> {
    tx: &'a mut Transaction,
    blocks: &'a mut Vec<Block>,
    sizes: Sizes,
    header: ExtensibleArrayHeader,
    array: ArrayLayout,
    format: ElementFormat,
    address: u64,
}

/// Elements of a data block, by their number in it.
type Elements = Vec<(u64, ChunkElement)>;

pub(super) fn build(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    source: &IndexSource<'_>,
    context: ArrayContext,
) -> Result<u64> {
    let ChunkIndexType::ExtensibleArray { max_bits, index_elements, min_pointers, min_elements, page_bits } =
        source.state.index
    else {
        return Err(Error::usage("not an extensible array"));
    };
    let sizes = source.sizes;
    let (client, element_size) = source.client();
    let header = ExtensibleArrayHeader {
        client,
        element_size,
        max_bits,
        index_elements,
        min_elements,
        min_pointers,
        page_bits,
        super_blocks: 0,
        super_bytes: 0,
        data_blocks: 0,
        data_bytes: 0,
        max_index_set: 0,
        realised: index_elements.into(),
        index_block: None,
    };
    let len = header.encode(sizes)?.len() as u64;
    let address = tx.allocator.allocate(len)?;
    blocks.push((address, len));
    let array = ArrayLayout::new(&header, sizes)?;
    let format = header.format(sizes)?;
    let mut builder = Builder { tx, blocks, sizes, header, array, format, address };
    let mut chunks: Elements =
        source.entries().map(|(p, e)| Ok((context.number(p)?, source.element(e)))).collect::<Result<_>>()?;
    chunks.sort_by_key(|c| c.0);
    builder.array(&chunks)?;
    builder.tx.put_at(address, &builder.header.encode(sizes)?)?;
    Ok(address)
}

impl Builder<'_> {
    fn array(&mut self, chunks: &[(u64, ChunkElement)]) -> Result<()> {
        let shape = self.array.shape;
        let mut index: Elements = Vec::new();
        // (pointer, super block) -> elements; (pointer, super block) -> data block -> elements.
        let mut data: BTreeMap<(usize, u8), Elements> = BTreeMap::new();
        let mut supers: BTreeMap<(usize, u8), BTreeMap<u64, Elements>> = BTreeMap::new();
        for &(number, chunk) in chunks {
            match shape.locate(number)? {
                Place::Index { element } => index.push((element as u64, chunk)),
                Place::DataBlock { pointer, super_block, element } => {
                    data.entry((pointer, super_block)).or_default().push((element, chunk));
                }
                Place::SuperBlock { pointer, super_block, data_block, element } => {
                    let blocks = supers.entry((pointer, super_block)).or_default();
                    blocks.entry(data_block).or_default().push((element, chunk));
                }
            }
            self.header.max_index_set = number + 1;
        }
        let mut data_blocks = vec![None; shape.index_data_blocks()];
        for ((pointer, u), elements) in data {
            let number = pointer as u64 - shape.super_block(u)?.first_data_block;
            data_blocks[pointer] = Some(self.data_block(u, number, &elements, &mut [])?);
        }
        let mut super_blocks = vec![None; shape.index_super_blocks()];
        for ((pointer, u), blocks) in supers {
            super_blocks[pointer] = Some(self.super_block(u, &blocks)?);
        }
        let first = elements(&self.format, shape.index_elements() as u64, index.into_iter())?;
        let bytes = IndexBlock::encode(&self.array, self.address, &first, &data_blocks, &super_blocks)?;
        let block = self.tx.put(&bytes)?;
        self.blocks.push(block);
        self.header.index_block = Some(block.0);
        Ok(())
    }

    fn super_block(&mut self, u: u8, blocks: &BTreeMap<u64, Elements>) -> Result<u64> {
        let shape = self.array.shape.super_block(u)?;
        let mut bitmap = vec![0; (shape.data_blocks * shape.pages.div_ceil(8)) as usize];
        let mut addresses = vec![None; shape.data_blocks as usize];
        for (&number, elements) in blocks {
            addresses[number as usize] = Some(self.data_block(u, number, elements, &mut bitmap)?);
        }
        let bytes = StoredSuperBlock::encode(&self.array, u, self.address, &bitmap, &addresses)?;
        let block = self.tx.put(&bytes)?;
        self.blocks.push(block);
        self.header.super_blocks += 1;
        self.header.super_bytes += block.1;
        Ok(block.0)
    }

    fn data_block(
        &mut self,
        u: u8,
        number: u64,
        chunks: &[(u64, ChunkElement)],
        bitmap: &mut [u8],
    ) -> Result<u64> {
        let shape = self.array.shape.super_block(u)?;
        let offset = shape.first_element + number * shape.elements;
        self.header.data_blocks += 1;
        self.header.realised += shape.elements;
        let head_len = self.array.data_len(u)?;
        if shape.pages == 0 {
            let bytes = elements(&self.format, shape.elements, chunks.iter().copied())?;
            let block = DataBlock { header: self.address, offset, elements: &bytes };
            let block = self.tx.put(&block.encode(&self.array, u)?)?;
            self.blocks.push(block);
            self.header.data_bytes += block.1;
            return Ok(block.0);
        }
        let len = self.array.page(u, shape.pages - 1)?.end.max(head_len);
        let address = self.tx.allocator.allocate(len)?;
        self.blocks.push((address, len));
        self.header.data_bytes += len;
        let head = DataBlock { header: self.address, offset, elements: &[] };
        self.tx.put_at(address, &head.encode(&self.array, u)?)?;
        let page_elements = self.array.shape.page_elements();
        for part in chunks.chunk_by(|a, b| a.0 / page_elements == b.0 / page_elements) {
            let page = part[0].0 / page_elements;
            let bit = number * shape.pages + page;
            if let Some(byte) = bitmap.get_mut((bit / 8) as usize) {
                *byte |= 0x80 >> (bit % 8);
            }
            let within = part.iter().map(|(n, element)| (n - page * page_elements, *element));
            let mut bytes = elements(&self.format, page_elements, within)?;
            checksum::append(&mut bytes);
            self.tx.put_at(address + self.array.page(u, page)?.start, &bytes)?;
        }
        let _ = self.sizes;
        Ok(address)
    }
}
