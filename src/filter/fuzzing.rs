//! Bodies of fuzz targets.

use flate2::{Decompress, FlushDecompress, Status};

use super::inflate::{inflate, inflate_plainly};
use super::{ChunkContext, FilterPipeline, FilterSpec, Scratch};

const IDS: [u16; 16] = [1, 2, 3, 4, 5, 6, 32000, 307, 32004, 32008, 32015, 32022, 32023, 32001, 32026, 32013];
/// Chunks are smaller than this, so that a fuzzer is not slowed by filling memory.
const MAX_CHUNK: usize = 1 << 18;

/// Decodes bytes by a pipeline that they describe; whatever they are, it must return.
///
/// Layout: filters (1 to 3; each: which, count of client data, client data), mask, chunk bytes (3), element size;
/// the rest is the stored chunk.
pub fn decode_any(data: &[u8]) {
    let mut data = data;
    let _ = run(&mut data);
}

/// Inflates any stream as zlib-rs does, with the fast decoder and without it. The first bytes say how much room there is.
pub fn inflate_any(data: &[u8]) {
    let Some((room, stream)) = data.split_first_chunk() else { return };
    let room = usize::from(u16::from_le_bytes(*room)) * 2;
    let mut outputs = [vec![0; room], vec![0; room], vec![0; room]];
    let mut state = Decompress::new(true);
    let expected = match state.decompress(stream, &mut outputs[0], FlushDecompress::Finish) {
        Ok(Status::StreamEnd) => Some(state.total_out() as usize),
        _ => None,
    };
    let fast = inflate(stream, &mut outputs[1]).ok();
    let plain = inflate_plainly(stream, &mut outputs[2]).ok();
    assert_eq!((fast, plain), (expected, expected));
    let len = expected.unwrap_or(0);
    assert!(outputs[1][..len] == outputs[0][..len] && outputs[2][..len] == outputs[0][..len]);
}

fn run(data: &mut &[u8]) -> Option<()> {
    let count = byte(data)? % 3 + 1;
    let mut filters = Vec::new();
    for _ in 0..count {
        let id = IDS[usize::from(byte(data)?) % IDS.len()];
        let values = byte(data)? % 40;
        let client_data = (0..values).map(|_| number(data)).collect::<Option<_>>()?;
        filters.push(FilterSpec { id, optional: true, name: None, client_data });
    }
    let mask = u32::from(byte(data)?);
    let chunk_bytes = number(data)? as usize % MAX_CHUNK;
    let context = ChunkContext { chunk_bytes, element_size: usize::from(byte(data)?) };
    let pipeline = FilterPipeline { filters, ..FilterPipeline::default() };
    let mut scratch = Scratch::default();
    let decoded = pipeline.decode_chunk(&context, mask, data, &mut scratch).ok()?.to_vec();
    // What decodes also decodes in place, and what can be encoded comes back.
    let mut output = vec![0; chunk_bytes];
    let into = pipeline.decode_chunk_into(&context, mask, data, &mut scratch, &mut output);
    assert!(into.is_ok() && output == decoded);
    let (stored, mask) = pipeline.encode_chunk(&context, &decoded, &mut scratch).ok()?;
    let stored = stored.to_vec();
    assert!(pipeline.decode_chunk(&context, mask, &stored, &mut scratch).is_ok());
    Some(())
}

fn byte(data: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = data.split_first()?;
    *data = rest;
    Some(first)
}

/// Small numbers take one byte, and all others are within reach.
fn number(data: &mut &[u8]) -> Option<u32> {
    Some(match byte(data)? {
        255 => {
            let (number, rest) = data.split_first_chunk()?;
            *data = rest;
            u32::from_le_bytes(*number)
        }
        254 => u32::from(byte(data)?) << 8 | u32::from(byte(data)?),
        small => small.into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(prop_oneof![0_u8..9, any::<u8>()], 0..400)) {
            decode_any(&data);
        }
    }
}
