//! Element of a fixed or extensible array: one chunk of a dataset.
//!
//! HDF5 File Format Specification, VII.C "Fixed Array Index" and VII.D "Extensible Array Index".
//!
//! ```text
//! client 0, no filters: address O
//! client 1, filters:    address O, size of the chunk in the file (1 to 8 bytes), filter mask u32
//! ```

use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Error, Result};

/// Client of an array of chunks without filters.
pub const CLIENT_CHUNK: u8 = 0;
/// Client of an array of chunks with filters.
pub const CLIENT_FILTERED: u8 = 1;

/// One chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkElement {
    /// Address; none if the chunk was never written.
    pub address: Option<u64>,
    /// Bytes in the file, if the dataset has filters.
    pub size: Option<u64>,
    /// Filters that were skipped.
    pub mask: u32,
}

/// How the elements of an array are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementFormat {
    sizes: Sizes,
    /// Bytes of the size of a chunk; 0 without filters.
    width: u8,
}

impl ElementFormat {
    /// Of an array for `client`, of elements of `element_size` bytes.
    ///
    /// # Errors
    /// `Corrupt` if they contradict each other, `Unsupported` for an unknown client.
    pub fn new(client: u8, element_size: u8, sizes: Sizes) -> Result<Self> {
        let rest = element_size.checked_sub(sizes.offset);
        match (client, rest) {
            (CLIENT_CHUNK, Some(0)) => Ok(ElementFormat { sizes, width: 0 }),
            (CLIENT_FILTERED, Some(rest @ 5..=12)) => Ok(ElementFormat { sizes, width: rest - 4 }),
            (CLIENT_CHUNK | CLIENT_FILTERED, _) => {
                Err(Error::corrupt(format!("elements of {element_size} bytes for client {client}")))
            }
            _ => Err(Error::unsupported(format!("client {client}"))),
        }
    }

    /// Bytes of an element.
    pub const fn len(&self) -> usize {
        self.sizes.offset as usize + if self.width > 0 { self.width as usize + 4 } else { 0 }
    }

    /// The element at the start of `bytes`.
    #[inline]
    pub fn decode(&self, bytes: &[u8]) -> Result<ChunkElement> {
        let mut b = Bytes(bytes);
        let address = b.address(self.sizes)?;
        if self.width == 0 {
            return Ok(ChunkElement { address, size: None, mask: 0 });
        }
        Ok(ChunkElement { address, size: Some(b.uint(self.width)?), mask: b.u32()? })
    }

    /// Appends the bytes of an element.
    pub fn encode_to(&self, element: &ChunkElement, out: &mut Vec<u8>) -> Result<()> {
        out.address(element.address, self.sizes)?;
        if self.width > 0 {
            out.uint(element.size.unwrap_or(0), self.width)?;
            out.extend_from_slice(&element.mask.to_le_bytes());
        }
        Ok(())
    }

    /// The elements that `bytes` are made of.
    pub fn decode_all(self, bytes: &[u8]) -> impl ExactSizeIterator<Item = Result<ChunkElement>> + '_ {
        bytes.chunks_exact(self.len()).map(move |element| self.decode(element))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn same(format: ElementFormat, bytes: &[u8], element: ChunkElement) {
        assert_eq!(format.len(), bytes.len());
        assert_eq!(format.decode(bytes).unwrap(), element);
        let mut out = Vec::new();
        format.encode_to(&element, &mut out).unwrap();
        assert_eq!(out, bytes);
        let e = format.decode(&bytes[1..]).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Truncated(_)));
    }

    #[test]
    fn literal_bytes() {
        let plain = ElementFormat::new(0, 8, Sizes::EIGHT).unwrap();
        same(plain, b"\x14\x89\x01\0\0\0\0\0", ChunkElement { address: Some(0x18914), size: None, mask: 0 });
        same(plain, &[0xff; 8], ChunkElement::default());
        let filtered = ElementFormat::new(1, 10, Sizes { offset: 4, length: 4 }).unwrap();
        same(
            filtered,
            b"\0\x02\0\0\x0c\x01\x03\0\0\0",
            ChunkElement { address: Some(512), size: Some(268), mask: 3 },
        );
    }

    #[test]
    fn hostile() {
        for (client, size) in [(0, 7), (0, 9), (1, 8), (1, 12), (1, 21), (1, 0)] {
            let e = ElementFormat::new(client, size, Sizes::EIGHT).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Corrupt(_)));
        }
        let e = ElementFormat::new(2, 8, Sizes::EIGHT).unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Unsupported(_)));
    }
}
