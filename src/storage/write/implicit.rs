//! Chunks of an implicit index: one block for the whole grid of the largest extent, so that the place of a chunk says
//! where it is. The block is allocated when the dataset is made, and it stays where it is.

use std::collections::BTreeMap;

use super::{
    State,
    node::{ChunkState, NodeId, RawState},
};
use crate::{
    error::{Error, Result},
    model::{dataspace::element_count, layout::ChunkIndexType},
    storage::chunk_index::{ChunkEntry, coordinates},
};

/// The chunks of a grid, whose first is at this address.
pub(super) fn places(
    grid: &[u64],
    address: u64,
    size: u64,
    published: bool,
) -> Result<BTreeMap<Box<[u64]>, ChunkState>> {
    let mut place = vec![0; grid.len()];
    let mut chunks = BTreeMap::new();
    for i in 0..element_count(grid)? {
        coordinates(i, grid, &mut place);
        let entry = ChunkEntry { address: address + i * size, size, mask: 0 };
        chunks.insert(
            place.clone().into(),
            ChunkState { stored: Some((entry, published)), ..ChunkState::default() },
        );
    }
    Ok(chunks)
}

impl State {
    pub(super) fn is_implicit(&self, id: NodeId) -> Result<bool> {
        Ok(match &self.node(id)?.dataset()?.data {
            RawState::Chunked(state) => state.index == ChunkIndexType::Implicit,
            _ => false,
        })
    }

    /// A block for all chunks, each with these bytes.
    pub(super) fn allocate_implicit(&mut self, id: NodeId, filled: &[u8]) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let RawState::Chunked(state) = &dataset.data else { return Err(Error::usage("not chunked")) };
        let max_dims = dataset.dataspace.max_dims();
        let grid: Option<Vec<u64>> =
            max_dims.iter().zip(&state.chunk).map(|(max, &c)| max.map(|max| max.div_ceil(c))).collect();
        let grid = grid.ok_or_else(|| Error::usage("an implicit index with an unlimited dimension"))?;
        let (count, size) = (element_count(&grid)?, filled.len() as u64);
        let total =
            count.checked_mul(size).ok_or_else(|| Error::limit("bytes of a dataset", u64::MAX, 1 << 62))?;
        let at = self.tx.allocator.allocate_zeroed(total)?;
        self.tx.grow()?;
        if filled.iter().any(|&b| b != 0) {
            (0..count).try_for_each(|i| self.put_data(at + i * size, filled))?;
        }
        let chunks = &mut self.chunked(id)?.chunks;
        for (place, chunk) in places(&grid, at, size, false)? {
            chunks.entry(place).or_default().stored = chunk.stored;
        }
        Ok(())
    }

    /// Stores a chunk at its place.
    pub(super) fn store_implicit(&mut self, id: NodeId, place: &[u64], bytes: &[u8]) -> Result<()> {
        if self.chunked(id)?.chunks.values().all(|c| c.stored.is_none()) {
            // The extent was empty so far.
            self.allocate_chunks(id)?;
        }
        let stored = self.chunked(id)?.chunks.get(place).and_then(|c| c.stored);
        let (entry, published) = stored.ok_or_else(|| Error::shape("a chunk outside the grid"))?;
        match published {
            true => self.tx.patch(entry.address, bytes),
            false => self.put_data(entry.address, bytes),
        }
    }
}
