//! The decoder of a block's symbols while both ends are far: no checks of bounds between two symbols.

#![allow(unsafe_code)]

use super::huffman::{
    DISTANCE_BITS, END, Entry, INVALID, LITERAL_BITS, SUBTABLE, Tables, kind, literals, subtable_index, value,
};
use super::{
    super::repeat::{OVERRUN, repeat},
    Cursor, Damage, Stop,
};

/// Bytes of input that a round may look at: two refills, each of 8 bytes after a step of at most 7.
const INPUT_MARGIN: usize = 24;
/// Bytes of output that a round may touch: three times three literals in words of 4 bytes, a match of 258 bytes, and
/// what is written behind its end.
const OUTPUT_MARGIN: usize = 3 * 4 + 258 + OVERRUN;

/// Decodes symbols until the block ends or an end is near.
pub fn run(input: &[u8], output: &mut [u8], cursor: &mut Cursor, tables: &Tables) -> Result<Stop, Damage> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("bmi2") && std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has these instructions.
        return unsafe { run_bmi2(input, output, cursor, tables) };
    }
    decode(input, output, cursor, tables)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2,avx2,lzcnt,popcnt")]
fn run_bmi2(input: &[u8], output: &mut [u8], cursor: &mut Cursor, tables: &Tables) -> Result<Stop, Damage> {
    decode(input, output, cursor, tables)
}

/// Bits that were read from the input but not consumed. Above the lowest `left & 63` bits there may be more of the
/// bits that follow; a refill puts the same bits there again.
struct Bits {
    bits: u64,
    left: u32,
}

impl Bits {
    #[inline(always)]
    fn consume(&mut self, entry: Entry) {
        self.bits >>= entry & 63;
        // Only the lowest 6 bits count.
        self.left = self.left.wrapping_sub(entry);
    }

    /// At least 56 bits afterwards.
    ///
    /// # Safety
    ///
    /// 8 bytes can be read at `*next`.
    #[inline(always)]
    unsafe fn refill(&mut self, next: &mut *const u8) {
        // SAFETY: the caller's promise; the step is at most 7 bytes.
        unsafe {
            self.bits |= u64::from_le(next.cast::<u64>().read_unaligned()) << (self.left & 63);
            *next = next.add((63 - (self.left & 63) as usize) / 8);
        }
        self.left |= 56;
    }
}

#[inline(always)]
fn decode(input: &[u8], output: &mut [u8], cursor: &mut Cursor, tables: &Tables) -> Result<Stop, Damage> {
    let near = |cursor: &Cursor| {
        input.len() - cursor.taken < INPUT_MARGIN || output.len() - cursor.given < OUTPUT_MARGIN
    };
    if cursor.taken > input.len() || cursor.given > output.len() || cursor.left > 63 || near(cursor) {
        return Ok(Stop::NearEnd);
    }
    let literal_at = |bits: u64| tables.literals[bits as usize & ((1 << LITERAL_BITS) - 1)];
    let mut bits = Bits { bits: cursor.bits, left: cursor.left };
    // SAFETY, for all of this function. `next` points into `input` or at its end and `place` into `output` or at its
    // end: both begin so (`near` has seen that there is a margin). A round begins only if `next` has INPUT_MARGIN
    // bytes and `place` OUTPUT_MARGIN bytes before it; it moves `next` by two refills of at most 7 bytes, the
    // second of which reads 8 bytes, and `place` by at most 9 bytes of literals and 258 of a match; a store of
    // literals writes 4 bytes, a match up to OVERRUN behind its end. A match begins no further back than `start`, so
    // what it reads lies in `output` and before `place`, or was written by the same copy or (in a word of 16
    // bytes of which the rest is not used) lies less than 16 bytes behind `place`.
    let start = output.as_mut_ptr();
    let (mut next, mut place) = unsafe { (input.as_ptr().add(cursor.taken), start.add(cursor.given)) };
    let (last_next, last_place) =
        unsafe { (input.as_ptr().add(input.len() - INPUT_MARGIN), start.add(output.len() - OUTPUT_MARGIN)) };
    unsafe { bits.refill(&mut next) };
    let mut entry = literal_at(bits.bits);
    let stop = 'rounds: {
        while next <= last_next && place <= last_place {
            // At least 56 bits are there, and `entry` is what they begin with.
            if literals(entry) > 0 {
                unsafe { put(&mut place, entry) };
                bits.consume(entry);
                entry = literal_at(bits.bits);
                if literals(entry) > 0 {
                    unsafe { put(&mut place, entry) };
                    bits.consume(entry);
                    entry = literal_at(bits.bits);
                    if literals(entry) > 0 {
                        unsafe { put(&mut place, entry) };
                        bits.consume(entry);
                        entry = literal_at(bits.bits);
                        unsafe { bits.refill(&mut next) };
                        continue;
                    }
                }
            }
            // At least 56 - 2 * 11 bits are there; a length takes at most 15 + 5.
            if kind(entry) != 0 {
                if kind(entry) == SUBTABLE {
                    bits.consume(entry);
                    entry = tables.literals[subtable_index(entry, bits.bits) % tables.literals.len()];
                    if literals(entry) > 0 {
                        unsafe { put(&mut place, entry) };
                        bits.consume(entry);
                        unsafe { bits.refill(&mut next) };
                        entry = literal_at(bits.bits);
                        continue;
                    }
                }
                if kind(entry) == END {
                    bits.consume(entry);
                    break 'rounds Ok(Stop::EndOfBlock);
                }
                if kind(entry) == INVALID {
                    break 'rounds Err(Damage::Code);
                }
            }
            let length = value(entry, bits.bits);
            bits.consume(entry);
            // At least 14 bits are there. The refill runs while the look-up waits for memory.
            let mut far = tables.distances[bits.bits as usize & ((1 << DISTANCE_BITS) - 1)];
            unsafe { bits.refill(&mut next) };
            if kind(far) != 0 {
                if kind(far) == SUBTABLE {
                    bits.consume(far);
                    far = tables.distances[subtable_index(far, bits.bits) % tables.distances.len()];
                }
                if kind(far) == INVALID {
                    break 'rounds Err(Damage::Code);
                }
            }
            let distance = value(far, bits.bits);
            bits.consume(far);
            // At least 56 - 15 - 13 bits are there: enough to look up the next entry.
            entry = literal_at(bits.bits);
            unsafe { bits.refill(&mut next) };
            if distance > place as usize - start as usize {
                break 'rounds Err(Damage::Distance);
            }
            unsafe {
                repeat(place, distance, length);
                place = place.add(length);
            }
        }
        Ok(Stop::NearEnd)
    };
    cursor.given = place as usize - start as usize;
    cursor.left = bits.left & 63;
    cursor.bits = bits.bits & ((1 << cursor.left) - 1);
    cursor.taken = next as usize - input.as_ptr() as usize;
    stop
}

/// Writes the literals of an entry.
///
/// # Safety
///
/// 4 bytes can be written at `*place`.
#[inline(always)]
unsafe fn put(place: &mut *mut u8, entry: Entry) {
    // SAFETY: the caller's promise; an entry has at most 3 literals.
    unsafe {
        place.cast::<u32>().write_unaligned((entry >> 8).to_le());
        *place = place.add(literals(entry));
    }
}
