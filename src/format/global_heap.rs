//! Global heap collection: the elements of variable-length datasets, and other things that references point to.
//!
//! HDF5 File Format Specification, III.E "Disk Format: Level 1E - Global Heap".
//!
//! ```text
//! +------+---------+----------+------+---------+
//! | GCOL | version | reserved | size | padding |      size: of the whole collection, at least 4096
//! |      |    1    |    3     |  L   | to 8    |
//! +------+---------+----------+------+---------+
//! | object ...                                 |      +-------+------------+----------+------+---------+
//! |                                            |      | index | references | reserved | size | padding |
//! | free space: an object of index 0 whose     |      |  u16  |    u16     |    4     |  L   | to 8    |
//! | size includes its header; absent when less |      +-------+------------+----------+------+---------+
//! | than a header is left                      |      | data, padded to 8                              |
//! +--------------------------------------------+      +------------------------------------------------+
//! ```

use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const NAME: &str = "global heap collection";
const SIGNATURE: &[u8; 4] = b"GCOL";

/// Bytes of the smallest collection that libhdf5 writes.
pub const MIN_COLLECTION: u64 = 4096;

/// Bytes before the first object, and of the header of each object.
pub const fn header_len(sizes: Sizes) -> usize {
    (8 + sizes.length as usize).next_multiple_of(8)
}

/// The header of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalHeapHeader {
    /// Bytes of the collection, this header included.
    pub size: u64,
}

impl GlobalHeapHeader {
    /// Parses the header at the start of `bytes`.
    pub fn decode(bytes: &[u8], sizes: Sizes) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.signature(SIGNATURE)?;
            b.version(1)?;
            b.take(3)?;
            let size = b.length(sizes)?;
            if size < header_len(sizes) as u64 {
                return Err(Error::corrupt(format!("collection of {size} bytes")));
            }
            Ok(GlobalHeapHeader { size })
        };
        parse().in_structure(NAME)
    }
}

/// One object of a collection, and where its data lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalHeapObject {
    /// Index within the collection, from 1.
    pub index: u16,
    /// Reference count; not maintained by libhdf5.
    pub reference_count: u16,
    /// First byte of the data within the collection.
    pub start: usize,
    /// Bytes of the data, padding excluded.
    pub len: usize,
}

/// The objects of a collection. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    collection: &'a [u8],
    at: usize,
    sizes: Sizes,
}

impl<'a> Objects<'a> {
    /// The objects of `collection`: as many bytes, from its header on, as the header says.
    pub fn new(collection: &'a [u8], sizes: Sizes) -> Self {
        Objects { collection, at: header_len(sizes), sizes }
    }

    #[inline]
    fn object(&self) -> Result<Option<(GlobalHeapObject, usize)>> {
        let start = self.at.saturating_add(header_len(self.sizes));
        let Some(header) = self.collection.get(self.at..start) else {
            return Ok(None);
        };
        let mut b = Bytes(header);
        let (index, reference_count) = (b.u16()?, b.u16()?);
        b.take(4)?;
        let size = b.length(self.sizes)?;
        if index == 0 {
            return Ok(None);
        }
        let left = self.collection.len() - start;
        match usize::try_from(size) {
            Ok(len) if len <= left => {
                // The padding of the last object may be cut off by the end of the collection.
                let next = start + len.next_multiple_of(8).min(left);
                Ok(Some((GlobalHeapObject { index, reference_count, start, len }, next)))
            }
            _ => Err(Error::corrupt(format!("object {index} of {size} bytes where {left} are left"))),
        }
    }
}

impl Iterator for Objects<'_> {
    type Item = Result<GlobalHeapObject>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.object().in_structure(NAME) {
            Ok(Some((object, next))) => {
                self.at = next;
                Some(Ok(object))
            }
            Ok(None) => {
                self.at = self.collection.len();
                None
            }
            Err(e) => {
                self.at = self.collection.len();
                Some(Err(e))
            }
        }
    }
}

/// Bytes that an object of `len` bytes takes in a collection.
pub const fn object_len(len: usize, sizes: Sizes) -> Option<usize> {
    match len.checked_next_multiple_of(8) {
        Some(padded) => padded.checked_add(header_len(sizes)),
        None => None,
    }
}

/// A collection of `size` bytes with these objects: index, reference count, data.
///
/// # Errors
/// `Usage` if they do not fit or an index is 0.
pub fn encode_collection<'a>(
    objects: impl IntoIterator<Item = (u16, u16, &'a [u8])>,
    size: usize,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[1, 0, 0, 0]);
    out.length(size as u64, sizes).in_structure(NAME)?;
    out.resize(header_len(sizes), 0);
    for (index, references, data) in objects {
        let fits = object_len(data.len(), sizes).is_some_and(|n| n <= size.saturating_sub(out.len()));
        if index == 0 || !fits {
            let text = format!("object {index} of {} bytes does not fit", data.len());
            return Err(Error::usage(text).in_structure(NAME));
        }
        put_object_header(&mut out, index, references, data.len() as u64, sizes)?;
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(8), 0);
    }
    let left = size.saturating_sub(out.len());
    if left >= header_len(sizes) {
        put_object_header(&mut out, 0, 0, left as u64, sizes)?;
    }
    out.resize(size.max(header_len(sizes)), 0);
    Ok(out)
}

fn put_object_header(out: &mut Vec<u8>, index: u16, references: u16, size: u64, sizes: Sizes) -> Result<()> {
    let end = out.len() + header_len(sizes);
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&references.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.length(size, sizes).in_structure(NAME)?;
    out.resize(end, 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const LITERAL: &[u8] = b"GCOL\x01\0\0\0\x48\0\0\0\0\0\0\0\
        \x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0hello\0\0\0\
        \0\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn objects(bytes: &[u8], sizes: Sizes) -> Result<Vec<GlobalHeapObject>> {
        GlobalHeapHeader::decode(bytes, sizes)?;
        Objects::new(bytes, sizes).collect()
    }

    #[test]
    fn literal_bytes() {
        assert_eq!(GlobalHeapHeader::decode(LITERAL, Sizes::EIGHT).unwrap().size, 72);
        let found = objects(LITERAL, Sizes::EIGHT).unwrap();
        assert_eq!(found, [GlobalHeapObject { index: 1, reference_count: 0, start: 32, len: 5 }]);
        assert_eq!(encode_collection([(1, 0, &b"hello"[..])], 72, Sizes::EIGHT).unwrap(), LITERAL);
    }

    #[test]
    fn headers_are_16_bytes_for_every_width_of_lengths() {
        for length in [2, 4, 8] {
            let sizes = Sizes { offset: 8, length };
            let bytes = encode_collection([(1, 0, &b"a"[..]), (2, 0, b"")], 96, sizes).unwrap();
            let found = objects(&bytes, sizes).unwrap();
            assert_eq!((found[0].start, found[0].len), (32, 1));
            assert_eq!((found[1].start, found[1].len), (56, 0));
        }
    }

    #[test]
    fn a_tail_shorter_than_a_header_has_no_marker() {
        let bytes = encode_collection([(7, 0, &b"12345678"[..])], 48, Sizes::EIGHT).unwrap();
        assert_eq!(objects(&bytes, Sizes::EIGHT).unwrap().len(), 1);
        assert_eq!(&bytes[40..], [0; 8]);
        assert!(encode_collection([(7, 0, &b"12345678"[..])], 39, Sizes::EIGHT).is_err());
        // The padding of the last object is missing.
        assert_eq!(objects(&LITERAL[..37], Sizes::EIGHT).unwrap()[0].len, 5);
    }

    #[test]
    fn hostile() {
        let bad = |at: usize, value: u8| {
            let mut bytes = LITERAL.to_vec();
            bytes[at] = value;
            objects(&bytes, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 2).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(8, 15).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(24, 41).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(31, 0xff).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(objects(&LITERAL[..15], Sizes::EIGHT).unwrap_err().kind(), ErrorKind::Truncated(_)));
    }
}
