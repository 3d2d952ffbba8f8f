//! Fletcher32 (filter 3): the data, then their checksum. No client data.

use std::ops::Range;

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Fletcher32;

const SUM_BYTES: usize = 4;

impl Filter for Fletcher32 {
    fn name(&self) -> &str {
        "fletcher32"
    }

    fn encoded_len(&self, _: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        len.checked_add(SUM_BYTES)
    }

    fn payload(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8]) -> Result<Option<Range<usize>>> {
        let Some((data, stored)) = input.split_last_chunk::<SUM_BYTES>() else {
            return Err(Error::corrupt(format!("{} bytes are too few for a checksum", input.len())));
        };
        let [a, b, c, d] = *stored;
        let sum = checksum(data);
        // Little-endian files of HDF5 before 1.6.3 have the bytes of each half swapped.
        if sum != u32::from_le_bytes([a, b, c, d]) && sum != u32::from_le_bytes([b, a, d, c]) {
            let stored = u32::from_le_bytes(*stored);
            return Err(Error::corrupt(format!("checksum is {stored:#010x}, should be {sum:#010x}")));
        }
        Ok(Some(0..data.len()))
    }

    fn decode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize> {
        let data = self.payload(spec, context, input)?.map_or(&[][..], |range| &input[range]);
        let len = data.len();
        let output =
            output.get_mut(..len).ok_or_else(|| Error::corrupt(format!("{len} bytes are too many")))?;
        output.copy_from_slice(data);
        Ok(len)
    }

    fn encode(&self, _: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
        output.reserve(input.len() + SUM_BYTES);
        output.extend_from_slice(input);
        output.extend_from_slice(&checksum(input).to_le_bytes());
        Ok(true)
    }
}

const LANES: usize = 16;
/// Rows of words after which the second sum of a lane could exceed 32 bits: 0xffff * n (n + 1) / 2 < 2^32.
const ROWS: usize = 360;
const MODULUS: u64 = 0xffff;

/// The checksum over big-endian 16-bit words; an odd last byte is the high byte of a word.
///
/// The sums are those of little-endian words, in 16 lanes: modulo 2^16 - 1, swapping the bytes of a word is
/// multiplying it by 256. End-around carries never turn a sum other than 0 into 0, so of its two representations
/// the multiple of the modulus has that of all ones.
pub fn checksum(data: &[u8]) -> u32 {
    let (mut first, mut second) = (0_u64, 0_u64);
    let (rows, rest) = data.as_chunks::<{ 2 * LANES }>();
    for block in rows.chunks(ROWS) {
        let mut sums = [0_u32; LANES];
        let mut weighted = [0_u32; LANES];
        for row in block {
            for (lane, word) in row.as_chunks::<2>().0.iter().enumerate() {
                sums[lane] += u32::from(u16::from_le_bytes(*word));
                weighted[lane] += sums[lane];
            }
        }
        // Word l of row r of R has the weight (R - r) * LANES - l; `weighted` has it R - r times.
        let words = (block.len() * LANES) as u64;
        second += first * words;
        for (lane, (sum, weight)) in sums.into_iter().zip(weighted).enumerate() {
            first += u64::from(sum);
            second += LANES as u64 * u64::from(weight) - lane as u64 * u64::from(sum);
        }
        (first, second) = (reduce(first), reduce(second));
    }
    let (words, odd) = rest.as_chunks::<2>();
    for word in words.iter().copied().chain(odd.first().map(|&byte| [byte, 0])) {
        first += u64::from(u16::from_le_bytes(word));
        second += first;
    }
    (reduce(reduce(second) << 8) as u32) << 16 | reduce(reduce(first) << 8) as u32
}

fn reduce(sum: u64) -> u64 {
    match sum % MODULUS {
        0 if sum != 0 => MODULUS,
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the specification of the checksum words it: every 360 words the carries are added once.
    fn by_definition(data: &[u8]) -> u32 {
        let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
        let (mut first, mut second) = (0_u32, 0_u32);
        for block in data.chunks(720) {
            for word in block.chunks(2) {
                first += u32::from(word[0]) << 8 | word.get(1).map_or(0, |&low| u32::from(low));
                second += first;
            }
            (first, second) = (fold(first), fold(second));
        }
        fold(second) << 16 | fold(first)
    }

    proptest! {
        #[test]
        fn lanes_agree_with_the_definition(data in proptest::collection::vec(any::<u8>(), 0..13_000)) {
            prop_assert_eq!(checksum(&data), by_definition(&data));
        }

        #[test]
        fn extreme_words_agree(len in 0_usize..30_000, byte in prop_oneof![Just(0_u8), Just(0xff)]) {
            let data = vec![byte; len];
            prop_assert_eq!(checksum(&data), by_definition(&data));
        }
    }

    #[test]
    fn the_swapped_sum_of_old_files_is_accepted_and_others_are_not() {
        let spec = FilterSpec { id: 3, optional: false, name: None, client_data: vec![] };
        let context = ChunkContext { chunk_bytes: 5, element_size: 1 };
        let mut stored = Vec::new();
        Fletcher32.encode(&spec, &context, b"hello", &mut stored).unwrap();
        assert_eq!(Fletcher32.payload(&spec, &context, &stored).unwrap(), Some(0..5));
        let [a, b, c, d] = *stored.last_chunk().unwrap();
        stored.truncate(5);
        stored.extend([b, a, d, c]);
        assert_eq!(Fletcher32.payload(&spec, &context, &stored).unwrap(), Some(0..5));
        stored[0] ^= 1;
        assert!(Fletcher32.payload(&spec, &context, &stored).is_err());
        assert!(Fletcher32.payload(&spec, &context, &[1, 2, 3]).is_err());
    }
}
