//! Chunk indexes: each is read once into one flat table.

mod btree_v1;
mod btree_v2;
mod extensible_array;
mod fixed_array;

use crate::{
    error::{Context, Error, Result},
    limits::try_vec,
    model::{
        dataspace::element_count,
        layout::{ChunkIndexType, ChunkedLayout},
    },
    storage::reader::Reader,
};

/// Where a chunk is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) address: u64,
    /// Stored bytes.
    pub(crate) size: u64,
    /// Bit i: filter i was skipped.
    pub(crate) mask: u32,
}

/// What an index needs to know of its dataset.
pub(crate) struct IndexContext<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) layout: &'a ChunkedLayout,
    pub(crate) dims: &'a [u64],
    pub(crate) max_dims: &'a [Option<u64>],
    pub(crate) chunk_bytes: u64,
}

impl IndexContext<'_> {
    /// Number of chunks in each dimension for the largest extent; `None` where that is unlimited.
    pub(crate) fn max_grid(&self) -> Vec<Option<u64>> {
        self.max_dims.iter().zip(&self.layout.chunk).map(|(m, &c)| m.map(|m| m.div_ceil(c))).collect()
    }
}

/// All chunks of a dataset within its current extent.
#[derive(Debug)]
pub(crate) struct ChunkTable {
    /// Number of chunks in each dimension.
    pub(crate) grid: Vec<u64>,
    lookup: Lookup,
}

#[derive(Debug)]
enum Lookup {
    /// Entry i is chunk i in C order; size `NONE` where there is none.
    Dense(Vec<ChunkEntry>),
    /// Sorted by the chunk's C-order number.
    Sparse { numbers: Vec<u64>, entries: Vec<ChunkEntry> },
    /// One after the other over the largest extent.
    Implicit {
        address: u64,
        chunk_bytes: u64,
        max_grid: Vec<u64>,
        /// Chunks for which there is room between the address and the end of the file.
        stored: u64,
    },
}

const NONE: ChunkEntry = ChunkEntry { address: u64::MAX, size: 0, mask: u32::MAX };

impl ChunkTable {
    pub(crate) fn load(context: &IndexContext<'_>) -> Result<Self> {
        let layout = context.layout;
        let grid: Vec<u64> = context.dims.iter().zip(&layout.chunk).map(|(&d, &c)| d.div_ceil(c)).collect();
        let mut builder = Builder { grid, entries: Vec::new() };
        let Some(address) = layout.address else { return Ok(builder.finish()) };
        let reader = context.reader;
        match layout.index {
            ChunkIndexType::BTreeV1 => reader.forgive(btree_v1::load(context, address, &mut builder))?,
            ChunkIndexType::Single { filtered } => {
                let (size, mask) = filtered.unwrap_or((context.chunk_bytes, 0));
                builder.insert(&vec![0; layout.chunk.len()], ChunkEntry { address, size, mask })?;
            }
            ChunkIndexType::Implicit => {
                let max_grid = context.max_grid().into_iter().collect::<Option<Vec<u64>>>();
                let max_grid = max_grid
                    .ok_or_else(|| Error::corrupt("implicit chunk index with an unlimited dimension"))?;
                let chunk_bytes = context.chunk_bytes;
                let stored = context.reader.end().saturating_sub(address) / chunk_bytes.max(1);
                let lookup = Lookup::Implicit { address, chunk_bytes, max_grid, stored };
                return Ok(ChunkTable { grid: builder.grid, lookup });
            }
            ChunkIndexType::FixedArray { page_bits } => {
                reader.forgive(fixed_array::load(context, address, page_bits, &mut builder))?;
            }
            ChunkIndexType::ExtensibleArray { .. } => {
                reader.forgive(extensible_array::load(context, address, &mut builder))?;
            }
            ChunkIndexType::BTreeV2 { .. } => {
                reader.forgive(btree_v2::load(context, address, &mut builder))?;
            }
        }
        Ok(builder.finish())
    }

    /// Of these chunks, by their places.
    pub(crate) fn of(dims: &[u64], chunk: &[u64], entries: &[(&[u64], ChunkEntry)]) -> Result<Self> {
        let grid: Vec<u64> = dims.iter().zip(chunk).map(|(&d, &c)| d.div_ceil(c)).collect();
        let mut builder = Builder { grid, entries: Vec::new() };
        entries.iter().try_for_each(|(place, entry)| builder.insert(place, *entry))?;
        Ok(builder.finish())
    }

    /// C-order number of the chunk at these chunk coordinates.
    pub(crate) fn number(&self, chunk: &[u64]) -> u64 {
        // Where this overflows no chunk can be stored: `Builder::insert` refuses it.
        let number =
            chunk.iter().zip(&self.grid).try_fold(0u64, |n, (&c, &g)| n.checked_mul(g)?.checked_add(c));
        number.unwrap_or(u64::MAX)
    }

    /// The chunk at these chunk coordinates, which lie within the grid.
    pub(crate) fn get(&self, chunk: &[u64]) -> Option<ChunkEntry> {
        match &self.lookup {
            Lookup::Dense(entries) => {
                let entry = entries.get(self.number(chunk) as usize)?;
                (*entry != NONE).then_some(*entry)
            }
            Lookup::Sparse { numbers, entries } => {
                let at = numbers.binary_search(&self.number(chunk)).ok()?;
                entries.get(at).copied()
            }
            Lookup::Implicit { address, chunk_bytes, max_grid, .. } => {
                let number = chunk
                    .iter()
                    .zip(max_grid)
                    .try_fold(0u64, |n, (&c, &g)| n.checked_mul(g)?.checked_add(c))?;
                let address = number.checked_mul(*chunk_bytes)?.checked_add(*address)?;
                Some(ChunkEntry { address, size: *chunk_bytes, mask: 0 })
            }
        }
    }

    /// Calls `f` with the chunk coordinates of every stored chunk, in C order.
    pub(crate) fn for_each(&self, f: &mut dyn FnMut(&[u64], ChunkEntry) -> Result<()>) -> Result<()> {
        let mut point = vec![0; self.grid.len()];
        match &self.lookup {
            Lookup::Dense(entries) => {
                for (i, &entry) in entries.iter().enumerate().filter(|(_, e)| **e != NONE) {
                    coordinates(i as u64, &self.grid, &mut point);
                    f(&point, entry)?;
                }
            }
            Lookup::Sparse { numbers, entries } => {
                for (&number, &entry) in numbers.iter().zip(entries) {
                    coordinates(number, &self.grid, &mut point);
                    f(&point, entry)?;
                }
            }
            Lookup::Implicit { stored, .. } => {
                // A chunk's number within the extent is never above that within the largest extent.
                for number in 0..element_count(&self.grid)?.min(*stored) {
                    coordinates(number, &self.grid, &mut point);
                    if let Some(entry) = self.get(&point) {
                        f(&point, entry)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Gathers the chunks that an index holds.
pub(crate) struct Builder {
    grid: Vec<u64>,
    entries: Vec<(u64, ChunkEntry)>,
}

impl Builder {
    /// Adds a chunk by its chunk coordinates; one outside the current extent is left out.
    pub(crate) fn insert(&mut self, chunk: &[u64], entry: ChunkEntry) -> Result<()> {
        if chunk.iter().zip(&self.grid).any(|(c, g)| c >= g) {
            return Ok(());
        }
        let number = chunk
            .iter()
            .zip(&self.grid)
            .try_fold(0u64, |n, (&c, &g)| n.checked_mul(g)?.checked_add(c))
            .ok_or_else(|| Error::corrupt("number of chunks exceeds 64 bits"))?;
        if self.entries.len() == self.entries.capacity() {
            let more = self.entries.len().max(64);
            self.entries
                .try_reserve(more)
                .map_err(|_| Error::limit("chunks of a dataset", more as u64, isize::MAX as u64))?;
        }
        self.entries.push((number, entry));
        Ok(())
    }

    fn finish(mut self) -> ChunkTable {
        if !self.entries.is_sorted_by_key(|e| e.0) {
            self.entries.sort_by_key(|e| e.0);
        }
        self.entries.dedup_by_key(|e| e.0);
        let chunks = element_count(&self.grid).unwrap_or(u64::MAX);
        let lookup = if chunks / 2 <= self.entries.len() as u64
            && let Ok(mut entries) = try_vec("chunk table", chunks)
        {
            entries.resize(chunks as usize, NONE);
            for (number, entry) in self.entries {
                entries[number as usize] = entry;
            }
            Lookup::Dense(entries)
        } else {
            let (numbers, entries) = self.entries.into_iter().unzip();
            Lookup::Sparse { numbers, entries }
        };
        ChunkTable { grid: self.grid, lookup }
    }
}

/// Chunk coordinates of a number in C order over a grid.
pub(crate) fn coordinates(mut number: u64, grid: &[u64], out: &mut [u64]) {
    for (c, &g) in out.iter_mut().zip(grid).rev() {
        *c = number % g.max(1);
        number /= g.max(1);
    }
}

/// Adds the place of the index to an error.
pub(crate) fn in_index<T>(result: Result<T>, name: &'static str, address: u64) -> Result<T> {
    result.in_structure(name).at(address)
}
