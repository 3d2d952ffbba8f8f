//! Elements as an array of numpy holds them.

use std::borrow::Cow;

use half::f16;

use super::{
    data::Block,
    dtype::{Dtype, Kind, is_x87},
    error::{Error, Result},
};
use crate::{
    ByteOrder, Datatype, DatatypeClass, Element, ErrorKind,
    model::datatype::{IntegerType, StringPadding},
};

/// The bytes of the elements of a block in an array of this type.
pub(super) fn to_memory<'a>(block: &Block<'a>, dtype: &Dtype) -> Result<Cow<'a, [u8]>> {
    let datatype = block.datatype();
    if is_same(datatype, dtype) {
        return Ok(Cow::Borrowed(block.bytes()));
    }
    let len = block.len().saturating_mul(dtype.size);
    let mut out = Vec::new();
    if out.try_reserve_exact(len).is_err() {
        let wanted = len as u64;
        return Err(crate::Error::from(ErrorKind::Limit {
            what: "bytes of a block",
            wanted,
            allowed: isize::MAX as u64,
        })
        .into());
    }
    if let Some(unit) = swapped(datatype, dtype) {
        out.extend_from_slice(block.bytes());
        out.chunks_exact_mut(unit).for_each(<[u8]>::reverse);
        return Ok(Cow::Owned(out));
    }
    out.resize(len, 0);
    for (i, slot) in out.chunks_exact_mut(dtype.size.max(1)).enumerate() {
        if let Some(element) = block.element(i)? {
            put(element, dtype, slot)?;
        }
    }
    Ok(Cow::Owned(out))
}

fn is_full(t: &IntegerType, size: usize, dtype: &Dtype) -> bool {
    t.is_full(size) && dtype.size == size
}

/// Bytes of the numbers whose byte order is all that differs.
fn swapped(datatype: &Datatype, dtype: &Dtype) -> Option<usize> {
    let opposite = Dtype { big: !dtype.big, ..dtype.clone() };
    let unit = match dtype.kind {
        Kind::Int { .. } | Kind::Float | Kind::Time(_) => dtype.size,
        Kind::Complex => dtype.size / 2,
        _ => return None,
    };
    (unit > 1 && is_same(datatype, &opposite)).then_some(unit)
}

/// True if the bytes of the file are those of the array.
pub(super) fn is_same(datatype: &Datatype, dtype: &Dtype) -> bool {
    let size = datatype.size;
    let order = |o: ByteOrder| size == 1 || o != ByteOrder::Vax && (o == ByteOrder::Big) == dtype.big;
    let part = || Dtype { kind: Kind::Float, size: dtype.size / 2, big: dtype.big };
    match (&datatype.class, &dtype.kind) {
        (DatatypeClass::Integer(t) | DatatypeClass::Bitfield(t), Kind::Int { .. }) => {
            is_full(t, size, dtype) && order(t.order)
        }
        (DatatypeClass::Float(t), Kind::Float) => {
            dtype.size == size && order(t.order) && (size <= 8 && t.is_ieee(size) || is_x87(t, size))
        }
        (DatatypeClass::Enum { base, .. }, Kind::Bool) => base.size == 1,
        (DatatypeClass::Enum { base, .. }, _) => is_same(base, dtype),
        (DatatypeClass::FixedString { padding, .. }, Kind::Bytes) => {
            *padding == StringPadding::NullPadded && dtype.size == size
        }
        (DatatypeClass::Opaque { .. }, Kind::Void | Kind::Bytes) => true,
        (DatatypeClass::Opaque { .. }, Kind::Time(_)) => Dtype::of(datatype).big == dtype.big,
        (DatatypeClass::Complex(base), Kind::Complex) => dtype.size == size && is_same(base, &part()),
        (DatatypeClass::Compound(members), Kind::Complex) => {
            let packed = members.iter().enumerate().all(|(i, m)| m.offset == i * dtype.size / 2);
            packed && dtype.size == size && members.iter().all(|m| is_same(&m.datatype, &part()))
        }
        (DatatypeClass::Compound(members), Kind::Struct(fields)) => {
            dtype.size == size
                && members
                    .iter()
                    .zip(fields)
                    .all(|(m, f)| m.offset == f.offset && is_same(&m.datatype, &f.dtype))
        }
        (DatatypeClass::Array { base: inner, .. }, Kind::Array { base, .. }) => is_same(inner, base),
        _ => false,
    }
}

/// Writes one element.
fn put(element: Element<'_>, dtype: &Dtype, out: &mut [u8]) -> Result<()> {
    let no = || Error::query(format!("elements of type {} have no bytes of numpy", element.datatype()));
    let integer = || element.integer().ok_or_else(no);
    match &dtype.kind {
        Kind::Bool => {
            if let Some(first) = out.first_mut() {
                *first = u8::from(integer()? != 0);
            }
        }
        Kind::Int { .. } => ordered(&integer()?.to_le_bytes(), dtype.big, out),
        Kind::Float => float(element.float().ok_or_else(no)?, dtype, out),
        Kind::Complex => {
            let part = Dtype { kind: Kind::Float, size: dtype.size / 2, big: dtype.big };
            for (number, slot) in complex(element)?.iter().zip(out.chunks_exact_mut(part.size.max(1))) {
                float(*number, &part, slot);
            }
        }
        Kind::Bytes => {
            let text = element.text()?.unwrap_or(element.bytes());
            let len = text.len().min(out.len());
            out[..len].copy_from_slice(&text[..len]);
            out[len..].fill(0);
        }
        Kind::Void | Kind::Time(_) => {
            let len = element.bytes().len().min(out.len());
            out[..len].copy_from_slice(&element.bytes()[..len]);
        }
        Kind::Struct(fields) => {
            // As HDF5 does: what needs no conversion keeps what lies between its members.
            if is_same(element.datatype(), dtype) && out.len() == element.bytes().len() {
                out.copy_from_slice(element.bytes());
                return Ok(());
            }
            for ((_, member), field) in element.members().zip(fields) {
                let range = field.offset..field.offset.saturating_add(field.dtype.size);
                put(member, &field.dtype, out.get_mut(range).ok_or_else(no)?)?;
            }
        }
        Kind::Array { base, .. } => {
            let elements = element.elements()?.into_iter().flatten();
            for (member, slot) in elements.zip(out.chunks_exact_mut(base.size.max(1))) {
                put(member, base, slot)?;
            }
        }
        Kind::Object | Kind::Other => return Err(no()),
    }
    Ok(())
}

/// Both parts of a complex number.
pub(super) fn complex(element: Element<'_>) -> Result<[f64; 2]> {
    let mut parts = [f64::NAN; 2];
    match element.elements()? {
        Some(elements) => {
            elements.zip(&mut parts).for_each(|(e, part)| *part = e.float().unwrap_or(f64::NAN));
        }
        None => {
            element
                .members()
                .zip(&mut parts)
                .for_each(|((_, e), part)| *part = e.float().unwrap_or(f64::NAN));
        }
    }
    Ok(parts)
}

fn ordered(little: &[u8], big: bool, out: &mut [u8]) {
    let len = out.len().min(little.len());
    out[..len].copy_from_slice(&little[..len]);
    if big {
        out.reverse();
    }
}

fn float(number: f64, dtype: &Dtype, out: &mut [u8]) {
    match dtype.size {
        2 => ordered(&f16::from_f64(number).to_le_bytes(), dtype.big, out),
        4 => ordered(&(number as f32).to_le_bytes(), dtype.big, out),
        8 => ordered(&number.to_le_bytes(), dtype.big, out),
        _ => ordered(&x87(number), dtype.big, out),
    }
}

/// A number as an 80-bit float in 16 bytes.
fn x87(number: f64) -> [u8; 16] {
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let (exponent, mantissa) = match (exponent, fraction) {
        (0, 0) => (0, 0),
        (0, fraction) => {
            let shift = fraction.leading_zeros();
            (16383 - 1022 - (shift as i32 - 11), fraction << shift)
        }
        (0x7ff, fraction) => (0x7fff, 1 << 63 | fraction << 11),
        (exponent, fraction) => (exponent - 1023 + 16383, 1 << 63 | fraction << 11),
    };
    let mut out = [0; 16];
    out[..8].copy_from_slice(&mantissa.to_le_bytes());
    out[8..10].copy_from_slice(&(exponent as u16 | ((bits >> 63) as u16) << 15).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Values,
        model::datatype::{FloatType, Normalization},
    };

    fn x87_type() -> Datatype {
        let class = DatatypeClass::Float(FloatType {
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
        });
        Datatype { size: 16, class }
    }

    #[test]
    fn long_doubles_hold_doubles() {
        for number in [0.0, -1.5, 1e300, f64::MIN_POSITIVE, 5e-324, -2e-310, f64::INFINITY] {
            let values = Values::new(x87_type(), [], x87(number).to_vec()).unwrap();
            assert_eq!(values.get(0).unwrap().float(), Some(number));
        }
        let values = Values::new(x87_type(), [], x87(f64::NAN).to_vec()).unwrap();
        assert!(values.get(0).unwrap().float().unwrap().is_nan());
    }
}
