//! BloscLZ, the default codec of Blosc.
//!
//! ```text
//! 000LLLLL                                 L + 1 literal bytes follow
//! LLLooooo oooooooo                        copy L + 2 bytes from o + 1 bytes back, L of 1 to 6
//! 111ooooo LLLLLLLL.. oooooooo             copy 9 bytes and the sum of the L; a byte of 255 is followed by another
//! ..o11111 .. 11111111 oooooooo oooooooo   if all 13 bits of o are set: from o + 8192 bytes back, big-endian
//! ```
//!
//! The first byte has a revision in its upper three bits, and always means literals.

use crate::error::{Error, Result};

const MAX_LITERALS: usize = 32;
/// Matches from here on need the long form of the distance.
const FAR: usize = 8192;
const MAX_DISTANCE: usize = FAR + 0xffff;
/// Bytes that are copied at once.
const WIDE: usize = 16;
const HASH_BITS: u32 = 14;
/// The last bytes of a stream are literals.
const LAST_LITERALS: usize = 12;

/// Decodes a whole stream and returns its length.
pub fn decompress(input: &[u8], output: &mut [u8]) -> Result<usize> {
    let early = || Error::corrupt("BloscLZ stream ends early");
    let room = output.len();
    let long = || Error::corrupt(format!("BloscLZ stream gives more than {room} bytes"));
    let mut input = input;
    let mut at = 0;
    let mut mask = 31;
    while let Some((&control, rest)) = input.split_first() {
        let control = usize::from(control & mask);
        mask = 255;
        if control < MAX_LITERALS {
            let len = control + 1;
            // A copy of fixed length, longer than need be, is faster.
            if let (Some(wide), Some(to)) =
                (rest.first_chunk::<MAX_LITERALS>(), output[at..].first_chunk_mut::<MAX_LITERALS>())
            {
                *to = *wide;
                input = &rest[len..];
            } else {
                let (literals, rest) = rest.split_at_checked(len).ok_or_else(early)?;
                output.get_mut(at..at + len).ok_or_else(long)?.copy_from_slice(literals);
                input = rest;
            }
            at += len;
            continue;
        }
        input = rest;
        let mut next = || {
            let (&byte, rest) = input.split_first().ok_or_else(early)?;
            input = rest;
            Ok::<_, Error>(usize::from(byte))
        };
        let mut len = (control >> 5) + 2;
        if len == 9 {
            loop {
                let more = next()?;
                len += more;
                if more != 255 {
                    break;
                }
            }
        }
        let mut back = ((control & 31) << 8 | next()?) + 1;
        if back == FAR {
            back += next()? << 8;
            back += next()?;
        }
        let from = at
            .checked_sub(back)
            .ok_or_else(|| Error::corrupt("BloscLZ stream refers to before its start"))?;
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
    if at - from == 1 {
        let byte = output[from];
        output[at..end].fill(byte);
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
    let first = output.len();
    let (mut literals, mut at, mut misses) = (0, 0, 0);
    let limit = input.len().saturating_sub(LAST_LITERALS);
    while at < limit {
        let Some(head) = input[at..].first_chunk::<4>() else { break };
        let head = u32::from_le_bytes(*head);
        let slot = (head.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize;
        // Positions count from 1, so that 0 is none.
        let here = at as u32 + 1;
        let distance = here.wrapping_sub(std::mem::replace(&mut seen[slot], here)) as usize;
        // The first byte of a stream means literals.
        let len = if distance == 0 || distance > at.min(MAX_DISTANCE) {
            0
        } else {
            match_len(&input[at - distance..], &input[at..limit])
        };
        if len < if distance < FAR { 4 } else { 7 } {
            // Where nothing repeats, look less often.
            at += 1 + misses / 64;
            misses += 1;
            continue;
        }
        misses = 0;
        put_literals(&input[literals..at], output);
        put_match(len, distance, output);
        at += len;
        literals = at;
    }
    put_literals(&input[literals..], output);
    if let Some(control) = output.get_mut(first) {
        *control |= 1 << 5;
    }
}

fn match_len(earlier: &[u8], later: &[u8]) -> usize {
    let mut len = 0;
    for (a, b) in earlier.as_chunks::<8>().0.iter().zip(later.as_chunks::<8>().0) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return len + differ.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + earlier[len..].iter().zip(&later[len..]).take_while(|(a, b)| a == b).count()
}

fn put_match(len: usize, distance: usize, output: &mut Vec<u8>) {
    let near = distance.min(FAR) - 1;
    let (high, low) = (near >> 8, near as u8);
    if len < 9 {
        output.push(((len - 2) << 5 | high) as u8);
    } else {
        output.push((7 << 5 | high) as u8);
        output.resize(output.len() + (len - 9) / 255, 255);
        output.push(((len - 9) % 255) as u8);
    }
    output.push(low);
    if distance >= FAR {
        output.extend(((distance - FAR) as u16).to_be_bytes());
    }
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

    fn noise(len: usize) -> Vec<u8> {
        let mut noise = 1_u32;
        let next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
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
        assert!(round_trip(&[7; 100_000]) < 500);
        for distance in [FAR - 1, FAR, FAR + 1, 50_000, MAX_DISTANCE] {
            let mut data = noise(distance);
            data.extend_from_within(..100);
            data.extend(noise(20));
            let mut shorter = Vec::new();
            compress(&data, &mut shorter);
            round_trip(&data);
        }
    }

    #[test]
    fn text_of_the_forms() {
        let mut output = [0; 16];
        let stored = [0x22, b'a', b'b', b'c', 0x20, 2, 0xe0, 0, 0];
        assert_eq!(decompress(&stored, &mut output).unwrap(), 15);
        assert_eq!(&output[..15], b"abcabcccccccccc");
        assert!(decompress(&stored, &mut output[..14]).is_err());
        assert!(decompress(&stored[..8], &mut output).is_err());
        assert!(decompress(&[0x20, 0, 0x20, 1], &mut output).is_err());
        let mut far = vec![0];
        far.extend([9, 0xff, 255, 255, 255, 0, 255, 0, 0]);
        assert!(decompress(&far, &mut output).is_err());
    }
}
