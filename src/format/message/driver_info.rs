//! Driver info message (0x14): section IV.A.2.u of the specification. Only in the superblock extension.
//!
//! ```text
//! | 0 | identification (8) | size (2) | information (size) |
//! ```

use crate::error::{Context, Result};
use crate::format::message::unknown_version;
use crate::format::output::put_u16;
use crate::format::primitive::Bytes;

/// Settings of the file driver that wrote the file, such as `NCSAfami` or `NCSAmult`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverInfoMessage {
    /// Identification of the driver.
    pub driver: [u8; 8],
    /// What the driver stored.
    pub information: Vec<u8>,
}

impl DriverInfoMessage {
    /// Decodes the message.
    ///
    /// # Errors
    /// `Truncated`, `Unsupported` (version).
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(body);
        let mut decode = || {
            let version = bytes.u8()?;
            if version != 0 {
                return Err(unknown_version(version));
            }
            let (driver, size) = (bytes.array()?, bytes.u16()?);
            Ok(DriverInfoMessage { driver, information: bytes.take(size.into())?.to_vec() })
        };
        decode().in_structure("driver info message")
    }

    /// The body of the message.
    ///
    /// # Errors
    /// `Usage` for more than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = vec![0];
        out.extend(self.driver);
        put_u16(&mut out, self.information.len(), "size of driver information")?;
        out.extend_from_slice(&self.information);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn family() {
        let bytes = hex("00 4e43534166616d69 0800 0004000000000000");
        let value = DriverInfoMessage { driver: *b"NCSAfami", information: hex("0004000000000000") };
        assert_eq!(DriverInfoMessage::decode(&bytes).unwrap(), value);
        assert_eq!(value.encode().unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&DriverInfoMessage::decode(&bytes[..n]).unwrap_err()));
        }
        assert!(is_unsupported(DriverInfoMessage::decode(&hex("01 4e43534166616d69 0000"))));
    }
}
