//! An array whose chunks, and their blocks, are boxes that lie one after the other.

use super::Chunks;
use crate::error::{Error, Result};
use crate::filter::blosc::chunk::{Chunk, Work};

const MAX_RANK: usize = 16;

type Dims = [usize; MAX_RANK];

/// The sizes of an array. Dimensions are merged where that changes nothing, and the last one counts bytes.
#[derive(Debug)]
pub struct Array {
    rank: usize,
    shape: Dims,
    chunk: Dims,
    block: Dims,
    len: usize,
    block_len: usize,
}

fn corrupt() -> Error {
    Error::corrupt("array metalayer of a frame of Blosc2")
}

/// The dimensions of a MessagePack array of numbers of `N` bytes.
fn dims<const N: usize>(input: &mut &[u8], rank: usize, kind: u8) -> Result<Dims> {
    let (_, mut rest) = input.split_first().ok_or_else(corrupt)?;
    let mut dims = [1; MAX_RANK];
    for dim in &mut dims[..rank] {
        let (&found, after) = rest.split_first().ok_or_else(corrupt)?;
        let (number, after) = after.split_first_chunk::<N>().ok_or_else(corrupt)?;
        let number = number.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if found != kind || number >> (8 * N - 1) != 0 {
            return Err(corrupt());
        }
        *dim = usize::try_from(number).map_err(|_| corrupt())?;
        rest = after;
    }
    *input = rest;
    Ok(dims)
}

fn product(dims: &[usize]) -> Result<usize> {
    dims.iter().try_fold(1_usize, |product, dim| product.checked_mul(*dim)).ok_or_else(corrupt)
}

impl Array {
    pub fn parse(input: &[u8], type_size: usize) -> Result<Self> {
        let &[_, _, rank, ref rest @ ..] = input else { return Err(corrupt()) };
        let rank = usize::from(rank);
        if rank > MAX_RANK {
            return Err(corrupt());
        }
        let mut rest = rest;
        let mut array = Self {
            rank,
            shape: dims::<8>(&mut rest, rank, 0xd3)?,
            chunk: dims::<4>(&mut rest, rank, 0xd2)?,
            block: dims::<4>(&mut rest, rank, 0xd2)?,
            len: 0,
            block_len: 0,
        };
        if array.chunk.contains(&0) || array.block.contains(&0) {
            return Err(corrupt());
        }
        if array.chunk.iter().zip(&array.block).any(|(chunk, block)| block > chunk) {
            return Err(Error::corrupt("blocks of an array are larger than its chunks"));
        }
        array.merge(type_size)?;
        array.len = product(&array.shape)?;
        array.block_len = product(&array.block)?;
        Ok(array)
    }

    /// Joins a dimension that blocks span with the one before it, and lets the last one count bytes.
    fn merge(&mut self, type_size: usize) -> Result<()> {
        let mut inner = [type_size; 3];
        let mut rank = self.rank;
        while rank > 0 {
            let last = rank - 1;
            let outer = [self.shape[last], self.chunk[last], self.block[last]];
            for (inner, outer) in inner.iter_mut().zip(outer) {
                *inner = inner.checked_mul(outer).ok_or_else(corrupt)?;
            }
            if outer[0] != outer[1] || outer[0] != outer[2] || last == 0 {
                break;
            }
            rank = last;
        }
        self.rank = rank.max(1);
        let last = self.rank - 1;
        [self.shape[last], self.chunk[last], self.block[last]] = inner;
        for dims in [&mut self.shape, &mut self.chunk, &mut self.block] {
            dims[self.rank..].fill(1);
        }
        Ok(())
    }

    /// Bytes of the array.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Decodes the array; `output` has its length.
    pub fn decode(&self, chunks: &mut Chunks<'_>, output: &mut [u8], work: &mut Work) -> Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let rank = self.rank;
        let mut blocks = [1; MAX_RANK];
        for (blocks, (chunk, block)) in blocks.iter_mut().zip(self.chunk.iter().zip(&self.block)) {
            *blocks = chunk.div_ceil(*block);
        }
        let chunk_len = product(&blocks)?.checked_mul(self.block_len).ok_or_else(corrupt)?;
        let mut origin = [0; MAX_RANK];
        loop {
            let chunk = chunks.next(chunk_len, self.block_len)?;
            if chunk.len != chunk_len || chunk.block_len != self.block_len && !chunk.is_special() {
                return Err(Error::corrupt(format!(
                    "chunk of {} bytes, blocks of {}, in an array with {chunk_len} and {}",
                    chunk.len, chunk.block_len, self.block_len
                )));
            }
            self.decode_chunk(&chunk, &origin, &blocks, output, work)?;
            if !advance(&mut origin[..rank], &self.shape, &self.chunk) {
                return Ok(());
            }
        }
    }

    fn decode_chunk(
        &self,
        chunk: &Chunk<'_>,
        origin: &Dims,
        blocks: &Dims,
        output: &mut [u8],
        work: &mut Work,
    ) -> Result<()> {
        let rank = self.rank;
        // What of the chunk lies within the array.
        let mut extent = [1; MAX_RANK];
        for at in 0..rank {
            extent[at] = self.chunk[at].min(self.shape[at] - origin[at]);
        }
        chunk.start(work);
        let mut block = std::mem::take(&mut work.block);
        let mut inner = [0; MAX_RANK];
        loop {
            let mut index = 0;
            let (mut place, mut size) = ([0; MAX_RANK], [1; MAX_RANK]);
            for at in 0..rank {
                index = index * blocks[at] + inner[at] / self.block[at];
                place[at] = origin[at] + inner[at];
                size[at] = self.block[at].min(extent[at] - inner[at]);
            }
            if rank == 1 && size[0] == self.block[0] {
                chunk.decode_block(index, &mut output[place[0]..][..size[0]], work)?;
            } else {
                if block.len() < self.block_len {
                    // Blocks are not larger than chunks, and those are hardly larger than the array.
                    if self.block_len / 2 > output.len().saturating_add(1 << 16) {
                        return Err(Error::corrupt(format!("block of {} bytes", self.block_len)));
                    }
                    block.resize(self.block_len, 0);
                }
                let block = &mut block[..self.block_len];
                chunk.decode_block(index, block, work)?;
                self.put(block, &place, &size, output);
            }
            if !advance(&mut inner[..rank], &extent, &self.block) {
                break;
            }
        }
        work.block = block;
        Ok(())
    }

    /// Copies what of a block lies within the array to its place.
    fn put(&self, block: &[u8], place: &Dims, size: &Dims, output: &mut [u8]) {
        let last = self.rank - 1;
        let mut row = [0; MAX_RANK];
        loop {
            let (mut from, mut to) = (0, 0);
            for at in 0..self.rank {
                from = from * self.block[at] + row[at];
                to = to * self.shape[at] + place[at] + row[at];
            }
            output[to..to + size[last]].copy_from_slice(&block[from..from + size[last]]);
            if !advance(&mut row[..last], size, &[1; MAX_RANK]) {
                return;
            }
        }
    }
}

/// Goes to the next position in C order; false behind the last one.
fn advance(position: &mut [usize], end: &Dims, step: &Dims) -> bool {
    for at in (0..position.len()).rev() {
        if step[at] < end[at] - position[at] {
            position[at] += step[at];
            return true;
        }
        position[at] = 0;
    }
    false
}
