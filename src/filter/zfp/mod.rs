//! ZFP (filter 32013): blocks of 4^d values, transformed, and coded bit plane by bit plane.
//!
//! A chunk is nothing but a zfp stream in 8-bit words; its header is in the client data (`header.rs`). For each block
//! (`block.rs`), floats become integers with a common exponent; a transform (`transform.rs`) decorrelates them; the
//! coefficients, sorted by sequency (`order.rs`) and in negabinary digits, are stored by bit planes (`planes.rs`) until
//! the mode has enough.

mod bitstream;
mod block;
mod chunk;
mod header;
mod order;
mod planes;
mod transform;

#[cfg(test)]
mod tests;

pub use header::{Mode, client_data};

use self::header::{Header, Kind};
use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Zfp;

/// The header, and how many bytes its values take.
fn parameters(spec: &FilterSpec) -> Result<(Header, usize)> {
    let header = Header::decode(&spec.client_data)?;
    let size = match header.kind {
        Kind::I32 | Kind::F32 => 4,
        Kind::I64 | Kind::F64 => 8,
    };
    let bytes = header.count().and_then(|count| count.checked_mul(size));
    let bytes = bytes.ok_or_else(|| Error::corrupt(format!("{:?} values are too many", header.extents)))?;
    Ok((header, bytes))
}

impl Filter for Zfp {
    fn name(&self) -> &str {
        "zfp"
    }

    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let (header, bytes) = parameters(spec)?;
        let output =
            output.get_mut(..bytes).ok_or_else(|| Error::corrupt(format!("{bytes} bytes are too many")))?;
        chunk::decode(&header, input, output)?;
        Ok(bytes)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let (header, bytes) = parameters(spec)?;
        if input.len() != bytes {
            return Err(Error::usage(format!("{} bytes, where zfp should get {bytes}", input.len())));
        }
        chunk::encode(&header, input, output);
        Ok(true)
    }
}
