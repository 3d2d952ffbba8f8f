//! Zstandard (filter 32015): frames of RFC 8878. Client data: the level.
//!
//! The only place that knows which crate does it.

use std::cell::RefCell;

use structured_zstd::decoding::FrameDecoder;
use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Zstd;

thread_local! {
    // Kept, because their tables are large for a small frame.
    static DECODER: RefCell<Option<FrameDecoder>> = const { RefCell::new(None) };
    static ENCODER: RefCell<Option<(i32, FrameCompressor)>> = const { RefCell::new(None) };
}

impl Filter for Zstd {
    fn name(&self) -> &str {
        "zstd"
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        decompress(input, output)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        compress(input, spec.client_data.first().map_or(0, |&level| level as i32), output);
        Ok(true)
    }
}

/// Decodes all frames and returns how many bytes they give; it is an error if `output` does not hold them.
pub(super) fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    // A decoder that failed is not used again.
    let mut decoder = DECODER.take().unwrap_or_default();
    let len = decoder
        .decode_all(input, output)
        .map_err(|error| Error::corrupt(format!("Zstandard frame: {error}")))?;
    DECODER.set(Some(decoder));
    Ok(len)
}

/// Makes `output` one frame with the size of its content, as the readers of libhdf5 need it; 0 is the usual level.
pub(super) fn compress(input: &[u8], level: i32, output: &mut Vec<u8>) {
    let mut encoder = match ENCODER.take() {
        Some((kept, encoder)) if kept == level => encoder,
        _ => {
            let mut encoder = FrameCompressor::new(CompressionLevel::from_level(level));
            encoder.set_content_checksum(false);
            encoder
        }
    };
    encoder.compress_independent_frame_into(input, output);
    ENCODER.set(Some((level, encoder)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..1500),
            level in -5..23,
        ) {
            let mut stored = vec![1, 2, 3];
            compress(&data, level, &mut stored);
            let mut back = vec![0xaa; data.len() + 3];
            prop_assert_eq!(decompress(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back[..data.len()], &data);
            prop_assert_eq!(decompress(&stored, &mut back[..data.len()]).unwrap(), data.len());
            if !data.is_empty() {
                prop_assert!(decompress(&stored, &mut back[..data.len() - 1]).is_err());
                prop_assert!(decompress(&stored[..stored.len() - 1], &mut back).is_err());
            }
            // Several frames are one chunk as well.
            let twice = [&stored[..], &stored].concat();
            let mut back = vec![0; 2 * data.len()];
            prop_assert_eq!(decompress(&twice, &mut back).unwrap(), 2 * data.len());
        }

        #[test]
        fn damaged_frames_decode_or_fail(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..800),
            room in 0_usize..2000, level in 1..20, flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        ) {
            let mut stored = Vec::new();
            compress(&data, level, &mut stored);
            for (at, flip) in flips {
                let at = usize::from(at) % stored.len();
                stored[at] ^= flip;
            }
            let _ = decompress(&stored, &mut vec![0; room]);
            let _ = decompress(&stored, &mut vec![0; data.len()]);
            let _ = decompress(&data, &mut vec![0; room]);
        }
    }

    #[test]
    fn large_and_empty_chunks() {
        let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7 % 251 * (i % 3)) as u8).collect();
        for level in [-3, 0, 1, 3, 9] {
            let mut stored = Vec::new();
            compress(&data, level, &mut stored);
            assert!(stored.len() < data.len() / 2);
            let mut back = vec![0; data.len()];
            assert_eq!(decompress(&stored, &mut back).unwrap(), data.len());
            assert!(back == data);
            // A bomb: bounded by the room there is.
            assert!(decompress(&stored, &mut back[..1000]).is_err());
        }
        assert_eq!(decompress(&[], &mut [0; 4]).unwrap_or(0), 0);
    }
}
