//! [`Datatype`] -> bytes.

use super::{NAME, class};
use crate::error::{Context, Error, Result};
use crate::format::output::{narrow, put_name, put_padded, put_u16, put_u32, put_uint};
use crate::format::primitive::limit_width;
use crate::model::datatype::*;

/// Encodes a datatype. `container` is the lowest version (1 to 5) of compounds, enumerations and arrays; 3 is the
/// usual one, 1 and 2 are for headers of that age. Every other class, and a type that needs it, gets the lowest
/// version that can say it; no type has a lower version than its members.
///
/// # Errors
/// `Usage` for a type that the format cannot hold.
pub fn encode_datatype(datatype: &Datatype, container: u8) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(32);
    put_datatype(&mut out, datatype, container)?;
    Ok(out)
}

/// Appends what [`encode_datatype`] gives.
///
/// # Errors
/// As [`encode_datatype`].
pub fn put_datatype(out: &mut Vec<u8>, datatype: &Datatype, container: u8) -> Result<()> {
    put(datatype, container.clamp(1, 5), out).in_structure(NAME)
}

/// The version of this type.
fn version(datatype: &Datatype, container: u8) -> u8 {
    match &datatype.class {
        DatatypeClass::Float(f) if f.order == ByteOrder::Vax => 3,
        DatatypeClass::Reference(r) if r.is_std() => 4,
        DatatypeClass::Complex(_) => 5,
        DatatypeClass::VarLen(base) => version(base, container),
        DatatypeClass::Enum { base, .. } => container.max(version(base, container)),
        DatatypeClass::Array { base, .. } => container.max(2).max(version(base, container)),
        DatatypeClass::Compound(members) => members
            .iter()
            .map(|m| match in_member(&m.datatype, container) {
                Some((_, base)) => version(base, container),
                None => version(&m.datatype, container),
            })
            .fold(container, u8::max),
        _ => 1,
    }
}

/// The array that a member of a compound of version 1 can be.
fn in_member(datatype: &Datatype, container: u8) -> Option<(&[u32], &Datatype)> {
    match &datatype.class {
        DatatypeClass::Array { dims, base } if container == 1 && (1..=4).contains(&dims.len()) => {
            Some((dims, base))
        }
        _ => None,
    }
}

fn put(datatype: &Datatype, container: u8, out: &mut Vec<u8>) -> Result<()> {
    let version = version(datatype, container);
    let size = datatype.size;
    if size == 0 {
        return Err(Error::usage("datatype of size 0"));
    }
    let header = |out: &mut Vec<u8>, class: u8, bits: u32| {
        out.push(version << 4 | class);
        put_uint(out, bits.into(), 3)?;
        put_u32(out, size, "size of a datatype")
    };
    match &datatype.class {
        DatatypeClass::Integer(i) => {
            header(out, class::INTEGER, integer_bits(i)? | u32::from(i.signed) << 3)?;
            put_positions(i.offset, i.precision, out)?;
        }
        DatatypeClass::Bitfield(i) => {
            header(out, class::BITFIELD, integer_bits(i)?)?;
            put_positions(i.offset, i.precision, out)?;
        }
        DatatypeClass::Float(f) => {
            header(out, class::FLOAT, float_bits(f))?;
            put_positions(f.offset, f.precision, out)?;
            out.extend([f.exponent_position, f.exponent_size, f.mantissa_position, f.mantissa_size]);
            put_u32(out, f.exponent_bias, "bias")?;
        }
        DatatypeClass::Time { order, precision } => {
            header(out, class::TIME, order_bit(*order)?)?;
            put_u16(out, *precision, "precision")?;
        }
        DatatypeClass::FixedString { padding, charset } => {
            header(out, class::STRING, padding_code(*padding) | charset_code(*charset) << 4)?;
        }
        DatatypeClass::VarString { padding, charset } => {
            header(out, class::VARLEN, 1 | padding_code(*padding) << 4 | charset_code(*charset) << 8)?;
            put(&Datatype::integer(1, false, ByteOrder::Little), container, out)?;
        }
        DatatypeClass::Opaque { tag } => {
            let tag = tag.as_bytes();
            if tag.len() > 255 || tag.contains(&0) {
                return Err(Error::usage("the tag of an opaque type is too long or has a NUL in it"));
            }
            // The length has eight bits: no room for padding from 249 on.
            let padding = if tag.len() > 248 { 1 } else { 8 };
            header(out, class::OPAQUE, tag.len().next_multiple_of(padding) as u32)?;
            put_padded(out, tag, padding);
        }
        DatatypeClass::Compound(members) => {
            if members.is_empty() {
                return Err(Error::usage("compound without members"));
            }
            header(out, class::COMPOUND, narrow::<_, u16>(members.len(), "number of members")?.into())?;
            for member in members {
                put_member(member, version, size, container, out)?;
            }
        }
        DatatypeClass::Reference(r) => {
            let bits = match r {
                ReferenceType::Object => 0,
                ReferenceType::Region => 1,
                ReferenceType::StdObject => 0x12,
                ReferenceType::StdRegion => 0x13,
                ReferenceType::StdAttribute => 0x14,
            };
            header(out, class::REFERENCE, bits)?;
        }
        DatatypeClass::Enum { base, members } => {
            header(out, class::ENUM, narrow::<_, u16>(members.len(), "number of members")?.into())?;
            put(base, container, out)?;
            for member in members {
                put_name(out, member.name.as_bytes(), if version < 3 { 8 } else { 1 })?;
            }
            for member in members {
                if member.value.len() != base.size {
                    return Err(Error::usage(format!(
                        "value of {} has another size than its type",
                        member.name
                    )));
                }
                out.extend_from_slice(&member.value);
            }
        }
        DatatypeClass::VarLen(base) => {
            header(out, class::VARLEN, 0)?;
            put(base, container, out)?;
        }
        DatatypeClass::Array { dims, base } => {
            header(out, class::ARRAY, 0)?;
            out.push(narrow(dims.len(), "rank")?);
            if dims.len() > 32 {
                return Err(Error::usage("array of more than 32 dimensions"));
            }
            if version < 3 {
                out.extend([0; 3]);
            }
            out.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
            if version < 3 {
                out.extend((0..dims.len() as u32).flat_map(u32::to_le_bytes));
            }
            put(base, container, out)?;
        }
        DatatypeClass::Complex(base) => {
            header(out, class::COMPLEX, 1)?;
            put(base, container, out)?;
        }
    }
    Ok(())
}

fn put_member(member: &Member, version: u8, size: usize, container: u8, out: &mut Vec<u8>) -> Result<()> {
    put_name(out, member.name.as_bytes(), if version < 3 { 8 } else { 1 })?;
    let offset_width = if version < 3 { 4 } else { limit_width(size as u64) };
    put_uint(out, member.offset as u64, offset_width)?;
    let mut datatype = &member.datatype;
    if version == 1 {
        let (dims, base) = in_member(datatype, container).unwrap_or((&[], datatype));
        datatype = base;
        out.extend([dims.len() as u8, 0, 0, 0]);
        out.extend([0, 1, 2, 3].map(|i| if usize::from(i) < dims.len() { i } else { 0 }));
        out.extend([0; 4]);
        for i in 0..4 {
            put_u32(out, dims.get(i).copied().unwrap_or(0), "dimension")?;
        }
    }
    put(datatype, container, out)
}

fn put_positions(offset: u16, precision: u16, out: &mut Vec<u8>) -> Result<()> {
    put_u16(out, offset, "offset")?;
    put_u16(out, precision, "precision")
}

fn order_bit(order: ByteOrder) -> Result<u32> {
    match order {
        ByteOrder::Little => Ok(0),
        ByteOrder::Big => Ok(1),
        ByteOrder::Vax => Err(Error::usage("only floats have the byte order of VAX")),
    }
}

fn integer_bits(i: &IntegerType) -> Result<u32> {
    Ok(order_bit(i.order)? | u32::from(i.low_pad) << 1 | u32::from(i.high_pad) << 2)
}

fn float_bits(f: &FloatType) -> u32 {
    let order = match f.order {
        ByteOrder::Little => 0,
        ByteOrder::Big => 1,
        ByteOrder::Vax => 0x41,
    };
    let normalization = match f.normalization {
        Normalization::None => 0,
        Normalization::MsbSet => 1,
        Normalization::Implied => 2,
    };
    let pads = u32::from(f.low_pad) << 1 | u32::from(f.high_pad) << 2 | u32::from(f.internal_pad) << 3;
    order | pads | normalization << 4 | u32::from(f.sign) << 8
}

fn padding_code(padding: StringPadding) -> u32 {
    match padding {
        StringPadding::NullTerminated => 0,
        StringPadding::NullPadded => 1,
        StringPadding::SpacePadded => 2,
    }
}

fn charset_code(charset: Charset) -> u32 {
    match charset {
        Charset::Ascii => 0,
        Charset::Utf8 => 1,
    }
}
