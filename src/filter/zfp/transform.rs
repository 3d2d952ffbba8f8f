//! The decorrelating transforms of a block, and negabinary numbers.

/// The integers of a block: `i32` or `i64`. Arithmetic wraps.
pub(super) trait Int: Copy + Default + Eq + 'static {
    /// Bits of the type.
    const WIDTH: u32;
    /// Bits of the number of bit planes in a reversible block.
    const PRECISION_BITS: u32;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// Rounds towards negative infinity.
    fn half(self) -> Self;
    /// As a number of base -2.
    fn to_negabinary(self) -> u64;
    fn from_negabinary(digits: u64) -> Self;
}

macro_rules! int {
    ($int:ty, $bits:ty, $precision_bits:literal) => {
        impl Int for $int {
            const WIDTH: u32 = <$int>::BITS;
            const PRECISION_BITS: u32 = $precision_bits;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn half(self) -> Self {
                self >> 1
            }
            #[inline(always)]
            fn to_negabinary(self) -> u64 {
                ((self as $bits).wrapping_add(ODD_DIGITS as $bits) ^ ODD_DIGITS as $bits).into()
            }
            #[inline(always)]
            fn from_negabinary(digits: u64) -> Self {
                (digits as $bits ^ ODD_DIGITS as $bits).wrapping_sub(ODD_DIGITS as $bits) as $int
            }
        }
    };
}

/// The digits that count negative.
const ODD_DIGITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;

int!(i32, u32, 5);
int!(i64, u64, 6);

/// Applies a function to every line of four values of a block, along each axis; the last one first if `inverse`.
#[inline(always)]
fn lines<I: Int, const SIZE: usize>(block: &mut [I; SIZE], inverse: bool, f: impl Fn([I; 4]) -> [I; 4]) {
    let axes = SIZE.trailing_zeros() / 2;
    for axis in 0..axes {
        let stride = 1 << (2 * if inverse { axes - 1 - axis } else { axis });
        for slab in block.chunks_exact_mut(4 * stride) {
            for i in 0..stride {
                let at = [i, i + stride, i + 2 * stride, i + 3 * stride];
                for (at, value) in at.into_iter().zip(f(at.map(|at| slab[at]))) {
                    slab[at] = value;
                }
            }
        }
    }
}

/// The transform of the lossy modes, which rounds.
pub(super) fn forward<I: Int, const SIZE: usize>(block: &mut [I; SIZE]) {
    lines(block, false, |[mut x, mut y, mut z, mut w]| {
        x = x.plus(w).half();
        w = w.minus(x);
        z = z.plus(y).half();
        y = y.minus(z);
        x = x.plus(z).half();
        z = z.minus(x);
        w = w.plus(y).half();
        y = y.minus(w);
        w = w.plus(y.half());
        y = y.minus(w.half());
        [x, y, z, w]
    });
}

/// Undoes [`forward`], up to rounding.
pub(super) fn inverse<I: Int, const SIZE: usize>(block: &mut [I; SIZE]) {
    lines(block, true, |[mut x, mut y, mut z, mut w]| {
        y = y.plus(w.half());
        w = w.minus(y.half());
        y = y.plus(w);
        w = w.plus(w).minus(y);
        z = z.plus(x);
        x = x.plus(x).minus(z);
        y = y.plus(z);
        z = z.plus(z).minus(y);
        w = w.plus(x);
        x = x.plus(x).minus(w);
        [x, y, z, w]
    });
}

/// The transform of the reversible mode: differences of up to third order.
pub(super) fn forward_exact<I: Int, const SIZE: usize>(block: &mut [I; SIZE]) {
    lines(block, false, |[x, y, z, w]| {
        let first = [y.minus(x), z.minus(y), w.minus(z)];
        let second = [first[1].minus(first[0]), first[2].minus(first[1])];
        [x, first[0], second[0], second[1].minus(second[0])]
    });
}

/// Undoes [`forward_exact`].
pub(super) fn inverse_exact<I: Int, const SIZE: usize>(block: &mut [I; SIZE]) {
    lines(block, true, |[x, first, second, third]| {
        let seconds = [second, third.plus(second)];
        let firsts = [first, first.plus(seconds[0]), first.plus(seconds[0]).plus(seconds[1])];
        let (y, z) = (x.plus(firsts[0]), x.plus(firsts[0]).plus(firsts[1]));
        [x, y, z, z.plus(firsts[2])]
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exact_transforms_are_undone(values: [i32; 16], wide: [i64; 32]) {
            let mut block = values;
            forward_exact(&mut block);
            inverse_exact(&mut block);
            prop_assert_eq!(block, values);
            let wide: [i64; 64] = std::array::from_fn(|i| wide[i % 32].wrapping_mul(i as i64));
            let mut block = wide;
            forward_exact(&mut block);
            inverse_exact(&mut block);
            prop_assert_eq!(block, wide);
        }

        #[test]
        fn lossy_transforms_are_nearly_undone(values: [i32; 16]) {
            let values = values.map(|value| value >> 2);
            let mut block = values;
            forward(&mut block);
            inverse(&mut block);
            for (a, b) in block.iter().zip(values) {
                prop_assert!((a - b).abs() < 32, "{} {}", a, b);
            }
        }

        #[test]
        fn negabinary_is_undone(value: i64) {
            prop_assert_eq!(i64::from_negabinary(value.to_negabinary()), value);
            let value = value as i32;
            prop_assert_eq!(i32::from_negabinary(value.to_negabinary()), value);
            prop_assert!(value.to_negabinary() <= u32::MAX.into());
        }
    }

    #[test]
    fn negabinary_digits() {
        let values = [0, 1, 6, 7, 4, 5, 26, 27].map(i32::from_negabinary);
        assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!([2, 3, 13].map(i64::from_negabinary), [-2, -1, -3]);
    }
}
