//! One element as text.

use std::{cell::OnceCell, fmt::Write as _, ops::Range};

use super::super::{
    screen::{is_unsafe, push_escape, safe_bytes},
    walk::Walk,
};
use crate::{
    Datatype, DatatypeClass, Element, Elements, Error, ErrorKind, File, HyperslabDim, Reference, Result,
    Selection, model::selection::UNLIMITED,
};

/// The rules by which elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Syntax {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// A field of CSV, not quoted yet; what has parts is JSON.
    Csv,
}

/// Writes elements of a file as text.
pub(in crate::cli) struct Renderer<'f> {
    file: &'f File,
    syntax: Syntax,
    /// Paths of all objects, once a reference needs one.
    paths: OnceCell<Walk>,
}

impl<'f> Renderer<'f> {
    pub(in crate::cli) fn new(file: &'f File, syntax: Syntax) -> Self {
        Renderer { file, syntax, paths: OnceCell::new() }
    }

    /// Appends the text of an element.
    ///
    /// # Errors
    /// `Corrupt` if a part of it that is stored elsewhere cannot be found.
    pub(in crate::cli) fn element(&self, element: Element<'_>, out: &mut String) -> Result<()> {
        self.render(element, self.syntax, out)
    }

    fn render(&self, element: Element<'_>, syntax: Syntax, out: &mut String) -> Result<()> {
        if complex_part(element.datatype()).is_some() {
            return self.complex(element, syntax, out);
        }
        match &element.datatype().class {
            DatatypeClass::Integer(_) | DatatypeClass::Time { .. } => match element.integer() {
                Some(number) => put(out, number),
                None => hex(element.bytes(), syntax, out),
            },
            DatatypeClass::Float(_) => match element.float() {
                Some(number) => float(element.datatype(), number, syntax, out),
                None => hex(element.bytes(), syntax, out),
            },
            DatatypeClass::Enum { .. } => self.enumeration(element, syntax, out),
            DatatypeClass::FixedString { .. } | DatatypeClass::VarString { .. } => {
                text(element.text()?.unwrap_or_default(), syntax, out);
            }
            DatatypeClass::Bitfield(_) => {
                let digits = 2 + 2 * element.bytes().len();
                match element.integer() {
                    Some(bits) => word(&format!("{bits:#0digits$x}"), syntax, out),
                    None => hex(element.bytes(), syntax, out),
                }
            }
            DatatypeClass::Opaque { .. } => hex(element.bytes(), syntax, out),
            DatatypeClass::Reference(_) => match element.reference()? {
                None | Some(Reference::Null) => out.push_str(if syntax == Syntax::Csv { "" } else { "null" }),
                Some(reference) => text(&self.reference(&reference), syntax, out),
            },
            DatatypeClass::Compound(_) => self.compound(element, syntax, out)?,
            DatatypeClass::Array { dims, .. } => {
                let elements = required(element.elements()?)?;
                self.array(dims, elements, part_syntax(syntax), out)?;
            }
            _ => self.list(required(element.elements()?)?, part_syntax(syntax), out)?,
        }
        Ok(())
    }

    fn enumeration(&self, element: Element<'_>, syntax: Syntax, out: &mut String) {
        match (element.enum_name(), element.integer()) {
            // What h5py writes for booleans.
            (Some(name), _) if syntax == Syntax::Json && element.datatype().is_bool() => {
                out.push_str(if *name == "TRUE" { "true" } else { "false" });
            }
            (Some(name), _) => match syntax {
                Syntax::Text => out.push_str(&safe_bytes(name.as_bytes())),
                _ => text(name.as_bytes(), syntax, out),
            },
            (None, Some(number)) => put(out, number),
            (None, None) => hex(element.bytes(), syntax, out),
        }
    }

    fn complex(&self, element: Element<'_>, syntax: Syntax, out: &mut String) -> Result<()> {
        let parts = match element.elements()? {
            Some(parts) => parts.collect::<Vec<_>>(),
            None => element.members().map(|(_, part)| part).collect(),
        };
        let &[re, im] = &parts[..] else { return Err(damaged("a complex number without two parts")) };
        if syntax == Syntax::Json {
            out.push('[');
            self.render(re, syntax, out)?;
            out.push_str(", ");
            self.render(im, syntax, out)?;
            out.push(']');
            return Ok(());
        }
        self.render(re, syntax, out)?;
        let mut imaginary = String::new();
        self.render(im, syntax, &mut imaginary)?;
        if !imaginary.starts_with('-') {
            out.push('+');
        }
        out.push_str(&imaginary);
        out.push('j');
        Ok(())
    }

    fn compound(&self, element: Element<'_>, syntax: Syntax, out: &mut String) -> Result<()> {
        let syntax = part_syntax(syntax);
        out.push('{');
        for (i, (name, member)) in element.members().enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            match syntax {
                Syntax::Text => out.push_str(&safe_bytes(name.as_bytes())),
                _ => text(name.as_bytes(), syntax, out),
            }
            out.push_str(": ");
            self.render(member, syntax, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn array(&self, dims: &[u32], elements: Elements<'_>, syntax: Syntax, out: &mut String) -> Result<()> {
        // An array without elements may claim any number of empty rows.
        if elements.is_empty() {
            out.push_str("[]");
            return Ok(());
        }
        self.rows(dims, elements, 0..elements.len(), syntax, out)
    }

    fn rows(
        &self,
        dims: &[u32],
        elements: Elements<'_>,
        range: Range<usize>,
        syntax: Syntax,
        out: &mut String,
    ) -> Result<()> {
        out.push('[');
        match dims {
            [extent, inner @ ..] if !inner.is_empty() => {
                let length = range.len().checked_div(*extent as usize).unwrap_or(0).max(1);
                for (i, start) in range.step_by(length).enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    self.rows(inner, elements, start..start + length, syntax, out)?;
                }
            }
            _ => {
                for (i, at) in range.enumerate() {
                    out.push_str(if i > 0 { ", " } else { "" });
                    let element = elements.get(at).ok_or_else(|| damaged("an array that is cut"))?;
                    self.render(element, syntax, out)?;
                }
            }
        }
        out.push(']');
        Ok(())
    }

    fn list(&self, elements: Elements<'_>, syntax: Syntax, out: &mut String) -> Result<()> {
        out.push('[');
        for (i, element) in elements.enumerate() {
            out.push_str(if i > 0 { ", " } else { "" });
            self.render(element, syntax, out)?;
        }
        out.push(']');
        Ok(())
    }

    /// The path of an object, or its address if it has none.
    fn path(&self, address: u64) -> Vec<u8> {
        let walk = self.paths.get_or_init(|| {
            let mut walk = Walk::default();
            if let Ok(root) = self.file.object("/") {
                // The visitor has no errors.
                let _ = walk.run(&root, b"/", &mut |_| Ok(()));
            }
            walk
        });
        walk.path(address).unwrap_or_else(|| format!("{address:#x}").into_bytes())
    }

    fn reference(&self, reference: &Reference) -> Vec<u8> {
        match reference {
            Reference::Null => Vec::new(),
            Reference::Object { address } => self.path(*address),
            Reference::Region { address, selection } => {
                let mut path = self.path(*address);
                path.extend_from_slice(region(selection).as_bytes());
                path
            }
            Reference::Attribute { address, name } => {
                let mut path = self.path(*address);
                path.push(b'@');
                path.extend_from_slice(name.as_bytes());
                path
            }
            Reference::External { file, target } => {
                // Addresses in another file have no path here.
                let mut text = file.as_bytes().to_vec();
                text.extend_from_slice(
                    match &**target {
                        Reference::Object { address } => format!(":{address:#x}"),
                        Reference::Region { address, selection } => {
                            format!(":{address:#x}{}", region(selection))
                        }
                        Reference::Attribute { address, name } => format!(":{address:#x}@{name}"),
                        _ => String::new(),
                    }
                    .as_bytes(),
                );
                text
            }
        }
    }
}

/// The rules for the parts of an element.
fn part_syntax(syntax: Syntax) -> Syntax {
    if syntax == Syntax::Csv { Syntax::Json } else { syntax }
}

/// The type of the parts if elements are complex numbers: of the class of HDF5 2.0, or a compound of two floats `r`
/// and `i`, as h5py writes it.
pub(super) fn complex_part(datatype: &Datatype) -> Option<&Datatype> {
    match &datatype.class {
        DatatypeClass::Complex(base) => Some(base),
        DatatypeClass::Compound(members) => match &members[..] {
            [r, i]
                if r.name == "r"
                    && i.name == "i"
                    && matches!(r.datatype.class, DatatypeClass::Float(_))
                    && r.datatype == i.datatype
                    && r.offset == 0
                    && i.offset == r.datatype.size
                    && datatype.size == 2 * r.datatype.size =>
            {
                Some(&r.datatype)
            }
            _ => None,
        },
        _ => None,
    }
}

/// True if elements can be written in a few characters, without brackets.
pub(super) fn is_simple(datatype: &Datatype) -> bool {
    complex_part(datatype).is_some() || !matches!(datatype.class, DatatypeClass::Compound(_))
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt(what.to_owned()))
}

fn required(elements: Option<Elements<'_>>) -> Result<Elements<'_>> {
    elements.ok_or_else(|| Error::new(ErrorKind::Unsupported("this class of datatypes".to_owned())))
}

fn put(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    _ = write!(out, "{value}");
}

/// A text of plain characters.
fn word(word: &str, syntax: Syntax, out: &mut String) {
    match syntax {
        Syntax::Json => put(out, format_args!("\"{word}\"")),
        _ => out.push_str(word),
    }
}

fn hex(bytes: &[u8], syntax: Syntax, out: &mut String) {
    let digits: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    word(&digits, syntax, out);
}

/// The number with the fewest digits that is this one in binary16 or binary32; any other layout has no readers but
/// doubles, so it is the shortest that is this one as a double.
fn float(datatype: &Datatype, number: f64, syntax: Syntax, out: &mut String) {
    if !number.is_finite() {
        let name = match (syntax, number.is_nan(), number < 0.0) {
            (Syntax::Json, true, _) => "NaN",
            (Syntax::Json, _, true) => "-Infinity",
            (Syntax::Json, ..) => "Infinity",
            (_, true, _) => "nan",
            (_, _, true) => "-inf",
            _ => "inf",
        };
        return word(name, syntax, out);
    }
    let ieee_size = match &datatype.class {
        DatatypeClass::Float(layout) if layout.is_ieee(datatype.size) => datatype.size,
        _ => 0,
    };
    match ieee_size {
        2 => put(out, format_args!("{:?}", shortest(number, 10, 15))),
        4 => put(out, format_args!("{:?}", number as f32)),
        _ => put(out, format_args!("{number:?}")),
    }
}

/// The number with the fewest digits that rounds to this one in a format with so many bits of mantissa.
fn shortest(number: f64, mantissa: u8, bias: u32) -> f64 {
    if number == 0.0 {
        return number;
    }
    let magnitude = number.abs();
    let exponent = (magnitude.log2().floor() as i32).max(1i32.saturating_sub_unsigned(bias));
    let half = 2f64.powi(exponent - i32::from(mantissa) - 1);
    // The numbers below a power of two are twice as dense as those above.
    let below = if magnitude == 2f64.powi(exponent) { half / 2.0 } else { half };
    (0..9)
        .filter_map(|digits| format!("{number:.digits$e}").parse::<f64>().ok())
        .find(|rounded| {
            let difference = rounded.abs() - magnitude;
            difference < half && -difference < below
        })
        .unwrap_or(number)
}

/// A string. In text and JSON it is quoted; no form lets a control character through but CSV, which needs them.
fn text(bytes: &[u8], syntax: Syntax, out: &mut String) {
    if syntax == Syntax::Csv {
        return put(out, crate::Name::from(bytes));
    }
    out.push('"');
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if !is_unsafe(c) => out.push(c),
                c if syntax == Syntax::Text => push_escape(out, c),
                c => c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .for_each(|unit| put(out, format_args!("\\u{unit:04x}"))),
            }
        }
        for byte in part.invalid() {
            let backslash = if syntax == Syntax::Json { "\\\\" } else { "\\" };
            put(out, format_args!("{backslash}x{byte:02x}"));
        }
    }
    out.push('"');
}

/// A selection as text: `[2:8:2, 3]`, `[(0, 1), (2, 3)]` for points, `[0:2, 1:3 | 5, 0]` for blocks.
fn region(selection: &Selection) -> String {
    let dim = |d: &HyperslabDim| -> String {
        let times = |n: u64| if n == UNLIMITED { "Inf".to_owned() } else { n.to_string() };
        match (d.count, d.block) {
            (1, 1) => d.start.to_string(),
            (UNLIMITED, _) | (_, UNLIMITED) => {
                format!("{}+{}x{}/{}", d.start, times(d.count), times(d.block), d.stride)
            }
            (1, block) => format!("{}:{}", d.start, d.start.saturating_add(block)),
            (count, block) if block == d.stride => {
                format!("{}:{}", d.start, d.start.saturating_add(count.saturating_mul(block)))
            }
            (count, 1) => {
                let end = d.start.saturating_add(count.saturating_mul(d.stride));
                format!("{}:{end}:{}", d.start, d.stride)
            }
            (count, block) => format!("{}+{count}x{block}/{}", d.start, d.stride),
        }
    };
    let list = |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    match selection {
        Selection::All => "[...]".to_owned(),
        Selection::None => "[]".to_owned(),
        Selection::Hyperslab(dims) => format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", ")),
        Selection::Points(points) => {
            let points = points.coordinates.chunks_exact(points.rank.max(1));
            format!("[{}]", points.map(|p| format!("({})", list(p))).collect::<Vec<_>>().join(", "))
        }
        Selection::Blocks(blocks) => {
            let blocks = blocks.corners.chunks_exact(2 * blocks.rank.max(1)).map(|corners| {
                let (first, last) = corners.split_at(corners.len() / 2);
                let ranges = first.iter().zip(last);
                let range = |(a, b): (&u64, &u64)| match a == b {
                    true => a.to_string(),
                    false => format!("{a}:{}", b.saturating_add(1)),
                };
                ranges.map(range).collect::<Vec<_>>().join(", ")
            });
            format!("[{}]", blocks.collect::<Vec<_>>().join(" | "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest_halves() {
        for bits in 1..0x7c00u16 {
            let half = half::f16::from_bits(bits);
            let short = shortest(half.to_f64(), 10, 15);
            assert_eq!(half::f16::from_f64(short), half, "{short}");
        }
        assert_eq!(shortest(half::f16::from_bits(1).to_f64(), 10, 15), 6e-8);
        assert_eq!(shortest(half::f16::from_f64(0.1).to_f64(), 10, 15), 0.1);
    }

    #[test]
    fn narrow_floats_of_other_layouts_keep_their_value() {
        let of = |datatype: &Datatype, number| {
            let mut out = String::new();
            float(datatype, number, Syntax::Json, &mut out);
            out
        };
        let mut bfloat = Datatype::f16(crate::ByteOrder::Little);
        assert_eq!(of(&bfloat, half::f16::from_f64(0.1).to_f64()), "0.1");
        assert_eq!(of(&Datatype::f32(crate::ByteOrder::Little), f64::from(0.1f32)), "0.1");
        if let DatatypeClass::Float(layout) = &mut bfloat.class {
            (layout.exponent_size, layout.exponent_position) = (8, 7);
            (layout.mantissa_size, layout.exponent_bias) = (7, 127);
        }
        assert_eq!(of(&bfloat, 0.10009765625), "0.10009765625");
    }

    #[test]
    fn strings_are_quoted_and_harmless() {
        let of = |bytes: &[u8], syntax| {
            let mut out = String::new();
            text(bytes, syntax, &mut out);
            out
        };
        assert_eq!(of(b"a\"\x1b\xff", Syntax::Text), r#""a\"\x1b\xff""#);
        assert_eq!(of(b"a\"\x1b\xff\xc2\x9b", Syntax::Json), r#""a\"\u001b\\xff\u009b""#);
        assert_eq!(of(b"a\"b", Syntax::Csv), "a\"b");
    }

    #[test]
    fn regions() {
        let dim = |start, stride, count, block| HyperslabDim { start, stride, count, block };
        let text = region(&Selection::Hyperslab(vec![dim(2, 2, 3, 1), dim(3, 1, 1, 1), dim(0, 9, 1, 4)]));
        assert_eq!(text, "[2:8:2, 3, 0:4]");
        let text = region(&Selection::Hyperslab(vec![dim(0, 4, 3, 2), dim(0, 4, UNLIMITED, 2)]));
        assert_eq!(text, "[0+3x2/4, 0+Infx2/4]");
    }
}
