//! Elements as a file of numpy: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use std::io::Write;

use super::{Source, render::complex_part};
use crate::{
    ByteOrder, Datatype, DatatypeClass, Name, Result,
    cli::target::unsupported,
    model::datatype::{FloatType, Member, Normalization},
};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The data start at a multiple of this.
const ALIGNMENT: usize = 64;
/// numpy leaves room for an extent of so many digits, so that rows can be appended.
const GROWTH_DIGITS: usize = 21;

/// Writes what is selected. The elements stay as they are in the file, byte order included.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<()> {
    if source.is_null {
        return Err(unsupported("npy: a null dataspace has no array"));
    }
    let (base, dims) = unnest(&source.datatype);
    let shape: Vec<u64> = source.shape.iter().copied().chain(dims.iter().map(|&d| d.into())).collect();
    out.write_all(&header(&descr(base)?, &shape)?)?;
    source.for_each_block(&mut |values| Ok(out.write_all(values.bytes())?))
}

/// The elements of an array type, and its extent.
fn unnest(datatype: &Datatype) -> (&Datatype, Vec<u32>) {
    let (mut base, mut all) = (datatype, Vec::new());
    while let DatatypeClass::Array { dims, base: inner } = &base.class {
        all.extend_from_slice(dims);
        base = inner;
    }
    (base, all)
}

pub(in crate::cli) fn header(descr: &str, shape: &[u64]) -> Result<Vec<u8>> {
    let extents = match shape {
        [only] => format!("({only},)"),
        _ => format!("({})", shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {extents}, }}");
    if let Some(first) = shape.first() {
        let digits = first.to_string().len();
        text.extend(std::iter::repeat_n(' ', GROWTH_DIGITS.saturating_sub(digits)));
    }
    let padded = |prefix: usize| (prefix + text.len() + 1).next_multiple_of(ALIGNMENT) - prefix;
    let mut out = MAGIC.to_vec();
    match u16::try_from(padded(10)) {
        Ok(len) if text.is_ascii() => {
            out.extend_from_slice(&[1, 0]);
            out.extend_from_slice(&len.to_le_bytes());
        }
        _ => {
            let len = u32::try_from(padded(12)).map_err(|_| unsupported("npy: a type of 4 GiB"))?;
            out.extend_from_slice(&[if text.is_ascii() { 2 } else { 3 }, 0]);
            out.extend_from_slice(&len.to_le_bytes());
        }
    }
    let end = out.len() + padded(out.len());
    out.extend_from_slice(text.as_bytes());
    out.resize(end - 1, b' ');
    out.push(b'\n');
    Ok(out)
}

/// The type as a literal of Python.
pub(in crate::cli) fn descr(datatype: &Datatype) -> Result<String> {
    let no = |why: &str| unsupported(format!("npy: numpy has no type for {datatype} ({why})"));
    let size = datatype.size;
    if let Some(part) = complex_part(datatype) {
        return match &part.class {
            DatatypeClass::Float(f) if f.is_ieee(part.size) && matches!(part.size, 4 | 8) => {
                Ok(format!("'{}c{size}'", order(f.order, part.size)))
            }
            _ => Err(no("complex numbers of other floats")),
        };
    }
    Ok(match &datatype.class {
        DatatypeClass::Integer(i) if i.is_full(size) && matches!(size, 1 | 2 | 4 | 8) => {
            format!("'{}{}{size}'", order(i.order, size), if i.signed { 'i' } else { 'u' })
        }
        DatatypeClass::Bitfield(i) if matches!(size, 1 | 2 | 4 | 8) => {
            format!("'{}u{size}'", order(i.order, size))
        }
        DatatypeClass::Time { order: o, .. } if matches!(size, 4 | 8) => {
            format!("'{}i{size}'", order(*o, size))
        }
        DatatypeClass::Float(f) if f.is_ieee(size) && size <= 8 => {
            format!("'{}f{size}'", order(f.order, size))
        }
        DatatypeClass::Float(f) if is_x87(f, size) => "'<f16'".to_owned(),
        DatatypeClass::Enum { .. } if datatype.is_bool() => "'|b1'".to_owned(),
        DatatypeClass::Enum { base, .. } => descr(base)?,
        DatatypeClass::FixedString { .. } => format!("'|S{size}'"),
        DatatypeClass::Opaque { tag } => match time_of(tag, size) {
            Some(time) => format!("'{time}'"),
            None => format!("'|V{size}'"),
        },
        DatatypeClass::Compound(members) => structure(members, size)?,
        DatatypeClass::Integer(_) | DatatypeClass::Bitfield(_) | DatatypeClass::Time { .. } => {
            return Err(no("size or precision"));
        }
        DatatypeClass::Float(_) => return Err(no("layout of the float")),
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => {
            return Err(no("elements of variable length; use --format json"));
        }
        DatatypeClass::Reference(_) => return Err(no("references; use --format json")),
        _ => return Err(no("class")),
    })
}

fn structure(members: &[Member], size: usize) -> Result<String> {
    let mut sorted: Vec<&Member> = members.iter().collect();
    sorted.sort_by_key(|m| m.offset);
    let mut fields = Vec::new();
    let mut end = 0;
    // Fields without a name are padding.
    let pad = |fields: &mut Vec<String>, from: usize, to: usize| {
        if to > from {
            fields.push(format!("('', '|V{}')", to - from));
        }
    };
    for member in sorted {
        if member.offset < end {
            return Err(unsupported("npy: members of a compound overlap"));
        }
        pad(&mut fields, end, member.offset);
        let (base, dims) = unnest(&member.datatype);
        let (name, descr) = (literal(&member.name.to_string()), descr(base)?);
        fields.push(match &dims[..] {
            [] => format!("({name}, {descr})"),
            [only] => format!("({name}, {descr}, ({only},))"),
            _ => {
                let dims: Vec<String> = dims.iter().map(u32::to_string).collect();
                format!("({name}, {descr}, ({}))", dims.join(", "))
            }
        });
        end = member.offset.saturating_add(member.datatype.size);
    }
    pad(&mut fields, end, size);
    Ok(format!("[{}]", fields.join(", ")))
}

/// The type of numpy for dates and durations that h5py stores as opaque elements, such as `<M8[ns]`.
fn time_of(tag: &Name, size: usize) -> Option<&str> {
    let name = tag.to_str()?.strip_prefix("NUMPY:")?;
    let unit = name.get(4..)?.strip_suffix(']')?;
    let is_time = matches!(name.get(..4)?, "<M8[" | ">M8[" | "<m8[" | ">m8[");
    (is_time && size == 8 && unit.chars().all(|c| c.is_ascii_alphanumeric())).then_some(name)
}

/// A string as a literal of Python.
fn literal(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

fn order(order: ByteOrder, size: usize) -> char {
    match order {
        _ if size == 1 => '|',
        ByteOrder::Big => '>',
        _ => '<',
    }
}

/// The 80-bit numbers of x87 in 16 bytes, which are numpy's `longdouble` on x86-64.
fn is_x87(f: &FloatType, size: usize) -> bool {
    size == 16
        && f.order == ByteOrder::Little
        && (f.offset, f.precision, f.sign) == (0, 80, 79)
        && (f.exponent_position, f.exponent_size, f.exponent_bias) == (64, 15, 16383)
        && (f.mantissa_position, f.mantissa_size) == (0, 64)
        && f.normalization == Normalization::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_aligned_and_grows() {
        for descr in
            ["'<f8'".to_owned(), "'|S1'".repeat(40), format!("'{}'", "x".repeat(70_000)), "'ü'".to_owned()]
        {
            let out = header(&descr, &[4, 3]).unwrap();
            assert_eq!(out.len() % ALIGNMENT, 0);
            let (version, start, len) = match out[6] {
                1 => (1, 10, u16::from_le_bytes([out[8], out[9]]) as usize),
                v => (v, 12, u32::from_le_bytes([out[8], out[9], out[10], out[11]]) as usize),
            };
            assert_eq!(
                version,
                if !descr.is_ascii() {
                    3
                } else if descr.len() > 65_000 {
                    2
                } else {
                    1
                }
            );
            assert_eq!(start + len, out.len());
            assert_eq!(out.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn dates() {
        assert_eq!(time_of(&"NUMPY:<M8[ns]".into(), 8), Some("<M8[ns]"));
        for tag in ["NUMPY:<M8[ns", "NUMPY:<M8[', x]", "<M8[s]", "NUMPY:|V8", "NUMPY:"] {
            assert_eq!(time_of(&tag.into(), 8), None);
        }
    }

    #[test]
    fn names_are_literals() {
        assert_eq!(literal("it's \\ \n"), "'it\\'s \\\\ \\x0a'");
    }
}
