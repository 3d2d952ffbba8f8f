//! Driver information block: how a file is spread over several, by superblocks 0 and 1.
//!
//! HDF5 File Format Specification, II.B "Disk Format: Level 0B - File Driver Info".
//!
//! ```text
//! +---------+----------+----------+--------+-------------+
//! | version | reserved | size u32 | name 8 | information |
//! |    0    |    3     |          |        | (size bytes)|
//! +---------+----------+----------+--------+-------------+
//! ```

use super::primitive::{Bytes, Put};
use crate::error::{Context, Error, Result};

const NAME: &str = "driver information block";

/// Name of the driver that spreads a file over members of equal size.
pub const FAMILY: [u8; 8] = *b"NCSAfami";
/// Name of the driver that spreads a file over members by kind of data.
pub const MULTI: [u8; 8] = *b"NCSAmult";

/// What a file driver stored about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverInfo {
    /// Name of the driver; the multi driver numbers its version in the last byte.
    pub name: [u8; 8],
    /// What only the driver understands.
    pub information: Vec<u8>,
}

impl DriverInfo {
    /// Bytes before the information.
    pub const HEADER_LEN: usize = 16;

    /// Bytes of the whole block, from its first [`HEADER_LEN`](Self::HEADER_LEN) bytes.
    pub fn block_len(bytes: &[u8]) -> Result<usize> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.version(0)?;
            b.take(3)?;
            Ok(Self::HEADER_LEN.saturating_add(b.u32()? as usize))
        };
        parse().in_structure(NAME)
    }

    /// Parses the block at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let parse = || {
            let mut b = Bytes(bytes);
            b.version(0)?;
            b.take(3)?;
            let size = b.u32()? as usize;
            Ok(DriverInfo { name: b.array()?, information: b.take(size)?.to_vec() })
        };
        parse().in_structure(NAME)
    }

    /// The bytes of the block.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = vec![0; 4];
        out.uint(self.information.len() as u64, 4).in_structure(NAME)?;
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&self.information);
        Ok(out)
    }

    /// Bytes of a member of the family driver.
    pub fn family_member_size(&self) -> Result<Option<u64>> {
        if self.name != FAMILY {
            return Ok(None);
        }
        match self.information.first_chunk::<8>() {
            Some(size) => Ok(Some(u64::from_le_bytes(*size))),
            None => Err(Error::corrupt("no member size of the family driver").in_structure(NAME)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const LITERAL: &[u8] = b"\0\0\0\0\x08\0\0\0NCSAfami\0\x04\0\0\0\0\0\0";

    #[test]
    fn literal_bytes() {
        let info = DriverInfo::decode(LITERAL).unwrap();
        assert_eq!((info.name, info.family_member_size().unwrap()), (FAMILY, Some(1024)));
        assert_eq!(info.encode().unwrap(), LITERAL);
        assert_eq!(DriverInfo::block_len(LITERAL).unwrap(), LITERAL.len());
        assert_eq!(DriverInfo { name: MULTI, ..info }.family_member_size().unwrap(), None);
    }

    #[test]
    fn hostile() {
        for n in 0..LITERAL.len() {
            let e = DriverInfo::decode(&LITERAL[..n]).unwrap_err();
            assert!(matches!(e.kind(), ErrorKind::Truncated(_)), "{n}: {e}");
        }
        let mut bytes = LITERAL.to_vec();
        bytes[7] = 0xff;
        assert!(matches!(DriverInfo::decode(&bytes).unwrap_err().kind(), ErrorKind::Truncated(_)));
        bytes[0] = 1;
        assert!(matches!(DriverInfo::decode(&bytes).unwrap_err().kind(), ErrorKind::Unsupported(_)));
        let short = DriverInfo { name: FAMILY, information: vec![0; 7] };
        assert!(matches!(short.family_member_size().unwrap_err().kind(), ErrorKind::Corrupt(_)));
    }
}
