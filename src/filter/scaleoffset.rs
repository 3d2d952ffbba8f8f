//! Scale-offset (filter 6): integers as differences to their minimum, in as few bits as these need; floats scaled by
//! a power of ten and rounded before.
//!
//! Client data: scale type (0 decimal for floats, 2 integer), scale factor (decimal digits, or bits), elements, class
//! (0 integer, 1 float), size, sign, order (0 little-endian, 1 big-endian), whether there is a fill value, and from
//! \[8\] on its bytes.
//!
//! ```text
//! u32 bits of a difference | u8 8 | u64 minimum, or the bits of that float | 8 x 0 | differences
//! ```
//!
//! The fill value has the difference that is all ones. If the differences need as many bits as the values, the values
//! follow the header as they are; and without a header if the scale factor says so.

use std::ops::Range;

use super::bits::{BitReader, BitWriter};
use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct ScaleOffset;

const HEADER: usize = 21;

struct Parameters {
    elements: usize,
    size: usize,
    kind: Kind,
    big: bool,
    fill: Option<u64>,
    factor: i32,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
}

impl Filter for ScaleOffset {
    fn name(&self) -> &str {
        "scaleoffset"
    }

    fn encoded_len(&self, spec: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        Parameters::of(spec).ok()?.unchanged().then_some(len)
    }

    fn payload(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8]) -> Result<Option<Range<usize>>> {
        Ok(Parameters::of(spec)?.unchanged().then_some(0..input.len()))
    }

    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let parameters = Parameters::of(spec)?;
        let len = parameters.len()?;
        let output =
            output.get_mut(..len).ok_or_else(|| Error::corrupt(format!("{len} bytes are too many")))?;
        if parameters.unchanged() {
            output.copy_from_slice(input.get(..len).ok_or_else(|| Error::corrupt("too few bytes"))?);
            return Ok(len);
        }
        let early = || Error::corrupt(format!("{} bytes end early", input.len()));
        let (header, packed) = input.split_first_chunk::<HEADER>().ok_or_else(early)?;
        let [a, b, c, d, minimum_size, minimum @ ..] = header;
        let bits = u32::from_le_bytes([*a, *b, *c, *d]);
        let minimum = minimum.iter().take(usize::from(*minimum_size).min(8)).rev();
        let minimum = minimum.fold(0, |value, &byte| value << 8 | u64::from(byte));
        let full = 8 * parameters.size as u32;
        if bits > full {
            return Err(Error::corrupt(format!("{bits} bits of {full}")));
        }
        if bits == full {
            output.copy_from_slice(packed.get(..len).ok_or_else(early)?);
            if parameters.big {
                output.chunks_exact_mut(parameters.size).for_each(<[u8]>::reverse);
            }
            return Ok(len);
        }
        let done = match parameters.size {
            1 => parameters.unpack::<1>(packed, bits, minimum, output),
            2 => parameters.unpack::<2>(packed, bits, minimum, output),
            4 => parameters.unpack::<4>(packed, bits, minimum, output),
            _ => parameters.unpack::<8>(packed, bits, minimum, output),
        };
        done.ok_or_else(early)?;
        Ok(len)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let parameters = Parameters::of(spec)?;
        if parameters.len()? != input.len() {
            return Err(Error::usage(format!(
                "{} bytes are not {} elements",
                input.len(),
                parameters.elements
            )));
        }
        if parameters.unchanged() {
            output.extend_from_slice(input);
            return Ok(true);
        }
        let values: Vec<u64> =
            input.chunks_exact(parameters.size).map(|bytes| parameters.load(bytes)).collect();
        let packed = match parameters.kind {
            Kind::Float => parameters.scaled(&values),
            _ => parameters.differences(&values),
        };
        let full = 8 * parameters.size as u32;
        let (bits, minimum, differences) = packed.unwrap_or((full, 0, values));
        output.extend_from_slice(&bits.to_le_bytes());
        output.push(8);
        output.extend_from_slice(&minimum.to_le_bytes());
        output.extend_from_slice(&[0; 8]);
        if bits == full {
            for value in differences {
                output.extend_from_slice(&value.to_le_bytes()[..parameters.size]);
            }
            return Ok(true);
        }
        let mut writer = BitWriter::new(output);
        differences.iter().for_each(|&difference| writer.write_long(difference, bits));
        // libhdf5 always begins one more byte.
        writer.write(0, 8);
        writer.finish();
        Ok(true)
    }
}

/// How many bits tell `count` numbers apart.
fn bits_for(count: u64) -> u32 {
    count.checked_next_power_of_two().map_or(64, u64::trailing_zeros)
}

impl Parameters {
    fn of(spec: &FilterSpec) -> Result<Self> {
        let &[scale, factor, elements, class, size, sign, order, has_fill, ref fill @ ..] =
            spec.client_data.as_slice()
        else {
            return Err(Error::corrupt(format!("{} parameters, should be 20", spec.client_data.len())));
        };
        let factor = factor as i32;
        let (kind, factor) = match (class, scale, sign) {
            (_, 1, _) => {
                return Err(Error::unsupported("scale-offset with fixed bits for floats (E-scaling)"));
            }
            (0, 2, 0) => (Kind::Unsigned, factor.max(0)),
            (0, 2, _) => (Kind::Signed, factor.max(0)),
            (1, 0, _) => (Kind::Float, factor),
            _ => return Err(Error::corrupt(format!("scale type {scale} for class {class}"))),
        };
        if !matches!((kind, size), (Kind::Float, 4 | 8) | (Kind::Unsigned | Kind::Signed, 1 | 2 | 4 | 8)) {
            return Err(Error::corrupt(format!("size {size} for class {class}")));
        }
        let size = size as usize;
        if kind != Kind::Float && factor > 8 * size as i32 {
            return Err(Error::corrupt(format!("{factor} bits of {}", 8 * size)));
        }
        let word = |at: usize| u64::from(fill.get(at).copied().unwrap_or(0));
        let fill = (has_fill != 0).then(|| (word(0) | word(1) << 32) & mask(8 * size as u32));
        Ok(Parameters { elements: elements as usize, size, kind, big: order == 1, fill, factor })
    }

    fn unchanged(&self) -> bool {
        self.kind != Kind::Float && self.factor == 8 * self.size as i32
    }

    fn len(&self) -> Result<usize> {
        self.elements.checked_mul(self.size).ok_or_else(|| Error::corrupt("size of the chunk overflows"))
    }

    fn load(&self, bytes: &[u8]) -> u64 {
        let join = |value, byte: &u8| value << 8 | u64::from(*byte);
        if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    fn unpack<const N: usize>(
        &self,
        packed: &[u8],
        bits: u32,
        minimum: u64,
        output: &mut [u8],
    ) -> Option<()> {
        let output = output.as_chunks_mut::<N>().0;
        match (self.kind, N) {
            (Kind::Float, 4) => {
                let (scale, minimum) = (10_f32.powf(self.factor as f32), f32::from_bits(minimum as u32));
                let value = |code| u64::from((code as i32 as f32 / scale + minimum).to_bits());
                self.unpack_with(packed, bits, value, output)
            }
            (Kind::Float, _) => {
                let (scale, minimum) = (10_f64.powf(f64::from(self.factor)), f64::from_bits(minimum));
                self.unpack_with(
                    packed,
                    bits,
                    |code| (code as i64 as f64 / scale + minimum).to_bits(),
                    output,
                )
            }
            _ => self.unpack_with(packed, bits, |code| code.wrapping_add(minimum), output),
        }
    }

    #[inline(always)]
    fn unpack_with<const N: usize>(
        &self,
        packed: &[u8],
        bits: u32,
        value: impl Fn(u64) -> u64,
        output: &mut [[u8; N]],
    ) -> Option<()> {
        let fill_code = self.fill.map(|_| mask(bits));
        let fill = self.fill.unwrap_or(0);
        let mut reader = BitReader::new(packed);
        for element in output {
            let code = reader.read_long(bits)?;
            let value = if Some(code) == fill_code { fill } else { value(code) };
            if self.big {
                element.copy_from_slice(&value.to_be_bytes()[8 - N..]);
            } else {
                element.copy_from_slice(&value.to_le_bytes()[..N]);
            }
        }
        Some(())
    }

    /// Bits, minimum and differences of integers; `None` if they are better stored as they are.
    fn differences(&self, values: &[u64]) -> Option<(u32, u64, Vec<u64>)> {
        let full = 8 * self.size as u32;
        // Flipping the sign makes signed numbers compare as unsigned ones.
        let sign = if self.kind == Kind::Signed { 1 << (full - 1) } else { 0 };
        let others = || values.iter().filter(|&&value| Some(value) != self.fill).map(|value| value ^ sign);
        let (low, high) = (others().min().unwrap_or(sign), others().max().unwrap_or(sign));
        let bits = match self.factor {
            0 if high - low > mask(full) - 2 => return None,
            0 => bits_for(high - low + 1 + u64::from(self.fill.is_some())),
            bits => bits as u32,
        };
        if bits == full {
            return None;
        }
        let code = |&value: &u64| {
            if Some(value) == self.fill { mask(bits) } else { (value ^ sign).wrapping_sub(low) }
        };
        let minimum = low ^ sign;
        let extended = if sign != 0 && minimum & sign != 0 { minimum | !mask(full) } else { minimum };
        Some((bits, extended, values.iter().map(code).collect()))
    }

    /// Bits, minimum and scaled differences of floats; `None` if they are better stored as they are.
    fn scaled(&self, values: &[u64]) -> Option<(u32, u64, Vec<u64>)> {
        // libhdf5 computes in the type of the data, and what it writes must come back the same.
        macro_rules! scaled {
            ($float:ty, $bits:ty) => {{
                let number = |value: u64| <$float>::from_bits(value as $bits);
                let scale = <$float>::powf(10.0, self.factor as $float);
                let near = <$float>::powf(10.0, -self.factor as $float);
                let fill = self.fill.map(number);
                let is_fill = |value: $float| fill.is_some_and(|fill| (value - fill).abs() < near);
                let (mut low, mut high) = (<$float>::INFINITY, <$float>::NEG_INFINITY);
                for value in values.iter().map(|&value| number(value)).filter(|&value| !is_fill(value)) {
                    if value.is_nan() {
                        return None;
                    }
                    (low, high) = (low.min(value), high.max(value));
                }
                if low > high {
                    (low, high) = (0.0, 0.0);
                }
                let span = (high * scale - low * scale).round();
                if span.is_nan() || span > <$float>::powf(2.0, (<$bits>::BITS - 1) as $float) {
                    return None;
                }
                let bits = bits_for((span as u64).saturating_add(1 + u64::from(fill.is_some())));
                if bits >= <$bits>::BITS {
                    return None;
                }
                let code = |&value: &u64| match number(value) {
                    value if is_fill(value) => mask(bits),
                    value => (value * scale - low * scale).round() as i64 as u64,
                };
                Some((bits, u64::from(low.to_bits()), values.iter().map(code).collect()))
            }};
        }
        if self.size == 4 { scaled!(f32, u32) } else { scaled!(f64, u64) }
    }
}

fn mask(bits: u32) -> u64 {
    1_u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

    #[allow(clippy::too_many_arguments)]
    fn spec(
        scale: u32,
        factor: i32,
        elements: usize,
        class: u32,
        size: u32,
        sign: u32,
        order: u32,
        fill: Option<u64>,
    ) -> FilterSpec {
        let mut client_data = vec![scale, factor as u32, elements as u32, class, size, sign, order];
        client_data.extend([
            fill.is_some().into(),
            fill.unwrap_or(0) as u32,
            (fill.unwrap_or(0) >> 32) as u32,
        ]);
        client_data.resize(20, 0);
        FilterSpec { id: 6, optional: false, name: None, client_data }
    }

    fn round_trip(spec: &FilterSpec, data: &[u8]) -> Vec<u8> {
        let mut stored = Vec::new();
        ScaleOffset.encode(spec, &CONTEXT, data, &mut stored).unwrap();
        let mut back = vec![0xaa; data.len()];
        assert_eq!(ScaleOffset.decode(spec, &CONTEXT, &stored, &mut back).unwrap(), data.len());
        back
    }

    proptest! {
        #[test]
        fn integers_round_trip(
            size in prop_oneof![Just(1_u32), Just(2), Just(4), Just(8)],
            sign in 0_u32..2,
            order in 0_u32..2,
            fill in any::<Option<u8>>(),
            base: u64,
            spread in 0_u32..65,
            noise in proptest::collection::vec(any::<(u64, bool)>(), 0..200),
        ) {
            let fill = fill.map(u64::from);
            let values = noise.iter().map(|&(noise, filled)| match fill {
                Some(fill) if filled => fill,
                _ => base.wrapping_add(noise & mask(spread)) & mask(8 * size),
            });
            let data: Vec<u8> = values
                .flat_map(|value| {
                    let mut bytes = value.to_le_bytes()[..size as usize].to_vec();
                    if order == 1 { bytes.reverse() }
                    bytes
                })
                .collect();
            let spec = spec(2, 0, noise.len(), 0, size, sign, order, fill);
            prop_assert_eq!(round_trip(&spec, &data), data);
        }

        #[test]
        fn floats_keep_their_digits(
            values in proptest::collection::vec(-1000_i32..1000, 0..200), factor in -1_i32..4, has_fill: bool,
        ) {
            let data: Vec<u8> = values.iter().flat_map(|&value| (f64::from(value) * 0.37).to_le_bytes()).collect();
            let spec = spec(0, factor, values.len(), 1, 8, 0, 0, has_fill.then_some(0));
            let back = round_trip(&spec, &data);
            let near = 10_f64.powi(-factor);
            for (a, b) in back.as_chunks().0.iter().zip(data.as_chunks().0) {
                prop_assert!((f64::from_le_bytes(*a) - f64::from_le_bytes(*b)).abs() <= near * 1.001);
            }
        }

        #[test]
        fn special_floats_are_kept(bits in proptest::collection::vec(any::<u32>(), 1..50)) {
            let mut data: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
            data.extend(f32::NAN.to_le_bytes());
            data.extend(f32::INFINITY.to_be_bytes());
            prop_assert_eq!(round_trip(&spec(0, 2, bits.len() + 2, 1, 4, 0, 0, Some(0)), &data), data);
        }

        #[test]
        fn any_bytes_decode_or_fail(
            client_data in proptest::collection::vec(prop_oneof![0_u32..9, any::<u32>()], 0..22),
            mut data in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let spec = FilterSpec { id: 6, optional: false, name: None, client_data };
            let _ = ScaleOffset.decode(&spec, &CONTEXT, &data, &mut [0; 1000]);
            let _ = ScaleOffset.encode(&spec, &CONTEXT, &data, &mut Vec::new());
            data.splice(0..0, [12, 0, 0, 0, 8]);
            let _ = ScaleOffset.decode(&spec, &CONTEXT, &data, &mut [0; 1000]);
        }
    }
}
