//! The value of a number of any layout.

use super::datatype::{ByteOrder, Datatype, DatatypeClass, FloatType, IntegerType, Normalization};

/// The bits of a number of up to 16 bytes, least significant first.
fn bits(bytes: &[u8], order: ByteOrder) -> Option<u128> {
    let mut wide = [0u8; 16];
    let n = bytes.len();
    let out = wide.get_mut(..n)?;
    out.copy_from_slice(bytes);
    match order {
        ByteOrder::Little => {}
        ByteOrder::Big => out.reverse(),
        ByteOrder::Vax => {
            // 16-bit little-endian words, the most significant first.
            out.reverse();
            out.chunks_exact_mut(2).for_each(<[u8]>::reverse);
        }
    }
    Some(u128::from_le_bytes(wide))
}

fn field(bits: u128, position: u32, size: u32) -> u128 {
    if size == 0 || position > 127 {
        return 0;
    }
    let mask = if size >= 128 { u128::MAX } else { (1 << size) - 1 };
    (bits >> position) & mask
}

fn integer(t: &IntegerType, bytes: &[u8]) -> Option<i128> {
    let precision = u32::from(t.precision).min(128);
    let value = field(bits(bytes, t.order)?, u32::from(t.offset), precision);
    if t.signed && precision > 0 && precision < 128 && value >> (precision - 1) & 1 == 1 {
        return Some((value | (u128::MAX << precision)) as i128);
    }
    i128::try_from(value).ok().or(t.signed.then_some(value as i128))
}

/// Value of an integer, bit field, time or enumeration.
pub(crate) fn integer_of(datatype: &Datatype, bytes: &[u8]) -> Option<i128> {
    match &datatype.class {
        DatatypeClass::Integer(t) | DatatypeClass::Bitfield(t) => integer(t, bytes),
        DatatypeClass::Time { order, precision } => {
            let t = IntegerType { precision: *precision, ..IntegerType::full(datatype.size, true, *order) };
            integer(&t, bytes)
        }
        DatatypeClass::Enum { base, .. } => integer_of(base, bytes),
        _ => None,
    }
}

/// Value of a float, integer, bit field or enumeration, rounded to `f64`.
pub(crate) fn float_of(datatype: &Datatype, bytes: &[u8]) -> Option<f64> {
    match &datatype.class {
        DatatypeClass::Float(t) => float(t, bytes),
        _ => integer_of(datatype, bytes).map(|i| i as f64),
    }
}

fn float(t: &FloatType, bytes: &[u8]) -> Option<f64> {
    if t.is_ieee(bytes.len()) {
        match (bytes, t.order) {
            (&[a, b, c, d, e, f, g, h], ByteOrder::Little) => {
                return Some(f64::from_le_bytes([a, b, c, d, e, f, g, h]));
            }
            (&[a, b, c, d], ByteOrder::Little) => return Some(f32::from_le_bytes([a, b, c, d]).into()),
            _ => {}
        }
    }
    let bits = bits(bytes, t.order)?;
    let negative = field(bits, t.sign.into(), 1) == 1;
    let exponent = field(bits, t.exponent_position.into(), t.exponent_size.into());
    let mantissa = field(bits, t.mantissa_position.into(), t.mantissa_size.into());
    let largest = field(u128::MAX, 0, t.exponent_size.into());
    let sign = if negative { -1.0 } else { 1.0 };
    let digits = i32::from(t.mantissa_size);
    let bias = i64::from(t.exponent_bias);
    let leading = match t.normalization {
        Normalization::Implied => 1u128.checked_shl(t.mantissa_size.into())?,
        _ => 0,
    };
    let magnitude = if t.order != ByteOrder::Vax && exponent == largest && t.exponent_size > 0 {
        // All ones is infinity or not a number. With a stored leading bit, that bit does not tell which.
        let stored = t.normalization != Normalization::Implied && digits > 0;
        let fraction = if stored { field(mantissa, 0, digits as u32 - 1) } else { mantissa };
        if fraction == 0 { f64::INFINITY } else { f64::NAN }
    } else if exponent == 0 && (t.normalization == Normalization::Implied) {
        if t.order == ByteOrder::Vax { 0.0 } else { scale(mantissa, 1 - bias - i64::from(digits)) }
    } else {
        let point = if t.normalization == Normalization::Implied { digits } else { (digits - 1).max(0) };
        let exponent = i64::try_from(exponent).ok()?;
        scale(leading | mantissa, exponent - bias - i64::from(point))
    };
    Some(sign * magnitude)
}

/// `mantissa * 2^exponent`, rounded once.
fn scale(mantissa: u128, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = i64::from(mantissa.ilog2()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The weight of the last bit that the result can hold.
    let last = (top - 52).max(-1074);
    let drop = last - exponent;
    let kept = match drop {
        ..=0 => return (mantissa as f64) * exp2(exponent),
        128.. => 0,
        n => {
            let half = 1u128 << (n - 1);
            let (kept, rest) = (mantissa >> n, mantissa & ((half << 1).wrapping_sub(1)));
            kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
        }
    };
    (kept as f64) * exp2(last)
}

/// A power of two, also a subnormal one; exact for -1074 to 1023.
fn exp2(exponent: i64) -> f64 {
    match exponent {
        ..=-1075 => 0.0,
        -1074..=-1023 => f64::from_bits(1 << (exponent + 1074)),
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_integers() {
        let t = IntegerType {
            order: ByteOrder::Big,
            signed: true,
            offset: 4,
            precision: 9,
            low_pad: false,
            high_pad: false,
        };
        let of =
            |v: u16| integer_of(&Datatype { size: 2, class: DatatypeClass::Integer(t) }, &v.to_be_bytes());
        assert_eq!(of(0x1ff << 4), Some(-1));
        assert_eq!(of((0x0ff << 4) | 0xe00f), Some(255));
    }

    #[test]
    fn halves_and_quads() {
        let half = |v: u16| float_of(&Datatype::f16(ByteOrder::Little), &v.to_le_bytes()).unwrap();
        for v in 0..=u16::MAX {
            let (a, b) = (half(v), half::f16::from_bits(v).to_f64());
            assert!(a == b || (a.is_nan() && b.is_nan()), "{v:#x}: {a} {b}");
        }
        // 1/3 in binary128.
        let third = u128::from_str_radix("3ffd5555555555555555555555555555", 16).unwrap();
        let quad = Datatype::float(16, ByteOrder::Big).unwrap();
        assert_eq!(float_of(&quad, &third.to_be_bytes()), Some(1.0 / 3.0));
        let tiny = 0x1u128;
        assert_eq!(float_of(&quad, &tiny.to_be_bytes()), Some(0.0));
    }

    #[test]
    fn doubles_by_the_general_way() {
        for v in [0.0, 1.5, -2.25e-308, 5e-324, 1e308, f64::INFINITY, -0.1, 4.9e-310] {
            let t = Datatype::f64(ByteOrder::Big);
            assert_eq!(float_of(&t, &f64::to_be_bytes(v)), Some(v));
        }
    }

    #[test]
    fn x87_extended() {
        let t = FloatType {
            order: ByteOrder::Little,
            offset: 0,
            precision: 80,
            sign: 79,
            exponent_position: 64,
            exponent_size: 15,
            exponent_bias: 16383,
            mantissa_position: 0,
            mantissa_size: 64,
            normalization: Normalization::None,
            low_pad: false,
            high_pad: false,
            internal_pad: false,
        };
        let datatype = Datatype { size: 16, class: DatatypeClass::Float(t) };
        let mut bytes = [0u8; 16];
        bytes[7] = 0xc0;
        bytes[8..10].copy_from_slice(&0x4000u16.to_le_bytes());
        assert_eq!(float_of(&datatype, &bytes), Some(3.0));
    }
}
