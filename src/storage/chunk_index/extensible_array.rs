//! Chunks in an extensible array.

use rustc_hash::FxHashSet;

use super::{Builder, IndexContext, coordinates, fixed_array::entry, in_index};
use crate::{
    error::{Error, Result},
    format::{
        chunk_element::ElementFormat,
        extensible_array::ExtensibleArrayHeader,
        extensible_array_block::{ArrayLayout, DataBlock, IndexBlock, StoredSuperBlock},
        fixed_array::page,
        primitive::Structure,
    },
};

struct Loader<'a, 'b> {
    context: &'a IndexContext<'a>,
    builder: &'b mut Builder,
    array: ArrayLayout,
    format: ElementFormat,
    /// Chunks in each dimension, the unlimited one first; the first is not used.
    grid: Vec<u64>,
    /// Which dimension is unlimited.
    unlimited: usize,
    visited: FxHashSet<u64>,
}

pub(super) fn load(context: &IndexContext<'_>, address: u64, builder: &mut Builder) -> Result<()> {
    let reader = context.reader;
    let sizes = reader.sizes;
    let open = || {
        let bytes = reader.bytes(address, ExtensibleArrayHeader::encoded_len(sizes) as u64)?;
        let header = ExtensibleArrayHeader::decode(&bytes, sizes)?;
        Ok((ArrayLayout::new(&header, sizes)?, header.format(sizes)?, header))
    };
    let (array, format, header) = in_index(open(), "extensible array header", address)?;
    let max_grid = context.max_grid();
    let unlimited = max_grid.iter().position(Option::is_none).unwrap_or(0);
    let mut grid: Vec<u64> = max_grid.iter().map(|g| g.unwrap_or(u64::MAX)).collect();
    // The unlimited dimension is the slowest one.
    grid.remove(unlimited);
    grid.insert(0, u64::MAX);
    if grid[1..].contains(&u64::MAX) {
        return Err(Error::corrupt("extensible array with several unlimited dimensions").at(address));
    }
    let Some(index_block) = header.index_block else { return Ok(()) };
    let visited = FxHashSet::default();
    let mut loader = Loader { context, builder, array, format, grid, unlimited, visited };
    in_index(loader.index_block(index_block), "extensible array index block", index_block)
}

impl Loader<'_, '_> {
    fn index_block(&mut self, address: u64) -> Result<()> {
        let array = self.array;
        let shape = array.shape;
        let bytes = self.context.reader.bytes(address, array.index_len())?;
        let block = IndexBlock::decode(&bytes, &array)?;
        self.elements(block.elements, 0)?;
        let before = shape.index_elements() as u64;
        for u in 0..shape.first_super_block().min(shape.super_blocks()) {
            let super_block = shape.super_block(u)?;
            for i in 0..super_block.data_blocks {
                let pointer = (super_block.first_data_block + i) as usize;
                if let Some(data_block) = block.data_blocks.get(pointer)? {
                    let first = before + super_block.first_element + i * super_block.elements;
                    let loaded = self.data_block(data_block, u, first, None);
                    in_index(loaded, "extensible array data block", data_block)?;
                }
            }
        }
        for (pointer, u) in (shape.first_super_block()..shape.super_blocks()).enumerate() {
            if let Some(super_block) = block.super_blocks.get(pointer)? {
                in_index(self.super_block(super_block, u), "extensible array super block", super_block)?;
            }
        }
        Ok(())
    }

    fn super_block(&mut self, address: u64, u: u8) -> Result<()> {
        self.enter(address)?;
        let array = self.array;
        let shape = array.shape.super_block(u)?;
        let bytes = self.context.reader.bytes(address, array.super_len(u)?)?;
        let block = StoredSuperBlock::decode(&bytes, &array, u)?;
        for i in 0..shape.data_blocks {
            if let Some(data_block) = block.data_blocks.get(i as usize)? {
                let first = array.shape.index_elements() as u64 + shape.first_element + i * shape.elements;
                let loaded = self.data_block(data_block, u, first, Some((&block, i)));
                in_index(loaded, "extensible array data block", data_block)?;
            }
        }
        Ok(())
    }

    fn data_block(
        &mut self,
        address: u64,
        u: u8,
        first: u64,
        pages: Option<(&StoredSuperBlock<'_>, u64)>,
    ) -> Result<()> {
        self.enter(address)?;
        let array = self.array;
        let reader = self.context.reader;
        let shape = array.shape.super_block(u)?;
        let bytes = reader.bytes(address, array.data_len(u)?)?;
        let block = DataBlock::decode(&bytes, &array, u)?;
        if shape.pages == 0 {
            return self.elements(block.elements, first);
        }
        let Some((super_block, data_block)) = pages else { return Ok(()) };
        for number in (0..shape.pages).filter(|&n| super_block.has_page(data_block, n)) {
            let range = array.page(u, number)?;
            let at = address.checked_add(range.start).ok_or_else(|| Error::corrupt("page beyond 64 bits"))?;
            let bytes = reader.bytes(at, range.end - range.start)?;
            self.elements(page(&bytes)?, first + number * array.shape.page_elements())?;
        }
        Ok(())
    }

    fn enter(&mut self, address: u64) -> Result<()> {
        if self.visited.insert(address) { Ok(()) } else { Err(Error::corrupt("block is reached twice")) }
    }

    fn elements(&mut self, bytes: &[u8], first: u64) -> Result<()> {
        let mut point = vec![0; self.grid.len()];
        for (i, element) in self.format.decode_all(bytes).enumerate() {
            if let Some(entry) = entry(self.context, element?) {
                coordinates(first + i as u64, &self.grid, &mut point);
                // Back to the order of the dataset.
                point[..=self.unlimited].rotate_left(1);
                self.builder.insert(&point, entry)?;
            }
        }
        Ok(())
    }
}
