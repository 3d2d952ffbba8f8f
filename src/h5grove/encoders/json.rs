//! JSON, in the bytes that orjson gives for what h5py reads.

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use super::{
    Payload,
    text::{Nest, decimal, double, finite, integer, numbers, single, string},
};
use crate::{
    ByteOrder, Datatype, DatatypeClass, Element, Reference,
    h5grove::{
        Data, Stats,
        attributes::Attributes,
        data::{Block, in_order, unnest},
        dtype::{Dtype, Kind},
        error::Result,
        memory::complex,
        stats::Number,
        time,
    },
};

/// Bytes of text, about, that one thread formats at a time.
const PIECE: usize = 1 << 18;

/// Writes content as JSON.
///
/// NaN and infinities are null; complex numbers are `[re, im]`; bytes are text in UTF-8, where what is not valid is
/// replaced by U+FFFD; references are `"<HDF5 object reference>"` and `"<HDF5 region reference>"`.
///
/// # Errors
/// Those of reading and writing.
#[doc(alias = "orjson_encode")]
pub fn json_encode<'a>(content: impl Into<Payload<'a>>, out: &mut dyn Write) -> Result<()> {
    match content.into() {
        Payload::Data(data) => array(data, out),
        Payload::Metadata(metadata) => serialize(metadata, out),
        Payload::Attributes(attributes) => map(attributes, out),
        Payload::Stats(stats) => statistics(stats, out),
        Payload::Paths(paths) => serialize(paths, out),
        Payload::Message(text) => {
            let mut bytes = b"{\"message\":".to_vec();
            string(text.as_bytes(), &mut bytes);
            bytes.push(b'}');
            Ok(out.write_all(&bytes)?)
        }
    }
}

fn serialize(value: &(impl serde::Serialize + ?Sized), out: &mut dyn Write) -> Result<()> {
    serde_json::to_writer(out, value).map_err(|e| std::io::Error::from(e).into())
}

fn map(attributes: &Attributes, out: &mut dyn Write) -> Result<()> {
    let mut separator = b"{".to_vec();
    for (name, data) in attributes.iter() {
        string(name.as_bytes(), &mut separator);
        separator.push(b':');
        out.write_all(&separator)?;
        array(data, out)?;
        separator = b",".to_vec();
    }
    Ok(out.write_all(if attributes.is_empty() { b"{}" } else { b"}" })?)
}

fn statistics(stats: &Stats, out: &mut dyn Write) -> Result<()> {
    let mut text = Vec::new();
    let fields = [
        ("strict_positive_min", stats.strict_positive_min),
        ("positive_min", stats.positive_min),
        ("min", stats.min),
        ("max", stats.max),
        ("mean", stats.mean),
        ("std", stats.std),
    ];
    for (i, (name, value)) in fields.into_iter().enumerate() {
        text.push(if i == 0 { b'{' } else { b',' });
        string(name.as_bytes(), &mut text);
        text.push(b':');
        match value {
            None => text.extend_from_slice(b"null"),
            Some(Number::Integer(n)) => integer(n, &mut text),
            Some(Number::Float(n)) => double(n, &mut text),
        }
    }
    text.push(b'}');
    Ok(out.write_all(&text)?)
}

/// How an element is written.
enum Plan {
    Integer,
    Boolean,
    /// In the digits that tell one `f32` from the next.
    Single,
    Double,
    Complex {
        single: bool,
    },
    Text,
    Bytes,
    Time(time::Unit),
    /// Counts of a unit; big-endian if true.
    Duration(bool),
    List(Vec<Plan>),
    Array(Vec<u64>, Box<Plan>),
    Sequence(Box<Plan>),
    Reference,
}

impl Plan {
    /// Members of compounds become Python's numbers before they are written, unless they are arrays, and the parts of
    /// complex numbers do too, but for a lone one.
    fn of(datatype: &Datatype, in_compound: bool, is_scalar: bool) -> Plan {
        let dtype = Dtype::of(datatype);
        match (&datatype.class, &dtype.kind) {
            (_, Kind::Complex) => Plan::Complex { single: is_scalar && dtype.size == 8 },
            (_, Kind::Bool) => Plan::Boolean,
            (_, Kind::Float) if dtype.size <= 4 && !in_compound => Plan::Single,
            (DatatypeClass::Float(_), _) => Plan::Double,
            (DatatypeClass::Complex(_), _) => Plan::Complex { single: false },
            (DatatypeClass::FixedString { .. } | DatatypeClass::VarString { .. }, _) | (_, Kind::Bytes) => {
                Plan::Text
            }
            (_, Kind::Time(name)) => time::Unit::parse(name).map_or(Plan::Duration(dtype.big), Plan::Time),
            (DatatypeClass::Opaque { .. }, _) => Plan::Bytes,
            (DatatypeClass::Compound(members), _) => {
                Plan::List(members.iter().map(|m| Plan::of(&m.datatype, true, false)).collect())
            }
            (DatatypeClass::Array { .. }, _) => {
                let (base, dims) = unnest(datatype);
                Plan::Array(dims, Box::new(Plan::of(base, false, false)))
            }
            (DatatypeClass::VarLen(base), _) => Plan::Sequence(Box::new(Plan::of(base, false, false))),
            (DatatypeClass::Reference(_), _) => Plan::Reference,
            _ => Plan::Integer,
        }
    }

    /// About how many bytes an element of this size takes.
    fn width(&self, size: usize) -> usize {
        match self {
            Plan::Double => 22,
            Plan::Single => 14,
            Plan::Integer if size < 8 => 2 + size * 3,
            Plan::Integer | Plan::Boolean | Plan::Time(_) | Plan::Duration(_) => 16,
            _ => 256,
        }
    }

    /// The least and the greatest number of bytes of an element.
    fn bounds(&self, size: u64) -> (u64, Option<u64>) {
        match self {
            Plan::Integer | Plan::Boolean | Plan::Duration(_) => (1, Some(if size > 8 { 40 } else { 21 })),
            Plan::Single | Plan::Double => (3, Some(25)),
            Plan::Complex { .. } => (9, Some(54)),
            Plan::Time(_) => (4, Some(40)),
            // A byte is six at most, as in \u0000.
            Plan::Bytes => (2, Some(size.saturating_mul(6).saturating_add(2))),
            Plan::Text => (2, None),
            Plan::Reference => (20, Some(40)),
            Plan::List(members) => members.iter().fold((1, Some(1)), |(low, high), member| {
                let (least, most) = member.bounds(size);
                (
                    low.saturating_add(least).saturating_add(1),
                    high.zip(most).map(|(a, b)| a.saturating_add(b).saturating_add(1)),
                )
            }),
            Plan::Array(dims, base) => {
                let count = dims.iter().fold(1u64, |n, &d| n.saturating_mul(d));
                let (least, most) = base.bounds(size);
                let all = |one: u64| one.saturating_add(3).saturating_mul(count).saturating_add(2);
                (least.saturating_mul(count).saturating_add(2), most.map(all))
            }
            Plan::Sequence(_) => (2, None),
        }
    }

    fn write(&self, element: Element<'_>, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Plan::Integer => match element.integer() {
                Some(n) => integer(n, out),
                None => out.extend_from_slice(b"null"),
            },
            Plan::Boolean => {
                let value = element.integer().is_some_and(|n| n != 0);
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Plan::Single => single(element.float().unwrap_or(f64::NAN) as f32, out),
            Plan::Double => double(element.float().unwrap_or(f64::NAN), out),
            Plan::Complex { single: is_single } => {
                let [re, im] = complex(element)?;
                out.push(b'[');
                if *is_single {
                    single(re as f32, out)
                } else {
                    double(re, out)
                }
                out.push(b',');
                if *is_single {
                    single(im as f32, out)
                } else {
                    double(im, out)
                }
                out.push(b']');
            }
            Plan::Text => {
                let text = element.text()?.unwrap_or(element.bytes());
                let len = match element.datatype().class {
                    DatatypeClass::VarString { .. } => text.len(),
                    // An array of numpy does not tell NULs at the end from padding.
                    _ => text.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1),
                };
                string(text.get(..len).unwrap_or_default(), out);
            }
            Plan::Bytes => string(element.bytes(), out),
            Plan::Duration(big) => match element.bytes().try_into() {
                Ok(bytes) => {
                    decimal(if *big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }, out)
                }
                Err(_) => out.extend_from_slice(b"null"),
            },
            Plan::Time(unit) => match unit.text(element.bytes()) {
                Some(text) => string(text.as_bytes(), out),
                None => out.extend_from_slice(b"null"),
            },
            Plan::List(members) => {
                out.push(b'[');
                for (i, ((_, member), plan)) in element.members().zip(members).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    plan.write(member, out)?;
                }
                out.push(b']');
            }
            Plan::Array(dims, base) => {
                let mut leaves = Vec::new();
                flatten(element, &mut leaves)?;
                if leaves.is_empty() {
                    empty(dims, out);
                    return Ok(());
                }
                let nest = Nest::new(dims);
                for (i, leaf) in leaves.into_iter().enumerate() {
                    nest.before(i as u64, out);
                    base.write(leaf, out)?;
                }
                nest.end(out);
            }
            Plan::Sequence(base) => {
                out.push(b'[');
                for (i, element) in element.elements()?.into_iter().flatten().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    base.write(element, out)?;
                }
                out.push(b']');
            }
            Plan::Reference => {
                let region = element.datatype().size > 8;
                let kind = if region { "region" } else { "object" };
                let null = match element.reference() {
                    Ok(Some(Reference::Null)) | Ok(None) => true,
                    Ok(Some(_)) => false,
                    Err(_) => element.bytes().iter().all(|&b| b == 0),
                };
                // h5py forgets the parenthesis of regions.
                let null = match (null, region) {
                    (false, _) => "",
                    (true, false) => " (null)",
                    (true, true) => " (null",
                };
                string(format!("<HDF5 {kind} reference{null}>").as_bytes(), out);
            }
        }
        Ok(())
    }
}

/// The elements of an array of arrays.
fn flatten<'a>(element: Element<'a>, leaves: &mut Vec<Element<'a>>) -> Result<()> {
    match element.datatype().class {
        DatatypeClass::Array { .. } => {
            for inner in element.elements()?.into_iter().flatten() {
                flatten(inner, leaves)?;
            }
        }
        _ => leaves.push(element),
    }
    Ok(())
}

/// An array without elements. `shape` has few: this is for arrays within elements.
fn empty(shape: &[u64], out: &mut Vec<u8>) {
    let outer: Vec<u64> = shape.iter().copied().take_while(|&d| d > 0).collect();
    let count = outer.iter().fold(1u64, |n, &d| n.saturating_mul(d)).min(1 << 20);
    let nest = Nest::new(&outer);
    for i in 0..count {
        nest.before(i, out);
        out.extend_from_slice(b"[]");
    }
    nest.end(out);
}

fn array(data: &Data, out: &mut dyn Write) -> Result<()> {
    json_parts(data, &mut |part| {
        out.write_all(&part)?;
        Ok(part)
    })
}

/// Hands on the text of [`json_encode`] in parts, for who can make use of the memory itself. What the function returns,
/// empty or not, is used for a further part.
///
/// # Errors
/// Those of reading, and those of the function.
pub fn json_parts(data: &Data, each: &mut dyn FnMut(Vec<u8>) -> Result<Vec<u8>>) -> Result<()> {
    if data.is_null() {
        return each(b"null".to_vec()).map(drop);
    }
    let mut text = Vec::new();
    if data.is_empty() {
        let outer: Vec<u64> = data.shape().iter().copied().take_while(|&d| d > 0).collect();
        let nest = Nest::new(&outer);
        for i in 0..outer.iter().fold(1u64, |n, &d| n.saturating_mul(d)) {
            nest.before(i, &mut text);
            text.extend_from_slice(b"[]");
            if text.len() > 1 << 16 {
                text = each(text)?;
                text.clear();
            }
        }
        nest.end(&mut text);
        return each(text).map(drop);
    }
    let nest = Nest::new(data.shape());
    let plan = Plan::of(data.datatype(), false, data.is_scalar());
    let count = (PIECE / plan.width(data.datatype().size)).max(1);
    // Fresh memory costs more than digits do.
    let used = Mutex::new(Vec::new());
    data.for_each_block(0, &mut |block| {
        in_order(
            block.len().div_ceil(count),
            |i| {
                let mut text = used.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
                piece(&block, i * count, ((i + 1) * count).min(block.len()), &plan, &nest, &mut text)?;
                Ok(text)
            },
            |text| {
                let mut text = each(text)?;
                text.clear();
                used.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                Ok(())
            },
        )
    })?;
    nest.end(&mut text);
    each(text).map(drop)
}

/// Some elements of a block, with all that stands before each.
fn piece(
    block: &Block<'_>,
    from: usize,
    to: usize,
    plan: &Plan,
    nest: &Nest,
    out: &mut Vec<u8>,
) -> Result<()> {
    let size = block.datatype().size;
    out.reserve((to - from).saturating_mul(plan.width(size)).min(2 * PIECE));
    let bytes = block.bytes().get(from.saturating_mul(size)..to.saturating_mul(size)).unwrap_or_default();
    let start = block.start.saturating_add(from as u64);
    match (plan, &block.datatype().class) {
        (Plan::Double, DatatypeClass::Float(t)) if size == 8 && t.is_ieee(8) => {
            let big = t.order == ByteOrder::Big;
            numbers(bytes, start, nest, zmij::Buffer::new, out, |b: [u8; 8], buffer| {
                let n = if big { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) };
                finite(n, n.is_finite(), buffer)
            });
        }
        (Plan::Single, DatatypeClass::Float(t)) if size == 4 && t.is_ieee(4) => {
            let big = t.order == ByteOrder::Big;
            numbers(bytes, start, nest, zmij::Buffer::new, out, |b: [u8; 4], buffer| {
                let n = if big { f32::from_be_bytes(b) } else { f32::from_le_bytes(b) };
                finite(n, n.is_finite(), buffer)
            });
        }
        (Plan::Integer, DatatypeClass::Integer(t)) if t.is_full(size) && t.order == ByteOrder::Little => {
            macro_rules! integers {
                ($type:ty) => {
                    numbers(bytes, start, nest, itoa::Buffer::new, out, |b, buffer| {
                        buffer.format(<$type>::from_le_bytes(b))
                    })
                };
            }
            match (size, t.signed) {
                (1, true) => integers!(i8),
                (1, false) => integers!(u8),
                (2, true) => integers!(i16),
                (2, false) => integers!(u16),
                (4, true) => integers!(i32),
                (4, false) => integers!(u32),
                (8, true) => integers!(i64),
                (8, false) => integers!(u64),
                _ => general(block, from, to, plan, nest, out)?,
            }
        }
        _ => general(block, from, to, plan, nest, out)?,
    }
    Ok(())
}

fn general(
    block: &Block<'_>,
    from: usize,
    to: usize,
    plan: &Plan,
    nest: &Nest,
    out: &mut Vec<u8>,
) -> Result<()> {
    for i in from..to {
        nest.before(block.start.saturating_add(i as u64), out);
        match block.element(i)? {
            Some(element) => plan.write(element, out)?,
            None => out.extend_from_slice(b"null"),
        }
    }
    Ok(())
}

/// The least and the greatest length.
pub(super) fn len_bounds(data: &Data) -> (u64, Option<u64>) {
    if data.is_null() {
        return (4, Some(4));
    }
    let outer = data.shape().iter().take_while(|&&d| d > 0).fold(1u64, |n, &d| n.saturating_mul(d));
    let (least, most) = match data.is_empty() {
        true => (2, Some(2)),
        false => Plan::of(data.datatype(), false, false).bounds(data.datatype().size as u64),
    };
    let around = 2 * data.shape().len() as u64;
    let all = |one: u64| one.saturating_add(1).saturating_mul(outer);
    // Brackets of rows: fewer than two an element for each further dimension of extent 1.
    let brackets = outer.saturating_mul(around.saturating_mul(2));
    (all(least) - 1, most.map(|most| all(most).saturating_add(brackets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Charset, Values};

    fn json(values: Values) -> String {
        let mut out = Vec::new();
        json_encode(&Data::of_values(values), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn floats(shape: &[u64], numbers: &[f64]) -> Values {
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        Values::new(Datatype::f64(ByteOrder::Little), shape, bytes).unwrap()
    }

    #[test]
    fn numbers_are_those_of_orjson() {
        let numbers = [0.1, 1.0, 1e16, 1e15, 1e-5, 1e-7, 1.5e300, f64::NAN, -0.0, f64::INFINITY];
        assert_eq!(
            json(floats(&[10], &numbers)),
            "[0.1,1.0,1e+16,1000000000000000.0,0.00001,1e-7,1.5e+300,null,-0.0,null]"
        );
        let numbers: [f32; 7] = [0.1, 1e15, 1e-6, 1e12, 1e13, 16777216.0, 3e38];
        let bytes = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        let values = Values::new(Datatype::f32(ByteOrder::Big), [7], bytes).unwrap();
        assert_eq!(json(values), "[0.1,1e+15,0.000001,1000000000000.0,1e+13,16777216.0,3e+38]");
    }

    #[test]
    fn shapes_are_nested() {
        assert_eq!(json(floats(&[], &[2.0])), "2.0");
        assert_eq!(json(floats(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0])), "[[[1.0,2.0]],[[3.0,4.0]]]");
        assert_eq!(json(floats(&[2, 0, 3], &[])), "[[],[]]");
        assert_eq!(json(floats(&[0, 3], &[])), "[]");
    }

    #[test]
    fn strings_are_escaped() {
        let text = "a\u{2028}é\u{7f}\0\"/\\\u{8}\n".as_bytes().to_vec();
        let values = Values::new(Datatype::fixed_string(text.len(), Charset::Utf8), [], text).unwrap();
        assert_eq!(json(values), "\"a\u{2028}é\u{7f}\\u0000\\\"/\\\\\\b\\n\"");
        let mut out = Vec::new();
        string(b"a\xffb", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\u{fffd}b\"");
    }

    #[test]
    fn lengths_lie_within_the_bounds() {
        for values in [
            floats(&[2, 1, 2], &[1.0, -2.5e-300, -1.797_693_134_862_315_7e308, f64::NAN]),
            floats(&[1, 1, 1, 1], &[-1.234_567_890_123_456_7e-300]),
            floats(&[2, 0], &[]),
            floats(&[], &[0.1]),
        ] {
            let data = Data::of_values(values.clone());
            let (least, most) = len_bounds(&data);
            let len = json(values).len() as u64;
            assert!(least <= len && len <= most.unwrap(), "{least} {len} {most:?}");
        }
    }
}
