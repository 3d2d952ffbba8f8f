//! Blosc 2 (filter 32026), reading. Client data: revision, bytes of a block, element size, bytes of a chunk, level,
//! shuffle, codec, and perhaps rank and dimensions; all that decoding needs is in the stored bytes.
//!
//! They are a contiguous frame of (usually one) chunks. A metalayer `b2nd` says that chunks and blocks are boxes of an
//! array, one after the other.

use super::blosc::chunk::{Chunk, Work, with_work};
use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

mod array;
mod frame;
#[cfg(test)]
mod tests;

use array::Array;
use frame::{Frame, Place};

pub(super) struct Blosc2;

/// A chunk of HDF5 is one chunk of Blosc; more than this are not met.
const MAX_CHUNKS: usize = 1 << 20;

impl Filter for Blosc2 {
    fn name(&self) -> &str {
        "blosc2"
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let frame = Frame::parse(input)?;
        let metalayer = match frame.metalayer("b2nd")? {
            Some(metalayer) => Some(metalayer),
            None => frame.metalayer("caterva")?,
        };
        let array = metalayer.map(|bytes| Array::parse(bytes, frame.type_size)).transpose()?;
        let len = array.as_ref().map_or(frame.len, Array::len);
        let room = output.len();
        let output = output
            .get_mut(..len)
            .ok_or_else(|| Error::corrupt(format!("{len} bytes, more than the {room} expected")))?;
        with_work(|work| {
            let mut chunks = Chunks::new(&frame, work)?;
            match &array {
                Some(array) => array.decode(&mut chunks, output, work),
                None => decode_in_order(&mut chunks, output, work),
            }
        })?;
        Ok(len)
    }

    fn encode(&self, _: &FilterSpec, _: &ChunkContext, _: &[u8], _: &mut Vec<u8>) -> Result<bool> {
        Err(Error::unsupported("writing with Blosc2; Blosc can be written"))
    }
}

/// The chunks of a frame, in order.
struct Chunks<'a> {
    frame: &'a Frame<'a>,
    offsets: Vec<u8>,
    next: usize,
    /// Bytes of the frame that chunks have taken.
    taken: usize,
}

impl<'a> Chunks<'a> {
    fn new(frame: &'a Frame<'a>, work: &mut Work) -> Result<Self> {
        let mut offsets = Vec::new();
        if let Some(chunk) = frame.offsets()? {
            if chunk.len / 8 > MAX_CHUNKS {
                return Err(Error::limit(
                    "chunks of a Blosc2 frame",
                    chunk.len as u64 / 8,
                    MAX_CHUNKS as u64,
                ));
            }
            offsets.resize(chunk.len, 0);
            chunk.decode(&mut offsets, work)?;
        }
        Ok(Self { frame, offsets, next: 0, taken: 0 })
    }

    /// The next chunk; `len` is what it has if that cannot be known from it.
    fn next(&mut self, len: usize, block_len: usize) -> Result<Chunk<'a>> {
        let offset = self.offsets.as_chunks().0.get(self.next);
        let offset = offset.ok_or_else(|| Error::corrupt("too few chunks in a frame of Blosc2"))?;
        self.next += 1;
        match self.frame.place(u64::from_le_bytes(*offset))? {
            Place::Special(kind) => Chunk::special(kind, self.frame.type_size, len, block_len),
            Place::At(at) => {
                let chunk = self.frame.chunk(at)?;
                // Chunks do not overlap; so hostile ones cannot be decoded over and over.
                self.taken += chunk.stored();
                if self.taken > self.frame.stored() {
                    return Err(Error::corrupt("chunks of a frame of Blosc2 overlap"));
                }
                Ok(chunk)
            }
        }
    }
}

/// Decodes chunks one behind the other.
fn decode_in_order(chunks: &mut Chunks<'_>, output: &mut [u8], work: &mut Work) -> Result<()> {
    let usual = chunks.frame.chunk_len;
    let mut rest = output;
    while !rest.is_empty() {
        let len = if usual == 0 { rest.len() } else { usual.min(rest.len()) };
        let chunk = chunks.next(len, len)?;
        if chunk.len == 0 || chunk.len > rest.len() {
            return Err(Error::corrupt(format!(
                "chunk of {} bytes where {} are left",
                chunk.len,
                rest.len()
            )));
        }
        let (part, after) = rest.split_at_mut(chunk.len);
        chunk.decode(part, work)?;
        rest = after;
    }
    Ok(())
}
