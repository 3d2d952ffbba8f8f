//! Against zlib-rs, and the fast decoder against the plain one.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::*;

/// What zlib makes of a stream for which there is `room`.
fn by_zlib(input: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut output = vec![0; room];
    let mut state = Decompress::new(true);
    let status = state.decompress(input, &mut output, FlushDecompress::Finish).ok()?;
    output.truncate(state.total_out() as usize);
    (status == Status::StreamEnd).then_some(output)
}

fn by_us(input: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut outputs = [vec![0; room], vec![0; room]];
    let [fast, plain] = &mut outputs;
    let results = [inflate(input, fast), inflate_plainly(input, plain)];
    assert_eq!(results[0].is_ok(), results[1].is_ok(), "{results:?}");
    let len = results[0].ok()?;
    assert_eq!(results[1], Ok(len));
    assert_eq!(outputs[0][..len], outputs[1][..len]);
    outputs[0].truncate(len);
    Some(std::mem::take(&mut outputs[0]))
}

fn compress(data: &[u8], level: u32) -> Vec<u8> {
    let mut stored = Vec::with_capacity(data.len() + data.len() / 100 + 1024);
    let status =
        Compress::new(Compression::new(level), true).compress_vec(data, &mut stored, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    stored
}

/// Pieces of noise of few or many values, and copies from any distance of any length.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 1..200), any::<u8>()).prop_map(|(bytes, mask)| (
            0,
            0,
            bytes.iter().map(|byte| byte & mask).collect::<Vec<_>>()
        )),
        (1_usize..40_000, 1_usize..700).prop_map(|(distance, length)| (distance, length, Vec::new())),
        (1_usize..20, 1_usize..700).prop_map(|(distance, length)| (distance, length, Vec::new())),
    ];
    proptest::collection::vec(piece, 0..300).prop_map(|pieces| {
        let mut data = vec![7_u8];
        for (distance, length, bytes) in pieces {
            data.extend(bytes);
            for _ in 0..length {
                data.push(data[data.len() - distance.clamp(1, data.len())]);
            }
        }
        data
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_zlib_writes(data in content(), level in 0_u32..10, slack in 0_usize..400) {
        let stored = compress(&data, level);
        prop_assert_eq!(by_us(&stored, data.len() + slack), Some(data.clone()));
        prop_assert_eq!(by_us(&stored, data.len() - 1), None);
    }

    #[test]
    fn damage_is_seen_as_zlib_sees_it(
        data in content(),
        level in 1_u32..10,
        bits in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stored = compress(&data, level);
        // Damage at the beginning, where the codes are, as likely as elsewhere.
        let near = stored.len().min(100);
        for (nth, bit) in bits.iter().enumerate() {
            let bit = bit.index(8 * if nth % 2 == 0 { near } else { stored.len() });
            stored[bit / 8] ^= 1 << (bit % 8);
        }
        let room = data.len() + 1000;
        prop_assert_eq!(by_us(&stored, room), by_zlib(&stored, room));
        let cut = &stored[..cut.index(stored.len())];
        prop_assert_eq!(by_us(cut, room), by_zlib(cut, room));
    }

    #[test]
    fn any_code_as_zlib_takes_it(lengths in proptest::collection::vec(0_u8..16, 1..40), tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let stored = with_code(&lengths, &tail);
        prop_assert_eq!(by_us(&stored, 5000), by_zlib(&stored, 5000));
    }
}

/// A block whose literals and distances have these lengths of words, in the plainest description, and any bits behind.
fn with_code(lengths: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |value: u32, count: u32| bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
    let (distances, literals) = lengths.split_at(lengths.len().div_ceil(2).min(30));
    put(1, 1);
    put(2, 2);
    put(0, 5);
    put(distances.len() as u32 - 1, 5);
    put(15, 4);
    // All 16 lengths have words of 4 bits.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
        put(if symbol < 16 { 4 } else { 0 }, 3);
    }
    let literals = literals.iter().copied().chain(std::iter::repeat(0)).take(256).chain([1]);
    for length in literals.chain(distances.iter().copied()) {
        put(u32::from(length).reverse_bits() >> 28, 4);
    }
    let mut stored = vec![0x78, 0x9c];
    stored.extend(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, &bit| all << 1 | u8::from(bit))));
    stored.extend(tail);
    stored
}

#[test]
fn fixed_codes_and_stored_blocks() {
    for data in [
        vec![],
        vec![1],
        b"abcabcabcabcabcabcabc".repeat(3),
        (0..70_000_u64).map(|i| ((i * i) >> 7) as u8).collect(),
    ] {
        for level in 0..10 {
            assert_eq!(by_us(&compress(&data, level), data.len()), Some(data.clone()));
        }
    }
}

#[test]
fn long_words_and_runs_of_literals() {
    // Frequencies like Fibonacci's numbers give words of all lengths up to 15.
    let (mut data, mut counts) = (Vec::new(), (1_usize, 1));
    for value in 0..24_u8 {
        data.extend(std::iter::repeat_n(value, counts.0));
        counts = (counts.1, counts.0 + counts.1);
    }
    let mut state = 1_u32;
    for place in (1..data.len()).rev() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        data.swap(place, state as usize % (place + 1));
    }
    for level in [1, 6, 9] {
        assert_eq!(by_us(&compress(&data, level), data.len() + 300), Some(data.clone()));
    }
}

#[test]
fn damage_has_its_name() {
    let mut output = [0; 100];
    assert_eq!(inflate(&[], &mut output), Err(Damage::Truncated));
    assert_eq!(inflate(&[0x78, 0x9d, 3, 0], &mut output), Err(Damage::Header));
    assert_eq!(inflate(&[0x88, 0x1c, 3, 0], &mut output), Err(Damage::Header));
    assert_eq!(inflate(&[0x78, 0xbb, 3, 0], &mut output), Err(Damage::Dictionary));
    assert_eq!(inflate(&[0x78, 0x9c, 7, 0], &mut output), Err(Damage::Block));
    assert_eq!(inflate(&[0x78, 0x9c, 1, 1, 0, 0, 0], &mut output), Err(Damage::Stored));
    let stored = compress(&[9; 100], 6);
    assert_eq!(inflate(&stored, &mut output[..99]), Err(Damage::Room));
    assert_eq!(inflate(&stored[..stored.len() - 5], &mut output), Err(Damage::Truncated));
    let mut wrong = stored;
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(inflate(&wrong, &mut output), Err(Damage::Checksum));
    // A match of length 3 at distance 1, before there is anything: fixed code, 0000001 00000.
    assert_eq!(inflate(&[0x78, 0x9c, 3, 2, 0, 0], &mut output), Err(Damage::Distance));
}
