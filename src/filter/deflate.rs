//! Deflate (filter 1): a zlib stream (RFC 1950). Client data: the level, 0 to 9.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Deflate;

/// Decodes a whole zlib stream and returns its length. Bytes behind its end are ignored, as libhdf5 does.
pub fn inflate(input: &[u8], output: &mut [u8]) -> Result<usize> {
    super::inflate::inflate(input, output).map_err(|damage| Error::corrupt(format!("zlib stream: {damage}")))
}

impl Filter for Deflate {
    fn name(&self) -> &str {
        "deflate"
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        inflate(input, output)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let level = spec.client_data.first().copied().unwrap_or(6);
        if level > 9 {
            return Err(Error::usage(format!("level {level}; 0 to 9 are allowed")));
        }
        // An optional deflate that does not shrink the chunk is left out; the stream needs no more room than that.
        let bound = if spec.optional { input.len() } else { input.len() + input.len() / 1000 + 1024 };
        output.reserve(bound);
        let mut state = Compress::new(Compression::new(level), true);
        loop {
            let done = state.total_in() as usize;
            let status = state
                .compress_vec(&input[done..], output, FlushCompress::Finish)
                .map_err(|error| Error::usage(format!("deflate: {error}")))?;
            if status == Status::StreamEnd {
                return Ok(!spec.optional || output.len() < input.len());
            }
            if spec.optional {
                return Ok(false);
            }
            output.reserve(1 << 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(level: u32, optional: bool) -> FilterSpec {
        FilterSpec { id: 1, optional, name: None, client_data: vec![level] }
    }

    const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

    proptest! {
        #[test]
        fn round_trips(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..1500),
            level in 0_u32..10,
        ) {
            let mut stored = Vec::new();
            prop_assert!(Deflate.encode(&spec(level, false), &CONTEXT, &data, &mut stored).unwrap());
            let mut back = vec![0; data.len()];
            prop_assert_eq!(inflate(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back, &data);
            stored.extend(b"trailing");
            prop_assert_eq!(inflate(&stored, &mut back).unwrap(), data.len());
        }

        #[test]
        fn any_bytes_decode_or_fail(mut data in proptest::collection::vec(any::<u8>(), 0..500), room in 0_usize..2000) {
            let _ = inflate(&data, &mut vec![0; room]);
            data.splice(0..0, [0x78, 0x9c]);
            let _ = inflate(&data, &mut vec![0; room]);
        }
    }

    #[test]
    fn wrong_sums_and_sizes_are_errors() {
        let mut stored = Vec::new();
        Deflate.encode(&spec(6, false), &CONTEXT, &[5; 1000], &mut stored).unwrap();
        let mut output = [0; 1001];
        assert_eq!(inflate(&stored, &mut output).unwrap(), 1000);
        assert!(inflate(&stored, &mut output[..999]).is_err());
        for len in 0..stored.len() {
            assert!(inflate(&stored[..len], &mut output).is_err());
        }
        *stored.last_mut().unwrap() ^= 1;
        assert!(inflate(&stored, &mut output).is_err());
    }

    #[test]
    fn what_does_not_shrink_is_left_out_if_optional() {
        let data: Vec<u8> = (0..=255).collect();
        assert!(!Deflate.encode(&spec(6, true), &CONTEXT, &data, &mut Vec::new()).unwrap());
        assert!(Deflate.encode(&spec(6, false), &CONTEXT, &data, &mut Vec::new()).unwrap());
        assert!(Deflate.encode(&spec(10, false), &CONTEXT, &data, &mut Vec::new()).is_err());
    }
}
