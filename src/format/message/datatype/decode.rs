//! Bytes -> [`Datatype`].

use std::collections::{BTreeMap, HashSet};

use super::{NAME, class};
use crate::error::{Context, Error, Result};
use crate::format::message::unknown_version;
use crate::format::primitive::{Bytes, Sizes, limit_width};
use crate::limits::Limits;
use crate::model::datatype::*;
use crate::model::link::Name;

/// Decodes a datatype, and tells how many bytes it took.
///
/// The size of variable-length types is the stored one.
///
/// # Errors
/// `Truncated`, `Corrupt`, `Unsupported` (version, class, reserved values), `Limit` (nesting).
pub fn decode_datatype(body: &[u8], _sizes: Sizes, limits: &Limits) -> Result<(Datatype, usize)> {
    let mut bytes = Bytes(body);
    let decoder = Decoder { max_depth: limits.datatype_depth };
    let datatype = decoder.datatype(&mut bytes, 0).in_structure(NAME)?;
    Ok((datatype, body.len() - bytes.0.len()))
}

struct Decoder {
    max_depth: u32,
}

/// What precedes the properties of every class.
struct Header {
    version: u8,
    bits: u32,
    size: usize,
}

impl Header {
    fn bit(&self, n: u32) -> bool {
        self.bits >> n & 1 != 0
    }
    fn byte_order(&self) -> ByteOrder {
        if self.bit(0) { ByteOrder::Big } else { ByteOrder::Little }
    }
    fn padding(&self, shift: u32) -> Result<StringPadding> {
        match self.bits >> shift & 0x0f {
            0 => Ok(StringPadding::NullTerminated),
            1 => Ok(StringPadding::NullPadded),
            2 => Ok(StringPadding::SpacePadded),
            n => Err(Error::unsupported(format!("string padding {n}"))),
        }
    }
    fn charset(&self, shift: u32) -> Result<Charset> {
        match self.bits >> shift & 0x0f {
            0 => Ok(Charset::Ascii),
            1 => Ok(Charset::Utf8),
            n => Err(Error::unsupported(format!("character set {n}"))),
        }
    }
    fn count(&self) -> u32 {
        self.bits & 0xffff
    }
}

impl Decoder {
    fn datatype(&self, bytes: &mut Bytes<'_>, depth: u32) -> Result<Datatype> {
        if depth >= self.max_depth {
            return Err(Error::limit(
                "nesting of datatypes",
                u64::from(depth) + 1,
                u64::from(self.max_depth),
            ));
        }
        let [first, b0, b1, b2] = bytes.array()?;
        let size = bytes.u32()?;
        let header = Header {
            version: first >> 4,
            bits: u32::from_le_bytes([b0, b1, b2, 0]),
            size: usize::try_from(size)
                .map_err(|_| Error::limit("size of a datatype", size.into(), u32::MAX.into()))?,
        };
        if !(1..=5).contains(&header.version) {
            return Err(unknown_version(header.version));
        }
        if size == 0 {
            return Err(Error::corrupt("datatype of size 0"));
        }
        let class = match first & 0x0f {
            class::INTEGER => DatatypeClass::Integer(integer(&header, bytes, header.bit(3))?),
            class::FLOAT => DatatypeClass::Float(float(&header, bytes)?),
            class::TIME => DatatypeClass::Time { order: header.byte_order(), precision: bytes.u16()? },
            class::STRING => {
                DatatypeClass::FixedString { padding: header.padding(0)?, charset: header.charset(4)? }
            }
            class::BITFIELD => DatatypeClass::Bitfield(integer(&header, bytes, false)?),
            class::OPAQUE => {
                let tag = bytes.take((header.bits & 0xff) as usize)?;
                DatatypeClass::Opaque { tag: Name::from(before_nul(tag)) }
            }
            class::COMPOUND => self.compound(&header, bytes, depth)?,
            class::REFERENCE => DatatypeClass::Reference(reference(&header)?),
            class::ENUM => self.enumeration(&header, bytes, depth)?,
            class::VARLEN => self.variable_length(&header, bytes, depth)?,
            class::ARRAY => self.array(&header, bytes, depth)?,
            class::COMPLEX => self.complex(&header, bytes, depth)?,
            n => return Err(Error::unsupported(format!("datatype class {n}"))),
        };
        Ok(Datatype { size: header.size, class })
    }

    fn compound(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<DatatypeClass> {
        if header.count() == 0 {
            return Err(Error::corrupt("compound without members"));
        }
        let mut members = Vec::new();
        let mut names = HashSet::new();
        let mut covered = Covered::default();
        for _ in 0..header.count() {
            let member = self.member(header, bytes, depth)?;
            let (start, size) = (member.offset as u64, member.datatype.size as u64);
            if start + size > header.size as u64 {
                return Err(Error::corrupt(format!("member {} ends beyond its compound", member.name)));
            }
            if !covered.insert(start, start + size) {
                return Err(Error::corrupt(format!("member {} overlaps another", member.name)));
            }
            if !names.insert(member.name.clone()) {
                return Err(Error::corrupt(format!("two members of name {}", member.name)));
            }
            members.push(member);
        }
        Ok(DatatypeClass::Compound(members))
    }

    fn member(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<Member> {
        let name = name(header.version, bytes)?;
        let offset_width = if header.version < 3 { 4 } else { limit_width(header.size as u64) };
        let offset = bytes.uint(offset_width)? as usize;
        if header.version > 1 {
            return Ok(Member { name, offset, datatype: self.datatype(bytes, depth + 1)? });
        }
        let [rank, ..] = bytes.array::<12>()?;
        let mut dims = Vec::with_capacity(4);
        for _ in 0..4 {
            dims.push(bytes.u32()?);
        }
        if rank > 4 {
            return Err(Error::corrupt(format!("member of rank {rank}")));
        }
        dims.truncate(rank.into());
        let mut datatype = self.datatype(bytes, depth + 1)?;
        if rank > 0 {
            let size = array_size(&dims, datatype.size)?;
            datatype = Datatype { size, class: DatatypeClass::Array { dims, base: Box::new(datatype) } };
        }
        Ok(Member { name, offset, datatype })
    }

    fn enumeration(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<DatatypeClass> {
        let base = self.datatype(bytes, depth + 1)?;
        if base.size != header.size || !matches!(base.class, DatatypeClass::Integer(_)) {
            return Err(Error::corrupt("the base of an enumeration is not an integer of its size"));
        }
        let mut members = Vec::new();
        for _ in 0..header.count() {
            members.push(EnumMember { name: name(header.version, bytes)?, value: Vec::new() });
        }
        for member in &mut members {
            member.value = bytes.take(base.size)?.to_vec();
        }
        Ok(DatatypeClass::Enum { base: Box::new(base), members })
    }

    fn variable_length(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<DatatypeClass> {
        let base = self.datatype(bytes, depth + 1)?;
        match header.bits & 0x0f {
            0 => Ok(DatatypeClass::VarLen(Box::new(base))),
            // The base of a string is a byte of no further meaning.
            1 => Ok(DatatypeClass::VarString { padding: header.padding(4)?, charset: header.charset(8)? }),
            n => Err(Error::unsupported(format!("variable-length type {n}"))),
        }
    }

    fn array(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<DatatypeClass> {
        let rank = usize::from(bytes.u8()?);
        if rank > 32 {
            return Err(Error::corrupt(format!("array of rank {rank}")));
        }
        if header.version < 3 {
            bytes.take(3)?;
        }
        let mut dims = Vec::with_capacity(rank);
        for _ in 0..rank {
            dims.push(bytes.u32()?);
        }
        if header.version < 3 {
            bytes.take(4 * rank)?;
        }
        let base = self.datatype(bytes, depth + 1)?;
        if array_size(&dims, base.size)? != header.size {
            return Err(Error::corrupt(format!(
                "array {dims:?} of {} bytes has size {}",
                base.size, header.size
            )));
        }
        Ok(DatatypeClass::Array { dims, base: Box::new(base) })
    }

    fn complex(&self, header: &Header, bytes: &mut Bytes<'_>, depth: u32) -> Result<DatatypeClass> {
        if header.bits != 1 {
            return Err(Error::corrupt(format!("class bits {:#x} of a complex number", header.bits)));
        }
        let base = self.datatype(bytes, depth + 1)?;
        if base.size.checked_mul(2) != Some(header.size) || !matches!(base.class, DatatypeClass::Float(_)) {
            return Err(Error::corrupt("a complex number is not two floats"));
        }
        Ok(DatatypeClass::Complex(Box::new(base)))
    }
}

fn before_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == 0).next().unwrap_or_default()
}

/// A name; before version 3 it is padded with its NUL to a multiple of 8.
fn name(version: u8, bytes: &mut Bytes<'_>) -> Result<Name> {
    let name = bytes.until_nul()?;
    if version < 3 {
        let len = name.len() + 1;
        bytes.take(len.next_multiple_of(8) - len)?;
    }
    Ok(Name::from(name))
}

fn array_size(dims: &[u32], base: usize) -> Result<usize> {
    dims.iter()
        .try_fold(base, |n, &d| n.checked_mul(d as usize))
        .filter(|&n| n > 0 && n <= u32::MAX as usize)
        .ok_or_else(|| Error::corrupt(format!("array {dims:?} of {base} bytes")))
}

fn integer(header: &Header, bytes: &mut Bytes<'_>, signed: bool) -> Result<IntegerType> {
    let (offset, precision) = (bytes.u16()?, bytes.u16()?);
    check_bits("number", header, offset.into(), precision.into())?;
    Ok(IntegerType {
        order: header.byte_order(),
        signed,
        offset,
        precision,
        low_pad: header.bit(1),
        high_pad: header.bit(2),
    })
}

fn check_bits(what: &str, header: &Header, start: u64, len: u64) -> Result<()> {
    if len == 0 || start + len > 8 * header.size as u64 {
        return Err(Error::corrupt(format!("{what} of {len} bits at bit {start} of {} bytes", header.size)));
    }
    Ok(())
}

fn float(header: &Header, bytes: &mut Bytes<'_>) -> Result<FloatType> {
    let order = match (header.version >= 3 && header.bit(6), header.bit(0)) {
        (false, _) => header.byte_order(),
        (true, true) => ByteOrder::Vax,
        (true, false) => return Err(Error::corrupt("unknown byte order of a float")),
    };
    let normalization = match header.bits >> 4 & 3 {
        0 => Normalization::None,
        1 => Normalization::MsbSet,
        2 => Normalization::Implied,
        _ => return Err(Error::corrupt("unknown normalization of a float")),
    };
    let (offset, precision) = (bytes.u16()?, bytes.u16()?);
    let [exponent_position, exponent_size, mantissa_position, mantissa_size] = bytes.array()?;
    let float = FloatType {
        order,
        offset,
        precision,
        sign: (header.bits >> 8) as u8,
        exponent_position,
        exponent_size,
        exponent_bias: bytes.u32()?,
        mantissa_position,
        mantissa_size,
        normalization,
        low_pad: header.bit(1),
        high_pad: header.bit(2),
        internal_pad: header.bit(3),
    };
    let (sign, exponent, mantissa) =
        (u64::from(float.sign), u64::from(exponent_position), u64::from(mantissa_position));
    let (exponent_end, mantissa_end) =
        (exponent + u64::from(exponent_size), mantissa + u64::from(mantissa_size));
    check_bits("float", header, offset.into(), precision.into())?;
    check_bits("sign", header, sign, 1)?;
    check_bits("exponent", header, exponent, exponent_size.into())?;
    check_bits("mantissa", header, mantissa, mantissa_size.into())?;
    if (exponent..exponent_end).contains(&sign)
        || (mantissa..mantissa_end).contains(&sign)
        || exponent < mantissa_end && mantissa < exponent_end
    {
        return Err(Error::corrupt("sign, exponent and mantissa of a float overlap"));
    }
    Ok(float)
}

fn reference(header: &Header) -> Result<ReferenceType> {
    let encoding = header.bits >> 4 & 0x0f;
    match header.bits & 0x0f {
        0 => Ok(ReferenceType::Object),
        1 => Ok(ReferenceType::Region),
        2..=4 if encoding != 1 => Err(Error::unsupported(format!("encoding {encoding} of references"))),
        2 => Ok(ReferenceType::StdObject),
        3 => Ok(ReferenceType::StdRegion),
        4 => Ok(ReferenceType::StdAttribute),
        n => Err(Error::unsupported(format!("reference type {n}"))),
    }
}

/// The bytes of a compound that members cover: disjoint ranges, by their start.
#[derive(Default)]
struct Covered(BTreeMap<u64, u64>);

impl Covered {
    /// Adds a range; false if it starts in what is covered, which is what libhdf5 refuses.
    fn insert(&mut self, start: u64, mut end: u64) -> bool {
        if self.0.range(..=start).next_back().is_some_and(|(_, &e)| e > start) {
            return false;
        }
        while let Some((&next, &next_end)) = self.0.range(start..end).next() {
            end = end.max(next_end);
            self.0.remove(&next);
        }
        self.0.insert(start, end);
        true
    }
}
