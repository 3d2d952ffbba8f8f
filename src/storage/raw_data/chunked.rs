//! Raw data in chunks: found in the table, decoded, scattered into the result, by several threads.
#![allow(unsafe_code)] // pieces of the output: each chunk is worked on by one thread, see `output`

use std::{borrow::Cow, sync::Arc};

use super::{RawData, ReadOptions, output::Output};
use crate::{
    error::{Context, Error, Result},
    filter::{ChunkContext, Scratch},
    model::{
        layout::ChunkedLayout,
        selection::runs::{Axis, Resolved, Run, Segment, for_each_run},
    },
    storage::{
        Store,
        chunk_index::{ChunkEntry, ChunkTable},
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
    /// Segments in each dimension; sources count from the start of the dataset.
    Grid(&'a [&'a [Segment]]),
    /// Runs; sources count from the start of the chunk.
    Runs(&'a [Run]),
}

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

/// The chunks that an axis touches, and its segments in each.
#[derive(Debug)]
pub(crate) struct AxisChunks {
    pub(crate) chunks: Vec<(u64, std::ops::Range<usize>)>,
    pub(crate) segments: Vec<Segment>,
}

impl AxisChunks {
    pub(crate) fn new(axis: &Axis, chunk: u64) -> Self {
        let mut out = AxisChunks { chunks: Vec::new(), segments: Vec::new() };
        let (start, end) = axis.bounds();
        let mut c = start / chunk;
        while c * chunk < end {
            let before = out.segments.len();
            out.segments.extend(axis.segments(c * chunk, (c + 1).saturating_mul(chunk).min(end)));
            if out.segments.len() > before {
                out.chunks.push((c, before..out.segments.len()));
                c += 1;
            } else {
                // A stride across whole chunks: go to the chunk of the next block.
                let blocks = (c * chunk - axis.start).div_ceil(axis.stride);
                c = ((axis.start + blocks * axis.stride) / chunk).max(c + 1);
            }
        }
        out
    }
}

impl Reading<'_> {
    fn grid(&self, axes: &[Axis], options: ReadOptions) -> Result<()> {
        let chunks: Vec<AxisChunks> =
            axes.iter().zip(&self.layout.chunk).map(|(a, &c)| AxisChunks::new(a, c)).collect();
        let jobs: usize = chunks.iter().map(|a| a.chunks.len()).product();
        self.for_each_job(jobs, options, &|mut job, worker| {
            let mut place = [0u64; MAX_RANK];
            let mut segments: [&[Segment]; MAX_RANK] = [&[]; MAX_RANK];
            for (d, axis) in chunks.iter().enumerate().rev() {
                let (c, range) = &axis.chunks[job % axis.chunks.len()];
                job /= axis.chunks.len();
                place[d] = *c;
                segments[d] = &axis.segments[range.clone()];
            }
            self.chunk(&place[..axes.len()], &Region::Grid(&segments[..axes.len()]), worker)
        })
    }

    fn runs(&self, runs: &[Run], options: ReadOptions) -> Result<()> {
        let dims = self.data.dims();
        let rank = dims.len();
        let chunk = &self.layout.chunk;
        // (number of the chunk, part of a run relative to the chunk)
        let mut parts: Vec<(u64, Run)> = Vec::new();
        let mut point = vec![0u64; rank];
        for run in runs {
            let (mut source, mut target, mut left) = (run.source, run.target, run.len);
            while left > 0 {
                super::super::chunk_index::coordinates(source, dims, &mut point);
                let column = point[rank - 1];
                let len = left.min(dims[rank - 1] - column).min(chunk[rank - 1] - column % chunk[rank - 1]);
                let place: Vec<u64> = point.iter().zip(chunk).map(|(p, c)| p / c).collect();
                let inside = point.iter().zip(chunk).fold(0, |n, (p, c)| n * c + p % c);
                parts.try_reserve(1).map_err(|_| Error::limit("runs of a selection", left, 0))?;
                parts.push((self.table.number(&place), Run { source: inside, target, len }));
                source += len;
                target += len;
                left -= len;
            }
        }
        parts.sort_by_key(|(number, _)| *number);
        let groups: Vec<&[(u64, Run)]> = parts.chunk_by(|a, b| a.0 == b.0).collect();
        self.for_each_job(groups.len(), options, &|job, worker| {
            let group = groups[job];
            let mut place = vec![0u64; rank];
            super::super::chunk_index::coordinates(group[0].0, &self.table.grid, &mut place);
            let runs: Vec<Run> = group.iter().map(|(_, run)| *run).collect();
            self.chunk(&place, &Region::Runs(&runs), worker)
        })
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
            return self.for_each_run(place, region, &mut |run| {
                let (_, target, len) = self.bytes(run);
                // SAFETY: the part of the selection in this chunk, see the module.
                unsafe { self.out.fill(target..target + len, self.data.fill.bytes()) }
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
            return self.unfiltered_chunk(place, entry, region, worker);
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
            return self.scatter(place, region, &chunk);
        }
        let Worker { scratch, stored } = worker;
        let stored = self.stored(entry, stored)?;
        let chunk = self.data.pipeline.decode_chunk(&context, mask, stored, scratch)?;
        if keep {
            let chunk: Arc<[u8]> = chunk.into();
            self.scatter(place, region, &chunk)?;
            self.data.cache.put(number, chunk);
            return Ok(());
        }
        self.scatter(place, region, chunk)
    }

    fn unfiltered_chunk(
        &self,
        place: &[u64],
        entry: ChunkEntry,
        region: &Region<'_>,
        worker: &mut Worker,
    ) -> Result<()> {
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
            return self.scatter(place, region, chunk);
        }
        let chunk = resized(&mut worker.stored, self.chunk_bytes)?;
        reader.read_into(entry.address, chunk).in_structure("chunk")?;
        self.scatter(place, region, chunk)
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
            Region::Runs([run]) if run.len == self.chunk_elements => run.target,
            Region::Runs(_) => return None,
            Region::Grid(segments) => {
                let chunk = &self.layout.chunk;
                let fits = segments.iter().zip(chunk).all(|(s, &c)| s.len() == 1 && s[0].len == c);
                // Behind the first dimension with more than one row, every dimension must be whole in the result.
                let first = chunk.iter().position(|&c| c > 1).unwrap_or(chunk.len());
                if !fits || chunk.iter().zip(&self.target_dims).skip(first + 1).any(|(c, t)| c != t) {
                    return None;
                }
                segments.iter().zip(&self.target_dims).fold(0, |n, (s, &t)| n * t + s[0].target)
            }
        };
        Some(target as usize * self.data.element_size)
    }

    /// Selected bytes of the chunk.
    fn wanted(&self, region: &Region<'_>) -> u64 {
        let elements: u64 = match region {
            Region::Grid(segments) => segments.iter().map(|s| s.iter().map(|s| s.len).sum::<u64>()).product(),
            Region::Runs(runs) => runs.iter().map(|r| r.len).sum(),
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

    fn scatter(&self, place: &[u64], region: &Region<'_>, chunk: &[u8]) -> Result<()> {
        self.for_each_run(place, region, &mut |run| {
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

    fn for_each_run(
        &self,
        place: &[u64],
        region: &Region<'_>,
        f: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        match region {
            Region::Runs(runs) => runs.iter().try_for_each(|&run| f(run)),
            Region::Grid(segments) => {
                let rank = segments.len();
                // Almost always one segment a dimension: no allocation.
                let mut single = [Segment { source: 0, target: 0, len: 0 }; MAX_RANK];
                let mut shifted: [Cow<'_, [Segment]>; MAX_RANK] = [const { Cow::Borrowed(&[]) }; MAX_RANK];
                let origin = |d: usize| place[d] * self.layout.chunk[d];
                for d in 0..rank {
                    if let [s] = segments[d] {
                        single[d] = Segment { source: s.source - origin(d), ..*s };
                    } else {
                        let moved =
                            segments[d].iter().map(|s| Segment { source: s.source - origin(d), ..*s });
                        shifted[d] = Cow::Owned(moved.collect());
                    }
                }
                let mut slices: [&[Segment]; MAX_RANK] = [&[]; MAX_RANK];
                for d in 0..rank {
                    slices[d] = if segments[d].len() == 1 { &single[d..=d] } else { &shifted[d] };
                }
                for_each_run(&slices[..rank], &self.layout.chunk, &self.target_dims, f)
            }
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
