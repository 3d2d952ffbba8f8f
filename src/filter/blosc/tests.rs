use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 4 };

fn spec(type_size: u32, level: u32, shuffle: u32, codec: u32) -> FilterSpec {
    let client_data = vec![2, 2, type_size, 0, level, shuffle, codec];
    FilterSpec { id: 32001, optional: false, name: None, client_data }
}

fn encoded(spec: &FilterSpec, data: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    assert!(Blosc.encode(spec, &CONTEXT, data, &mut stored).unwrap());
    stored
}

fn round_trip(spec: &FilterSpec, data: &[u8]) -> Vec<u8> {
    let stored = encoded(spec, data);
    let mut back = vec![0xaa; data.len()];
    let len = Blosc.decode(spec, &CONTEXT, &stored, &mut back).unwrap();
    assert!(len == data.len() && back == data, "{spec:?}, {} bytes", data.len());
    if !data.is_empty() {
        assert!(Blosc.decode(spec, &CONTEXT, &stored, &mut back[1..]).is_err());
        assert!(Blosc.decode(spec, &CONTEXT, &stored[..stored.len() - 1], &mut back).is_err());
    }
    stored
}

proptest! {
    #[test]
    fn round_trips(
        type_size in prop_oneof![0_u32..20, Just(255), Just(256), Just(1000)],
        level in 0_u32..10, shuffle in 0_u32..3, codec in 0_u32..6,
        data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..4000),
    ) {
        round_trip(&spec(type_size, level, shuffle, codec), &data);
    }

    #[test]
    fn damaged_chunks_decode_or_fail(
        type_size in 1_u32..20, shuffle in 0_u32..3, codec in 0_u32..6,
        data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..2000),
        flips in proptest::collection::vec((prop_oneof![0_u16..40, any::<u16>()], any::<u8>()), 1..4),
    ) {
        let spec = spec(type_size, 5, shuffle, codec);
        let mut stored = encoded(&spec, &data);
        for (at, flip) in flips {
            let at = usize::from(at) % stored.len();
            stored[at] ^= flip;
        }
        let _ = Blosc.decode(&spec, &CONTEXT, &stored, &mut vec![0; data.len()]);
        let _ = Blosc.decode(&spec, &CONTEXT, &stored, &mut vec![0; 5000]);
    }

    #[test]
    fn any_bytes_decode_or_fail(
        version in 1_u8..7, flags in any::<u8>(), len in 0_u32..3000, block in 1_u32..600,
        data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..60, any::<u8>()], 0..600),
    ) {
        let mut stored = vec![version, 1, flags, 4];
        for number in [len, block, data.len() as u32 + 16] {
            stored.extend(number.to_le_bytes());
        }
        stored.extend(data);
        let _ = Blosc.decode(&spec(4, 5, 1, 0), &CONTEXT, &stored, &mut vec![0; 3000]);
    }
}

/// Numbers that grow, as noisy as they are given.
fn numbers(count: u32, noise: u32) -> Vec<u8> {
    (0..count).flat_map(|i| (i + (i.wrapping_mul(2_654_435_761) >> 16) % noise).to_le_bytes()).collect()
}

#[test]
fn several_blocks() {
    for codec in 0..6 {
        for (level, shuffle) in [(1, 0), (3, 1), (5, 1), (5, 2), (9, 1)] {
            for count in [65_536, 150_001] {
                let data = numbers(count, 100);
                let stored = round_trip(&spec(4, level, shuffle, codec), &data);
                assert!(stored.len() < data.len(), "{codec} {level} {shuffle}");
            }
        }
    }
}

#[test]
fn what_does_not_shrink_is_copied() {
    let noise: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let noise = [&noise[..997], &noise[..3]].concat();
    for codec in 0..6 {
        let stored = round_trip(&spec(1, 5, 0, codec), &noise);
        assert!(stored.len() <= noise.len() + 16);
        let spec = FilterSpec { optional: true, ..spec(1, 0, 0, codec) };
        assert!(!Blosc.encode(&spec, &CONTEXT, &noise, &mut Vec::new()).unwrap());
    }
}

#[test]
fn wrong_parameters_are_errors() {
    for wrong in [spec(4, 10, 0, 0), spec(4, 5, 3, 0), spec(4, 5, 1, 6)] {
        assert!(Blosc.encode(&wrong, &CONTEXT, &[0; 500], &mut Vec::new()).is_err());
    }
}

/// A chunk of Blosc 2 by its filters, their parameters and flags, and its blocks of one stream.
fn extended(filters: &[(u8, u8)], flags_2: u8, block: u32, streams: &[(i32, &[u8])], len: u32) -> Vec<u8> {
    let mut stored = vec![5, 1, 0x35, 4];
    for number in [len, block, 0] {
        stored.extend(number.to_le_bytes());
    }
    stored.resize(32, 0);
    for (at, (filter, meta)) in filters.iter().enumerate() {
        (stored[16 + at], stored[24 + at]) = (*filter, *meta);
    }
    stored[31] = flags_2;
    let mut start = 32 + 4 * streams.len();
    for (_, bytes) in streams {
        stored.extend((start as u32).to_le_bytes());
        start += 4 + bytes.len();
    }
    for (size, bytes) in streams {
        stored.extend(size.to_le_bytes());
        stored.extend_from_slice(bytes);
    }
    let total = stored.len() as u32;
    stored[12..16].copy_from_slice(&total.to_le_bytes());
    stored
}

fn decoded(stored: &[u8]) -> Result<Vec<u8>> {
    let mut output = vec![0xaa; 100];
    let len = Blosc.decode(&spec(4, 5, 1, 0), &CONTEXT, stored, &mut output)?;
    Ok(output[..len].to_vec())
}

#[test]
fn streams_that_are_runs() {
    let stored = extended(&[], 0, 8, &[(0, &[]), (-7, &[1]), (4, &[1, 2, 3, 4])], 20);
    assert_eq!(decoded(&stored).unwrap(), [0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 1, 2, 3, 4]);
    for wrong in [(-7, &[0][..]), (-300, &[1]), (-7, &[]), (5, &[1, 2, 3, 4]), (i32::MIN, &[1])] {
        assert!(decoded(&extended(&[], 0, 8, &[wrong], 8)).is_err());
    }
}

#[test]
fn filters_of_blosc_2() {
    // Byte delta of two streams, behind a shuffle of two bytes.
    let stored = extended(&[(1, 2), (35, 2)], 0, 8, &[(8, &[1, 1, 1, 1, 5, 0, 0, 1])], 8);
    assert_eq!(decoded(&stored).unwrap(), [1, 5, 2, 5, 3, 5, 4, 6]);
    // Delta refers to the element before in the first block, to the first block in all others.
    let blocks = [(8, &[1, 2, 3, 4, 1, 2, 3, 5][..]), (8, &[0, 0, 0, 1, 0, 0, 0, 0])];
    let stored = extended(&[(3, 0)], 0, 8, &blocks, 16);
    assert_eq!(decoded(&stored).unwrap(), [1, 2, 3, 4, 0, 0, 0, 1, 1, 2, 3, 5, 0, 0, 0, 1]);
    for (wrong, name) in [(32, "ndcell"), (200, "unknown")] {
        let error = decoded(&extended(&[(wrong, 0)], 0, 8, &[(8, &[0; 8])], 8)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)) && error.to_string().contains(name));
    }
}

#[test]
fn special_chunks() {
    assert_eq!(decoded(&extended(&[], 0x10, 8, &[], 12)).unwrap(), [0; 12]);
    assert_eq!(decoded(&extended(&[], 0x40, 8, &[], 12)).unwrap(), [0; 12]);
    let nan = decoded(&extended(&[], 0x20, 8, &[], 8)).unwrap();
    assert!(nan.as_chunks().0.iter().all(|bytes| f32::from_le_bytes(*bytes).is_nan()));
    let mut value = extended(&[], 0x30, 8, &[], 12);
    assert!(decoded(&value).is_err());
    value.extend([1, 2, 3]);
    value[12] += 3;
    assert_eq!(decoded(&value).unwrap(), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert!(decoded(&extended(&[], 0x50, 8, &[], 8)).is_err());
    assert!(decoded(&extended(&[], 0x20, 8, &[], 9)).is_err());
}

#[test]
fn what_is_not_supported_says_so() {
    for flag in [1, 8, 0x80] {
        let error = decoded(&extended(&[], flag, 8, &[(8, &[0; 8])], 8)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)));
    }
    let mut stored = extended(&[], 0, 8, &[(7, &[0; 7])], 8);
    stored[2] = 0xd5;
    stored[22] = 33;
    let error = decoded(&stored).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)) && error.to_string().contains("ZFP"));
}

#[test]
fn streams_that_overlap_are_an_error() {
    let mut stored = extended(&[], 0, 4, &[(3, &[0, 0, 0]), (3, &[0, 0, 0]), (3, &[0, 0, 0])], 12);
    // All blocks are the first one, with a length that spans the others.
    for block in 0..3 {
        stored[32 + 4 * block] = 44;
    }
    stored[44] = 17;
    assert!(decoded(&stored).is_err());
}
