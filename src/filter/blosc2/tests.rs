use proptest::prelude::*;

use super::*;

const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

fn chunk(bytes: &[u8], block: usize) -> Vec<u8> {
    let mut chunk = vec![5, 1, 0x17, 1];
    for number in [bytes.len(), block, bytes.len() + 32] {
        chunk.extend((number as u32).to_le_bytes());
    }
    chunk.resize(32, 0);
    chunk.extend(bytes);
    chunk
}

fn metalayer(shape: &[usize], chunk: &[usize], block: &[usize]) -> Vec<u8> {
    let rank = shape.len() as u8;
    let mut bytes = vec![0x97, 0, rank, 0x90 | rank];
    for dim in shape {
        bytes.push(0xd3);
        bytes.extend((*dim as u64).to_be_bytes());
    }
    for dims in [chunk, block] {
        bytes.push(0x90 | rank);
        for dim in dims {
            bytes.push(0xd2);
            bytes.extend((*dim as u32).to_be_bytes());
        }
    }
    bytes
}

fn frame(chunks: &[Vec<u8>], len: usize, chunk_len: usize, metalayer: Option<&[u8]>) -> Vec<u8> {
    let mut frame = b"\x9e\xa8b2frame\0\xd2".to_vec();
    frame.resize(15, 0);
    frame.push(0xcf);
    frame.resize(24, 0);
    frame.extend([0xa4, 0x12, 0, 0, 0]);
    let stored: usize = chunks.iter().map(Vec::len).sum();
    for number in [len, stored] {
        frame.push(0xd3);
        frame.extend((number as u64).to_be_bytes());
    }
    for number in [1, 0, chunk_len] {
        frame.push(0xd2);
        frame.extend((number as u32).to_be_bytes());
    }
    frame.resize(87, 0);
    frame.extend([0x93, 0xcd, 0, 0, 0xde, 0, u8::from(metalayer.is_some())]);
    if let Some(metalayer) = metalayer {
        frame.extend(b"\xa4b2nd\xd2\0\0\0");
        frame.push(frame.len() as u8 + 1);
        frame.push(0xc6);
        frame.extend((metalayer.len() as u32).to_be_bytes());
        frame.extend(metalayer);
    }
    let header = frame.len() as u32;
    frame[11..15].copy_from_slice(&header.to_be_bytes());
    let (mut offsets, mut at) = (Vec::new(), 0_u64);
    for chunk in chunks {
        offsets.extend(at.to_le_bytes());
        at += chunk.len() as u64;
        frame.extend(chunk);
    }
    frame.extend(chunk(&offsets, offsets.len()));
    let total = frame.len() as u64;
    frame[16..24].copy_from_slice(&total.to_be_bytes());
    frame
}

fn decoded(stored: &[u8], room: usize) -> Result<Vec<u8>> {
    let spec = FilterSpec { id: 32026, optional: false, name: None, client_data: Vec::new() };
    let mut output = vec![0xaa; room];
    let len = Blosc2.decode(&spec, &CONTEXT, stored, &mut output)?;
    output.truncate(len);
    Ok(output)
}

/// The frame of an array whose bytes count up, and these.
fn array(shape: &[usize], chunk_dims: &[usize], block: &[usize]) -> (Vec<u8>, Vec<u8>) {
    let rank = shape.len();
    // All positions in C order below `end`, by steps.
    fn positions(end: &[usize], step: &[usize]) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new()];
        for (end, step) in end.iter().zip(step) {
            all = all
                .into_iter()
                .flat_map(|p| (0..*end).step_by(*step).map(move |x| [&p[..], &[x]].concat()))
                .collect();
        }
        all
    }
    let ones = vec![1; rank];
    let mut chunks = Vec::new();
    for origin in positions(shape, chunk_dims) {
        let mut bytes = Vec::new();
        for start in positions(chunk_dims, block) {
            for inner in positions(block, &ones) {
                let at: Vec<_> = (0..rank).map(|d| (start[d] + inner[d], origin[d])).collect();
                let inside = at
                    .iter()
                    .zip(chunk_dims.iter().zip(shape))
                    .all(|(at, (c, s))| at.0 < *c && at.0 + at.1 < *s);
                let index = at.iter().zip(shape).fold(0, |index, (at, s)| index * s + at.0 + at.1);
                bytes.push(if inside { index as u8 } else { 0xee });
            }
        }
        let block_len = block.iter().product();
        chunks.push(chunk(&bytes, block_len));
    }
    let len = chunks.iter().map(|c| c.len() - 32).sum();
    let chunk_len = chunks[0].len() - 32;
    let expected = (0..shape.iter().product()).map(|index: usize| index as u8).collect();
    (frame(&chunks, len, chunk_len, Some(&metalayer(shape, chunk_dims, block))), expected)
}

fn sizes() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    let dim = (1_usize..9, 1_usize..9, 1_usize..9)
        .prop_map(|(shape, chunk, block)| (shape, chunk, block.min(chunk)));
    proptest::collection::vec(dim, 1..5)
}

proptest! {
    #[test]
    fn arrays_come_in_c_order(sizes in sizes()) {
        let dims: [Vec<usize>; 3] = [
            sizes.iter().map(|s| s.0).collect(), sizes.iter().map(|s| s.1).collect(), sizes.iter().map(|s| s.2).collect(),
        ];
        let (stored, expected) = array(&dims[0], &dims[1], &dims[2]);
        prop_assert_eq!(decoded(&stored, expected.len()).unwrap(), expected.clone());
        prop_assert!(decoded(&stored, expected.len() - 1).is_err());
        prop_assert!(decoded(&stored[..stored.len() - 1], expected.len()).is_err());
    }

    #[test]
    fn damaged_frames_decode_or_fail(
        sizes in sizes(), room in 0_usize..3000,
        flips in proptest::collection::vec((prop_oneof![0_u16..200, any::<u16>()], any::<u8>()), 1..4),
    ) {
        let dims: [Vec<usize>; 3] = [
            sizes.iter().map(|s| s.0).collect(), sizes.iter().map(|s| s.1).collect(), sizes.iter().map(|s| s.2).collect(),
        ];
        let (mut stored, expected) = array(&dims[0], &dims[1], &dims[2]);
        for (at, flip) in flips {
            let at = usize::from(at) % stored.len();
            stored[at] ^= flip;
        }
        let _ = decoded(&stored, expected.len());
        let _ = decoded(&stored, room);
    }
}

#[test]
fn frames_of_several_chunks() {
    let chunks = [chunk(&[1, 2, 3, 4], 4), chunk(&[5, 6], 2)];
    for chunk_len in [4, 0] {
        let stored = frame(&chunks, 6, chunk_len, None);
        assert_eq!(decoded(&stored, 6).unwrap(), [1, 2, 3, 4, 5, 6]);
        assert!(decoded(&stored, 5).is_err());
        assert!(decoded(&frame(&chunks, 7, chunk_len, None), 7).is_err());
        assert!(decoded(&frame(&chunks, 5, chunk_len, None), 7).is_err());
    }
    assert!(decoded(&frame(&[], 0, 4, None), 7).unwrap().is_empty());
}

#[test]
fn chunks_that_are_not_stored() {
    let mut stored = frame(&[chunk(&[1, 2, 3, 4], 4), chunk(&[5, 6], 2)], 6, 4, None);
    let at = stored.len() - 9;
    stored[at] = 0x81;
    assert_eq!(decoded(&stored, 6).unwrap(), [0, 0, 0, 0, 5, 6]);
    stored[at] = 0x87;
    assert!(decoded(&stored, 6).is_err());
    // Large dimensions, of which almost nothing lies within the array.
    let large = 0x7fff_ffff;
    let metalayer = metalayer(&[2, 3], &[large, large], &[1, 1]);
    let mut stored = frame(&[chunk(&[], 1)], 1, 1, Some(&metalayer));
    *stored.last_mut().unwrap() = 0x81;
    assert_eq!(decoded(&stored, 6).unwrap(), [0; 6]);
}

#[test]
fn chunks_that_overlap_are_an_error() {
    let mut stored = frame(&[chunk(&[1; 90], 90), chunk(&[5; 90], 90)], 180, 90, None);
    assert!(decoded(&stored, 180).is_ok());
    let at = stored.len() - 8;
    stored[at] = 0;
    // Twice the first chunk is not more than the frame; three times are.
    assert!(decoded(&stored, 180).is_ok());
    let mut stored = frame(&[chunk(&[1; 190], 190), chunk(&[], 0), chunk(&[], 0)], 570, 190, None);
    let at = stored.len() - 16;
    stored[at..].fill(0);
    assert!(decoded(&stored, 570).is_err());
}
