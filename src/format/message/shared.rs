//! Shared-message pointer: section IV.A.2 ("Shared Message") of the specification. It stands in place of the body of a
//! message whose flags say "shared", and of the datatype and dataspace of an attribute.
//!
//! ```text
//! version 1: | 1 | type | reserved (6) | ignored (L) | address (O) |
//! version 2: | 2 | type | address (O) |
//! version 3: | 3 | type | heap id (8) if type 1, address (O) if type 2 |
//! type: 1 in the heap of shared messages, 2 a committed datatype, 3 not shared, but shareable (this very message)
//! ```
//!
//! The type of versions 1 and 2 is not reliable: they always point to a committed datatype.

use crate::error::{Context, Error, Result};
use crate::format::message::unknown_version;
use crate::format::output::put_address;
use crate::format::primitive::{Bytes, Sizes};

const NAME: &str = "shared message";

/// Where the body of a shared message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SharedPointer {
    /// In the object header of a committed datatype, at this address.
    Committed(u64),
    /// In the fractal heap of shared messages, under this id.
    Heap([u8; 8]),
    /// In the message itself.
    Here,
}

/// Decodes a pointer, and tells how many bytes it took.
///
/// # Errors
/// `Truncated`, `Corrupt` (type, undefined address), `Unsupported` (version).
pub fn decode_shared(body: &[u8], sizes: Sizes) -> Result<(SharedPointer, usize)> {
    let mut bytes = Bytes(body);
    let pointer = decode(&mut bytes, sizes).in_structure(NAME)?;
    Ok((pointer, body.len() - bytes.0.len()))
}

fn decode(bytes: &mut Bytes<'_>, sizes: Sizes) -> Result<SharedPointer> {
    let [version, kind] = bytes.array()?;
    match (version, kind) {
        (1, _) => {
            bytes.take(6)?;
            bytes.length(sizes)?;
        }
        (2, _) | (3, 2) => {}
        (3, 1) => return Ok(SharedPointer::Heap(bytes.array()?)),
        (3, 3) => return Ok(SharedPointer::Here),
        (3, _) => return Err(Error::corrupt(format!("unknown type of shared message {kind}"))),
        _ => return Err(unknown_version(version)),
    }
    let address = bytes.address(sizes)?.ok_or_else(|| Error::corrupt("undefined address"))?;
    Ok(SharedPointer::Committed(address))
}

/// Encodes a pointer in this version (1 to 3); a pointer other than to a committed datatype in version 3.
///
/// # Errors
/// `Usage` if the address does not fit in the widths of the file.
pub fn encode_shared(pointer: SharedPointer, version: u8, sizes: Sizes) -> Result<Vec<u8>> {
    let address = match pointer {
        SharedPointer::Heap(id) => return Ok([&[3, 1], &id[..]].concat()),
        SharedPointer::Here => return Ok(vec![3, 3]),
        SharedPointer::Committed(address) => address,
    };
    let mut out = match version {
        1 => vec![0; 8 + usize::from(sizes.length)],
        2 | 3 => vec![0; 2],
        _ => return Err(unknown_version(version)),
    };
    out[0] = version;
    out[1] = if version == 3 { 2 } else { 0 };
    put_address(&mut out, Some(address), sizes)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn all_versions() {
        let sizes = Sizes { offset: 4, length: 2 };
        for (bytes, pointer) in [
            ("0100 000000000000 0000 78563412", SharedPointer::Committed(0x1234_5678)),
            ("0200 78563412", SharedPointer::Committed(0x1234_5678)),
            ("0302 78563412", SharedPointer::Committed(0x1234_5678)),
            ("0301 0102030405060708", SharedPointer::Heap([1, 2, 3, 4, 5, 6, 7, 8])),
            ("0303", SharedPointer::Here),
        ] {
            let bytes = hex(bytes);
            assert_eq!(decode_shared(&bytes, sizes).unwrap(), (pointer, bytes.len()));
            assert_eq!(encode_shared(pointer, bytes[0], sizes).unwrap(), bytes);
            for n in 0..bytes.len() {
                assert!(is_truncated(&decode_shared(&bytes[..n], sizes).unwrap_err()));
            }
        }
    }

    #[test]
    fn hostile() {
        let sizes = Sizes { offset: 4, length: 4 };
        assert!(is_corrupt(decode_shared(&hex("0200 ffffffff"), sizes)));
        assert!(is_corrupt(decode_shared(&hex("0304 00000000"), sizes)));
        assert!(is_unsupported(decode_shared(&hex("0402 00000000"), sizes)));
    }
}
