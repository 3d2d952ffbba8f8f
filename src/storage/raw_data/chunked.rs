//! Raw data in chunks: found in the table, decoded, scattered into the results, by several threads.
#![allow(unsafe_code)] // pieces of the output: each chunk is worked on by one thread, see `output`

use super::{
    RawData, ReadOptions, Request,
    output::Output,
    parts::{AxisChunks, Part, Region, for_each_part, for_each_region},
    worker::{Lease, Worker},
};
use crate::{
    error::{Context, Error, Result},
    filter::ChunkContext,
    model::{
        dataspace::element_count,
        layout::ChunkedLayout,
        selection::runs::{Axis, MAX_RUNS, Pieces, Resolved, Run, for_each_run, push_within},
    },
    storage::{
        Store,
        chunk_index::{ChunkEntry, ChunkTable, coordinates},
    },
};

/// Below this many bytes one thread is faster.
#[cfg(feature = "parallel")]
const PARALLEL: usize = 128 << 10;
/// A copy by a positioned read pays from here on.
const LARGE: usize = 16 << 10;

/// Parts of requests that are worked on at a time.
const BATCH: usize = 1 << 20;

/// What is wanted of a chunk.
enum Wanted<'a> {
    /// One region, and where it goes.
    One(&'a Region<'a>, &'a Output<'a>),
    /// Parts of several requests.
    Parts(&'a [Part]),
}

/// A read of a dataset of `RANK` dimensions at most.
struct Reading<'a, const RANK: usize> {
    data: &'a RawData,
    store: &'a Store,
    layout: &'a ChunkedLayout,
    table: &'a ChunkTable,
    requests: &'a [Request<'a>],
    chunk_elements: u64,
    chunk_bytes: usize,
}

pub(super) fn read(
    data: &RawData,
    store: &Store,
    layout: &ChunkedLayout,
    table: &ChunkTable,
    requests: &[Request<'_>],
    options: ReadOptions,
) -> Result<()> {
    // Arrays for every possible rank would take longer to clear than a small read.
    match layout.chunk.len() {
        0..=4 => Reading::<4>::new(data, store, layout, table, requests)?.read(options),
        _ => Reading::<32>::new(data, store, layout, table, requests)?.read(options),
    }
}

impl<'a, const RANK: usize> Reading<'a, RANK> {
    fn new(
        data: &'a RawData,
        store: &'a Store,
        layout: &'a ChunkedLayout,
        table: &'a ChunkTable,
        requests: &'a [Request<'a>],
    ) -> Result<Self> {
        let chunk_bytes = data.chunk_bytes(store, layout)?;
        let chunk_elements = layout.chunk.iter().product();
        Ok(Reading { data, store, layout, table, requests, chunk_elements, chunk_bytes })
    }

    fn read(&self, options: ReadOptions) -> Result<()> {
        match self.requests {
            [Request { selection: Resolved::Grid(axes), out }] => self.grid(axes, out, options),
            _ => self.grouped(options),
        }
    }

    /// One grid: its chunks are found by counting.
    fn grid(&self, axes: &[Axis], out: &Output<'_>, options: ReadOptions) -> Result<()> {
        let chunks = axes.iter().zip(&self.layout.chunk).map(|(a, &c)| AxisChunks::new(a, c));
        let chunks: Vec<AxisChunks> = chunks.collect();
        let shape: Vec<u64> = axes.iter().map(Axis::len).collect();
        let jobs: usize = chunks.iter().map(AxisChunks::len).product();
        let find = |mut job: usize| {
            let mut place = [0u64; RANK];
            let mut pieces = [Pieces::List(&[]); RANK];
            for (d, axis) in chunks.iter().enumerate().rev() {
                (place[d], pieces[d]) = axis.get(job % axis.len());
                job /= axis.len();
            }
            (place, pieces)
        };
        let number = |job| self.table.number(&find(job).0[..axes.len()]);
        self.for_each_job(jobs, options, &number, &|job, lease| {
            let (place, pieces) = find(job);
            let place = &place[..axes.len()];
            let region = Region::Grid { pieces: &pieces[..axes.len()], shape: &shape };
            self.chunk(place, self.table.get(place), &Wanted::One(&region, out), lease)
        })
    }

    /// Anything else: the parts of all requests are sorted by chunk, so that each chunk is decoded once, and the chunks
    /// are visited in the order of the file. In batches, so that a selection of many single elements does not need
    /// many times its size.
    fn grouped(&self, options: ReadOptions) -> Result<()> {
        let batch = self.requests.len().clamp(BATCH, MAX_RUNS);
        let (dims, chunk) = (self.data.dims(), &self.layout.chunk);
        // A part is found again by the number of its chunk.
        let numbered = element_count(&self.table.grid).is_ok();
        let mut parts = Vec::new();
        for (index, request) in self.requests.iter().enumerate().filter(|(_, r)| r.out.len() > 0) {
            if let (false, Resolved::Grid(axes)) = (numbered, request.selection) {
                self.grid(axes, request.out, options).map_err(|e| e.of_selection(index))?;
                continue;
            }
            for_each_part::<RANK>(index, request.selection, dims, chunk, self.table, &mut |part| {
                if parts.len() >= batch {
                    self.batch(&mut parts, options)?;
                }
                push_within(&mut parts, part)
            })?;
        }
        self.batch(&mut parts, options)
    }

    fn batch(&self, parts: &mut Vec<Part>, options: ReadOptions) -> Result<()> {
        let rank = self.layout.chunk.len();
        // Stable: the parts of a request stay neighbours.
        parts.sort_by_key(|part| part.chunk);
        let place = |group: &[Part]| {
            let mut place = [0u64; RANK];
            coordinates(group[0].chunk, &self.table.grid, &mut place[..rank]);
            place
        };
        let groups = parts.chunk_by(|a, b| a.chunk == b.chunk);
        let mut groups: Vec<(Option<ChunkEntry>, &[Part])> =
            groups.map(|group| (self.table.get(&place(group)[..rank]), group)).collect();
        groups.sort_by_key(|(entry, _)| entry.map(|e| e.address));
        self.for_each_job(groups.len(), options, &|job| groups[job].1[0].chunk, &|job, lease| {
            let (entry, group) = groups[job];
            let place = place(group);
            let place = &place[..rank];
            let (first, last) = (group[0].request, group[group.len() - 1].request);
            if first != last {
                let done = self.chunk(place, entry, &Wanted::Parts(group), lease);
                return done.map_err(|e| e.of_selection(first));
            }
            for_each_region::<RANK>(
                group,
                self.requests,
                place,
                &self.layout.chunk,
                &mut |request, region| {
                    let wanted = Wanted::One(region, self.requests[request].out);
                    let done = self.chunk(place, entry, &wanted, lease);
                    if self.requests.len() > 1 { done.map_err(|e| e.of_selection(request)) } else { done }
                },
            )
        })?;
        parts.clear();
        Ok(())
    }

    /// True if there is enough to do for several threads: much to copy, or several chunks to decode.
    #[cfg(feature = "parallel")]
    fn is_worth_sharing(&self, jobs: usize, number: &dyn Fn(usize) -> u64) -> bool {
        let copied = self.requests.iter().map(|r| r.out.len()).fold(0, usize::saturating_add);
        if copied >= PARALLEL || self.data.pipeline.filters.is_empty() {
            return jobs > 1 && copied >= PARALLEL;
        }
        let wanted = (PARALLEL / self.chunk_bytes.max(1)).max(2);
        (0..jobs).filter(|&job| !self.data.cache.has(number(job))).take(wanted).count() == wanted
    }

    /// Calls `f` for each job, of which each is for a chunk of that number.
    fn for_each_job(
        &self,
        jobs: usize,
        options: ReadOptions,
        number: &dyn Fn(usize) -> u64,
        f: &(dyn Fn(usize, &mut Lease<'_>) -> Result<()> + Sync),
    ) -> Result<()> {
        #[cfg(feature = "parallel")]
        if options.threads != 1 && jobs > 1 && self.is_worth_sharing(jobs, number) {
            use rayon::prelude::*;
            // Tiny chunks are handed out in batches.
            let batch = (LARGE / self.chunk_bytes.max(1)).clamp(1, 1 << 10);
            let work = || {
                (0..jobs.div_ceil(batch)).into_par_iter().try_for_each_init(
                    || self.store.workers.lease(),
                    |lease, b| (b * batch..((b + 1) * batch).min(jobs)).try_for_each(|job| f(job, lease)),
                )
            };
            return match self.store.pool() {
                Some(pool) => pool.install(work),
                None => work(),
            };
        }
        let _ = (options.threads, number);
        let mut lease = self.store.workers.lease();
        (0..jobs).try_for_each(|job| f(job, &mut lease))
    }

    fn chunk(
        &self,
        place: &[u64],
        entry: Option<ChunkEntry>,
        wanted: &Wanted<'_>,
        lease: &mut Lease<'_>,
    ) -> Result<()> {
        let Some(entry) = entry else {
            return self.for_each_run(place, wanted, &mut |run, out| {
                let (_, target, len) = self.bytes(run);
                // SAFETY: the part of the selection in this chunk, see the module.
                unsafe { out.fill(target..target + len, self.data.fill.bytes_of_unwritten()) }
            });
        };
        self.stored_chunk(place, entry, wanted, lease).map_err(|e| {
            let offset: Vec<u64> = place.iter().zip(&self.layout.chunk).map(|(p, c)| p * c).collect();
            e.of_chunk(&offset)
        })
    }

    fn stored_chunk(
        &self,
        place: &[u64],
        entry: ChunkEntry,
        wanted: &Wanted<'_>,
        lease: &mut Lease<'_>,
    ) -> Result<()> {
        let filters = &self.data.pipeline.filters;
        let mut first = [0; RANK];
        for ((f, p), c) in first.iter_mut().zip(place).zip(&self.layout.chunk) {
            *f = p * c;
        }
        let mask = self.data.filter_mask(self.layout, &first[..place.len()], entry.mask);
        let unfiltered = filters.iter().enumerate().all(|(i, _)| i >= 32 || mask & (1 << i) != 0);
        if unfiltered {
            return self.unfiltered_chunk(place, entry, wanted, lease);
        }
        let context = ChunkContext { chunk_bytes: self.chunk_bytes, element_size: self.data.element_size };
        let limit = self.chunk_bytes as u64 * 2 + (1 << 16);
        if entry.size > limit {
            return Err(Error::corrupt(format!(
                "{} stored bytes for a chunk of {}",
                entry.size, self.chunk_bytes
            )));
        }
        if let Some((out, target)) = self.whole(wanted) {
            let Worker { scratch, stored } = lease.worker();
            let stored = self.stored(entry, stored)?;
            // SAFETY: the part of the selection in this chunk, see the module.
            let piece = unsafe { out.piece(target..target + self.chunk_bytes)? };
            self.data.pipeline.decode_chunk_into(&context, mask, stored, scratch, piece)?;
            out.swap.apply(piece);
            return Ok(());
        }
        let cache = &self.data.cache;
        let keep = cache.takes(self.chunk_bytes) && !self.covers(place, wanted)?;
        let number = self.table.number(place);
        if keep && let Some(chunk) = cache.get(number) {
            return self.scatter(place, wanted, &chunk);
        }
        let Worker { scratch, stored } = lease.worker();
        let stored = self.stored(entry, stored)?;
        let chunk = self.data.pipeline.decode_chunk(&context, mask, stored, scratch)?;
        if keep {
            cache.put(number, chunk)?;
        }
        self.scatter(place, wanted, chunk)
    }

    fn unfiltered_chunk(
        &self,
        place: &[u64],
        entry: ChunkEntry,
        wanted: &Wanted<'_>,
        lease: &mut Lease<'_>,
    ) -> Result<()> {
        let reader = &self.store.reader;
        if entry.size < self.chunk_bytes as u64 {
            return Err(Error::corrupt(format!("{} bytes for a chunk of {}", entry.size, self.chunk_bytes)));
        }
        let prefers_read = reader.source().copies_faster() && self.chunk_bytes >= LARGE;
        if let Some((out, target)) = self.whole(wanted) {
            if !prefers_read && let Some(chunk) = reader.slice(entry.address, self.chunk_bytes as u64) {
                // SAFETY: the part of the selection in this chunk, see the module.
                return unsafe { out.put(target, chunk) };
            }
            // SAFETY: the part of the selection in this chunk, see the module.
            let piece = unsafe { out.piece(target..target + self.chunk_bytes)? };
            reader.read_into(entry.address, piece).in_structure("chunk")?;
            out.swap.apply(piece);
            return Ok(());
        }
        if (!prefers_read || self.wanted_bytes(place, wanted)? < self.chunk_bytes as u64 / 4)
            && let Some(chunk) = reader.slice(entry.address, self.chunk_bytes as u64)
        {
            return self.scatter(place, wanted, chunk);
        }
        let chunk = resized(&mut lease.worker().stored, self.chunk_bytes)?;
        reader.read_into(entry.address, chunk).in_structure("chunk")?;
        self.scatter(place, wanted, chunk)
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
    fn whole<'o>(&self, wanted: &Wanted<'o>) -> Option<(&'o Output<'o>, usize)> {
        let Wanted::One(region, out) = wanted else { return None };
        let target = match region {
            Region::Runs([Part { run: Some(run), .. }]) if run.len == self.chunk_elements => run.target,
            Region::Runs(_) => return None,
            Region::Grid { pieces, shape } => {
                let chunk = &self.layout.chunk;
                let mut first_targets = [0; RANK];
                let fits = pieces.iter().zip(chunk).zip(&mut first_targets).all(|((p, &c), first)| {
                    let single = p.single().filter(|s| s.len == c);
                    *first = single.map_or(0, |s| s.target);
                    single.is_some()
                });
                // Behind the first dimension with more than one row, every dimension must be whole in the result.
                let first = chunk.iter().position(|&c| c > 1).unwrap_or(chunk.len());
                if !fits || chunk.iter().zip(*shape).skip(first + 1).any(|(c, t)| c != t) {
                    return None;
                }
                first_targets.iter().zip(*shape).fold(0, |n, (first, &t)| n * t + first)
            }
        };
        Some((out, target as usize * self.data.element_size))
    }

    fn for_each_region(
        &self,
        place: &[u64],
        wanted: &Wanted<'_>,
        f: &mut dyn FnMut(&Region<'_>, &Output<'_>) -> Result<()>,
    ) -> Result<()> {
        match wanted {
            Wanted::One(region, out) => f(region, out),
            Wanted::Parts(parts) => for_each_region::<RANK>(
                parts,
                self.requests,
                place,
                &self.layout.chunk,
                &mut |request, region| f(region, self.requests[request].out),
            ),
        }
    }

    /// Selected bytes of the chunk.
    fn wanted_bytes(&self, place: &[u64], wanted: &Wanted<'_>) -> Result<u64> {
        let mut elements = 0u64;
        self.for_each_region(place, wanted, &mut |region, _| {
            let more: u64 = match region {
                Region::Grid { pieces, .. } => pieces.iter().map(|p| p.len()).product(),
                Region::Runs(parts) => parts.iter().filter_map(|part| part.run).map(|run| run.len).sum(),
            };
            elements = elements.saturating_add(more);
            Ok(())
        })?;
        Ok(elements.saturating_mul(self.data.element_size as u64))
    }

    /// True if as much as all that lies within the extent is selected: it will hardly be wanted again.
    fn covers(&self, place: &[u64], wanted: &Wanted<'_>) -> Result<bool> {
        let inside: u64 = place
            .iter()
            .zip(&self.layout.chunk)
            .zip(self.data.dims())
            .map(|((&p, &c), &d)| c.min(d.saturating_sub(p * c)))
            .product();
        Ok(self.wanted_bytes(place, wanted)? >= inside * self.data.element_size as u64)
    }

    fn scatter(&self, place: &[u64], wanted: &Wanted<'_>, chunk: &[u8]) -> Result<()> {
        self.for_each_run(place, wanted, &mut |run, out| {
            let (source, target, len) = self.bytes(run);
            // SAFETY: the part of the selection in this chunk, see the module.
            unsafe { out.put(target, &chunk[source..source + len]) }
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
        wanted: &Wanted<'_>,
        f: &mut dyn FnMut(Run, &Output<'_>) -> Result<()>,
    ) -> Result<()> {
        self.for_each_region(place, wanted, &mut |region, out| match region {
            Region::Runs(parts) => parts.iter().filter_map(|part| part.run).try_for_each(|run| f(run, out)),
            Region::Grid { pieces, shape } => {
                for_each_run(pieces, &self.layout.chunk, shape, &mut |run| f(run, out))
            }
        })
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
