//! Szip (filter 4): the decoded size (u32, little-endian), then an adaptive-entropy-coded stream (`aec.rs`).
//!
//! Client data: options, pixels per block, bits per pixel, pixels per scanline. A reference interval of the stream is
//! a scanline, filled up to whole blocks. Pixels of 32 and 64 bits are coded as bytes: first the first bytes of all
//! pixels, then the second ones, and so on.

use std::cell::RefCell;

use super::aec::{self, Coding};
use super::shuffle::{shuffle, unshuffle};
use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Szip;

const OPTION_MSB: u32 = 16;
const OPTION_NEAREST_NEIGHBOUR: u32 = 32;

thread_local! {
    static PLANES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How the pixels are coded, and the bytes of a pixel that is coded as single bytes.
fn parameters(spec: &FilterSpec) -> Result<(Coding, Option<usize>)> {
    let &[options, block, bits, scanline, ..] = spec.client_data.as_slice() else {
        return Err(Error::corrupt(format!("{} parameters, should be 4", spec.client_data.len())));
    };
    let (bits, split) = match bits {
        32 => (8, Some(4)),
        64 => (8, Some(8)),
        1..=31 => (bits, None),
        _ => return Err(Error::corrupt(format!("{bits} bits per pixel"))),
    };
    let coding = Coding {
        bits,
        block: block as usize,
        interval: scanline as usize,
        msb: options & OPTION_MSB != 0,
        preprocess: options & OPTION_NEAREST_NEIGHBOUR != 0,
    };
    coding.check()?;
    Ok((coding, split))
}

impl Filter for Szip {
    fn name(&self) -> &str {
        "szip"
    }

    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let (coding, split) = parameters(spec)?;
        let Some((size, stream)) = input.split_first_chunk::<4>() else {
            return Err(Error::corrupt(format!("{} bytes are too few", input.len())));
        };
        let size = u32::from_le_bytes(*size) as usize;
        let output =
            output.get_mut(..size).ok_or_else(|| Error::corrupt(format!("{size} bytes are too many")))?;
        match split {
            None => aec::decode(&coding, stream, output)?,
            Some(pixel) => PLANES.with_borrow_mut(|planes| {
                if planes.len() < size {
                    *planes = crate::limits::try_vec("decoded chunk", size as u64)?;
                    planes.resize(size, 0);
                }
                aec::decode(&coding, stream, &mut planes[..size])?;
                unshuffle(pixel, &planes[..size], output);
                Ok::<_, Error>(())
            })?,
        }
        Ok(size)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let (coding, split) = parameters(spec)?;
        let size = u32::try_from(input.len()).map_err(|_| Error::usage("szip takes less than 4 GiB"))?;
        output.extend_from_slice(&size.to_le_bytes());
        match split {
            None => aec::encode(&coding, input, output)?,
            Some(pixel) => {
                let mut planes = vec![0; input.len()];
                shuffle(pixel, input, &mut planes);
                aec::encode(&coding, &planes, output)?;
            }
        }
        Ok(!spec.optional || output.len() < input.len() + 4)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(options: u32, block: u32, bits: u32, scanline: u32) -> FilterSpec {
        FilterSpec { id: 4, optional: false, name: None, client_data: vec![options, block, bits, scanline] }
    }

    const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

    proptest! {
        #[test]
        fn round_trips(
            options in prop_oneof![Just(4_u32), Just(16 | 4), Just(32), Just(16 | 32), Just(8 | 32 | 128)],
            half_block in 1_u32..17,
            (bits, bytes) in prop_oneof![
                (1_u32..9, Just(1_usize)), (9_u32..17, Just(2)), (17_u32..25, Just(4)), Just((32, 4)), Just((64, 8)),
            ],
            scanline in 1_u32..600,
            pixels in proptest::collection::vec(
                prop_oneof![5 => Just(0_u64), 3 => 0_u64..4, 1 => any::<u64>()], 0..900),
        ) {
            let spec = spec(options, half_block * 2, bits, scanline);
            let mask = u64::MAX >> (64 - bits);
            let data: Vec<u8> = pixels
                .iter()
                .flat_map(|pixel| {
                    let value = pixel & mask;
                    let all = if options & 16 != 0 { (value << (64 - 8 * bytes)).to_be_bytes() } else { value.to_le_bytes() };
                    all.into_iter().take(bytes)
                })
                .collect();
            let mut stored = Vec::new();
            prop_assert!(Szip.encode(&spec, &CONTEXT, &data, &mut stored).unwrap());
            let mut back = vec![0; data.len()];
            prop_assert_eq!(Szip.decode(&spec, &CONTEXT, &stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(back, data);
        }

        #[test]
        fn any_bytes_decode_or_fail(
            options: u32, block in 0_u32..70, bits in 0_u32..70, scanline in 0_u32..3000,
            mut data in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            if let Some(high) = data.get_mut(2..4) {
                high.fill(0);
            }
            let _ = Szip.decode(&spec(options, block, bits, scanline), &CONTEXT, &data, &mut vec![0; 70_000]);
        }
    }
}
