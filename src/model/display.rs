//! Datatypes as text, without spaces: `i32le`, `compound{"x":f64le,"id":u8}`, `vlen{f32be}` ...

use std::fmt::{self, Write};

use super::datatype::{
    ByteOrder, Charset, Datatype, DatatypeClass, FloatType, IntegerType, Normalization, ReferenceType,
    StringPadding,
};
use super::link::{Name, write_escaped};

/// The short text of a datatype: sizes are in bits, byte orders `le`, `be`, `vax` are left out for single bytes,
/// names are JSON strings. Offsets of members and the total size of a compound are left out.
impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.size.saturating_mul(8);
        match &self.class {
            DatatypeClass::Integer(t) => {
                write!(f, "{}{bits}", if t.signed { 'i' } else { 'u' })?;
                number(f, self.size, t)
            }
            DatatypeClass::Bitfield(t) => {
                write!(f, "b{bits}")?;
                number(f, self.size, t)
            }
            DatatypeClass::Time { order, precision } => {
                write!(f, "time{bits}")?;
                let t = IntegerType { precision: *precision, ..IntegerType::full(self.size, false, *order) };
                number(f, self.size, &t)
            }
            DatatypeClass::Float(t) => float(f, self.size, t),
            DatatypeClass::FixedString { padding, charset } => {
                write!(f, "str{}[{},{}]", self.size, padding_name(*padding), charset_name(*charset))
            }
            DatatypeClass::VarString { padding, charset } => {
                write!(f, "vstr[{},{}]", padding_name(*padding), charset_name(*charset))
            }
            DatatypeClass::Opaque { tag } => {
                write!(f, "opaque{}[", self.size)?;
                quoted(f, tag)?;
                f.write_char(']')
            }
            DatatypeClass::Compound(members) => {
                f.write_str("compound{")?;
                for (i, member) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    quoted(f, &member.name)?;
                    write!(f, ":{}", member.datatype)?;
                }
                f.write_char('}')
            }
            DatatypeClass::Enum { base, members } => {
                write!(f, "enum{{{base};")?;
                for (i, member) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    quoted(f, &member.name)?;
                    write!(f, "={}", Decimal(base, &member.value))?;
                }
                f.write_char('}')
            }
            DatatypeClass::VarLen(base) => write!(f, "vlen{{{base}}}"),
            DatatypeClass::Array { dims, base } => {
                f.write_str("array[")?;
                for (i, d) in dims.iter().enumerate() {
                    write!(f, "{}{d}", if i > 0 { "," } else { "" })?;
                }
                write!(f, "]{{{base}}}")
            }
            DatatypeClass::Complex(base) => write!(f, "complex{{{base}}}"),
            DatatypeClass::Reference(kind) => f.write_str(match kind {
                ReferenceType::Object => "ref_obj",
                ReferenceType::Region => "ref_reg",
                _ => "ref_std",
            }),
        }
    }
}

fn order_name(size: usize, order: ByteOrder) -> &'static str {
    match order {
        _ if size == 1 => "",
        ByteOrder::Little => "le",
        ByteOrder::Big => "be",
        ByteOrder::Vax => "vax",
    }
}

fn padding_name(padding: StringPadding) -> &'static str {
    match padding {
        StringPadding::NullTerminated => "nullterm",
        StringPadding::NullPadded => "nullpad",
        StringPadding::SpacePadded => "spacepad",
    }
}

fn charset_name(charset: Charset) -> &'static str {
    match charset {
        Charset::Ascii => "ascii",
        Charset::Utf8 => "utf8",
    }
}

fn number(f: &mut fmt::Formatter<'_>, size: usize, t: &IntegerType) -> fmt::Result {
    f.write_str(order_name(size, t.order))?;
    if !t.is_full(size) {
        write!(f, "[p={},o={}]", t.precision, t.offset)?;
    }
    Ok(())
}

fn float(f: &mut fmt::Formatter<'_>, size: usize, t: &FloatType) -> fmt::Result {
    let order = order_name(size, t.order);
    if t.is_ieee(size) {
        return write!(f, "f{}{order}", size * 8);
    }
    write!(
        f,
        "float{}{order}[p={},o={},s={},e={}:{},b={},m={}:{},n={}]",
        size.saturating_mul(8),
        t.precision,
        t.offset,
        t.sign,
        t.exponent_position,
        t.exponent_size,
        t.exponent_bias,
        t.mantissa_position,
        t.mantissa_size,
        match t.normalization {
            Normalization::Implied => "implied",
            Normalization::MsbSet => "msbset",
            Normalization::None => "none",
        }
    )
}

/// A name as a JSON string, non-ASCII characters left as they are.
fn quoted(f: &mut fmt::Formatter<'_>, name: &Name) -> fmt::Result {
    let mut text = String::new();
    write_escaped(&mut text, name.as_bytes())?;
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Stored integer of up to 16 bytes, in decimal.
struct Decimal<'a>(&'a Datatype, &'a [u8]);

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match super::number::integer_of(self.0, self.1) {
            Some(i) => write!(f, "{i}"),
            None => f.write_char('?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::datatype::{EnumMember, Member};

    #[test]
    fn text_of_datatypes() {
        assert_eq!(Datatype::integer(4, true, ByteOrder::Little).to_string(), "i32le");
        assert_eq!(Datatype::integer(1, false, ByteOrder::Big).to_string(), "u8");
        assert_eq!(Datatype::f64(ByteOrder::Big).to_string(), "f64be");
        let compound = Datatype {
            size: 9,
            class: DatatypeClass::Compound(vec![
                Member { name: "a\"\n".into(), offset: 0, datatype: Datatype::f64(ByteOrder::Little) },
                Member {
                    name: "é".into(),
                    offset: 8,
                    datatype: Datatype::integer(1, true, ByteOrder::Little),
                },
            ]),
        };
        assert_eq!(compound.to_string(), "compound{\"a\\\"\\n\":f64le,\"é\":i8}");
        let vlen = Datatype { size: 16, class: DatatypeClass::VarLen(Box::new(compound)) };
        assert!(vlen.to_string().starts_with("vlen{compound{"));
        let boolean = Datatype {
            size: 1,
            class: DatatypeClass::Enum {
                base: Box::new(Datatype::integer(1, true, ByteOrder::Little)),
                members: vec![EnumMember { name: "NO".into(), value: vec![255] }],
            },
        };
        assert_eq!(boolean.to_string(), "enum{i8;\"NO\"=-1}");
    }
}
