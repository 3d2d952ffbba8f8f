//! The codecs within a Blosc chunk, by the numbers that it has for them.

use super::blosclz;
use crate::error::{Error, Result};
use crate::filter::deflate::inflate;
use crate::filter::{lz4, zstd};

/// What compressed the streams of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    BloscLz,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

impl Codec {
    /// By the number in the flags of a chunk.
    pub fn of_flags(number: u8) -> Result<Self> {
        Ok(match number {
            0 => Self::BloscLz,
            1 => Self::Lz4,
            2 => Self::Snappy,
            3 => Self::Zlib,
            4 => Self::Zstd,
            _ => return Err(Error::unsupported(format!("codec format {number} of Blosc"))),
        })
    }

    /// By the number among the parameters of the filter, where LZ4HC has its own.
    pub fn of_parameter(number: u32) -> Result<Self> {
        Ok(match number {
            0 => Self::BloscLz,
            1 | 2 => Self::Lz4,
            3 => Self::Snappy,
            4 => Self::Zlib,
            5 => Self::Zstd,
            _ => return Err(Error::unsupported(format!("codec {number} of Blosc"))),
        })
    }

    pub fn flags(self) -> u8 {
        self as u8
    }

    /// Decodes a stream, which must fill `output`.
    pub fn decompress(self, input: &[u8], output: &mut [u8]) -> Result<()> {
        let len = match self {
            Self::BloscLz => blosclz::decompress(input, output)?,
            Self::Lz4 => return lz4::decompress(input, output),
            Self::Snappy => snap::raw::Decoder::new()
                .decompress(input, output)
                .map_err(|error| Error::corrupt(format!("Snappy: {error}")))?,
            Self::Zlib => inflate(input, output)?,
            Self::Zstd => zstd::decompress(input, output)?,
        };
        if len != output.len() {
            return Err(Error::corrupt(format!("stream gives {len} bytes, should give {}", output.len())));
        }
        Ok(())
    }

    /// Makes `output` a stream of `input`. It may be longer.
    pub fn compress(self, input: &[u8], level: u32, output: &mut Vec<u8>) -> Result<()> {
        output.clear();
        match self {
            Self::BloscLz => blosclz::compress(input, output),
            Self::Lz4 => lz4::compress(input, output),
            Self::Snappy => {
                output.resize(snap::raw::max_compress_len(input.len()), 0);
                let len = snap::raw::Encoder::new()
                    .compress(input, output)
                    .map_err(|error| Error::usage(format!("Snappy: {error}")))?;
                output.truncate(len);
            }
            Self::Zlib => {
                use std::io::Write;
                let mut encoder =
                    flate2::write::ZlibEncoder::new(std::mem::take(output), flate2::Compression::new(level));
                let fail = |error| Error::usage(format!("zlib: {error}"));
                encoder.write_all(input).map_err(fail)?;
                *output = encoder.finish().map_err(fail)?;
            }
            // The levels of Zstandard go further.
            Self::Zstd => zstd::compress(input, (2 * level).saturating_sub(1) as i32, output),
        }
        Ok(())
    }
}
