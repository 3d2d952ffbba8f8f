//! LZF (filter 32000, of h5py): the raw stream of liblzf. Client data: revision, version of LZF, bytes of a chunk.
//!
//! ```text
//! 000LLLLL                    L + 1 literal bytes follow
//! LLLooooo oooooooo           copy L + 2 bytes from o + 1 bytes back, L of 1 to 6
//! 111ooooo LLLLLLLL oooooooo  copy L + 9 bytes from o + 1 bytes back
//! ```

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Lzf;

const MAX_LITERALS: usize = 32;
const MAX_OFFSET: usize = 1 << 13;
const MIN_MATCH: usize = 3;
const MAX_MATCH: usize = 264;
/// Bytes that are copied at once.
const WIDE: usize = 16;
const HASH_BITS: u32 = 14;

impl Filter for Lzf {
    fn name(&self) -> &str {
        "lzf"
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
        compress(input, output);
        Ok(!spec.optional || output.len() < input.len())
    }
}

/// Decodes a whole stream and returns its length.
pub fn decompress(mut input: &[u8], output: &mut [u8]) -> Result<usize> {
    let early = || Error::corrupt("LZF stream ends early");
    let room = output.len();
    let long = || Error::corrupt(format!("LZF stream gives more than {room} bytes"));
    let mut at = 0;
    while let Some((&control, rest)) = input.split_first() {
        let control = usize::from(control);
        if control < MAX_LITERALS {
            let (literals, rest) = rest.split_at_checked(control + 1).ok_or_else(early)?;
            // A copy of fixed length, longer than need be, is faster.
            if let (Some(wide), Some(to)) =
                (input[1..].first_chunk::<MAX_LITERALS>(), output[at..].first_chunk_mut::<MAX_LITERALS>())
            {
                *to = *wide;
                at += literals.len();
                input = rest;
                continue;
            }
            output.get_mut(at..at + literals.len()).ok_or_else(long)?.copy_from_slice(literals);
            at += literals.len();
            input = rest;
            continue;
        }
        let (len, low, rest) = match (control >> 5, rest) {
            (7, [extra, low, rest @ ..]) => (usize::from(*extra) + 9, *low, rest),
            (len @ 1..=6, [low, rest @ ..]) => (len + 2, *low, rest),
            _ => return Err(early()),
        };
        input = rest;
        let back = ((control & 31) << 8 | usize::from(low)) + 1;
        let from =
            at.checked_sub(back).ok_or_else(|| Error::corrupt("LZF stream refers to before its start"))?;
        if room - at < len {
            return Err(long());
        }
        copy_match(output, from, at, len);
        at += len;
    }
    Ok(at)
}

/// Repeats the bytes from `from` on at `at`; the two may overlap, and then the bytes between them repeat.
fn copy_match(output: &mut [u8], from: usize, at: usize, len: usize) {
    let end = at + len;
    if at - from >= WIDE && output.len() - at >= len.next_multiple_of(WIDE) {
        for step in (0..len).step_by(WIDE) {
            let (earlier, later) = output.split_at_mut(at + step);
            if let (Some(wide), Some(to)) =
                (earlier[from + step..].first_chunk::<WIDE>(), later.first_chunk_mut::<WIDE>())
            {
                *to = *wide;
            }
        }
        return;
    }
    let mut to = at;
    while to < end {
        // What was copied belongs to the pattern as well: the distance doubles.
        let step = (to - from).min(end - to);
        output.copy_within(from..from + step, to);
        to += step;
    }
}

/// Appends the stream of `input` to `output`.
pub fn compress(input: &[u8], output: &mut Vec<u8>) {
    let mut seen = vec![0_u32; 1 << HASH_BITS];
    let mut literals = 0;
    let mut at = 0;
    while let Some(head) = input[at..].first_chunk::<4>() {
        let key = u32::from_le_bytes(*head) & 0x00ff_ffff;
        let slot = (key.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize;
        // Positions count from 1, so that 0 is none. They wrap beyond 4 GiB; a candidate is compared anyway.
        let here = at as u32 + 1;
        let distance = here.wrapping_sub(std::mem::replace(&mut seen[slot], here)) as usize;
        let len =
            if distance == 0 || distance > at.min(MAX_OFFSET) { 0 } else { match_len(input, at, distance) };
        if len < MIN_MATCH {
            at += 1;
            continue;
        }
        put_literals(&input[literals..at], output);
        let (offset, extra) = (distance - 1, len - 2);
        if extra < 7 {
            output.extend_from_slice(&[(extra << 5 | offset >> 8) as u8, offset as u8]);
        } else {
            output.extend_from_slice(&[(7 << 5 | offset >> 8) as u8, (extra - 7) as u8, offset as u8]);
        }
        at += len;
        literals = at;
    }
    put_literals(&input[literals..], output);
}

fn match_len(input: &[u8], at: usize, distance: usize) -> usize {
    let limit = MAX_MATCH.min(input.len() - at);
    let earlier = &input[at - distance..at - distance + limit];
    input[at..at + limit].iter().zip(earlier).take_while(|(a, b)| a == b).count()
}

fn put_literals(literals: &[u8], output: &mut Vec<u8>) {
    for run in literals.chunks(MAX_LITERALS) {
        output.push((run.len() - 1) as u8);
        output.extend_from_slice(run);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(data: &[u8]) -> usize {
        let mut stored = Vec::new();
        compress(data, &mut stored);
        let mut back = vec![0; data.len()];
        assert_eq!(decompress(&stored, &mut back).unwrap(), data.len());
        assert_eq!(back, data);
        stored.len()
    }

    proptest! {
        #[test]
        fn round_trips(data in proptest::collection::vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..1500)) {
            round_trip(&data);
        }

        #[test]
        fn any_bytes_decode_or_fail(data in proptest::collection::vec(any::<u8>(), 0..500), room in 0_usize..2000) {
            let _ = decompress(&data, &mut vec![0; room]);
        }
    }

    #[test]
    fn long_and_distant_matches() {
        assert!(round_trip(&[7; 100_000]) < 1300);
        let mut noise = 1_u32;
        let block: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        })
        .take(MAX_OFFSET)
        .collect();
        assert!(round_trip(&[&block[..], &block].concat()) < 8900);
    }

    #[test]
    fn text_of_the_three_forms() {
        let mut output = [0; 16];
        let stored = [2, b'a', b'b', b'c', 0x20, 2, 0xe0, 0, 0];
        assert_eq!(decompress(&stored, &mut output).unwrap(), 15);
        assert_eq!(&output[..15], b"abcabcccccccccc");
        assert!(decompress(&stored, &mut output[..14]).is_err());
        assert!(decompress(&stored[..8], &mut output).is_err());
        assert!(decompress(&[0x20, 0], &mut output).is_err());
    }
}
