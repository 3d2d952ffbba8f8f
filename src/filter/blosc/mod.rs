//! Blosc 1 (filter 32001). Client data: revision, version, element size, bytes of a chunk, level, shuffle (0 none,
//! 1 bytes, 2 bits), codec (0 BloscLZ, 1 LZ4, 2 LZ4HC, 3 Snappy, 4 zlib, 5 Zstandard).
//!
//! ```text
//! version, 1, flags, element size; u32 LE: decoded bytes, bytes of a block, stored bytes
//! per block: u32 LE start
//! per block, one or more streams: u32 LE stored bytes, and these
//! ```
//!
//! A stream that did not shrink is stored as it is, and so is a whole chunk that has the flag for it.

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

mod blosclz;
pub(super) mod chunk;
mod codec;
mod encode;
#[cfg(test)]
mod tests;

pub(super) struct Blosc;

impl Filter for Blosc {
    fn name(&self) -> &str {
        "blosc"
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let chunk = chunk::Chunk::parse(input)?;
        let room = output.len();
        let output = output
            .get_mut(..chunk.len)
            .ok_or_else(|| Error::corrupt(format!("{} bytes, more than the {room} expected", chunk.len)))?;
        chunk::with_work(|work| chunk.decode(output, work))?;
        Ok(chunk.len)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let parameter = |at: usize, default| spec.client_data.get(at).copied().unwrap_or(default);
        let level = parameter(4, 5);
        if level > 9 {
            return Err(Error::usage(format!("level {level}; 0 to 9 are allowed")));
        }
        let type_size = match parameter(2, 0) as usize {
            0 => context.element_size,
            size => size,
        };
        let plan = encode::Plan {
            codec: codec::Codec::of_parameter(parameter(6, 0))?,
            level,
            // The elements do not matter if they are so large.
            type_size: u8::try_from(type_size).unwrap_or(1).max(1),
            filter: match parameter(5, 1) {
                0 => 0,
                1 => chunk::flags::SHUFFLE,
                2 => chunk::flags::BITSHUFFLE,
                other => return Err(Error::usage(format!("shuffle {other}; 0 to 2 are allowed"))),
            },
        };
        plan.encode(input, output)?;
        Ok(!spec.optional || output.len() < input.len())
    }
}
