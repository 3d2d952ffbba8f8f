//! Which parts of selections lie in which chunks.

use super::Request;
use crate::{
    error::Result,
    model::selection::runs::{Axis, Pieces, Resolved, Run},
    storage::chunk_index::{ChunkTable, coordinates},
};

/// The part of a selection that lies in one chunk.
pub(super) enum Region<'a> {
    /// In each dimension, counted from the start of the chunk; and the shape of the whole selection.
    Grid { pieces: &'a [Pieces<'a>], shape: &'a [u64] },
    /// Runs, counted from the start of the chunk.
    Runs(&'a [Part]),
}

/// A chunk of which a request wants something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Number of the chunk.
    pub(super) chunk: u64,
    /// Index of the request.
    pub(super) request: usize,
    /// What it wants, counted from the start of the chunk; of a grid it is found again when the chunk is there.
    pub(super) run: Option<Run>,
}

/// Calls `f` with each part of a request. There are `RANK` dimensions at most.
pub(super) fn for_each_part<const RANK: usize>(
    request: usize,
    selection: &Resolved,
    dims: &[u64],
    chunk: &[u64],
    table: &ChunkTable,
    f: &mut dyn FnMut(Part) -> Result<()>,
) -> Result<()> {
    let mut place = [0u64; RANK];
    let place = &mut place[..dims.len()];
    match selection {
        Resolved::Grid(axes) => {
            let axes: Vec<AxisChunks> = axes.iter().zip(chunk).map(|(a, &c)| AxisChunks::new(a, c)).collect();
            for job in 0..axes.iter().map(AxisChunks::len).product() {
                let mut rest = job;
                for (p, axis) in place.iter_mut().zip(&axes).rev() {
                    *p = axis.place(rest % axis.len());
                    rest /= axis.len();
                }
                f(Part { chunk: table.number(place), request, run: None })?;
            }
        }
        Resolved::Runs(runs) => {
            for run in runs {
                let mut rest = *run;
                while rest.len > 0 {
                    coordinates(rest.source, dims, place);
                    let (Some(&column), Some(&d), Some(&c)) = (place.last(), dims.last(), chunk.last())
                    else {
                        break;
                    };
                    let len = rest.len.min(d - column).min(c - column % c);
                    let inside = place.iter().zip(chunk).fold(0, |n, (p, c)| n * c + p % c);
                    place.iter_mut().zip(chunk).for_each(|(p, c)| *p /= c);
                    let part = Run { source: inside, target: rest.target, len };
                    f(Part { chunk: table.number(place), request, run: Some(part) })?;
                    rest = Run { source: rest.source + len, target: rest.target + len, len: rest.len - len };
                }
            }
        }
    }
    Ok(())
}

/// Calls `f` with the region of each request that has parts here. All parts are of the chunk at `place`, and those of
/// one request are neighbours.
pub(super) fn for_each_region<const RANK: usize>(
    parts: &[Part],
    requests: &[Request<'_>],
    place: &[u64],
    chunk: &[u64],
    f: &mut dyn FnMut(usize, &Region<'_>) -> Result<()>,
) -> Result<()> {
    for parts in parts.chunk_by(|a, b| a.request == b.request) {
        let request = parts[0].request;
        match requests[request].selection {
            Resolved::Runs(_) => f(request, &Region::Runs(parts))?,
            Resolved::Grid(axes) => {
                let mut pieces = [Pieces::List(&[]); RANK];
                let mut shape = [0; RANK];
                for (d, axis) in axes.iter().enumerate() {
                    pieces[d] = Pieces::of_chunk(*axis, place[d], chunk[d]);
                    shape[d] = axis.len();
                }
                f(request, &Region::Grid { pieces: &pieces[..axes.len()], shape: &shape[..axes.len()] })?;
            }
        }
    }
    Ok(())
}

/// The chunks that an axis touches, in its dimension.
#[derive(Debug)]
pub(crate) struct AxisChunks {
    axis: Axis,
    chunk: u64,
    places: Places,
}

/// Chunk coordinates.
#[derive(Debug)]
enum Places {
    Neighbours { first: u64, len: usize },
    Listed(Vec<u64>),
}

impl AxisChunks {
    pub(crate) fn new(axis: &Axis, chunk: u64) -> Self {
        let (start, end) = axis.bounds();
        let (axis, first, last) = (*axis, start / chunk, end.saturating_sub(1) / chunk);
        let places = if start >= end {
            Places::Neighbours { first, len: 0 }
        } else if axis.count == 1 || axis.stride <= chunk {
            // Every chunk from the first element to the last one holds one at least.
            Places::Neighbours { first, len: (last - first + 1) as usize }
        } else {
            let mut places = Vec::new();
            let mut c = first;
            while c <= last {
                if Pieces::of_chunk(axis, c, chunk).segments().next().is_some() {
                    places.push(c);
                    c += 1;
                } else {
                    // A stride across whole chunks: go to the chunk of the next block.
                    let blocks = (c * chunk - axis.start).div_ceil(axis.stride);
                    c = ((axis.start + blocks * axis.stride) / chunk).max(c + 1);
                }
            }
            Places::Listed(places)
        };
        AxisChunks { axis, chunk, places }
    }

    /// Number of chunks.
    pub(crate) fn len(&self) -> usize {
        match &self.places {
            Places::Neighbours { len, .. } => *len,
            Places::Listed(places) => places.len(),
        }
    }

    fn place(&self, index: usize) -> u64 {
        match &self.places {
            Places::Neighbours { first, .. } => first + index as u64,
            Places::Listed(places) => places[index],
        }
    }

    /// Coordinate of a chunk, and the part of the axis that lies in it, counted from its start.
    pub(crate) fn get(&self, index: usize) -> (u64, Pieces<'static>) {
        let place = self.place(index);
        (place, Pieces::of_chunk(self.axis, place, self.chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(axis: Axis, chunk: u64) -> Vec<u64> {
        let chunks = AxisChunks::new(&axis, chunk);
        (0..chunks.len()).map(|i| chunks.place(i)).collect()
    }

    #[test]
    fn chunks_near_the_largest_extent() {
        let end = u64::MAX - 1;
        assert_eq!(places(Axis::range(end - 1, 1), 1000), [(end - 1) / 1000]);
        let far = Axis { start: 5, stride: u64::MAX / 2, count: 2, block: 1 };
        assert_eq!(places(far, 10), [0, (5 + u64::MAX / 2) / 10]);
        assert_eq!(places(Axis::range(0, 0), 10), [0u64; 0]);
    }

    #[test]
    fn the_chunks_of_an_axis_are_those_of_its_elements() {
        for (start, stride, count, block) in
            [(0, 3, 7, 1), (4, 5, 6, 3), (9, 10, 4, 1), (2, 11, 5, 2), (7, 40, 3, 25), (9, 10, 3, 2)]
        {
            let axis = Axis { start, stride, count, block };
            let elements = (0..count).flat_map(|i| (0..block).map(move |k| start + i * stride + k));
            let mut expected: Vec<u64> = elements.map(|e| e / 10).collect();
            expected.dedup();
            assert_eq!(places(axis, 10), expected, "{axis:?}");
        }
    }
}
