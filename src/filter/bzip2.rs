//! bzip2 (filter 307): one stream. Client data: the level, 1 to 9.

use bzip2::{Action, Compress, Compression, Decompress, Status};

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Bzip2;

impl Filter for Bzip2 {
    fn name(&self) -> &str {
        "bzip2"
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
        let level = spec.client_data.first().copied().unwrap_or(9);
        if !(1..=9).contains(&level) {
            return Err(Error::usage(format!("level {level}; 1 to 9 are allowed")));
        }
        compress(input, level, output)?;
        Ok(true)
    }
}

/// Decodes the stream and returns its length. Bytes behind its end are ignored, as libhdf5's filter does.
fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let mut state = Decompress::new(false);
    let (mut taken, mut given) = (0, 0);
    loop {
        let status = state
            .decompress(&input[taken..], &mut output[given..])
            .map_err(|error| Error::corrupt(format!("bzip2 stream, after {given} bytes: {error}")))?;
        let before = (taken, given);
        (taken, given) = (state.total_in() as usize, state.total_out() as usize);
        match status {
            Status::StreamEnd => return Ok(given),
            Status::MemNeeded => return Err(Error::limit("memory of bzip2", 0, 0)),
            _ if (taken, given) == before && given == output.len() => {
                return Err(Error::corrupt(format!("bzip2 stream gives more than {given} bytes")));
            }
            _ if (taken, given) == before => return Err(Error::corrupt("bzip2 stream ends early")),
            _ => {}
        }
    }
}

/// Appends the stream of `input`.
fn compress(input: &[u8], level: u32, output: &mut Vec<u8>) -> Result<()> {
    let mut state = Compress::new(Compression::new(level), 0);
    // The bound that the manual of bzip2 gives; if it did not hold, the loop would give more room.
    output.reserve(input.len() + input.len() / 100 + 600);
    loop {
        let taken = state.total_in() as usize;
        match state.compress_vec(&input[taken..], output, Action::Finish) {
            Ok(Status::StreamEnd) => return Ok(()),
            Ok(_) => output.reserve(1 << 12),
            Err(error) => return Err(Error::usage(format!("bzip2: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn round_trips(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..1500),
            level in 1_u32..10,
        ) {
            let mut stored = Vec::new();
            compress(&data, level, &mut stored).unwrap();
            let mut back = vec![0xaa; data.len() + 3];
            prop_assert_eq!(decompress(&stored, &mut back).unwrap(), data.len());
            prop_assert_eq!(&back[..data.len()], &data);
            prop_assert_eq!(decompress(&stored, &mut back[..data.len()]).unwrap(), data.len());
            if !data.is_empty() {
                prop_assert!(decompress(&stored, &mut back[..data.len() - 1]).is_err());
            }
            prop_assert!(decompress(&stored[..stored.len() - 1], &mut back).is_err());
        }

        #[test]
        fn damaged_streams_decode_or_fail(
            data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..800),
            room in 0_usize..2000, flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..4),
        ) {
            let mut stored = Vec::new();
            compress(&data, 1, &mut stored).unwrap();
            for (at, flip) in flips {
                let at = usize::from(at) % stored.len();
                stored[at] ^= flip;
            }
            let _ = decompress(&stored, &mut vec![0; room]);
            let _ = decompress(&data, &mut vec![0; room]);
        }
    }

    #[test]
    fn blocks_beyond_the_first_and_bombs() {
        let data: Vec<u8> = (0..400_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut stored = Vec::new();
        compress(&data, 1, &mut stored).unwrap();
        let mut back = vec![0; data.len()];
        assert_eq!(decompress(&stored, &mut back).unwrap(), data.len());
        assert!(back == data);
        stored.clear();
        compress(&vec![0; 10_000_000], 9, &mut stored).unwrap();
        assert!(stored.len() < 100 && decompress(&stored, &mut back).is_err());
        assert!(decompress(&[], &mut back).is_err());
    }

    #[test]
    fn levels_are_checked() {
        let context = ChunkContext { chunk_bytes: 4, element_size: 4 };
        for level in [0, 10] {
            let spec = FilterSpec { id: 307, optional: false, name: None, client_data: vec![level] };
            assert!(Bzip2.encode(&spec, &context, &[0; 4], &mut Vec::new()).is_err());
        }
    }
}
