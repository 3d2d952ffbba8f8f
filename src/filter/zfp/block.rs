//! A block of 4^d values: what its bits mean, for each type of values.

use super::bitstream::{BitReader, BitWriter};
use super::header::{MIN_EXPONENT, Params};
use super::planes::{self, Planes};
use super::transform::{self, Int};

/// A type of values: `i32`, `i64`, `f32` or `f64`.
pub(super) trait Value: Copy + Default + 'static {
    /// Bytes of a value.
    const BYTES: usize;

    fn decode<const SIZE: usize>(
        params: &Params,
        reader: &mut BitReader<'_>,
        planes: &mut Planes,
        block: &mut [Self; SIZE],
    );

    fn encode<const SIZE: usize>(
        params: &Params,
        writer: &mut BitWriter<'_>,
        planes: &mut Planes,
        block: &[Self; SIZE],
    );

    /// Reads a value from its bytes, of the given order.
    fn get(bytes: &[u8], big: bool) -> Self;

    fn put(self, bytes: &mut [u8], big: bool);
}

/// Decodes integers; `used` bits of the block are read already.
#[inline(always)]
fn decode_integers<I: Int, const SIZE: usize>(
    params: &Params,
    precision: u32,
    mut used: u32,
    reader: &mut BitReader<'_>,
    planes: &mut Planes,
    block: &mut [I; SIZE],
) {
    // As in libzfp, a budget that is spent already is none.
    let low = if params.reversible() {
        used += I::PRECISION_BITS;
        I::WIDTH - 1 - reader.read(I::PRECISION_BITS) as u32
    } else {
        I::WIDTH.saturating_sub(precision)
    };
    let (planes_used, any) = planes::decode(reader, params.max_bits.wrapping_sub(used), low, planes, block);
    used = used.wrapping_add(planes_used);
    reader.skip(params.min_bits.saturating_sub(used));
    if !any {
        return;
    }
    if params.reversible() {
        transform::inverse_exact(block);
    } else {
        transform::inverse(block);
    }
}

/// Encodes integers, transforming them in place; `used` bits of the block are written already.
#[inline(always)]
fn encode_integers<I: Int, const SIZE: usize>(
    params: &Params,
    mut precision: u32,
    mut used: u32,
    writer: &mut BitWriter<'_>,
    planes: &mut Planes,
    block: &mut [I; SIZE],
) {
    let digits;
    if params.reversible() {
        transform::forward_exact(block);
        digits = planes::digits(block);
        // Only as many planes as there are up to the last digit that is not zero.
        let any = digits.iter().fold(0, |any, digits| any | digits);
        precision = I::WIDTH.saturating_sub(any.trailing_zeros()).min(precision).max(1);
        writer.write(u64::from(precision - 1), I::PRECISION_BITS);
        used += I::PRECISION_BITS;
    } else {
        transform::forward(block);
        digits = planes::digits(block);
    }
    let (low, budget) = (I::WIDTH.saturating_sub(precision), params.max_bits.wrapping_sub(used));
    used = used.wrapping_add(planes::encode(writer, budget, low, I::WIDTH, planes, &digits));
    writer.zeros(params.min_bits.saturating_sub(used));
}

macro_rules! bytes {
    ($value:ty) => {
        #[inline(always)]
        fn get(bytes: &[u8], big: bool) -> Self {
            let bytes = bytes.first_chunk().copied().unwrap_or_default();
            if big { Self::from_be_bytes(bytes) } else { Self::from_le_bytes(bytes) }
        }

        #[inline(always)]
        fn put(self, bytes: &mut [u8], big: bool) {
            if let Some(to) = bytes.first_chunk_mut() {
                *to = if big { self.to_be_bytes() } else { self.to_le_bytes() };
            }
        }
    };
}

macro_rules! integer {
    ($int:ty) => {
        impl Value for $int {
            const BYTES: usize = size_of::<$int>();

            #[inline(always)]
            fn decode<const SIZE: usize>(
                params: &Params,
                reader: &mut BitReader<'_>,
                planes: &mut Planes,
                block: &mut [Self; SIZE],
            ) {
                decode_integers(params, params.max_precision, 0, reader, planes, block);
            }

            #[inline(always)]
            fn encode<const SIZE: usize>(
                params: &Params,
                writer: &mut BitWriter<'_>,
                planes: &mut Planes,
                block: &[Self; SIZE],
            ) {
                encode_integers(params, params.max_precision, 0, writer, planes, &mut block.clone());
            }

            bytes!($int);
        }
    };
}

integer!(i32);
integer!(i64);

macro_rules! float {
    ($float:ty, $bits:ty, $int:ty, $exponent_bits:literal) => {
        impl Value for $float {
            const BYTES: usize = size_of::<$float>();

            #[inline(always)]
            fn decode<const SIZE: usize>(
                params: &Params,
                reader: &mut BitReader<'_>,
                planes: &mut Planes,
                block: &mut [Self; SIZE],
            ) {
                const BIAS: i32 = (1 << ($exponent_bits - 1)) - 1;
                if reader.read(1) == 0 {
                    block.fill(0.0);
                    reader.skip(params.min_bits.saturating_sub(1));
                    return;
                }
                let mut integers = [0; SIZE];
                let mut used = 1;
                if params.reversible() {
                    used += 1;
                    if reader.read(1) != 0 {
                        decode_integers(params, 0, used, reader, planes, &mut integers);
                        for (to, from) in block.iter_mut().zip(integers) {
                            *to = from_ordered(from);
                        }
                        return;
                    }
                }
                used += $exponent_bits;
                let exponent = reader.read($exponent_bits) as i32 - BIAS;
                let precision = params.precision(exponent, SIZE);
                decode_integers(params, precision, used, reader, planes, &mut integers);
                from_integers(&integers, exponent, block);

                fn from_ordered(value: $int) -> $float {
                    <$float>::from_bits((if value < 0 { value ^ <$int>::MAX } else { value }) as $bits)
                }
            }

            #[inline(always)]
            fn encode<const SIZE: usize>(
                params: &Params,
                writer: &mut BitWriter<'_>,
                planes: &mut Planes,
                block: &[Self; SIZE],
            ) {
                const BIAS: i32 = (1 << ($exponent_bits - 1)) - 1;
                let mut largest = 0.0;
                for value in block {
                    let value = value.abs();
                    largest = if largest < value { value } else { largest };
                }
                // The smallest power of two above the largest value, but no less than for a subnormal.
                let biased = (largest.to_bits() >> (<$float>::MANTISSA_DIGITS - 1)) as i32;
                let exponent = match largest {
                    0.0 => -BIAS,
                    <$float>::INFINITY => 0,
                    _ => biased + 1 - BIAS,
                };
                let mut integers = [0; SIZE];
                let exact = params.reversible();
                let precision = if exact { params.max_precision } else { params.precision(exponent, SIZE) };
                let empty = match exact {
                    true => block.iter().all(|value| value.to_bits() == 0),
                    false => largest == 0.0 || precision == 0,
                };
                if exact && !empty {
                    to_integers(block, exponent, &mut integers);
                    let mut back = [0.0; SIZE];
                    from_integers(&integers, exponent, &mut back);
                    // Only negative zeros have no exponent here.
                    let differs = block.iter().zip(back).any(|(a, b)| a.to_bits() != b.to_bits());
                    if differs || largest == 0.0 {
                        // Integers that increase with the floats, up to the sign of zero.
                        for (to, from) in integers.iter_mut().zip(block) {
                            let bits = from.to_bits() as $int;
                            *to = if bits < 0 { bits ^ <$int>::MAX } else { bits };
                        }
                        writer.write(0b11, 2);
                        encode_integers(params, precision, 2, writer, planes, &mut integers);
                        return;
                    }
                }
                if empty {
                    writer.write(0, 1);
                    // libzfp forgets this if the mode is reversible, and then does not find the next block.
                    writer.zeros(params.min_bits.saturating_sub(1));
                    return;
                }
                let mut used = 1;
                writer.write(1, 1);
                if exact {
                    writer.write(0, 1);
                    used += 1;
                } else {
                    to_integers(block, exponent, &mut integers);
                }
                writer.write((exponent + BIAS) as u64 & ((1 << $exponent_bits) - 1), $exponent_bits);
                used += $exponent_bits;
                encode_integers(params, precision, used, writer, planes, &mut integers);
            }

            bytes!($float);
        }

        impl Scaled<$float> for $int {
            #[inline(always)]
            fn scale(exponent: i32) -> $float {
                const MANTISSA: i32 = <$float>::MANTISSA_DIGITS as i32 - 1;
                const LEAST: i32 = <$float>::MIN_EXP - 1;
                match exponent {
                    <$float>::MAX_EXP.. => <$float>::INFINITY,
                    LEAST.. => <$float>::from_bits(((exponent - LEAST + 1) as $bits) << MANTISSA),
                    _ => match exponent + MANTISSA - LEAST {
                        bit @ 0.. => <$float>::from_bits(1 << bit),
                        _ => 0.0,
                    },
                }
            }

            #[inline(always)]
            fn truncated(value: $float) -> $int {
                // Out of range it gives what the processors of libzfp's users do.
                const BOUND: $float = <$int>::MAX as $float;
                if (-BOUND..BOUND).contains(&value) { value as $int } else { <$int>::MIN }
            }

            #[inline(always)]
            fn times(self, scale: $float) -> $float {
                scale * self as $float
            }

            #[inline(always)]
            fn product(value: $float, scale: $float) -> $float {
                scale * value
            }
        }
    };
}

/// Integers that stand for floats of a common exponent.
trait Scaled<F>: Int {
    /// A power of two.
    fn scale(exponent: i32) -> F;
    fn truncated(value: F) -> Self;
    fn times(self, scale: F) -> F;
    fn product(value: F, scale: F) -> F;
}

float!(f32, u32, i32, 8);
float!(f64, u64, i64, 11);

#[inline(always)]
fn to_integers<F: Copy, I: Scaled<F>, const SIZE: usize>(
    block: &[F; SIZE],
    exponent: i32,
    integers: &mut [I; SIZE],
) {
    let scale = I::scale(I::WIDTH as i32 - 2 - exponent);
    for (to, from) in integers.iter_mut().zip(block) {
        *to = I::truncated(I::product(*from, scale));
    }
}

#[inline(always)]
fn from_integers<F: Copy, I: Scaled<F>, const SIZE: usize>(
    integers: &[I; SIZE],
    exponent: i32,
    block: &mut [F; SIZE],
) {
    let scale = I::scale(exponent - (I::WIDTH as i32 - 2));
    for (to, from) in block.iter_mut().zip(integers) {
        *to = from.times(scale);
    }
}

impl Params {
    /// Undoing gives back every bit.
    #[inline(always)]
    pub(super) fn reversible(&self) -> bool {
        self.min_exponent < MIN_EXPONENT
    }

    /// How many planes of a block of floats are coded, whose largest is below 2^`exponent`.
    #[inline(always)]
    fn precision(&self, exponent: i32, size: usize) -> u32 {
        let dims = size.trailing_zeros() as i32 / 2;
        let planes = exponent - self.min_exponent + 2 * (dims + 1);
        self.max_precision.min(planes.max(0) as u32)
    }
}
