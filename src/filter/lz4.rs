//! LZ4 (filter 32004): HDF5's own framing of blocks. Client data: bytes of a block, or 0 or nothing for 1 GiB.
//!
//! The frame, in big-endian: decoded bytes (8), bytes of a block (4); then for each block its stored bytes (4) and
//! these. A block that did not shrink is stored as it is; its stored size is then its own.

use super::{
    ChunkContext, Filter, FilterSpec,
    lz4_block::{self, Damage},
};
use crate::error::{Error, Result};

pub(super) struct Lz4;

/// What libhdf5's filter takes where the client data does not say.
const DEFAULT_BLOCK: usize = 1 << 30;
/// The largest block of the format: `LZ4_MAX_INPUT_SIZE`.
const MAX_BLOCK: usize = 0x7e00_0000;

impl Filter for Lz4 {
    fn name(&self) -> &str {
        "lz4"
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        decompress_frame(input, output)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let block = match spec.client_data.first() {
            None | Some(0) => DEFAULT_BLOCK,
            Some(&block) => block as usize,
        };
        if block > MAX_BLOCK {
            return Err(Error::usage(format!("blocks of {block} bytes; {MAX_BLOCK} are allowed")));
        }
        compress_frame(input, block, output);
        Ok(true)
    }
}

fn decompress_frame(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let (total, block, mut input) = frame_header(input)?;
    let output = room_of(output, total)?;
    if block == 0 && total != 0 {
        return Err(Error::corrupt("blocks of 0 bytes"));
    }
    // At least 1, for an empty frame.
    for part in output.chunks_mut(block.max(1)) {
        let stored = take_block(&mut input)?;
        if stored.len() == part.len() {
            part.copy_from_slice(stored);
        } else {
            decompress(stored, part)?;
        }
    }
    Ok(output.len())
}

fn compress_frame(input: &[u8], block: usize, output: &mut Vec<u8>) {
    let block = block.min(input.len());
    output.extend((input.len() as u64).to_be_bytes());
    output.extend((block as u32).to_be_bytes());
    for part in input.chunks(block.max(1)) {
        let header = output.len();
        output.extend([0; 4]);
        compress(part, output);
        let start = header + 4;
        if output.len() - start >= part.len() {
            output.truncate(start);
            output.extend(part);
        }
        let stored = (output.len() - start) as u32;
        output[header..start].copy_from_slice(&stored.to_be_bytes());
    }
}

/// Decoded bytes, bytes of a block, and what follows, of a frame of this filter or of bitshuffle.
pub(super) fn frame_header(input: &[u8]) -> Result<(u64, usize, &[u8])> {
    let (header, rest) =
        input.split_first_chunk::<12>().ok_or_else(|| Error::corrupt("frame ends within its header"))?;
    let [a, b, c, d, e, f, g, h, block @ ..] = *header;
    Ok((u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes(block) as usize, rest))
}

/// The first `total` bytes of the output.
pub(super) fn room_of(output: &mut [u8], total: u64) -> Result<&mut [u8]> {
    let room = output.len();
    let total = usize::try_from(total).ok().filter(|&total| total <= room);
    total
        .and_then(|total| output.get_mut(..total))
        .ok_or_else(|| Error::corrupt(format!("frame gives more than {room} bytes")))
}

/// Takes the size of a block and the block from the front of a frame.
pub(super) fn take_block<'a>(input: &mut &'a [u8]) -> Result<&'a [u8]> {
    let early = || Error::corrupt("frame ends within a block");
    let (size, rest) = input.split_first_chunk::<4>().ok_or_else(early)?;
    let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize).ok_or_else(early)?;
    *input = rest;
    Ok(block)
}

/// Decodes a raw LZ4 block, which must fill `output`.
pub(super) fn decompress(input: &[u8], output: &mut [u8]) -> Result<()> {
    let room = output.len();
    match lz4_block::decode(input, output) {
        Ok(len) if len == room => Ok(()),
        Ok(len) => Err(Error::corrupt(format!("LZ4 block gives {len} bytes, should give {room}"))),
        Err(Damage::Truncated) => Err(Error::corrupt("LZ4 block ends early")),
        Err(Damage::Room) => Err(Error::corrupt(format!("LZ4 block gives more than {room} bytes"))),
        Err(Damage::Distance) => Err(Error::corrupt("LZ4 block refers to before its start")),
    }
}

/// Appends the raw LZ4 block of `input`.
pub(super) fn compress(input: &[u8], output: &mut Vec<u8>) {
    let start = output.len();
    output.resize(start + lz4_flex::block::get_maximum_output_size(input.len()), 0);
    // The only error is a lack of room, and there is enough.
    let len = lz4_flex::block::compress_into(input, &mut output[start..]).unwrap_or(0);
    output.truncate(start + len);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_decode_as_those_of_lz4_flex(
            repeats in proptest::collection::vec((1_usize..40, 1_usize..200, any::<u8>()), 0..30),
            end in 1_usize..40, flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..4),
        ) {
            let mut data = vec![1_u8, 2, 3];
            for (back, len, byte) in repeats {
                data.push(byte);
                for _ in 0..len {
                    data.push(data[data.len().saturating_sub(back)]);
                }
            }
            let mut stored = Vec::new();
            compress(&data, &mut stored);
            let mut back = vec![0xaa; data.len()];
            prop_assert_eq!(lz4_block::decode(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back, &data);
            prop_assert!(lz4_block::decode(&stored, &mut back[..data.len().saturating_sub(end)]).is_err());
            for (at, flip) in flips {
                let at = usize::from(at) % stored.len();
                stored[at] ^= flip;
            }
            let mut expected = vec![0; data.len()];
            let (ours, theirs) =
                (lz4_block::decode(&stored, &mut back), lz4_flex::block::decompress_into(&stored, &mut expected));
            if let Ok(len) = theirs {
                prop_assert_eq!(ours.unwrap(), len);
                prop_assert_eq!(&back[..len], &expected[..len]);
            }
        }

        #[test]
        fn round_trips(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..1500),
            block in prop_oneof![Just(1 << 30), 1_usize..2000],
        ) {
            let mut stored = Vec::new();
            compress_frame(&data, block, &mut stored);
            let mut back = vec![0xaa; data.len() + 3];
            prop_assert_eq!(decompress_frame(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back[..data.len()], &data);
            if !data.is_empty() {
                prop_assert!(decompress_frame(&stored, &mut back[..data.len() - 1]).is_err());
                prop_assert!(decompress_frame(&stored[..stored.len() - 1], &mut back).is_err());
            }
        }

        #[test]
        fn any_bytes_decode_or_fail(
            total in 0_u64..2000, block in 0_u32..2000, first in 0_u32..100,
            data in proptest::collection::vec(any::<u8>(), 0..500), room in 0_usize..2000,
        ) {
            let _ = decompress_frame(&data, &mut vec![0; room]);
            let head = [&total.to_be_bytes()[..], &block.to_be_bytes(), &first.to_be_bytes(), &data].concat();
            let _ = decompress_frame(&head, &mut vec![0; room]);
        }
    }

    #[test]
    fn frames_that_lie() {
        let mut output = [0; 16];
        let frame = |total: u64, block: u32, rest: &[u8]| {
            [&total.to_be_bytes()[..], &block.to_be_bytes(), rest].concat()
        };
        assert_eq!(decompress_frame(&frame(0, 0, &[]), &mut output).unwrap(), 0);
        assert!(decompress_frame(&frame(4, 0, &[0; 20]), &mut output).is_err());
        assert!(decompress_frame(&frame(u64::MAX, 1, &[0; 20]), &mut output).is_err());
        assert!(decompress_frame(&frame(16, u32::MAX, &[255; 20]), &mut output).is_err());
        // A block that decodes to less than its part of the chunk.
        assert!(decompress_frame(&frame(4, 4, &[0, 0, 0, 3, 0x20, 1, 2]), &mut output).is_err());
    }

    #[test]
    fn blocks_too_large_are_refused() {
        let spec = FilterSpec { id: 32004, optional: false, name: None, client_data: vec![u32::MAX] };
        let context = ChunkContext { chunk_bytes: 4, element_size: 4 };
        assert!(Lz4.encode(&spec, &context, &[0; 4], &mut Vec::new()).is_err());
    }
}
