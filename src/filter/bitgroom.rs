//! BitGroom (filter 32022) and Granular BitRound (filter 32023): they round values before they are stored, so that the
//! filters behind them compress better. What they store is the data.

use std::ops::Range;

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

/// A filter whose stored bytes are the data.
pub(super) struct Quantiser(pub(super) &'static str);

impl Filter for Quantiser {
    fn name(&self) -> &str {
        self.0
    }

    fn encoded_len(&self, _: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        Some(len)
    }

    fn payload(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8]) -> Result<Option<Range<usize>>> {
        Ok(Some(0..input.len()))
    }

    fn decode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let output = output
            .get_mut(..input.len())
            .ok_or_else(|| Error::corrupt(format!("{} bytes are more than expected", input.len())))?;
        output.copy_from_slice(input);
        Ok(input.len())
    }

    fn encode(&self, _: &FilterSpec, _: &ChunkContext, _: &[u8], _: &mut Vec<u8>) -> Result<bool> {
        Err(Error::unsupported(format!("writing with {}", self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::filter::{FilterPipeline, Scratch};

    #[test]
    fn what_is_stored_is_the_data() {
        let context = ChunkContext { chunk_bytes: 8, element_size: 4 };
        let stored = [1, 2, 3, 4, 5, 6, 7, 8];
        for id in [32022, 32023] {
            let spec = FilterSpec { id, optional: false, name: None, client_data: vec![3, 4, 1, 0, 0] };
            let pipeline = FilterPipeline { filters: vec![spec], ..FilterPipeline::default() };
            let mut scratch = Scratch::default();
            assert_eq!(pipeline.decode_chunk(&context, 0, &stored, &mut scratch).unwrap(), stored);
            let mut output = [0; 8];
            pipeline.decode_chunk_into(&context, 0, &stored, &mut scratch, &mut output).unwrap();
            assert_eq!(output, stored);
            assert!(pipeline.decode_chunk(&context, 0, &stored[1..], &mut scratch).is_err());
            let error = pipeline.encode_chunk(&context, &stored, &mut scratch).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unsupported(_)));
        }
    }
}
