//! Numbers of one datatype become numbers of another, as libhdf5 converts them: integers are clamped, floats lose
//! their fraction on the way to integers and round to the nearest on the way to narrower floats.

use half::f16;

use crate::model::{
    datatype::{ByteOrder, Datatype, DatatypeClass, IntegerType},
    number::{float_of, integer_of},
};

/// True if numbers of `from` can become numbers of `to`.
pub(crate) fn is_convertible(from: &Datatype, to: &Datatype) -> bool {
    let readable = match &from.class {
        DatatypeClass::Integer(_) | DatatypeClass::Bitfield(_) | DatatypeClass::Float(_) => from.size <= 16,
        DatatypeClass::Enum { base, .. } => {
            matches!(base.class, DatatypeClass::Integer(_)) && base.size <= 16
        }
        _ => false,
    };
    let writable = match &to.class {
        DatatypeClass::Integer(t) => to.size <= 16 && t.order != ByteOrder::Vax,
        DatatypeClass::Float(t) => {
            matches!(to.size, 2 | 4 | 8) && t.is_ieee(to.size) && t.order != ByteOrder::Vax
        }
        _ => false,
    };
    readable && writable
}

/// Converts one number. `None` if the types are not convertible.
pub(crate) fn convert(from: &Datatype, bytes: &[u8], to: &Datatype, out: &mut [u8]) -> Option<()> {
    match &to.class {
        DatatypeClass::Integer(t) => {
            let value = match integer_of(from, bytes) {
                Some(value) => value,
                // Saturates; not-a-number becomes 0.
                None => float_of(from, bytes)? as i128,
            };
            put_integer(clamp(value, t), t, out);
        }
        DatatypeClass::Float(t) => {
            let value = float_of(from, bytes)?;
            match out.len() {
                2 => out.copy_from_slice(&f16::from_f64(value).to_le_bytes()),
                4 => out.copy_from_slice(&(value as f32).to_le_bytes()),
                8 => out.copy_from_slice(&value.to_le_bytes()),
                _ => return None,
            }
            if t.order == ByteOrder::Big {
                out.reverse();
            }
        }
        _ => return None,
    }
    Some(())
}

fn clamp(value: i128, t: &IntegerType) -> i128 {
    let bits = u32::from(t.precision).clamp(1, 127);
    if t.signed {
        let top = if bits >= 127 { i128::MAX } else { (1i128 << (bits - 1)) - 1 };
        value.clamp(-top - 1, top)
    } else {
        value.clamp(0, if bits >= 127 { i128::MAX } else { (1i128 << bits) - 1 })
    }
}

fn put_integer(value: i128, t: &IntegerType, out: &mut [u8]) {
    let mask = if t.precision >= 128 { u128::MAX } else { (1u128 << t.precision) - 1 };
    let bits = (value as u128 & mask) << (u32::from(t.offset) & 127);
    let n = out.len().min(16);
    out[..n].copy_from_slice(&bits.to_le_bytes()[..n]);
    if t.order == ByteOrder::Big {
        out.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(from: &Datatype, bytes: &[u8], to: &Datatype) -> Vec<u8> {
        assert!(is_convertible(from, to));
        let mut out = vec![0; to.size];
        convert(from, bytes, to, &mut out).unwrap();
        out
    }

    #[test]
    fn clamped_and_rounded() {
        let f64le = Datatype::f64(ByteOrder::Little);
        let i8be = Datatype::integer(1, true, ByteOrder::Big);
        let u16be = Datatype::integer(2, false, ByteOrder::Big);
        assert_eq!(through(&f64le, &300.7f64.to_le_bytes(), &i8be), [127]);
        assert_eq!(through(&f64le, &(-3.9f64).to_le_bytes(), &i8be), [0xfd]);
        assert_eq!(through(&f64le, &(-3.9f64).to_le_bytes(), &u16be), [0, 0]);
        assert_eq!(through(&f64le, &258.0f64.to_le_bytes(), &u16be), [1, 2]);
        assert_eq!(through(&i8be, &[0xff], &f64le), (-1f64).to_le_bytes());
        let f32be = Datatype::f32(ByteOrder::Big);
        assert_eq!(through(&f64le, &0.1f64.to_le_bytes(), &f32be), 0.1f32.to_be_bytes());
        assert!(!is_convertible(&f64le, &Datatype::var_string()));
    }
}
