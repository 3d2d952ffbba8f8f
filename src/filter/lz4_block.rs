//! The decoder of raw LZ4 blocks: sequences of literals and a match.

#![allow(unsafe_code)]

use super::repeat::{OVERRUN, copy16, repeat};

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It ends within a sequence.
    Truncated,
    /// It gives more than there is room for.
    Room,
    /// A match before the beginning.
    Distance,
}

/// Where a decoder stands.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    /// Bytes read from the input.
    taken: usize,
    /// Bytes written to the output.
    given: usize,
}

/// More bytes no block gives (`LZ4_MAX_INPUT_SIZE`).
const MAX_LENGTH: usize = 0x7e00_0000;
/// Bytes of input that the fast decoder may look at for a sequence, literals of 15 bytes and more apart: its token, the
/// step of a copy, and the distance.
const INPUT_MARGIN: usize = 1 + 16 + 2;
/// Bytes of output that it may touch for a sequence, longer literals and matches apart.
const OUTPUT_MARGIN: usize = 14 + 18 + OVERRUN;

/// Decodes a block, and returns how many bytes it gives.
pub fn decode(input: &[u8], output: &mut [u8]) -> Result<usize, Damage> {
    let mut cursor = Cursor { taken: 0, given: 0 };
    loop {
        fast(input, output, &mut cursor)?;
        if plain(input, output, &mut cursor)? {
            return Ok(cursor.given);
        }
    }
}

/// Decodes sequences as long as both ends are far enough.
fn fast(input: &[u8], output: &mut [u8], cursor: &mut Cursor) -> Result<(), Damage> {
    let Some(input_room) = input.len().checked_sub(INPUT_MARGIN) else { return Ok(()) };
    let Some(output_room) = output.len().checked_sub(OUTPUT_MARGIN) else { return Ok(()) };
    // SAFETY, for all of this function: `next` is `taken` bytes into `input`, `place` is `given` bytes into `output`.
    // A sequence begins only if `taken <= input_room` and `given <= output_room`. Short literals take 16 bytes behind
    // the token and give at most 14, long ones are copied only if as much as they take and give is within these rooms
    // too. Thus two bytes of distance are there, and 18 + OVERRUN bytes of output; longer matches are checked once
    // more. `distance <= given`.
    let (source, target) = (input.as_ptr(), output.as_mut_ptr());
    let Cursor { mut taken, mut given } = *cursor;
    while taken <= input_room && given <= output_room {
        let token = unsafe { *source.add(taken) };
        let mut from = taken + 1;
        let mut to = given;
        let literals = usize::from(token >> 4);
        if literals < 15 {
            unsafe { copy16(source.add(from), target.add(to)) };
            from += literals;
            to += literals;
        } else {
            let Some(more) = extension(input, &mut from) else { break };
            let literals = 15 + more;
            // The steps of the copy end at most 15 bytes behind the literals; the margins have 16 and more.
            if literals > input_room.saturating_sub(from) || literals > output_room.saturating_sub(to) {
                break;
            }
            let mut done = 0;
            while done < literals {
                unsafe { copy16(source.add(from + done), target.add(to + done)) };
                done += 16;
            }
            from += literals;
            to += literals;
        }
        let distance = usize::from(u16::from_le_bytes(unsafe { source.add(from).cast::<[u8; 2]>().read() }));
        from += 2;
        let mut length = usize::from(token & 15) + 4;
        if length == 19 {
            let Some(more) = extension(input, &mut from) else { break };
            length += more;
            if length > output_room.saturating_sub(to) {
                break;
            }
        }
        if distance == 0 || distance > to {
            *cursor = Cursor { taken, given };
            return Err(Damage::Distance);
        }
        unsafe { repeat(target.add(to), distance, length) };
        (taken, given) = (from, to + length);
    }
    *cursor = Cursor { taken, given };
    Ok(())
}

/// Decodes a sequence; true if it was the last one.
fn plain(input: &[u8], output: &mut [u8], cursor: &mut Cursor) -> Result<bool, Damage> {
    let token = *input.get(cursor.taken).ok_or(Damage::Truncated)?;
    cursor.taken += 1;
    let mut literals = usize::from(token >> 4);
    if literals == 15 {
        literals += extension(input, &mut cursor.taken).ok_or(Damage::Truncated)?;
    }
    let from = input[cursor.taken..].get(..literals).ok_or(Damage::Truncated)?;
    output[cursor.given..].get_mut(..literals).ok_or(Damage::Room)?.copy_from_slice(from);
    cursor.taken += literals;
    cursor.given += literals;
    if cursor.taken == input.len() {
        return Ok(true);
    }
    let distance = input[cursor.taken..].first_chunk().ok_or(Damage::Truncated)?;
    let distance = usize::from(u16::from_le_bytes(*distance));
    cursor.taken += 2;
    let mut length = usize::from(token & 15) + 4;
    if length == 19 {
        length += extension(input, &mut cursor.taken).ok_or(Damage::Truncated)?;
    }
    if distance == 0 || distance > cursor.given {
        return Err(Damage::Distance);
    }
    if length > output.len() - cursor.given {
        return Err(Damage::Room);
    }
    let (begin, end) = (cursor.given - distance, cursor.given + length);
    let mut to = cursor.given;
    while to < end {
        // What was copied belongs to the pattern as well: the distance doubles.
        let step = (to - begin).min(end - to);
        output.copy_within(begin..begin + step, to);
        to += step;
    }
    cursor.given = end;
    Ok(false)
}

/// What follows a length that its four bits do not hold; nothing if the input ends, or no block is so long.
#[inline(always)]
fn extension(input: &[u8], taken: &mut usize) -> Option<usize> {
    let mut sum = 0;
    loop {
        let byte = *input.get(*taken)?;
        *taken += 1;
        sum += usize::from(byte);
        if byte != 255 {
            return Some(sum);
        }
        if sum > MAX_LENGTH {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_plainly(input: &[u8], output: &mut [u8]) -> Result<usize, Damage> {
        let mut cursor = Cursor { taken: 0, given: 0 };
        while !plain(input, output, &mut cursor)? {}
        Ok(cursor.given)
    }

    /// Both decoders, into exactly this room.
    fn both(input: &[u8], room: usize) -> Result<Vec<u8>, Damage> {
        let (mut fast, mut slow) = (vec![0; room], vec![0; room]);
        let result = decode(input, &mut fast);
        assert_eq!(result, decode_plainly(input, &mut slow));
        let len = result?;
        assert_eq!(fast[..len], slow[..len]);
        fast.truncate(len);
        Ok(fast)
    }

    /// A sequence: literals, and a match of at least 4 bytes if there is a distance.
    fn sequence(literals: &[u8], distance: u16, length: usize, last: bool) -> Vec<u8> {
        fn extend(out: &mut Vec<u8>, mut rest: usize) {
            while rest >= 255 {
                out.push(255);
                rest -= 255;
            }
            out.push(rest as u8);
        }
        let (high, low) = (literals.len().min(15), if last { 0 } else { (length - 4).min(15) });
        let mut out = vec![(high << 4 | low) as u8];
        if high == 15 {
            extend(&mut out, literals.len() - 15);
        }
        out.extend(literals);
        if !last {
            out.extend(distance.to_le_bytes());
            if low == 15 {
                extend(&mut out, length - 19);
            }
        }
        out
    }

    prop_compose! {
        fn block()(
            sequences in proptest::collection::vec(
                (
                    prop_oneof![
                        4 => proptest::collection::vec(any::<u8>(), 0..18),
                        1 => proptest::collection::vec(any::<u8>(), 0..700),
                    ],
                    prop_oneof![1_u16..40, 1_u16..3000],
                    prop_oneof![4 => 4_usize..40, 1 => 4_usize..2000],
                ),
                1..60,
            ),
        ) -> (Vec<u8>, Vec<u8>) {
            let (mut stored, mut expected) = (sequence(&[1], 1, 4, false), vec![1; 5]);
            for (literals, distance, length) in &sequences {
                expected.extend(literals);
                let distance = usize::from(*distance).min(expected.len());
                stored.extend(sequence(literals, distance as u16, *length, false));
                for _ in 0..*length {
                    expected.push(expected[expected.len() - distance]);
                }
            }
            stored.extend(sequence(b"end", 0, 0, true));
            expected.extend(b"end");
            (stored, expected)
        }
    }

    proptest! {
        #[test]
        fn sequences_of_all_kinds((stored, expected) in block(), slack in 0_usize..100) {
            prop_assert_eq!(both(&stored, expected.len() + slack), Ok(expected.clone()));
            prop_assert_eq!(both(&stored, expected.len() - 1), Err(Damage::Room));
        }

        #[test]
        fn damaged_blocks(
            (mut stored, expected) in block(),
            places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            for (place, byte) in places {
                let place = place.index(stored.len());
                stored[place] = byte;
            }
            let _ = both(&stored, expected.len());
            let _ = both(&stored[..cut.index(stored.len())], expected.len() + 200);
        }
    }
}
