//! Link message (0x06): section IV.A.2.g of the specification.
//!
//! ```text
//! | 1 | flags | type (1) | creation order (8) | character set (1) | name length (1, 2, 4, 8) | name | target |
//!               bit 3      bit 2                bit 4               bits 0-1
//! hard, type 0:                | address (O) |
//! soft, type 1:                | length (2) | path |
//! external, type 64:           | length (2) | version and flags: 0 | file NUL | path NUL |
//! user-defined, 65 and above:  | length (2) | data |
//! ```

use crate::error::{Context, Error, Result};
use crate::format::message::{check_bits, unknown_version};
use crate::format::output::{put_address, put_name, put_u16, put_uint};
use crate::format::primitive::{Bytes, Sizes};
use crate::model::datatype::Charset;
use crate::model::link::{Link, LinkTarget, Name};

const NAME: &str = "link message";
const HAS_ORDER: u8 = 0x04;
const HAS_TYPE: u8 = 0x08;
const HAS_CHARSET: u8 = 0x10;
const SOFT: u8 = 1;
const EXTERNAL: u8 = 64;

/// A link message of which only the name is decoded: lookup compares names before it looks at targets.
#[derive(Clone, Copy, Debug)]
pub struct LinkFrame<'a> {
    /// Name.
    pub name: &'a [u8],
    charset: Charset,
    creation_order: Option<i64>,
    kind: u8,
    target: Bytes<'a>,
}

impl<'a> LinkFrame<'a> {
    /// Finds the parts of the message.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (flags, empty name, type), `Unsupported` (version, character set).
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        Self::parse(Bytes(body)).in_structure(NAME)
    }

    fn parse(mut bytes: Bytes<'a>) -> Result<Self> {
        let [version, flags] = bytes.array()?;
        if version != 1 {
            return Err(unknown_version(version));
        }
        check_bits(flags, 0x1f)?;
        let kind = if flags & HAS_TYPE != 0 { bytes.u8()? } else { 0 };
        if (SOFT + 1..EXTERNAL).contains(&kind) {
            return Err(Error::corrupt(format!("unknown type of link {kind}")));
        }
        let creation_order = if flags & HAS_ORDER != 0 { Some(bytes.u64()? as i64) } else { None };
        let charset = match if flags & HAS_CHARSET != 0 { bytes.u8()? } else { 0 } {
            0 => Charset::Ascii,
            1 => Charset::Utf8,
            n => return Err(Error::unsupported(format!("character set {n}"))),
        };
        let length = bytes.uint(1 << (flags & 3))?;
        let length =
            usize::try_from(length).map_err(|_| Error::truncated(format!("a name of {length} bytes")))?;
        let name = bytes.take(length)?;
        if name.is_empty() {
            return Err(Error::corrupt("a link without a name"));
        }
        Ok(LinkFrame { name, charset, creation_order, kind, target: bytes })
    }

    /// The whole link.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (empty target, undefined address), `Unsupported` (version of external links).
    pub fn link(&self, sizes: Sizes) -> Result<Link> {
        Ok(Link {
            name: Name::from(self.name),
            charset: self.charset,
            creation_order: self.creation_order,
            target: self.target(sizes).in_structure(NAME)?,
        })
    }

    fn target(&self, sizes: Sizes) -> Result<LinkTarget> {
        let mut bytes = self.target;
        if self.kind == 0 {
            let address = bytes.address(sizes)?;
            return address.map(LinkTarget::Hard).ok_or_else(|| Error::corrupt("undefined address"));
        }
        let length = bytes.u16()?;
        let value = bytes.take(length.into())?;
        match self.kind {
            SOFT | EXTERNAL if value.is_empty() => Err(Error::corrupt("a link without a target")),
            SOFT => Ok(LinkTarget::Soft(Name::from(value))),
            EXTERNAL => external(Bytes(value)),
            class => Ok(LinkTarget::User { class, data: value.to_vec() }),
        }
    }
}

/// The content of an external link, which fractal heaps and old tools hold in the same form.
fn external(mut bytes: Bytes<'_>) -> Result<LinkTarget> {
    let version = bytes.u8()?;
    if version != 0 {
        return Err(Error::unsupported(format!("version and flags {version:#04x} of an external link")));
    }
    let (file, path) = (bytes.until_nul()?, bytes.until_nul()?);
    if file.is_empty() || path.is_empty() {
        return Err(Error::corrupt("an external link without file or path"));
    }
    Ok(LinkTarget::External { file: Name::from(file), path: Name::from(path) })
}

/// Decodes a link message.
///
/// # Errors
/// Those of [`LinkFrame::decode`] and [`LinkFrame::link`].
pub fn decode_link(body: &[u8], sizes: Sizes) -> Result<Link> {
    LinkFrame::decode(body)?.link(sizes)
}

/// The body of the message: as libhdf5 writes it, the type is left out for hard links and the character set for ASCII.
///
/// # Errors
/// `Usage` for empty names and targets, or a target above 65,535 bytes.
pub fn encode_link(link: &Link, sizes: Sizes) -> Result<Vec<u8>> {
    let Link { name, charset, creation_order, target } = link;
    let mut out = Vec::with_capacity(32 + name.as_bytes().len());
    put_link(&mut out, name, *charset, *creation_order, target, sizes)?;
    Ok(out)
}

/// Appends what [`encode_link`] gives of a link of these parts. The address of a hard one comes last.
///
/// # Errors
/// As [`encode_link`].
pub fn put_link(
    out: &mut Vec<u8>,
    name: &Name,
    charset: Charset,
    creation_order: Option<i64>,
    target: &LinkTarget,
    sizes: Sizes,
) -> Result<()> {
    let name = name.as_bytes();
    if name.is_empty() {
        return Err(Error::usage("a link without a name"));
    }
    let width_code = match name.len() {
        0..=0xff => 0,
        0x100..=0xffff => 1,
        0x1_0000..=0xffff_ffff => 2,
        _ => 3u8,
    };
    let (kind, value) = match target {
        LinkTarget::Hard(_) => (0, Vec::new()),
        LinkTarget::Soft(path) => (SOFT, path.as_bytes().to_vec()),
        LinkTarget::External { file, path } => {
            let mut value = vec![0];
            put_name(&mut value, file.as_bytes(), 1)?;
            put_name(&mut value, path.as_bytes(), 1)?;
            if file.is_empty() || path.is_empty() {
                return Err(Error::usage("an external link without file or path"));
            }
            (EXTERNAL, value)
        }
        LinkTarget::User { class, data } if *class > EXTERNAL => (*class, data.clone()),
        LinkTarget::User { class, .. } => {
            return Err(Error::usage(format!("user-defined link of class {class}")));
        }
    };
    if kind == SOFT && value.is_empty() {
        return Err(Error::usage("a link without a target"));
    }
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let is_utf8 = charset == Charset::Utf8;
    let order = flag(creation_order.is_some(), HAS_ORDER);
    out.extend([1, width_code | order | flag(kind != 0, HAS_TYPE) | flag(is_utf8, HAS_CHARSET)]);
    if kind != 0 {
        out.push(kind);
    }
    if let Some(order) = creation_order {
        out.extend(order.to_le_bytes());
    }
    if is_utf8 {
        out.push(1);
    }
    put_uint(out, name.len() as u64, 1 << width_code)?;
    out.extend_from_slice(name);
    if let LinkTarget::Hard(address) = target {
        put_address(out, Some(*address), sizes)?;
    } else {
        put_u16(out, value.len(), "length of the target of a link")?;
        out.extend(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    fn same(text: &str, link: Link) {
        let bytes = hex(text);
        assert_eq!(decode_link(&bytes, FOUR).unwrap(), link);
        assert_eq!(encode_link(&link, FOUR).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&decode_link(&bytes[..n], FOUR).unwrap_err()));
        }
    }

    fn link(name: &str, target: LinkTarget) -> Link {
        Link { name: name.into(), charset: Charset::Ascii, creation_order: None, target }
    }

    #[test]
    fn every_kind() {
        same("01 00 01 61 00020000", link("a", LinkTarget::Hard(0x200)));
        let utf8 =
            Link { charset: Charset::Utf8, creation_order: Some(-2), ..link("a", LinkTarget::Hard(0x200)) };
        same("01 14 feffffffffffffff 01 01 61 00020000", utf8);
        same("01 08 01 01 61 0200 2f62", link("a", LinkTarget::Soft("/b".into())));
        let external = LinkTarget::External { file: "f".into(), path: "/".into() };
        same("01 08 40 01 61 0500 00 6600 2f00", link("a", external));
        same("01 08 41 01 61 0100 09", link("a", LinkTarget::User { class: 65, data: vec![9] }));
        let long = "n".repeat(256);
        same(&format!("01 01 0001 {} 00020000", "6e".repeat(256)), link(&long, LinkTarget::Hard(0x200)));
    }

    #[test]
    fn hostile() {
        let decode = |text: &str| decode_link(&hex(text), FOUR);
        assert!(is_unsupported(decode("02 00 01 61 00020000")));
        assert!(is_corrupt(decode("01 20 01 61 00020000")));
        assert!(is_corrupt(decode("01 00 00 00020000")));
        assert!(is_corrupt(decode("01 00 01 61 ffffffff")));
        assert!(is_corrupt(decode("01 08 02 01 61 0100 09")));
        assert!(is_corrupt(decode("01 08 01 01 61 0000")));
        assert!(is_corrupt(decode("01 08 40 01 61 0300 00 00 00")));
        assert!(is_unsupported(decode("01 08 40 01 61 0500 10 6600 2f00")));
        assert!(is_truncated(&decode("01 08 40 01 61 0400 00 6600 2f").unwrap_err()));
        assert!(is_truncated(&decode("01 03 ffffffffffffffff 61").unwrap_err()));
    }
}
