//! Chunks of an implicit index: one block for the whole grid of the largest extent, so that the place of a chunk says
//! where it is. The block is allocated when the dataset is made, and it moves as a whole or not at all.

use super::{
    State,
    node::{ChunkState, NodeId, RawState},
};
use crate::{
    error::{Error, Result},
    model::{dataspace::element_count, layout::ChunkIndexType},
    storage::chunk_index::{ChunkEntry, coordinates},
};

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
        let mut place = vec![0; grid.len()];
        let mut chunks = std::collections::BTreeMap::new();
        for i in 0..count {
            coordinates(i, &grid, &mut place);
            let entry = ChunkEntry { address: at + i * size, size, mask: 0 };
            chunks.insert(place.clone().into(), ChunkState { stored: Some((entry, false)), elements: None });
        }
        self.chunked(id)?.chunks = chunks;
        Ok(())
    }

    /// Stores a chunk at its place. A block that the last commit reaches is copied first.
    pub(super) fn store_implicit(&mut self, id: NodeId, place: &[u64], bytes: &[u8]) -> Result<()> {
        let chunks = &self.chunked(id)?.chunks;
        let stored = |chunk: Option<&ChunkState>| chunk.and_then(|c| c.stored);
        let (Some((entry, published)), Some((first, _))) =
            (stored(chunks.get(place)), stored(chunks.values().next()))
        else {
            return Err(Error::shape("a chunk outside the grid"));
        };
        let mut address = entry.address;
        if published {
            let total = chunks.len() as u64 * first.size;
            let at = self.tx.allocator.allocate(total)?;
            self.copy(first.address, at, total)?;
            self.tx.allocator.leave((first.address, total));
            for (entry, published) in self.chunked(id)?.chunks.values_mut().filter_map(|c| c.stored.as_mut())
            {
                entry.address = entry.address - first.address + at;
                *published = false;
            }
            address = address - first.address + at;
        }
        self.put_data(address, bytes)
    }
}
