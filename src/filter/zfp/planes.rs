//! Embedded coding of the coefficients of a block: bit planes from the most significant one down.
//!
//! A plane starts with the bits of the coefficients that are known to matter (the first n). Then, as long as any are
//! left: a bit that tells whether one of the rest is set in this plane; if so, zeros up to the first one that is, and
//! a one (omitted for the last coefficient); n then reaches beyond it. The budget of bits may end this anywhere.

use super::bitstream::{BitReader, BitWriter, PEEKED, low_bits};
use super::order::order;
use super::transform::Int;

/// Room for the planes of the largest block: a plane takes as many words as it needs.
pub(super) struct Planes([u64; 64 * 4]);

impl Default for Planes {
    fn default() -> Self {
        Planes([0; 64 * 4])
    }
}

/// Decodes planes `low..I::WIDTH` into coefficients, each at its place in the block; takes at most `budget` bits.
/// Returns how many it took, and whether there was any plane that is not zero.
pub(super) fn decode<I: Int, const SIZE: usize>(
    reader: &mut BitReader<'_>,
    budget: u32,
    low: u32,
    planes: &mut Planes,
    block: &mut [I; SIZE],
) -> (u32, bool) {
    let start = reader.position();
    let mut left = budget;
    let mut plane = I::WIDTH;
    // As long as no coefficient is known to matter, a plane of zeros is one bit.
    while plane > low && left > 0 {
        let most = (plane - low).min(left).min(PEEKED);
        let zeros = reader.peek().trailing_zeros().min(most);
        reader.skip(zeros);
        left -= zeros;
        plane -= zeros;
        if zeros < most {
            break;
        }
    }
    let any = plane > low && left > 0;
    if !any {
        *block = [I::default(); SIZE];
    } else if SIZE == 4 {
        decode_four(reader, left, plane, low, block);
    } else {
        decode_planes(reader, left, plane, low, planes, block);
    }
    // A block has less than 64 * 512 bits.
    ((reader.position() - start) as u32, any)
}

/// Planes `low..high` of a block of more than four values.
#[inline(always)]
fn decode_planes<I: Int, const SIZE: usize>(
    reader: &mut BitReader<'_>,
    mut left: u32,
    high: u32,
    low: u32,
    planes: &mut Planes,
    block: &mut [I; SIZE],
) {
    let words = SIZE.div_ceil(64);
    let mut plane = high as usize;
    let last = plane.div_ceil(8);
    planes.0[plane * words..last * 8 * words].fill(0);
    let mut known = 0;
    while plane > low as usize && left > 0 {
        let before = reader.position();
        let bits = if left >= 2 * SIZE as u32 {
            decode_plane::<SIZE>(reader, &mut known)
        } else {
            decode_plane_within::<SIZE>(reader, &mut known, left)
        };
        // No more than `left`, or than 512.
        left -= (reader.position() - before) as u32;
        plane -= 1;
        planes.0[plane * words..][..words].copy_from_slice(&bits[..words]);
    }
    planes.0[(plane & !7) * words..plane * words].fill(0);
    gather(planes, plane / 8, last, block);
}

/// Planes `low..high` of a block of four values.
#[inline(always)]
fn decode_four<I: Int, const SIZE: usize>(
    reader: &mut BitReader<'_>,
    mut left: u32,
    high: u32,
    low: u32,
    block: &mut [I; SIZE],
) {
    let mut digits = [0; 4];
    // The planes of up to 16 digits: a lane of 16 bits for each coefficient.
    let mut lanes = 0;
    let mut plane = high;
    let mut known = 0;
    'planes: while plane > low {
        let mut window = reader.peek();
        let mut used = 0;
        while plane > low && used + 8 <= PEEKED {
            let step = FOUR[known | (window & 0xff) as usize];
            let taken = u32::from(step & 0xf);
            let bits = if taken <= left {
                left -= taken;
                used += taken;
                window >>= taken;
                known = usize::from(step) & 0x700;
                u64::from(step >> 4 & 0xf)
            } else {
                reader.skip(used);
                let mut known = known as u32 >> 8;
                let [bits, ..] = decode_plane_within::<4>(reader, &mut known, left);
                (left, used) = (0, 0);
                bits
            };
            plane -= 1;
            lanes = lanes << 1 | bits.wrapping_mul(0x0000_2000_4000_8001) & 0x0001_0001_0001_0001;
            if plane.is_multiple_of(16) {
                deposit(lanes, plane, &mut digits);
                lanes = 0;
            }
            if left == 0 {
                reader.skip(used);
                break 'planes;
            }
        }
        reader.skip(used);
    }
    deposit(lanes << (plane % 16), plane & !15, &mut digits);
    for (to, digits) in block.iter_mut().zip(digits) {
        *to = I::from_negabinary(digits);
    }
}

/// Adds sixteen digits of each coefficient, from digit `at` on.
#[inline(always)]
fn deposit(lanes: u64, at: u32, digits: &mut [u64; 4]) {
    for (i, digits) in digits.iter_mut().enumerate() {
        *digits |= (lanes >> (16 * i) & 0xffff) << at;
    }
}

/// What the next eight bits make of a plane of four coefficients: by these and, from bit 8 on, the number of
/// coefficients known to matter. From bit 8 on this number behind the plane, from 4 on the plane, and the bits taken.
static FOUR: [u16; 8 * 256] = {
    let mut steps = [0; 8 * 256];
    let mut index = 0;
    while index < 5 * 256 {
        let (known, mut window) = (index / 256, index % 256);
        let (mut bits, mut n, mut used) = (window & ((1 << known) - 1), known, known);
        window >>= known;
        while n < 4 {
            let any = window & 1 != 0;
            window >>= 1;
            used += 1;
            if !any {
                break;
            }
            while n < 3 {
                let one = window & 1 != 0;
                window >>= 1;
                used += 1;
                if one {
                    break;
                }
                n += 1;
            }
            bits |= 1 << n;
            n += 1;
        }
        steps[index] = (n << 8 | bits << 4 | used) as u16;
        index += 1;
    }
    steps
};

/// A plane of which every bit is within the budget.
#[inline(always)]
fn decode_plane<const SIZE: usize>(reader: &mut BitReader<'_>, known: &mut u32) -> [u64; 4] {
    let size = SIZE as u32;
    let mut plane = [0; 4];
    let mut n = *known;
    if SIZE <= 16 {
        // All of it is visible at once.
        let mut window = reader.peek();
        plane[0] = window & low_bits(n);
        window >>= n;
        let mut used = n;
        while n < size {
            let any = window & 1 != 0;
            used += 1;
            window >>= 1;
            if !any {
                break;
            }
            let zeros = window.trailing_zeros().min(size - 1 - n);
            n += zeros;
            let length = zeros + u32::from(n < size - 1);
            used += length;
            window >>= length;
            plane[0] |= 1 << n;
            n += 1;
        }
        reader.skip(used);
    } else {
        for (i, word) in plane.iter_mut().enumerate().take(SIZE / 64) {
            let first = n.saturating_sub(64 * i as u32).min(64);
            *word = reader.read(first);
        }
        // The lowest `seen` bits of the window are those of the stream.
        let (mut window, mut seen) = (reader.peek(), PEEKED);
        let refill = |reader: &mut BitReader<'_>, seen: u32| {
            reader.skip(PEEKED - seen);
            (reader.peek(), PEEKED)
        };
        while n < size {
            if seen < 24 {
                (window, seen) = refill(reader, seen);
            }
            let any = window & 1 != 0;
            window >>= 1;
            seen -= 1;
            if !any {
                break;
            }
            let mut zeros = window.trailing_zeros();
            while zeros >= seen && size - 1 - n > seen {
                n += seen;
                (window, seen) = refill(reader, 0);
                zeros = window.trailing_zeros();
            }
            let zeros = zeros.min(size - 1 - n);
            n += zeros;
            let length = zeros + u32::from(n < size - 1);
            if length > seen {
                // The last coefficient, whose zeros end with the window or just behind it.
                (window, seen) = refill(reader, seen);
            }
            window >>= length;
            seen -= length;
            plane[word_of::<SIZE>(n)] |= 1 << (n & 63);
            n += 1;
        }
        reader.skip(PEEKED - seen);
    }
    *known = n;
    plane
}

#[inline(always)]
fn word_of<const SIZE: usize>(n: u32) -> usize {
    if SIZE <= 64 { 0 } else { (n >> 6 & 3) as usize }
}

/// A plane that may be cut off by the end of the budget.
#[cold]
fn decode_plane_within<const SIZE: usize>(
    reader: &mut BitReader<'_>,
    known: &mut u32,
    mut left: u32,
) -> [u64; 4] {
    let size = SIZE as u32;
    let mut plane = [0; 4];
    let mut n = *known;
    let mut first = n.min(left);
    left -= first;
    for word in &mut plane {
        *word = reader.read(first.min(64));
        first = first.saturating_sub(64);
    }
    while n < size && left > 0 {
        left -= 1;
        if reader.read(1) == 0 {
            break;
        }
        loop {
            let most = (size - 1 - n).min(left);
            let zeros = reader.peek().trailing_zeros().min(PEEKED).min(most);
            n += zeros;
            left -= zeros;
            reader.skip(zeros);
            if zeros == most {
                break;
            }
            if zeros < PEEKED {
                // The one behind them.
                left -= 1;
                reader.skip(1);
                break;
            }
        }
        plane[word_of::<SIZE>(n)] |= 1 << (n & 63);
        n += 1;
    }
    *known = n;
    plane
}

/// Coefficients, each at its place, from their planes; only from the groups of eight planes `first..last`.
#[inline(always)]
fn gather<I: Int, const SIZE: usize>(planes: &Planes, first: usize, last: usize, block: &mut [I; SIZE]) {
    let words = SIZE.div_ceil(64);
    for (group, places) in order::<SIZE>().chunks(8).enumerate() {
        let (word, shift) = (group / 8, group % 8 * 8);
        let mut digits = [0_u64; 8];
        for byte in first..last {
            let rows = &planes.0[byte * 8 * words..][..8 * words];
            let mut square = 0;
            for i in 0..8 {
                square |= (rows[i * words + word] >> shift & 0xff) << (8 * i);
            }
            if square == 0 {
                continue;
            }
            square = transpose(square);
            for (i, digits) in digits.iter_mut().enumerate() {
                *digits |= (square >> (8 * i) & 0xff) << (8 * byte);
            }
        }
        for (place, digits) in places.iter().zip(digits) {
            block[usize::from(*place) % SIZE] = I::from_negabinary(digits);
        }
    }
}

/// The planes of coefficients in negabinary digits; only the groups of eight planes `8 * first..` on.
#[inline(always)]
fn spread<const SIZE: usize>(digits: &[u64; SIZE], first: usize, last: usize, planes: &mut Planes) {
    let words = SIZE.div_ceil(64);
    planes.0[first * 8 * words..last * 8 * words].fill(0);
    for (group, digits) in digits.chunks(8).enumerate() {
        let (word, shift) = (group / 8, group % 8 * 8);
        for byte in first..last {
            let mut square = 0;
            for (i, digits) in digits.iter().enumerate() {
                square |= (digits >> (8 * byte) & 0xff) << (8 * i);
            }
            square = transpose(square);
            let rows = &mut planes.0[byte * 8 * words..][..8 * words];
            for i in 0..8 {
                rows[i * words + word] |= (square >> (8 * i) & 0xff) << shift;
            }
        }
    }
}

/// Transposes a square of 8 by 8 bits.
#[inline(always)]
fn transpose(mut square: u64) -> u64 {
    for (shift, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let swap = (square ^ square >> shift) & mask;
        square ^= swap ^ swap << shift;
    }
    square
}

/// Negabinary digits of the coefficients, in the order in which they are coded.
#[inline(always)]
pub(super) fn digits<I: Int, const SIZE: usize>(block: &[I; SIZE]) -> [u64; SIZE] {
    let mut digits = [0; SIZE];
    for (digits, place) in digits.iter_mut().zip(order::<SIZE>()) {
        *digits = block[usize::from(*place) % SIZE].to_negabinary();
    }
    digits
}

/// Encodes planes `low..width` of coefficients with at most `budget` bits, and returns how many it took.
pub(super) fn encode<const SIZE: usize>(
    writer: &mut BitWriter<'_>,
    budget: u32,
    low: u32,
    width: u32,
    planes: &mut Planes,
    digits: &[u64; SIZE],
) -> u32 {
    let words = SIZE.div_ceil(64);
    spread(digits, low as usize / 8, width as usize / 8, planes);
    let mut left = budget;
    let mut n = 0;
    for plane in (low as usize..width as usize).rev() {
        if left == 0 {
            break;
        }
        encode_plane::<SIZE>(writer, &planes.0[plane * words..][..words], &mut n, &mut left);
    }
    budget - left
}

#[inline(always)]
fn encode_plane<const SIZE: usize>(
    writer: &mut BitWriter<'_>,
    plane: &[u64],
    known: &mut u32,
    left: &mut u32,
) {
    let size = SIZE as u32;
    let mut n = *known;
    let mut first = n.min(*left);
    *left -= first;
    for word in plane {
        writer.write(word & low_bits(first.min(64)), first.min(64));
        first = first.saturating_sub(64);
    }
    while n < size && *left > 0 {
        let Some(next) = next_one::<SIZE>(plane, n) else {
            writer.write(0, 1);
            *left -= 1;
            break;
        };
        // One, zeros, and a one if the last coefficient is not reached.
        let zeros = next - n;
        let ones = 1 + u32::from(next < size - 1);
        if zeros + ones <= (*left).min(64) {
            writer.write(1 | u64::from(ones - 1) << (zeros + ones - 1), zeros + ones);
            *left -= zeros + ones;
        } else {
            writer.write(1, 1);
            *left -= 1;
            let part = zeros.min(*left);
            writer.zeros(part);
            *left -= part;
            if ones == 2 && *left > 0 {
                writer.write(1, 1);
                *left -= 1;
            }
        }
        n = next + 1;
    }
    *known = n;
}

/// The first coefficient from `from` on that is set in the plane.
#[inline(always)]
fn next_one<const SIZE: usize>(plane: &[u64], from: u32) -> Option<u32> {
    let mut word = word_of::<SIZE>(from);
    let mut bits = plane.get(word)? & !low_bits(from & 63);
    while bits == 0 {
        word += 1;
        bits = *plane.get(word)?;
    }
    Some(64 * word as u32 + bits.trailing_zeros())
}
