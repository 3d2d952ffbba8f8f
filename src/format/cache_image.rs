//! Metadata cache image: metadata that the file holds in one block instead of at their own addresses.
//!
//! HDF5 File Format Specification, IV.A.2.y "Metadata Cache Image" (message 0x18) and the block it points to.
//!
//! ```text
//! +------+---------+----------+------------------+-------------+
//! | MDCI | version | flags u8 | bytes of entries | entries u32 |
//! |      |    0    |          |        L         |             |
//! +------+---------+----------+------------------+-------------+
//! | entry ...                                                  |
//! | checksum u32                                               |
//! +------------------------------------------------------------+
//! entry
//! +---------+----------+---------+--------+--------------+--------------------+-------------+
//! | type u8 | flags u8 | ring u8 | age u8 | children u16 | dirty children u16 | parents u16 |
//! +---------+----------+---------+--------+--------------+--------------------+-------------+
//! | rank in the cache u32 | address O | length L | address of each parent O | data          |
//! +-----------------------------------------------------------------------------------------+
//! ```

use super::checksum;
use super::primitive::{Bytes, Put, Sizes};
use crate::error::{Context, Error, Result};

const NAME: &str = "metadata cache image";
const SIGNATURE: &[u8; 4] = b"MDCI";

/// One structure, which counts instead of what the file holds at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry<'a> {
    /// What kind of metadata it is, by the numbers of libhdf5's cache.
    pub kind: u8,
    /// Flags: 1 dirty, 2 in the list by age, 4 has parents, 8 has children, as to the order of flushing.
    pub flags: u8,
    /// When it is flushed.
    pub ring: u8,
    /// Number of images that it has been in without being used.
    pub age: u8,
    /// Number of entries that must be flushed before it.
    pub children: u16,
    /// How many of those are dirty.
    pub dirty_children: u16,
    /// Its place in the list by age.
    pub rank: u32,
    /// Address of the structure in the file.
    pub address: u64,
    /// Addresses of the entries that must be flushed after it.
    pub parents: Vec<u64>,
    /// The bytes of the structure.
    pub data: &'a [u8],
}

/// The entries of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheImage<'a> {
    /// Flag 1: the image holds the cache's adaptive size.
    pub flags: u8,
    /// In the order of the file.
    pub entries: Vec<CacheEntry<'a>>,
}

impl<'a> CacheImage<'a> {
    /// Parses the image at the start of `bytes`; its checksum is verified.
    pub fn decode(bytes: &'a [u8], sizes: Sizes) -> Result<Self> {
        Self::parse(bytes, sizes).in_structure(NAME)
    }

    fn parse(bytes: &'a [u8], sizes: Sizes) -> Result<Self> {
        let mut b = Bytes(bytes);
        b.signature(SIGNATURE)?;
        b.version(0)?;
        let flags = b.u8()?;
        b.length(sizes)?;
        let count = b.u32()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(Self::entry(&mut b, sizes)?);
        }
        b.take(checksum::CHECKSUM_LEN)?;
        checksum::verify(&bytes[..bytes.len() - b.0.len()])?;
        Ok(CacheImage { flags, entries })
    }

    fn entry(b: &mut Bytes<'a>, sizes: Sizes) -> Result<CacheEntry<'a>> {
        let [kind, flags, ring, age] = b.array()?;
        let (children, dirty_children, parents) = (b.u16()?, b.u16()?, usize::from(b.u16()?));
        let rank = b.u32()?;
        let address = b.defined(sizes)?;
        let length = b.length(sizes)?;
        let mut addresses = Bytes(b.take(parents * usize::from(sizes.offset))?);
        let parents = (0..parents).map(|_| addresses.defined(sizes)).collect::<Result<_>>()?;
        let data = b.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(CacheEntry { kind, flags, ring, age, children, dirty_children, rank, address, parents, data })
    }

    /// The bytes of the image.
    pub fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let encode = || {
            let mut body = Vec::new();
            for entry in &self.entries {
                body.extend_from_slice(&[entry.kind, entry.flags, entry.ring, entry.age]);
                body.extend_from_slice(&entry.children.to_le_bytes());
                body.extend_from_slice(&entry.dirty_children.to_le_bytes());
                body.uint(entry.parents.len() as u64, 2)?;
                body.extend_from_slice(&entry.rank.to_le_bytes());
                body.uint(entry.address, sizes.offset)?;
                body.length(entry.data.len() as u64, sizes)?;
                entry.parents.iter().try_for_each(|parent| body.uint(*parent, sizes.offset))?;
                body.extend_from_slice(entry.data);
            }
            let mut out = SIGNATURE.to_vec();
            out.extend_from_slice(&[0, self.flags]);
            let framing = 10 + u64::from(sizes.length) + checksum::CHECKSUM_LEN as u64;
            out.length(body.len() as u64 + framing, sizes)?;
            out.uint(self.entries.len() as u64, 4)?;
            out.append(&mut body);
            checksum::append(&mut out);
            Ok(out)
        };
        encode().in_structure(NAME)
    }

    /// The entry that is at `address` of the file.
    pub fn find(&self, address: u64) -> Result<&CacheEntry<'a>> {
        let found = self.entries.iter().find(|entry| entry.address == address);
        found.ok_or_else(|| Error::not_found(format!("{address:#x} in the cache image")).in_structure(NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn literal() -> Vec<u8> {
        let mut bytes = b"MDCI\0\0\x57\0\0\0\0\0\0\0\x02\0\0\0".to_vec();
        bytes.extend_from_slice(
            b"\x05\x03\x01\0\0\0\0\0\0\0\x01\0\0\0\x52\x02\0\0\0\0\0\0\x03\0\0\0\0\0\0\0abc",
        );
        bytes
            .extend_from_slice(b"\x04\x04\x01\0\x01\0\0\0\x01\0\x02\0\0\0\x30\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend_from_slice(b"\x52\x02\0\0\0\0\0\0");
        bytes[6] = bytes.len() as u8 + 4;
        checksum::append(&mut bytes);
        bytes
    }

    #[test]
    fn literal_bytes() {
        let bytes = literal();
        let image = CacheImage::decode(&bytes, Sizes::EIGHT).unwrap();
        let first = image.find(0x252).unwrap();
        assert_eq!((first.kind, first.flags, first.ring, first.rank), (5, 3, 1, 1));
        assert_eq!((first.data, first.parents.len()), (&b"abc"[..], 0));
        let second = image.find(0x30).unwrap();
        assert_eq!((second.parents.as_slice(), second.children, second.data), (&[0x252][..], 1, &b""[..]));
        assert_eq!(image.encode(Sizes::EIGHT).unwrap(), bytes);
        assert!(matches!(image.find(0).unwrap_err().kind(), ErrorKind::NotFound(_)));
    }

    #[test]
    fn hostile() {
        let bad = |at: usize, value: u8| {
            let mut bytes = literal();
            bytes[at] = value;
            CacheImage::decode(&bytes, Sizes::EIGHT).unwrap_err()
        };
        assert!(matches!(bad(0, 0).kind(), ErrorKind::Corrupt(_)));
        assert!(matches!(bad(4, 1).kind(), ErrorKind::Unsupported(_)));
        assert!(matches!(bad(17, 0xff).kind(), ErrorKind::Truncated(_)), "entries");
        assert!(matches!(bad(47, 0xff).kind(), ErrorKind::Truncated(_)), "bytes of an entry");
        assert!(matches!(bad(48, b'x').kind(), ErrorKind::Corrupt(t) if t.contains("checksum")));
        for n in 0..literal().len() {
            let e = CacheImage::decode(&literal()[..n], Sizes::EIGHT).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
        }
    }
}
