//! Adaptive entropy coding (CCSDS 121.0-B-2, "Lossless Data Compression"), the algorithm of szip.
//!
//! The samples of a reference interval are coded in blocks. With preprocessing the first sample of an interval is
//! stored, and each other one is its mapped difference from the one before. A block starts with an identification:
//!
//! ```text
//! 0 .. 0 0    all samples of one or more blocks are 0; their number in unary
//! 0 .. 0 1    second extension: pairs of samples, each pair in unary
//! k + 1       split: each sample >> k in unary, then the k low bits of all samples
//! 1 .. 1      samples as they are
//! ```

use super::bits::{BitReader, BitWriter};
use crate::error::{Error, Result};

/// Most blocks of a reference interval.
const MAX_INTERVAL: usize = 4096;
/// Samples of the largest block.
const MAX_BLOCK: usize = 64;
/// Blocks of a segment: a run of zero blocks ends with it.
const SEGMENT: usize = 64;
/// Length code of a run of zero blocks up to the end of its segment.
const REST_OF_SEGMENT: u64 = 4;
/// Pairs of the second extension add up to this at most.
const MAX_PAIR: usize = 12;

pub(super) struct Coding {
    /// Bits of a sample, at most 31.
    pub bits: u32,
    /// Samples of a block.
    pub block: usize,
    /// Samples of a reference interval, before it is filled up to whole blocks.
    pub interval: usize,
    /// Samples of more than one byte are big-endian.
    pub msb: bool,
    /// Differences are coded.
    pub preprocess: bool,
}

impl Coding {
    pub(super) fn check(&self) -> Result<()> {
        if !self.block.is_multiple_of(2) || !(2..=MAX_BLOCK).contains(&self.block) {
            return Err(Error::corrupt(format!("{} pixels per block", self.block)));
        }
        if self.interval == 0 || self.blocks() > MAX_INTERVAL || !(1..=31).contains(&self.bits) {
            return Err(Error::corrupt(format!(
                "{} pixels of {} bits per scanline",
                self.interval, self.bits
            )));
        }
        Ok(())
    }

    fn sample_bytes(&self) -> usize {
        match self.bits {
            ..=8 => 1,
            9..=16 => 2,
            _ => 4,
        }
    }

    fn id_bits(&self) -> u32 {
        match self.bits {
            ..=8 => 3,
            9..=16 => 4,
            _ => 5,
        }
    }

    fn max(&self) -> u32 {
        (1 << self.bits) - 1
    }

    fn blocks(&self) -> usize {
        self.interval.div_ceil(self.block)
    }

    fn check_length(&self, len: usize) -> Result<()> {
        if !len.is_multiple_of(self.sample_bytes()) {
            return Err(Error::corrupt(format!(
                "{len} bytes are not whole pixels of {}",
                self.sample_bytes()
            )));
        }
        Ok(())
    }
}

/// Decodes as many samples as fill `output`.
pub(super) fn decode(coding: &Coding, input: &[u8], output: &mut [u8]) -> Result<()> {
    coding.check_length(output.len())?;
    let done = match (coding.sample_bytes(), coding.msb) {
        (1, _) => decode_samples(coding, input, output.as_chunks_mut().0, |v| [v as u8]),
        (2, false) => decode_samples(coding, input, output.as_chunks_mut().0, |v| (v as u16).to_le_bytes()),
        (2, true) => decode_samples(coding, input, output.as_chunks_mut().0, |v| (v as u16).to_be_bytes()),
        (_, false) => decode_samples(coding, input, output.as_chunks_mut().0, u32::to_le_bytes),
        (_, true) => decode_samples(coding, input, output.as_chunks_mut().0, u32::to_be_bytes),
    };
    done.ok_or_else(|| Error::corrupt("stream ends early, or has a code that does not exist"))
}

fn decode_samples<const N: usize>(
    coding: &Coding,
    input: &[u8],
    samples: &mut [[u8; N]],
    bytes: impl Fn(u32) -> [u8; N],
) -> Option<()> {
    let pairs = pairs();
    let mut bits = BitReader::new(input);
    let mut coded = [0; MAX_BLOCK];
    let mut last = 0;
    for interval in samples.chunks_mut(coding.interval) {
        // Blocks of zeros that are still to come of a run.
        let mut zeros = 0;
        for (index, block) in interval.chunks_mut(coding.block).enumerate() {
            let first = usize::from(coding.preprocess && index == 0);
            let mut reference = 0;
            if zeros > 0 {
                zeros -= 1;
            } else {
                // What fills the interval up is decoded with its last block, and dropped.
                let coded = &mut coded[..coding.block];
                (reference, zeros) = decode_block(coding, &mut bits, &pairs, index, first == 1, coded)?;
            }
            if !coding.preprocess {
                block.iter_mut().zip(&coded).for_each(|(to, &value)| *to = bytes(value));
                continue;
            }
            if first == 1 {
                last = reference;
                block[0] = bytes(reference);
            }
            for (to, &delta) in block[first..].iter_mut().zip(&coded[first..]) {
                last = unmap(coding, last, delta);
                *to = bytes(last);
            }
        }
    }
    Some(())
}

/// Decodes a block and returns its reference sample and how many blocks of zeros follow.
#[inline(always)]
fn decode_block(
    coding: &Coding,
    bits: &mut BitReader<'_>,
    pairs: &[(u8, u8)],
    index: usize,
    has_reference: bool,
    coded: &mut [u32],
) -> Option<(u32, usize)> {
    let first = usize::from(has_reference);
    let id = bits.read(coding.id_bits())? as u32;
    if id == (1 << coding.id_bits()) - 1 {
        for value in coded.iter_mut() {
            *value = bits.read(coding.bits)? as u32;
        }
        return Some((coded[0], 0));
    }
    let low_entropy = if id == 0 { Some(bits.read(1)? == 1) } else { None };
    let reference = if has_reference { bits.read(coding.bits)? as u32 } else { 0 };
    match low_entropy {
        None => {
            let low_bits = id - 1;
            for value in coded[first..].iter_mut() {
                *value = (bits.read_unary()? as u32) << low_bits;
            }
            if low_bits > 0 {
                for value in coded[first..].iter_mut() {
                    *value |= bits.read(low_bits)? as u32;
                }
            }
        }
        Some(true) => {
            for pair in coded.as_chunks_mut::<2>().0 {
                let (a, b) = *pairs.get(usize::try_from(bits.read_unary()?).ok()?)?;
                *pair = [a.into(), b.into()];
            }
        }
        Some(false) => {
            let left = coding.blocks() - index;
            let run = match bits.read_unary()? {
                REST_OF_SEGMENT => left.min(SEGMENT - index % SEGMENT),
                length if length < REST_OF_SEGMENT => length as usize + 1,
                length => usize::try_from(length).ok()?,
            };
            coded.fill(0);
            if run > left {
                return None;
            }
            return Some((reference, run - 1));
        }
    }
    Some((reference, 0))
}

/// The pairs of the second extension by their code: by their sum, then by the second one.
fn pairs() -> [(u8, u8); (MAX_PAIR + 1) * (MAX_PAIR + 2) / 2] {
    let mut pairs = [(0, 0); _];
    let all = (0..=MAX_PAIR as u8).flat_map(|sum| (0..=sum).map(move |second| (sum - second, second)));
    pairs.iter_mut().zip(all).for_each(|(to, pair)| *to = pair);
    pairs
}

/// The sample that differs from `last` by a mapped difference (section 4.3 of the standard, unit delay predictor).
#[inline(always)]
fn unmap(coding: &Coding, last: u32, delta: u32) -> u32 {
    let max = coding.max();
    // Room below or above `last`, whichever is smaller: up to there the signs alternate.
    let mask = if last & (max / 2 + 1) != 0 { max } else { 0 };
    if (delta >> 1) + (delta & 1) <= mask ^ last {
        let sign = (delta & 1).wrapping_neg();
        last.wrapping_add((delta >> 1) ^ sign)
    } else {
        mask ^ delta
    }
}

fn map(max: u32, last: u32, sample: u32) -> u32 {
    let room = last.min(max - last);
    let distance = sample.abs_diff(last);
    match sample >= last {
        _ if distance > room => distance + room,
        true => 2 * distance,
        false => 2 * distance - 1,
    }
}

/// Appends the stream of the samples of `input`.
pub(super) fn encode(coding: &Coding, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
    coding.check_length(input.len())?;
    let size = coding.sample_bytes();
    let mut bits = BitWriter::new(output);
    let mut samples = Vec::new();
    for interval in input.chunks(coding.interval.saturating_mul(size)) {
        samples.clear();
        samples.extend(interval.chunks_exact(size).map(|bytes| {
            let join = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
            let value =
                if coding.msb { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
            value & coding.max()
        }));
        // Decoders expect whole scanlines, also where the data end within one.
        let fill = if coding.preprocess { samples.last().copied().unwrap_or(0) } else { 0 };
        samples.resize(coding.blocks() * coding.block, fill);
        let reference = samples[0];
        if coding.preprocess {
            let mut last = reference;
            for sample in &mut samples {
                let value = *sample;
                *sample = map(coding.max(), last, value);
                last = value;
            }
        }
        encode_interval(coding, &samples, reference, &mut bits);
    }
    bits.finish();
    Ok(())
}

fn encode_interval(coding: &Coding, coded: &[u32], reference: u32, bits: &mut BitWriter<'_>) {
    let is_zero = |block: &[u32]| block.iter().all(|&value| value == 0);
    let mut blocks = coded.chunks_exact(coding.block).enumerate();
    while let Some((index, block)) = blocks.next() {
        let reference = (coding.preprocess && index == 0).then_some(reference);
        if !is_zero(block) {
            encode_block(coding, block, reference, bits);
            continue;
        }
        let left = (coding.blocks() - index).min(SEGMENT - index % SEGMENT);
        let run = 1 + blocks.clone().take(left - 1).take_while(|(_, block)| is_zero(block)).count();
        bits.write(0, coding.id_bits() + 1);
        if let Some(reference) = reference {
            bits.write(reference.into(), coding.bits);
        }
        bits.write_unary(match run as u64 {
            length if length <= REST_OF_SEGMENT => length - 1,
            _ if run == left => REST_OF_SEGMENT,
            length => length,
        });
        if run > 1 {
            blocks.nth(run - 2);
        }
    }
}

fn encode_block(coding: &Coding, block: &[u32], reference: Option<u32>, bits: &mut BitWriter<'_>) {
    let id_bits = coding.id_bits();
    let rest = &block[usize::from(reference.is_some())..];
    let count = rest.len() as u64;
    let split =
        |k: u32| rest.iter().map(|&value| u64::from(value >> k) + 1).sum::<u64>() + count * u64::from(k);
    let (split_len, k) = (0..=(1 << id_bits) - 3).map(|k| (split(k), k)).min().unwrap_or((u64::MAX, 0));
    let pair_code = |pair: &[u32; 2]| {
        let sum = u64::from(pair[0]) + u64::from(pair[1]);
        sum.saturating_mul(sum + 1) / 2 + u64::from(pair[1])
    };
    let pairs = block.as_chunks::<2>().0;
    let fits = pairs.iter().all(|pair| u64::from(pair[0]) + u64::from(pair[1]) <= MAX_PAIR as u64);
    let pair_len =
        if fits { 1 + pairs.iter().map(|pair| pair_code(pair) + 1).sum::<u64>() } else { u64::MAX };
    if count * u64::from(coding.bits) <= split_len.min(pair_len) {
        bits.write((1 << id_bits) - 1, id_bits);
        for value in reference.iter().chain(rest) {
            bits.write((*value).into(), coding.bits);
        }
        return;
    }
    let split_wins = split_len < pair_len;
    if split_wins {
        bits.write(u64::from(k) + 1, id_bits);
    } else {
        bits.write(1, id_bits + 1);
    }
    if let Some(reference) = reference {
        bits.write(reference.into(), coding.bits);
    }
    if split_wins {
        rest.iter().for_each(|&value| bits.write_unary((value >> k).into()));
        rest.iter().for_each(|&value| bits.write(value.into(), k));
    } else {
        pairs.iter().for_each(|pair| bits.write_unary(pair_code(pair)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mapping_is_reversible(bits in 1_u32..31, last: u32, sample: u32) {
            let coding = Coding { bits, block: 8, interval: 8, msb: false, preprocess: true };
            let (last, sample) = (last & coding.max(), sample & coding.max());
            prop_assert_eq!(unmap(&coding, last, map(coding.max(), last, sample)), sample);
        }
    }
}
