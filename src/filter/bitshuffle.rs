//! Bitshuffle (filter 32008): blocks whose bits are transposed, and perhaps compressed. Client data: major and minor
//! version, element size, elements of a block (0: chosen by the element size), compression (0, 2 LZ4, 3 Zstandard),
//! level.
//!
//! A compressed chunk, in big-endian: decoded bytes (8), bytes of a block (4); then for each block its stored bytes (4)
//! and these. The last block has as many elements as are left, rounded down to a multiple of 8; the elements that
//! remain are stored as they are, at the end. Without compression there is neither a header nor a size.

use super::bitshuffle_kernel::{bitshuffle, bitunshuffle};
use super::{ChunkContext, Filter, FilterSpec, lz4, zstd};
use crate::error::{Error, Result};

pub(super) struct Bitshuffle;

/// Elements of a block come in multiples of this.
const MULTIPLE: usize = 8;
/// Bytes of a block that is not specified, unless that is less than [`LEAST_ELEMENTS`].
const BLOCK_BYTES: usize = 8192;
const LEAST_ELEMENTS: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    None,
    Lz4,
    Zstd,
}

/// What the client data says.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    element_size: usize,
    /// Bytes of a block.
    block: usize,
    codec: Codec,
    level: i32,
}

impl Parameters {
    fn new(spec: &FilterSpec) -> Result<Self> {
        let value = |at: usize| spec.client_data.get(at).copied().unwrap_or(0);
        let element_size = value(2) as usize;
        if element_size == 0 {
            return Err(Error::corrupt("element size is 0"));
        }
        let codec = match value(4) {
            0 => Codec::None,
            2 => Codec::Lz4,
            3 => Codec::Zstd,
            other => return Err(Error::unsupported(format!("compression {other} within bitshuffle"))),
        };
        let block = block_bytes(element_size, value(3) as usize)?;
        Ok(Parameters { element_size, block, codec, level: value(5) as i32 })
    }

    /// How many bytes are in blocks; the rest is stored as it is.
    fn in_blocks(&self, len: usize) -> Result<usize> {
        if !len.is_multiple_of(self.element_size) {
            let text = format!("{len} bytes are no whole number of elements of {}", self.element_size);
            return Err(Error::corrupt(text));
        }
        let unit = MULTIPLE.saturating_mul(self.element_size);
        Ok(len / unit * unit)
    }
}

/// The bytes of a block of so many elements; 0 for the usual number.
fn block_bytes(element_size: usize, elements: usize) -> Result<usize> {
    let elements = match elements {
        0 => (BLOCK_BYTES / element_size / MULTIPLE * MULTIPLE).max(LEAST_ELEMENTS),
        elements => elements,
    };
    if elements % MULTIPLE != 0 {
        return Err(Error::corrupt(format!("blocks of {elements} elements, not a multiple of {MULTIPLE}")));
    }
    Ok(elements.saturating_mul(element_size))
}

impl Filter for Bitshuffle {
    fn name(&self) -> &str {
        "bitshuffle"
    }

    fn encoded_len(&self, spec: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        (spec.client_data.get(4).copied().unwrap_or(0) == 0).then_some(len)
    }

    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let parameters = Parameters::new(spec)?;
        match parameters.codec {
            Codec::None => decode_plain(&parameters, input, output),
            codec => decode_compressed(&parameters, codec, input, output),
        }
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let parameters = Parameters::new(spec)?;
        let (blocks, tail) = input.split_at(parameters.in_blocks(input.len())?);
        if parameters.codec == Codec::None {
            output.resize(blocks.len(), 0);
            for (from, to) in blocks.chunks(parameters.block).zip(output.chunks_mut(parameters.block)) {
                bitshuffle(from, to, parameters.element_size);
            }
        } else {
            let block = u32::try_from(parameters.block)
                .map_err(|_| Error::usage(format!("blocks of {} bytes", parameters.block)))?;
            output.extend((input.len() as u64).to_be_bytes());
            output.extend(block.to_be_bytes());
            encode_compressed(&parameters, blocks, output);
        }
        output.extend(tail);
        Ok(true)
    }
}

fn decode_plain(parameters: &Parameters, input: &[u8], output: &mut [u8]) -> Result<usize> {
    let output = lz4::room_of(output, input.len() as u64)?;
    let whole = parameters.in_blocks(input.len())?;
    let (blocks, tail) = output.split_at_mut(whole);
    tail.copy_from_slice(&input[whole..]);
    for (from, to) in input[..whole].chunks(parameters.block).zip(blocks.chunks_mut(parameters.block)) {
        bitunshuffle(from, to, parameters.element_size);
    }
    Ok(output.len())
}

fn decode_compressed(
    parameters: &Parameters,
    codec: Codec,
    input: &[u8],
    output: &mut [u8],
) -> Result<usize> {
    // The size of the blocks is that of the chunk, not that of the client data.
    let (total, block, mut input) = lz4::frame_header(input)?;
    let output = lz4::room_of(output, total)?;
    let (blocks, tail) = output.split_at_mut(parameters.in_blocks(output.len())?);
    let size = parameters.element_size;
    let block = block_bytes(size, block / size)?;
    let mut shuffled = vec![0; block.min(blocks.len())];
    for part in blocks.chunks_mut(block) {
        let stored = lz4::take_block(&mut input)?;
        let shuffled = &mut shuffled[..part.len()];
        if codec == Codec::Lz4 {
            lz4::decompress(stored, shuffled)?;
        } else {
            let len = zstd::decompress(stored, shuffled)?;
            if len != part.len() {
                let text = format!("Zstandard block gives {len} bytes, should give {}", part.len());
                return Err(Error::corrupt(text));
            }
        }
        bitunshuffle(shuffled, part, size);
    }
    let rest =
        input.get(..tail.len()).ok_or_else(|| Error::corrupt("frame ends within its last elements"))?;
    tail.copy_from_slice(rest);
    Ok(output.len())
}

fn encode_compressed(parameters: &Parameters, blocks: &[u8], output: &mut Vec<u8>) {
    let mut shuffled = vec![0; parameters.block.min(blocks.len())];
    let mut frame = Vec::new();
    for part in blocks.chunks(parameters.block) {
        let shuffled = &mut shuffled[..part.len()];
        bitshuffle(part, shuffled, parameters.element_size);
        let header = output.len();
        output.extend([0; 4]);
        if parameters.codec == Codec::Lz4 {
            lz4::compress(shuffled, output);
        } else {
            zstd::compress(shuffled, parameters.level, &mut frame);
            output.extend(&frame);
        }
        let stored = (output.len() - header - 4) as u32;
        output[header..header + 4].copy_from_slice(&stored.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(size: usize, block: u32, codec: u32) -> FilterSpec {
        let client_data = vec![0, 4, size as u32, block, codec, 3];
        FilterSpec { id: 32008, optional: false, name: None, client_data }
    }

    const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn round_trips(
            mut data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..3000),
            size in 1_usize..20,
            block in prop_oneof![Just(0), 1_u32..40],
            codec in prop_oneof![Just(0_u32), Just(2), Just(3)],
        ) {
            data.truncate(data.len() / size * size);
            let spec = spec(size, block * 8, codec);
            let mut stored = Vec::new();
            Bitshuffle.encode(&spec, &CONTEXT, &data, &mut stored).unwrap();
            let mut back = vec![0xaa; data.len() + 3];
            let decode = |stored: &[u8], back: &mut [u8]| Bitshuffle.decode(&spec, &CONTEXT, stored, back);
            prop_assert_eq!(decode(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back[..data.len()], &data);
            if !data.is_empty() {
                prop_assert!(decode(&stored, &mut back[..data.len() - 1]).is_err());
                if codec != 0 {
                    prop_assert!(decode(&stored[..stored.len() - 1], &mut back).is_err());
                }
            }
        }

        #[test]
        fn any_bytes_decode_or_fail(
            values in proptest::collection::vec(prop_oneof![0_u32..20, any::<u32>()], 0..7),
            total in 0_u64..2000, block in 0_u32..2000, first in 0_u32..100,
            data in proptest::collection::vec(any::<u8>(), 0..500), room in 0_usize..2000,
        ) {
            let spec = FilterSpec { client_data: values, ..spec(1, 0, 0) };
            let _ = Bitshuffle.decode(&spec, &CONTEXT, &data, &mut vec![0; room]);
            let head = [&total.to_be_bytes()[..], &block.to_be_bytes(), &first.to_be_bytes(), &data].concat();
            let _ = Bitshuffle.decode(&spec, &CONTEXT, &head, &mut vec![0; room]);
        }
    }

    #[test]
    fn parameters_that_lie() {
        let decode = |spec: &FilterSpec, input: &[u8]| Bitshuffle.decode(spec, &CONTEXT, input, &mut [0; 64]);
        assert!(decode(&spec(0, 0, 0), &[0; 8]).is_err());
        assert!(decode(&spec(3, 0, 0), &[0; 8]).is_err());
        assert!(decode(&spec(1, 12, 0), &[0; 8]).is_err());
        let error = decode(&spec(1, 0, 1), &[0; 8]).unwrap_err();
        assert!(matches!(error.kind(), crate::ErrorKind::Unsupported(_)));
        let huge = spec(u32::MAX as usize, u32::MAX - 7, 2);
        assert_eq!(decode(&huge, &[0; 64]).unwrap(), 0);
        assert!(decode(&huge, &[&[0; 7][..], &[8; 64]].concat()).is_err());
        assert!(Bitshuffle.encode(&huge, &CONTEXT, &[], &mut Vec::new()).is_err());
        // A header with blocks of a wrong size, and of more bytes than there are.
        let header = |total: u64, block: u32| [&total.to_be_bytes()[..], &block.to_be_bytes()].concat();
        assert!(decode(&spec(2, 0, 2), &header(16, 2)).is_err());
        assert!(decode(&spec(2, 0, 2), &header(16, 24)).is_err());
        assert!(decode(&spec(2, 0, 2), &header(1 << 40, 16)).is_err());
        assert!(decode(&spec(2, 0, 2), &header(16, 16)).is_err());
        assert_eq!(decode(&spec(2, 0, 2), &header(0, 16)).unwrap(), 0);
    }
}
