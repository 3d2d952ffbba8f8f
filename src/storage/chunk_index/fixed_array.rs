//! Chunks in a fixed array.

use super::{Builder, ChunkEntry, IndexContext, coordinates, in_index};
use crate::{
    error::{Error, Result},
    format::{
        chunk_element::{ChunkElement, ElementFormat},
        fixed_array::{FixedArrayBlock, FixedArrayHeader, page},
        primitive::Structure,
    },
    model::dataspace::element_count,
};

pub(super) fn load(
    context: &IndexContext<'_>,
    address: u64,
    page_bits: u8,
    builder: &mut Builder,
) -> Result<()> {
    let reader = context.reader;
    let sizes = reader.sizes;
    let open = || {
        let bytes = reader.bytes(address, FixedArrayHeader::encoded_len(sizes) as u64)?;
        let header = FixedArrayHeader::decode(&bytes, sizes)?;
        if header.page_bits != page_bits {
            let text = format!("pages of 2^{} elements, 2^{page_bits} in the layout", header.page_bits);
            return Err(Error::corrupt(text));
        }
        Ok((header.format(sizes)?, header))
    };
    let (format, header) = in_index(open(), "fixed array header", address)?;
    let grid = context.max_grid().into_iter().collect::<Option<Vec<u64>>>();
    let grid = grid.ok_or_else(|| Error::corrupt("fixed array with an unlimited dimension").at(address))?;
    if element_count(&grid)? != header.count {
        let text = format!("{} elements for a grid of {grid:?} chunks", header.count);
        return Err(Error::corrupt(text).in_structure("fixed array header").at(address));
    }
    let Some(block_address) = header.data_block else { return Ok(()) };
    let mut read = || {
        let block_len = header.block_len(sizes)?;
        let bytes = reader.bytes(block_address, block_len)?;
        let block = FixedArrayBlock::decode(&bytes, &header, sizes)?;
        if !header.is_paged() {
            return add_elements(context, &format, block.elements, 0, &grid, builder);
        }
        for number in (0..header.pages()).filter(|&n| block.has_page(n)) {
            let mut read_page = || {
                let (range, _) = header.page(number, sizes)?;
                let at = block_address
                    .checked_add(range.start)
                    .ok_or_else(|| Error::corrupt("page beyond 64 bits"))?;
                let bytes = reader.bytes(at, range.end - range.start)?;
                let first = number * header.page_elements();
                add_elements(context, &format, page(&bytes)?, first, &grid, builder)
            };
            reader.forgive(read_page())?;
        }
        Ok(())
    };
    in_index(read(), "fixed array data block", block_address)
}

/// The chunk of an element, if it is stored.
pub(super) fn entry(context: &IndexContext<'_>, element: ChunkElement) -> Option<ChunkEntry> {
    let size = element.size.unwrap_or(context.chunk_bytes);
    Some(ChunkEntry { address: element.address?, size, mask: element.mask })
}

fn add_elements(
    context: &IndexContext<'_>,
    format: &ElementFormat,
    bytes: &[u8],
    first: u64,
    grid: &[u64],
    builder: &mut Builder,
) -> Result<()> {
    let mut point = vec![0; grid.len()];
    for (i, element) in format.decode_all(bytes).enumerate() {
        if let Some(entry) = entry(context, element?) {
            coordinates(first + i as u64, grid, &mut point);
            builder.insert(&point, entry)?;
        }
    }
    Ok(())
}
