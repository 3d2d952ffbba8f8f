//! Chunks: filled from the caller's elements, encoded by several threads, stored one after the other.

use std::borrow::Cow;

use super::{
    State,
    data::range,
    node::{ChunkState, ChunkedState, DatasetBody, NodeId, RawState},
};
use crate::{
    error::{Error, Result},
    filter::{ChunkContext, FilterPipeline, Scratch},
    model::{
        dataspace::element_count,
        selection::runs::{Pieces, Resolved, Run, for_each_run},
    },
    storage::{
        chunk_index::{ChunkEntry, coordinates},
        raw_data::AxisChunks,
    },
};

/// Bytes of chunks that are worked on at once.
const BATCH: u64 = 32 << 20;

/// A selection as parts of chunks.
pub(super) enum Parts {
    /// What each dimension selects of each chunk along it, and the shape of the selection.
    Grid { axes: Vec<AxisChunks>, shape: Vec<u64> },
    /// Place of the chunk, and runs whose sources count from its start.
    Runs(Vec<(Vec<u64>, Vec<Run>)>),
}

impl Parts {
    pub(super) fn new(selection: &Resolved, dims: &[u64], chunk: &[u64]) -> Result<Self> {
        let runs = match selection {
            Resolved::Grid(axes) => {
                let shape = axes.iter().map(|a| a.len()).collect();
                let axes = axes.iter().zip(chunk).map(|(a, &c)| AxisChunks::new(a, c)).collect();
                return Ok(Parts::Grid { axes, shape });
            }
            Resolved::Runs(runs) => runs,
        };
        let mut parts: Vec<(Vec<u64>, Run)> = Vec::new();
        let mut point = vec![0u64; dims.len()];
        for run in runs {
            let (mut source, mut target, mut left) = (run.source, run.target, run.len);
            while left > 0 {
                coordinates(source, dims, &mut point);
                let (Some(column), Some(c), Some(d)) = (point.last(), chunk.last(), dims.last()) else {
                    break;
                };
                let len = left.min(d - column).min(c - column % c);
                let place = point.iter().zip(chunk).map(|(p, c)| p / c).collect();
                let inside = point.iter().zip(chunk).fold(0, |n, (p, c)| n * c + p % c);
                parts.push((place, Run { source: inside, target, len }));
                source += len;
                target += len;
                left -= len;
            }
        }
        // Stable: of elements selected twice the last one counts.
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let groups = parts.chunk_by(|a, b| a.0 == b.0);
        Ok(Parts::Runs(groups.map(|g| (g[0].0.clone(), g.iter().map(|p| p.1).collect())).collect()))
    }

    /// Number of chunks.
    fn len(&self) -> usize {
        match self {
            Parts::Grid { axes, .. } => axes.iter().map(AxisChunks::len).product(),
            Parts::Runs(parts) => parts.len(),
        }
    }

    fn place(&self, mut job: usize) -> Vec<u64> {
        match self {
            Parts::Grid { axes, .. } => {
                let mut place = vec![0; axes.len()];
                for (d, axis) in axes.iter().enumerate().rev() {
                    place[d] = axis.get(job % axis.len()).0;
                    job /= axis.len();
                }
                place
            }
            Parts::Runs(parts) => parts[job].0.clone(),
        }
    }

    /// The runs of a chunk; sources count from its start.
    fn for_each_run(
        &self,
        mut job: usize,
        chunk: &[u64],
        f: &mut dyn FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        match self {
            Parts::Runs(parts) => parts[job].1.iter().try_for_each(|run| f(*run)),
            Parts::Grid { axes, shape } => {
                let mut pieces = vec![Pieces::List(&[]); axes.len()];
                for (d, axis) in axes.iter().enumerate().rev() {
                    pieces[d] = axis.get(job % axis.len()).1;
                    job /= axis.len();
                }
                for_each_run(&pieces, chunk, shape, f)
            }
        }
    }

    /// Selected elements of a chunk.
    fn elements(&self, mut job: usize) -> u64 {
        match self {
            Parts::Runs(_) => 0,
            Parts::Grid { axes, .. } => axes
                .iter()
                .rev()
                .map(|axis| {
                    let (_, pieces) = axis.get(job % axis.len());
                    job /= axis.len();
                    pieces.len()
                })
                .product(),
        }
    }
}

/// What an encoder of chunks needs to know of a dataset.
struct Shape {
    chunk: Vec<u64>,
    size: u64,
    chunk_bytes: usize,
    pipeline: FilterPipeline,
    fill: Option<Vec<u8>>,
}

impl Shape {
    fn of(dataset: &DatasetBody) -> Result<Self> {
        let RawState::Chunked(state) = &dataset.data else { return Err(Error::usage("not chunked")) };
        let size = dataset.datatype.size as u64;
        let bytes = state.chunk.iter().try_fold(size, |n, &c| n.checked_mul(c));
        let bytes = bytes.and_then(|n| usize::try_from(n).ok());
        Ok(Shape {
            chunk: state.chunk.clone(),
            size,
            chunk_bytes: bytes
                .ok_or_else(|| Error::limit("bytes of a chunk", u64::MAX, u64::from(u32::MAX)))?,
            pipeline: dataset.pipeline.clone(),
            fill: dataset.fill.bytes().map(<[u8]>::to_vec),
        })
    }

    fn context(&self) -> ChunkContext {
        ChunkContext { chunk_bytes: self.chunk_bytes, element_size: self.size as usize }
    }

    /// A chunk of fill values.
    fn filled(&self) -> Vec<u8> {
        match &self.fill {
            Some(fill) if !fill.is_empty() => fill.repeat(self.chunk_bytes / fill.len()),
            _ => vec![0; self.chunk_bytes],
        }
    }

    /// Copies the elements of a chunk out of those of a write; how many bytes.
    fn copy(&self, parts: &Parts, job: usize, bytes: &[u8], out: &mut [u8]) -> Result<u64> {
        let mut copied = 0;
        parts.for_each_run(job, &self.chunk, &mut |run| {
            let (from, to, len) = range(run, self.size)?;
            match (bytes.get(from..from + len), out.get_mut(to as usize..to as usize + len)) {
                (Some(from), Some(to)) => to.copy_from_slice(from),
                _ => return Err(Error::shape("elements outside a chunk")),
            }
            copied += len as u64;
            Ok(())
        })?;
        Ok(copied)
    }

    fn encode<'a>(&self, elements: Cow<'a, [u8]>, scratch: &mut Scratch) -> Result<(Cow<'a, [u8]>, u32)> {
        if self.pipeline.filters.is_empty() {
            return Ok((elements, 0));
        }
        let (bytes, mask) = self.pipeline.encode_chunk(&self.context(), &elements, scratch)?;
        Ok((bytes.to_vec().into(), mask))
    }
}

/// Runs jobs, on several threads if that is wanted; the results in order.
fn run_all<T: Send>(
    jobs: usize,
    threads: usize,
    bytes: u64,
    f: &(dyn Fn(usize, &mut Scratch) -> Result<T> + Sync),
) -> Result<Vec<T>> {
    #[cfg(feature = "parallel")]
    if threads != 1 && jobs > 1 && bytes >= 128 << 10 {
        use rayon::prelude::*;
        return (0..jobs)
            .into_par_iter()
            .map_init(Scratch::default, |scratch, job| f(job, scratch))
            .collect();
    }
    let _ = (threads, bytes);
    let mut scratch = Scratch::default();
    (0..jobs).map(|job| f(job, &mut scratch)).collect()
}

pub(super) fn chunked(state: &mut State, id: NodeId) -> Result<&mut ChunkedState> {
    state.chunked(id)
}

impl State {
    pub(super) fn chunked(&mut self, id: NodeId) -> Result<&mut ChunkedState> {
        match &mut self.node_mut(id)?.dataset_mut()?.data {
            RawState::Chunked(chunked) => Ok(chunked),
            _ => Err(Error::usage("not chunked")),
        }
    }

    pub(super) fn write_chunks(&mut self, id: NodeId, parts: &Parts, bytes: &[u8]) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let shape = Shape::of(dataset)?;
        let (dims, max_dims) = (dataset.dataspace.dims().to_vec(), dataset.dataspace.max_dims());
        // Chunks that are given whole and will not grow are encoded at once, the others kept until they must be.
        let is_whole = |job: usize, place: &[u64]| {
            let mut inside = 1u64;
            for (d, &p) in place.iter().enumerate() {
                let start = p * shape.chunk[d];
                let len = shape.chunk[d].min(dims[d] - start);
                if len < shape.chunk[d] && max_dims[d] != Some(dims[d]) {
                    return false;
                }
                inside *= len;
            }
            parts.elements(job) == inside
        };
        let per_batch = (BATCH / shape.chunk_bytes.max(1) as u64).clamp(1, 1 << 12) as usize;
        let jobs = parts.len();
        let mut first = 0;
        while first < jobs {
            let last = jobs.min(first + per_batch);
            let mut whole = Vec::with_capacity(last - first);
            for job in first..last {
                let place = parts.place(job);
                if is_whole(job, &place) {
                    whole.push((job, place));
                } else {
                    let mut copied = 0;
                    self.merge(id, &shape, place.clone(), &mut |chunk| {
                        copied = shape.copy(parts, job, bytes, chunk)?;
                        Ok(())
                    })?;
                    self.note_written(id, &shape, &place, copied)?;
                }
            }
            let batch_bytes = (whole.len() * shape.chunk_bytes) as u64;
            let encoded = run_all(whole.len(), self.threads, batch_bytes, &|i, scratch| {
                let mut chunk = shape.filled();
                shape.copy(parts, whole[i].0, bytes, &mut chunk)?;
                shape.encode(chunk.into(), scratch)
            })?;
            for ((_, place), (bytes, mask)) in whole.into_iter().zip(encoded) {
                self.store_chunk(id, &place, &bytes, mask)?;
                let chunk = chunked(self, id)?.chunks.get_mut(&place[..]);
                let dropped = chunk.and_then(|c| c.elements.take()).map_or(0, |e| e.len() as u64);
                self.buffered = self.buffered.saturating_sub(dropped);
            }
            first = last;
        }
        if self.buffered > self.buffer_limit { self.spill_all() } else { Ok(()) }
    }

    /// Changes a chunk in memory.
    fn merge(
        &mut self,
        id: NodeId,
        shape: &Shape,
        place: Vec<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let known = chunked(self, id)?.chunks.get_mut(&place[..]);
        if let Some(elements) = known.and_then(|c| c.elements.as_mut()) {
            return change(elements);
        }
        let stored = chunked(self, id)?.chunks.get(&place[..]).and_then(|c| c.stored);
        let mut elements = match stored {
            None => shape.filled(),
            Some((entry, _)) => {
                let bytes = self.tx.read(entry.address, entry.size)?;
                let mut scratch = Scratch::default();
                shape.pipeline.decode_chunk(&shape.context(), entry.mask, &bytes, &mut scratch)?.to_vec()
            }
        };
        change(&mut elements)?;
        self.buffered += elements.len() as u64;
        chunked(self, id)?.chunks.entry(place.into()).or_default().elements = Some(elements);
        // A write of more chunks than may be kept does not keep them all.
        if self.buffered > self.buffer_limit { self.spill_all() } else { Ok(()) }
    }

    /// Notes that so many bytes were written to a chunk that is kept. When they are as many as it has, it is probably
    /// whole, and will not be written to any more: it goes to the file while it is in the cache of the processor, and
    /// its memory serves the next one. Those that are to be encoded wait for each other, for several threads, and those of
    /// an implicit index for the flush: they are changed where they are, which takes the room of a patch each time.
    fn note_written(&mut self, id: NodeId, shape: &Shape, place: &[u64], bytes: u64) -> Result<()> {
        let Some(chunk) = chunked(self, id)?.chunks.get_mut(place) else { return Ok(()) };
        chunk.written = chunk.written.saturating_add(bytes);
        let is_whole = chunk.written >= shape.chunk_bytes as u64;
        if !is_whole || !shape.pipeline.filters.is_empty() || self.is_implicit(id)? {
            return Ok(());
        }
        let Some(chunk) = chunked(self, id)?.chunks.get_mut(place) else { return Ok(()) };
        let Some(elements) = chunk.elements.take() else { return Ok(()) };
        let stored = self.store_chunk(id, place, &elements, 0);
        if let Some(chunk) = chunked(self, id)?.chunks.get_mut(place) {
            chunk.written = 0;
            if stored.is_err() {
                chunk.elements = Some(elements);
                return stored;
            }
        }
        self.buffered = self.buffered.saturating_sub(shape.chunk_bytes as u64);
        stored
    }

    /// Stores the encoded bytes of a chunk.
    pub(super) fn store_chunk(&mut self, id: NodeId, place: &[u64], bytes: &[u8], mask: u32) -> Result<()> {
        if self.is_implicit(id)? {
            return self.store_implicit(id, place, bytes);
        }
        let size = bytes.len() as u64;
        let old = chunked(self, id)?.chunks.get(place).and_then(|c| c.stored);
        let address = match old {
            Some((entry, false)) if entry.size == size => entry.address,
            _ => self.tx.allocator.allocate(size)?,
        };
        self.put_data(address, bytes)?;
        match old {
            Some((entry, true)) => self.tx.allocator.leave((entry.address, entry.size)),
            Some((entry, false)) if entry.address != address => {
                self.tx.allocator.release((entry.address, entry.size));
            }
            _ => {}
        }
        let entry = ChunkEntry { address, size, mask };
        chunked(self, id)?.chunks.entry(place.into()).or_default().stored = Some((entry, false));
        Ok(())
    }

    /// Stores the chunks of a dataset that are kept in memory.
    pub(super) fn spill(&mut self, id: NodeId) -> Result<()> {
        let Ok(dataset) = self.node(id)?.dataset() else { return Ok(()) };
        let RawState::Chunked(state) = &dataset.data else { return Ok(()) };
        if state.chunks.values().all(|c| c.elements.is_none()) {
            return Ok(());
        }
        let shape = Shape::of(dataset)?;
        let per_batch = (BATCH / shape.chunk_bytes.max(1) as u64).clamp(1, 1 << 12) as usize;
        let places: Vec<Box<[u64]>> =
            state.chunks.iter().filter(|(_, c)| c.elements.is_some()).map(|(p, _)| p.clone()).collect();
        let threads = self.threads;
        for batch in places.chunks(per_batch) {
            let chunks = &mut chunked(self, id)?.chunks;
            let kept: Vec<Vec<u8>> = batch
                .iter()
                .map(|p| chunks.get_mut(p).and_then(|c| c.elements.take()).unwrap_or_default())
                .collect();
            let bytes = (batch.len() * shape.chunk_bytes) as u64;
            let encode = |i: usize, scratch: &mut Scratch| shape.encode(Cow::Borrowed(&kept[i]), scratch);
            let mut stored = 0;
            let done = run_all(kept.len(), threads, bytes, &encode).and_then(|encoded| {
                batch.iter().zip(encoded).try_for_each(|(place, (bytes, mask))| {
                    self.store_chunk(id, place, &bytes, mask)?;
                    stored += 1;
                    Ok(())
                })
            });
            for (i, (place, elements)) in batch.iter().zip(kept).enumerate() {
                let Some(chunk) = chunked(self, id)?.chunks.get_mut(place) else { continue };
                chunk.written = 0;
                if i < stored {
                    self.buffered = self.buffered.saturating_sub(shape.chunk_bytes as u64);
                } else {
                    chunk.elements = Some(elements);
                }
            }
            done?;
        }
        Ok(())
    }

    /// Stores all chunks that are kept in memory.
    pub(super) fn spill_all(&mut self) -> Result<()> {
        if self.buffered > 0 {
            (0..self.nodes.len() as u32).try_for_each(|id| self.spill(NodeId(id)))?;
            self.buffered = 0;
        }
        Ok(())
    }

    /// Stores chunks of fill values for the whole extent.
    pub(super) fn allocate_chunks(&mut self, id: NodeId) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let shape = Shape::of(dataset)?;
        if self.is_implicit(id)? {
            return self.allocate_implicit(id, &shape.filled());
        }
        let dataset = self.node(id)?.dataset()?;
        let grid: Vec<u64> =
            dataset.dataspace.dims().iter().zip(&shape.chunk).map(|(d, &c)| d.div_ceil(c)).collect();
        let (bytes, mask) = shape.encode(shape.filled().into(), &mut Scratch::default())?;
        let mut place = vec![0; grid.len()];
        for number in 0..element_count(&grid)? {
            coordinates(number, &grid, &mut place);
            self.store_chunk(id, &place, &bytes, mask)?;
        }
        Ok(())
    }

    /// Drops the chunks outside a smaller extent, and fills those at its edge.
    pub(super) fn cut_chunks(&mut self, id: NodeId, dims: &[u64]) -> Result<()> {
        let shape = Shape::of(self.node(id)?.dataset()?)?;
        let implicit = self.is_implicit(id)?;
        let places: Vec<Box<[u64]>> = chunked(self, id)?.chunks.keys().cloned().collect();
        for place in places {
            let origin: Vec<u64> = place.iter().zip(&shape.chunk).map(|(p, c)| p * c).collect();
            if implicit && origin.iter().zip(dims).any(|(o, d)| o >= d) {
                // Its place stays, and holds the fill value when the extent grows again.
                self.merge(id, &shape, place.to_vec(), &mut |chunk| {
                    chunk.copy_from_slice(&shape.filled());
                    Ok(())
                })?;
            } else if origin.iter().zip(dims).any(|(o, d)| o >= d) {
                let gone: Option<ChunkState> = chunked(self, id)?.chunks.remove(&place);
                let Some(gone) = gone else { continue };
                self.buffered = self.buffered.saturating_sub(gone.elements.map_or(0, |e| e.len() as u64));
                match gone.stored {
                    Some((entry, true)) => self.tx.allocator.leave((entry.address, entry.size)),
                    Some((entry, false)) => self.tx.allocator.release((entry.address, entry.size)),
                    None => {}
                }
            } else if origin.iter().zip(&shape.chunk).zip(dims).any(|((o, c), d)| o + c > *d) {
                let filled = shape.filled();
                let (rank, size) = (dims.len(), shape.size as usize);
                self.merge(id, &shape, place.to_vec(), &mut |chunk| {
                    let mut point = vec![0; rank];
                    let elements = chunk.chunks_exact_mut(size).zip(filled.chunks_exact(size));
                    for (number, (element, fill)) in elements.enumerate() {
                        coordinates(number as u64, &shape.chunk, &mut point);
                        if point.iter().zip(&origin).zip(dims).any(|((p, o), d)| p + o >= *d) {
                            element.copy_from_slice(fill);
                        }
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}
