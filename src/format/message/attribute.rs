//! Attribute message (0x0C): section IV.A.2.m of the specification.
//!
//! ```text
//! version 1: | 1 | reserved | name size (2) | type size (2) | space size (2) | name | type | space | data |
//! version 2: | 2 | flags    | name size (2) | type size (2) | space size (2) | name | type | space | data |
//! version 3: the same with one byte for the character set of the name after the sizes
//! flags: bit 0 the type is shared, bit 1 the space is shared
//! ```
//!
//! Version 1 pads name, type and space to multiples of 8 each; the sizes are those without padding. The size of a name
//! counts its NUL.

use crate::error::{Context, Error, Result};
use crate::format::message::{check_bits, unknown_version};
use crate::format::output::{put_name, put_padded, put_u16};
use crate::format::primitive::Bytes;
use crate::model::datatype::Charset;

const NAME: &str = "attribute message";
const SHARED_TYPE: u8 = 0x01;
const SHARED_SPACE: u8 = 0x02;

/// A message within a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Embedded<'a> {
    /// The body of the message.
    Inline(&'a [u8]),
    /// A shared-message pointer to it.
    Shared(&'a [u8]),
}

impl<'a> Embedded<'a> {
    fn new(bytes: &'a [u8], shared: bool) -> Self {
        if shared { Embedded::Shared(bytes) } else { Embedded::Inline(bytes) }
    }
    /// The bytes of either.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Embedded::Inline(bytes) | Embedded::Shared(bytes) => bytes,
        }
    }
    /// True for a shared-message pointer.
    pub fn is_shared(&self) -> bool {
        matches!(self, Embedded::Shared(_))
    }
}

/// The parts of an attribute, borrowed from the message: parsing allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeMessage<'a> {
    /// Version of the message.
    pub version: u8,
    /// Name, without its NUL.
    pub name: &'a [u8],
    /// Character set of the name.
    pub charset: Charset,
    /// Type of the elements.
    pub datatype: Embedded<'a>,
    /// Extent.
    pub dataspace: Embedded<'a>,
    /// The elements and whatever follows them in the message.
    pub data: &'a [u8],
}

impl<'a> AttributeMessage<'a> {
    /// Finds the parts of the message.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (name), `Unsupported` (version, character set).
    pub fn decode(body: &'a [u8]) -> Result<Self> {
        Self::parse(Bytes(body)).in_structure(NAME)
    }

    fn parse(mut bytes: Bytes<'a>) -> Result<Self> {
        let [version, flags] = bytes.array()?;
        if !(1..=3).contains(&version) {
            return Err(unknown_version(version));
        }
        let (name_size, type_size, space_size) = (bytes.u16()?, bytes.u16()?, bytes.u16()?);
        let charset = match if version == 3 { bytes.u8()? } else { 0 } {
            0 => Charset::Ascii,
            1 => Charset::Utf8,
            n => return Err(Error::unsupported(format!("character set {n}"))),
        };
        let flags = if version == 1 { 0 } else { flags };
        check_bits(flags, SHARED_TYPE | SHARED_SPACE)?;
        let mut part = |size: u16| {
            let part = bytes.take(size.into())?;
            if version == 1 {
                let padding = part.len().next_multiple_of(8) - part.len();
                bytes.take(padding.min(bytes.0.len()))?;
            }
            Ok::<_, Error>(part)
        };
        let name = match part(name_size)?.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
            _ => return Err(Error::corrupt("the size of the name does not agree with its NUL")),
        };
        let datatype = Embedded::new(part(type_size)?, flags & SHARED_TYPE != 0);
        let dataspace = Embedded::new(part(space_size)?, flags & SHARED_SPACE != 0);
        Ok(AttributeMessage { version, name, charset, datatype, dataspace, data: bytes.0 })
    }

    /// The body of the message. One of more than 65,535 bytes does not fit in an object header, but in a heap.
    ///
    /// # Errors
    /// `Usage` for what this version cannot hold: shared parts in version 1, UTF-8 before version 3, name, type or
    /// dataspace above 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let (datatype, dataspace) = (self.datatype.bytes(), self.dataspace.bytes());
        let flags = u8::from(self.datatype.is_shared()) | u8::from(self.dataspace.is_shared()) << 1;
        let align = match self.version {
            1 => 8,
            2 | 3 => 1,
            _ => return Err(unknown_version(self.version)),
        };
        if self.version == 1 && flags != 0 || self.version < 3 && self.charset != Charset::Ascii {
            return Err(Error::usage("an attribute that needs a newer version of its message"));
        }
        if self.name.is_empty() {
            return Err(Error::usage("an attribute without a name"));
        }
        let parts = [self.name.len() + 1, datatype.len(), dataspace.len()];
        let parts: usize = parts.iter().map(|len| len.next_multiple_of(align)).sum();
        let mut out = Vec::with_capacity(9 + parts + self.data.len());
        out.extend([self.version, flags]);
        put_u16(&mut out, self.name.len() + 1, "length of the name of an attribute")?;
        put_u16(&mut out, datatype.len(), "size of the datatype of an attribute")?;
        put_u16(&mut out, dataspace.len(), "size of the dataspace of an attribute")?;
        if self.version == 3 {
            out.push(u8::from(self.charset == Charset::Utf8));
        }
        put_name(&mut out, self.name, align)?;
        put_padded(&mut out, datatype, align);
        put_padded(&mut out, dataspace, align);
        out.extend_from_slice(self.data);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const I32: [u8; 12] = [0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0];
    const SCALAR: [u8; 4] = [2, 0, 0, 0];
    const I32_HEX: &str = "10080000 04000000 0000 2000";

    fn same(text: &str, message: AttributeMessage<'_>) {
        let bytes = hex(text);
        assert_eq!(AttributeMessage::decode(&bytes).unwrap(), message);
        assert_eq!(message.encode().unwrap(), bytes);
        let parts = bytes.len() - message.data.len();
        let parts = if message.version == 1 { parts - 8 } else { parts };
        for n in 0..parts {
            assert!(is_truncated(&AttributeMessage::decode(&bytes[..n]).unwrap_err()) || n == 0, "{n}");
        }
    }

    fn message(version: u8) -> AttributeMessage<'static> {
        AttributeMessage {
            version,
            name: b"ab",
            charset: Charset::Ascii,
            datatype: Embedded::Inline(&I32),
            dataspace: Embedded::Inline(&SCALAR),
            data: &[42, 0, 0, 0],
        }
    }

    #[test]
    fn every_version() {
        same(
            &format!("01 00 0300 0c00 0400 6162000000000000 {I32_HEX} 00000000 02000000 00000000 2a000000"),
            message(1),
        );
        same(&format!("02 00 0300 0c00 0400 616200 {I32_HEX} 02000000 2a000000"), message(2));
        let utf8 = AttributeMessage { charset: Charset::Utf8, ..message(3) };
        same(&format!("03 00 0300 0c00 0400 01 616200 {I32_HEX} 02000000 2a000000"), utf8);
        let shared = AttributeMessage { datatype: Embedded::Shared(&[3, 3]), ..message(3) };
        same("03 01 0300 0200 0400 00 616200 0303 02000000 2a000000", shared);
    }

    #[test]
    fn hostile() {
        let decode = |text: &str| AttributeMessage::decode(&hex(text)).map(|_| ());
        assert!(is_corrupt(decode("02 00 0000 0000 0000")));
        assert!(is_corrupt(decode("02 00 0100 0000 0000 00")));
        assert!(is_corrupt(decode("02 00 0300 0000 0000 610062")));
        assert!(is_corrupt(decode("02 00 0300 0000 0000 610000")));
        assert!(is_corrupt(decode("02 04 0200 0000 0000 6100")));
        assert!(is_unsupported(decode("04 00 0200 0000 0000 6100")));
        assert!(is_unsupported(decode("03 00 0200 0000 0000 02 6100")));
        let shared = AttributeMessage { dataspace: Embedded::Shared(&SCALAR), ..message(1) };
        assert!(is_usage(shared.encode()));
        let long = AttributeMessage { data: &[0; 65536], ..message(2) };
        assert_eq!(AttributeMessage::decode(&long.encode().unwrap()).unwrap(), long);
    }
}
