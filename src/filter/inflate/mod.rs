//! Inflate (RFC 1951) of a whole zlib stream (RFC 1950) from one slice to another.
//!
//! Streams are accepted and refused as zlib does it: codes may be incomplete only if they have one word of one bit, a
//! distance may not reach before the output, and bytes behind the checksum are ignored.

use std::cell::RefCell;
use std::fmt;

mod fast;
mod huffman;
mod plain;
#[cfg(test)]
mod tests;

use huffman::Tables;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The two bytes at the beginning.
    Header,
    /// A dictionary would be needed.
    Dictionary,
    /// The type of a block.
    Block,
    /// Length of a stored block.
    Stored,
    /// Code lengths that are no code.
    Lengths,
    /// Bits that are no code word.
    Code,
    /// A distance to before the output.
    Distance,
    /// It gives more than there is room for.
    Room,
    /// It ends before its end.
    Truncated,
    /// The checksum.
    Checksum,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "wrong header",
            Self::Dictionary => "a dictionary is needed",
            Self::Block => "wrong type of block",
            Self::Stored => "wrong length of a stored block",
            Self::Lengths => "wrong code lengths",
            Self::Code => "wrong code word",
            Self::Distance => "a distance beyond the beginning",
            Self::Room => "more bytes than expected",
            Self::Truncated => "it ends too early",
            Self::Checksum => "wrong Adler-32 checksum",
        })
    }
}

/// Where a decoder stands.
#[derive(Debug)]
struct Cursor {
    /// Bits read from the input but not consumed, the next one lowest; none above the lowest `left`.
    bits: u64,
    /// How many; at most 63.
    left: u32,
    /// Bytes read from the input.
    taken: usize,
    /// Bytes written to the output.
    given: usize,
}

impl Cursor {
    /// At least 56 bits afterwards, if the input has them.
    fn refill(&mut self, input: &[u8]) {
        while self.left <= 55 {
            let Some(&byte) = input.get(self.taken) else { return };
            self.bits |= u64::from(byte) << self.left;
            self.left += 8;
            self.taken += 1;
        }
    }

    fn consume(&mut self, count: u32) -> Result<(), Damage> {
        self.left = self.left.checked_sub(count).ok_or(Damage::Truncated)?;
        self.bits >>= count;
        Ok(())
    }

    /// The next `count` bits, at most 16, as a number.
    fn number(&mut self, input: &[u8], count: u32) -> Result<u32, Damage> {
        self.refill(input);
        let number = self.bits & ((1 << count) - 1);
        self.consume(count)?;
        Ok(number as u32)
    }
}

thread_local! {
    /// Kept from chunk to chunk: preparing 36 KiB would take longer than a small chunk.
    static TABLES: RefCell<Tables> = const { RefCell::new(Tables::new()) };
}

/// Decodes a zlib stream and returns how many bytes it gave.
pub fn inflate(input: &[u8], output: &mut [u8]) -> Result<usize, Damage> {
    TABLES.with_borrow_mut(|tables| decode(input, output, tables, fast::run))
}

/// The same without the fast decoder, for comparison.
#[doc(hidden)]
pub fn inflate_plainly(input: &[u8], output: &mut [u8]) -> Result<usize, Damage> {
    TABLES.with_borrow_mut(|tables| decode(input, output, tables, |_, _, _, _| Ok(Stop::NearEnd)))
}

/// Why a decoder of symbols stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// The block ended.
    EndOfBlock,
    /// It is too near to the end of input or output for this decoder; the block goes on.
    NearEnd,
}

fn decode(
    input: &[u8],
    output: &mut [u8],
    tables: &mut Tables,
    fast: impl Fn(&[u8], &mut [u8], &mut Cursor, &Tables) -> Result<Stop, Damage>,
) -> Result<usize, Damage> {
    let mut cursor = Cursor { bits: 0, left: 0, taken: 0, given: 0 };
    let header = cursor.number(input, 16)?;
    let (method, flags) = (header & 0xff, header >> 8);
    if method & 15 != 8 || method >> 4 > 7 || (method << 8 | flags) % 31 != 0 {
        return Err(Damage::Header);
    }
    if flags & 0x20 != 0 {
        return Err(Damage::Dictionary);
    }
    let mut is_last = false;
    while !is_last {
        is_last = cursor.number(input, 1)? == 1;
        match cursor.number(input, 2)? {
            0 => {
                stored(input, output, &mut cursor)?;
                continue;
            }
            1 => tables.build_fixed().map_err(|_| Damage::Lengths)?,
            2 => dynamic_code(input, &mut cursor, tables)?,
            _ => return Err(Damage::Block),
        }
        if fast(input, output, &mut cursor, tables)? == Stop::NearEnd {
            plain::run(input, output, &mut cursor, tables)?;
        }
    }
    cursor.consume(cursor.left % 8)?;
    let sum = (0..4).try_fold(0, |sum, _| Ok(sum << 8 | cursor.number(input, 8)?))?;
    let given = cursor.given;
    if adler32(&output[..given]) != sum { Err(Damage::Checksum) } else { Ok(given) }
}

fn adler32(bytes: &[u8]) -> u32 {
    let mut sum = simd_adler32::Adler32::new();
    sum.write(bytes);
    sum.finish()
}

fn stored(input: &[u8], output: &mut [u8], cursor: &mut Cursor) -> Result<(), Damage> {
    cursor.consume(cursor.left % 8)?;
    let len = cursor.number(input, 16)?;
    if cursor.number(input, 16)? != !len & 0xffff {
        return Err(Damage::Stored);
    }
    let len = len as usize;
    // Whole bytes that were read ahead are given back.
    cursor.taken -= cursor.left as usize / 8;
    (cursor.bits, cursor.left) = (0, 0);
    let from = input.get(cursor.taken..cursor.taken + len).ok_or(Damage::Truncated)?;
    output.get_mut(cursor.given..cursor.given + len).ok_or(Damage::Room)?.copy_from_slice(from);
    cursor.taken += len;
    cursor.given += len;
    Ok(())
}

/// Bytes of input from which on a block is taken for long.
const LONG_BLOCK: usize = 4096;

/// Reads the codes of a block (RFC 1951, section 3.2.7).
fn dynamic_code(input: &[u8], cursor: &mut Cursor, tables: &mut Tables) -> Result<(), Damage> {
    /// In which order the lengths of the code of the code lengths are stored.
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literal_count = cursor.number(input, 5)? as usize + 257;
    let distance_count = cursor.number(input, 5)? as usize + 1;
    let length_count = cursor.number(input, 4)? as usize + 4;
    if literal_count > 286 || distance_count > 30 {
        return Err(Damage::Lengths);
    }
    let mut lengths = [0; 19];
    for &place in &ORDER[..length_count] {
        lengths[place] = cursor.number(input, 3)? as u8;
    }
    let mut code = [0; 128];
    huffman::build_lengths(&lengths, &mut code).map_err(|_| Damage::Lengths)?;

    let mut lengths = [0; 286 + 30];
    let lengths = &mut lengths[..literal_count + distance_count];
    let mut filled = 0;
    while filled < lengths.len() {
        cursor.refill(input);
        let entry = code[cursor.bits as usize & 127];
        let symbol = huffman::value(entry, cursor.bits) as u8;
        cursor.consume(entry & 63)?;
        let (length, count) = match symbol {
            16 => {
                let before = filled.checked_sub(1).ok_or(Damage::Lengths)?;
                (lengths[before], 3 + cursor.number(input, 2)?)
            }
            17 => (0, 3 + cursor.number(input, 3)?),
            18 => (0, 11 + cursor.number(input, 7)?),
            length => (length, 1),
        };
        let end = filled + count as usize;
        lengths.get_mut(filled..end).ok_or(Damage::Lengths)?.fill(length);
        filled = end;
    }
    let (literals, distances) = lengths.split_at(literal_count);
    if literals[256] == 0 {
        return Err(Damage::Lengths);
    }
    let is_long = input.len() - cursor.taken > LONG_BLOCK;
    tables.build(literals, distances, is_long).map_err(|_| Damage::Lengths)
}
