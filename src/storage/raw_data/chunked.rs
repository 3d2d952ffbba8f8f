//! Raw data in chunks: found in the table, decoded, scattered into the result, by several threads.
#![allow(unsafe_code)] // pieces of the output: each chunk is worked on by one thread, see `output`

use std::sync::Arc;

use super::{RawData, ReadOptions, output::Output};
use crate::{
    error::{Context, Error, Result},
    filter::{ChunkContext, Scratch},
    model::{
        layout::ChunkedLayout,
        selection::runs::{Axis, Pieces, Resolved, Run, for_each_run, push_within},
    },
    storage::{
        Store,
        chunk_index::{ChunkEntry, ChunkTable, coordinates},
    },
};

const MAX_RANK: usize = 32;
/// Below this many bytes one thread is faster.
#[cfg(feature = "parallel")]
const PARALLEL: usize = 128 << 10;
/// A copy by a positioned read pays from here on.
const LARGE: usize = 16 << 10;

/// The part of a selection that lies in one chunk.
enum Region<'a> {
    /// In each dimension, counted from the start of the chunk.
    Grid(&'a [Pieces<'a>]),
    /// Runs, counted from the start of the chunk.
    Runs(&'a [Part]),
}

/// Number of a chunk, and a part of a run that lies in it.
type Part = (u64, Run);

/// Parts of runs that are worked on at a time.
const BATCH: usize = 1 << 20;

/// What a thread keeps from chunk to chunk.
#[derive(Default)]
struct Worker {
    scratch: Scratch,
    stored: Vec<u8>,
}

struct Reading<'a> {
    data: &'a RawData,
    store: &'a Store,
    layout: &'a ChunkedLayout,
    table: &'a ChunkTable,
    out: &'a Output<'a>,
    /// Shape of the selection, for a grid.
    target_dims: Vec<u64>,
    chunk_elements: u64,
    chunk_bytes: usize,
}

pub(super) fn read(
    data: &RawData,
    store: &Store,
    layout: &ChunkedLayout,
    table: &ChunkTable,
    selection: &Resolved,
    out: &Output<'_>,
    options: ReadOptions,
) -> Result<()> {
    let chunk_bytes = data.chunk_bytes(store, layout)?;
    let reading = Reading {
        data,
        store,
        layout,
        table,
        out,
        target_dims: match selection {
            Resolved::Grid(axes) => axes.iter().map(Axis::len).collect(),
            Resolved::Runs(_) => Vec::new(),
        },
        chunk_elements: layout.chunk.iter().product(),
        chunk_bytes,
    };
    match selection {
        Resolved::Grid(axes) => reading.grid(axes, options),
        Resolved::Runs(runs) => reading.runs(runs, options),
    }
}

/// The chunks that an axis touches, in its dimension.
#[derive(Debug)]
pub(crate) struct AxisChunks {
    axis: Axis,
    chunk: u64,
    /// Chunk coordinates.
    places: Vec<u64>,
}

impl AxisChunks {
    pub(crate) fn new(axis: &Axis, chunk: u64) -> Self {
        let mut out = AxisChunks { axis: *axis, chunk, places: Vec::new() };
        let (start, end) = axis.bounds();
        if start >= end {
            return out;
        }
        let last = (end - 1) / chunk;
        let mut c = start / chunk;
        while c <= last {
            if out.pieces(c).segments().next().is_some() {
                out.places.push(c);
                c += 1;
            } else {
                // A stride across whole chunks: go to the chunk of the next block.
                let blocks = (c * chunk - axis.start).div_ceil(axis.stride);
                c = ((axis.start + blocks * axis.stride) / chunk).max(c + 1);
            }
        }
        out
    }

    /// Number of chunks.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Coordinate of a chunk, and the part of the axis that lies in it, counted from its start.
    pub(crate) fn get(&self, index: usize) -> (u64, Pieces<'static>) {
        let place = self.places[index];
        (place, self.pieces(place))
    }

    fn pieces(&self, place: u64) -> Pieces<'static> {
        let low = place * self.chunk;
        Pieces::Window { axis: self.axis, low, high: low.saturating_add(self.chunk) }
    }
}

impl Reading<'_> {
    fn grid(&self, axes: &[Axis], options: ReadOptions) -> Result<()> {
        let chunks = axes.iter().zip(&self.layout.chunk).map(|(a, &c)| AxisChunks::new(a, c));
        let chunks: Vec<AxisChunks> = chunks.collect();
        let jobs: usize = chunks.iter().map(AxisChunks::len).product();
        self.for_each_job(jobs, options, &|mut job, worker| {
            let mut place = [0u64; MAX_RANK];
            let mut pieces = [Pieces::List(&[]); MAX_RANK];
            for (d, axis) in chunks.iter().enumerate().rev() {
                (place[d], pieces[d]) = axis.get(job % axis.len());
                job /= axis.len();
            }
            self.chunk(&place[..axes.len()], &Region::Grid(&pieces[..axes.len()]), worker)
        })
    }

    fn runs(&self, runs: &[Run], options: ReadOptions) -> Result<()> {
        let dims = self.data.dims();
        let rank = dims.len();
        let chunk = &self.layout.chunk;
        // In batches, so that a selection of many single elements does not need many times its size.
        let mut runs = runs.iter().copied();
        let mut rest: Option<Run> = None;
        let mut parts: Vec<Part> = Vec::new();
        loop {
            parts.clear();
            while parts.len() < BATCH
                && let Some(run) = rest.take().or_else(|| runs.next())
            {
                let mut point = [0u64; MAX_RANK];
                coordinates(run.source, dims, &mut point[..rank]);
                let column = point[rank - 1];
                let len =
                    run.len.min(dims[rank - 1] - column).min(chunk[rank - 1] - column % chunk[rank - 1]);
                let inside = point.iter().zip(chunk).fold(0, |n, (p, c)| n * c + p % c);
                point.iter_mut().zip(chunk).for_each(|(p, c)| *p /= c);
                push_within(
                    &mut parts,
                    (self.table.number(&point[..rank]), Run { source: inside, len, ..run }),
                )?;
                if len < run.len {
                    rest =
                        Some(Run { source: run.source + len, target: run.target + len, len: run.len - len });
                }
            }
            if parts.is_empty() {
                return Ok(());
            }
            parts.sort_by_key(|(number, _)| *number);
            let groups: Vec<&[Part]> = parts.chunk_by(|a, b| a.0 == b.0).collect();
            self.for_each_job(groups.len(), options, &|job, worker| {
                let group = groups[job];
                let mut place = [0u64; MAX_RANK];
                coordinates(group[0].0, &self.table.grid, &mut place[..rank]);
                self.chunk(&place[..rank], &Region::Runs(group), worker)
            })?;
        }
    }

    fn for_each_job(
        &self,
        jobs: usize,
        options: ReadOptions,
        f: &(dyn Fn(usize, &mut Worker) -> Result<()> + Sync),
    ) -> Result<()> {
        #[cfg(feature = "parallel")]
        if options.threads != 1 && jobs > 1 && self.out.len().max(self.chunk_bytes) >= PARALLEL {
            use rayon::prelude::*;
            // Tiny chunks are handed out in batches.
            let batch = (LARGE / self.chunk_bytes.max(1)).clamp(1, 1 << 10);
            let work = || {
                (0..jobs.div_ceil(batch)).into_par_iter().try_for_each_init(Worker::default, |worker, b| {
                    (b * batch..((b + 1) * batch).min(jobs)).try_for_each(|job| f(job, worker))
                })
            };
            return match self.store.pool() {
                Some(pool) => pool.install(work),
                None => work(),
            };
        }
        let _ = options.threads;
        let mut worker = Worker::default();
        (0..jobs).try_for_each(|job| f(job, &mut worker))
    }

    fn chunk(&self, place: &[u64], region: &Region<'_>, worker: &mut Worker) -> Result<()> {
        let Some(entry) = self.table.get(place) else {
            return self.for_each_run(region, &mut |run| {
                let (_, target, len) = self.bytes(run);
                // SAFETY: the part of the selection in this chunk, see the module.
                unsafe { self.out.fill(target..target + len, self.data.fill.bytes_of_unwritten()) }
            });
        };
        self.stored_chunk(place, entry, region, worker).map_err(|e| {
            let offset: Vec<u64> = place.iter().zip(&self.layout.chunk).map(|(p, c)| p * c).collect();
            e.of_chunk(&offset)
        })
    }

    fn stored_chunk(
        &self,
        place: &[u64],
        entry: ChunkEntry,
        region: &Region<'_>,
        worker: &mut Worker,
    ) -> Result<()> {
        let filters = &self.data.pipeline.filters;
        let mut first = [0; MAX_RANK];
        for ((f, p), c) in first.iter_mut().zip(place).zip(&self.layout.chunk) {
            *f = p * c;
        }
        let mask = self.data.filter_mask(self.layout, &first[..place.len()], entry.mask);
        let unfiltered = filters.iter().enumerate().all(|(i, _)| i >= 32 || mask & (1 << i) != 0);
        if unfiltered {
            return self.unfiltered_chunk(entry, region, worker);
        }
        let context = ChunkContext { chunk_bytes: self.chunk_bytes, element_size: self.data.element_size };
        let limit = self.chunk_bytes as u64 * 2 + (1 << 16);
        if entry.size > limit {
            return Err(Error::corrupt(format!(
                "{} stored bytes for a chunk of {}",
                entry.size, self.chunk_bytes
            )));
        }
        if let Some(target) = self.whole(region) {
            let Worker { scratch, stored } = worker;
            let stored = self.stored(entry, stored)?;
            // SAFETY: the part of the selection in this chunk, see the module.
            let piece = unsafe { self.out.piece(target..target + self.chunk_bytes)? };
            self.data.pipeline.decode_chunk_into(&context, mask, stored, scratch, piece)?;
            self.out.swap.apply(piece);
            return Ok(());
        }
        let number = self.table.number(place);
        let keep = self.data.cache.takes(self.chunk_bytes) && !self.covers(place, region);
        if keep && let Some(chunk) = self.data.cache.get(number) {
            return self.scatter(region, &chunk);
        }
        let Worker { scratch, stored } = worker;
        let stored = self.stored(entry, stored)?;
        let chunk = self.data.pipeline.decode_chunk(&context, mask, stored, scratch)?;
        if keep {
            let chunk: Arc<[u8]> = chunk.into();
            self.scatter(region, &chunk)?;
            self.data.cache.put(number, chunk);
            return Ok(());
        }
        self.scatter(region, chunk)
    }

    fn unfiltered_chunk(&self, entry: ChunkEntry, region: &Region<'_>, worker: &mut Worker) -> Result<()> {
        let reader = &self.store.reader;
        if entry.size < self.chunk_bytes as u64 {
            return Err(Error::corrupt(format!("{} bytes for a chunk of {}", entry.size, self.chunk_bytes)));
        }
        let prefers_read = reader.source().copies_faster() && self.chunk_bytes >= LARGE;
        if let Some(target) = self.whole(region) {
            if !prefers_read && let Some(chunk) = reader.slice(entry.address, self.chunk_bytes as u64) {
                // SAFETY: the part of the selection in this chunk, see the module.
                return unsafe { self.out.put(target, chunk) };
            }
            // SAFETY: the part of the selection in this chunk, see the module.
            let piece = unsafe { self.out.piece(target..target + self.chunk_bytes)? };
            reader.read_into(entry.address, piece).in_structure("chunk")?;
            self.out.swap.apply(piece);
            return Ok(());
        }
        let wanted = self.wanted(region);
        if (!prefers_read || wanted < self.chunk_bytes as u64 / 4)
            && let Some(chunk) = reader.slice(entry.address, self.chunk_bytes as u64)
        {
            return self.scatter(region, chunk);
        }
        let chunk = resized(&mut worker.stored, self.chunk_bytes)?;
        reader.read_into(entry.address, chunk).in_structure("chunk")?;
        self.scatter(region, chunk)
    }

    /// The stored bytes of a chunk.
    fn stored<'b>(&'b self, entry: ChunkEntry, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        let reader = &self.store.reader;
        let bytes = if reader.source().copies_faster() && entry.size >= LARGE as u64 {
            None
        } else {
            reader.slice(entry.address, entry.size)
        };
        match bytes {
            Some(bytes) => Ok(bytes),
            None => {
                let buffer = resized(buffer, entry.size as usize)?;
                reader.read_into(entry.address, buffer).in_structure("chunk")?;
                Ok(buffer)
            }
        }
    }

    /// Where the chunk goes, if all of it goes to one place.
    fn whole(&self, region: &Region<'_>) -> Option<usize> {
        let target = match region {
            Region::Runs([(_, run)]) if run.len == self.chunk_elements => run.target,
            Region::Runs(_) => return None,
            Region::Grid(pieces) => {
                let chunk = &self.layout.chunk;
                let mut first_targets = [0; MAX_RANK];
                let fits = pieces.iter().zip(chunk).zip(&mut first_targets).all(|((p, &c), first)| {
                    let single = p.single().filter(|s| s.len == c);
                    *first = single.map_or(0, |s| s.target);
                    single.is_some()
                });
                // Behind the first dimension with more than one row, every dimension must be whole in the result.
                let first = chunk.iter().position(|&c| c > 1).unwrap_or(chunk.len());
                if !fits || chunk.iter().zip(&self.target_dims).skip(first + 1).any(|(c, t)| c != t) {
                    return None;
                }
                first_targets.iter().zip(&self.target_dims).fold(0, |n, (first, &t)| n * t + first)
            }
        };
        Some(target as usize * self.data.element_size)
    }

    /// Selected bytes of the chunk.
    fn wanted(&self, region: &Region<'_>) -> u64 {
        let elements: u64 = match region {
            Region::Grid(pieces) => pieces.iter().map(|p| p.len()).product(),
            Region::Runs(parts) => parts.iter().map(|(_, run)| run.len).sum(),
        };
        elements * self.data.element_size as u64
    }

    /// True if everything of the chunk that lies within the extent is selected: it will hardly be wanted again.
    fn covers(&self, place: &[u64], region: &Region<'_>) -> bool {
        let inside: u64 = place
            .iter()
            .zip(&self.layout.chunk)
            .zip(self.data.dims())
            .map(|((&p, &c), &d)| c.min(d.saturating_sub(p * c)))
            .product();
        self.wanted(region) >= inside * self.data.element_size as u64
    }

    fn scatter(&self, region: &Region<'_>, chunk: &[u8]) -> Result<()> {
        self.for_each_run(region, &mut |run| {
            let (source, target, len) = self.bytes(run);
            // SAFETY: the part of the selection in this chunk, see the module.
            unsafe { self.out.put(target, &chunk[source..source + len]) }
        })
    }

    /// Byte positions of a run; they are within the chunk and the result, whose sizes are known to fit.
    fn bytes(&self, run: Run) -> (usize, usize, usize) {
        let size = self.data.element_size;
        (run.source as usize * size, run.target as usize * size, run.len as usize * size)
    }

    fn for_each_run(&self, region: &Region<'_>, f: &mut dyn FnMut(Run) -> Result<()>) -> Result<()> {
        match region {
            Region::Runs(parts) => parts.iter().try_for_each(|&(_, run)| f(run)),
            Region::Grid(pieces) => for_each_run(pieces, &self.layout.chunk, &self.target_dims, f),
        }
    }
}

fn resized(buffer: &mut Vec<u8>, len: usize) -> Result<&mut [u8]> {
    if buffer.len() < len {
        buffer
            .try_reserve_exact(len - buffer.len())
            .map_err(|_| Error::limit("bytes of a chunk", len as u64, isize::MAX as u64))?;
        buffer.resize(len, 0);
    }
    Ok(&mut buffer[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_near_the_largest_extent() {
        let end = u64::MAX - 1;
        assert_eq!(AxisChunks::new(&Axis::range(end - 1, 1), 1000).places, [(end - 1) / 1000]);
        let far = Axis { start: 5, stride: u64::MAX / 2, count: 2, block: 1 };
        assert_eq!(AxisChunks::new(&far, 10).places, [0, (5 + u64::MAX / 2) / 10]);
        assert_eq!(AxisChunks::new(&Axis::range(0, 0), 10).len(), 0);
    }
}
