//! Fill value messages (0x04, 0x05): sections IV.A.2.e and IV.A.2.f of the specification.
//!
//! ```text
//! old (0x04):   | size (4) | value (size) |
//! version 1, 2: | version | allocation | time | defined | size (4), value, if defined |
//! version 3:    | 3 | flags | size (4), value, if flags bit 5 |
//! flags: bits 0-1 allocation, 2-3 time, 4 undefined, 5 has a value
//! allocation: 1 early, 2 late, 3 incremental; time: 0 on allocation, 1 never, 2 if set
//! ```
//!
//! "Defined" of size 0 is the default: zeros.

use crate::error::{Context, Error, Result};
use crate::format::message::{check_bits, unknown_version};
use crate::format::output::put_u32;
use crate::format::primitive::Bytes;
use crate::model::fill::{AllocationTime, Fill, FillTime, FillValue};

const NAME: &str = "fill value message";
const UNDEFINED: u8 = 0x10;
const HAS_VALUE: u8 = 0x20;

/// A fill value, and the version of its message; 0 is the old message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillMessage {
    /// Version of the message 0x05, or 0 for the message 0x04.
    pub version: u8,
    /// What it says.
    pub fill: Fill,
}

impl FillMessage {
    /// Decodes the message 0x04.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn decode_old(body: &[u8]) -> Result<Self> {
        let value = match value(&mut Bytes(body)).in_structure(NAME)? {
            FillValue::Default => FillValue::Undefined,
            value => value,
        };
        Ok(FillMessage { version: 0, fill: Fill { value, ..Fill::default() } })
    }

    /// Decodes the message 0x05.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (unknown times or flags), `Unsupported` (version).
    pub fn decode(body: &[u8]) -> Result<Self> {
        let mut bytes = Bytes(body);
        let version = bytes.u8().in_structure(NAME)?;
        let fill = match version {
            1 | 2 => decode_v1(&mut bytes),
            3 => decode_v3(&mut bytes),
            _ => Err(unknown_version(version)),
        };
        Ok(FillMessage { version, fill: fill.in_structure(NAME)? })
    }

    /// The body of the message: of 0x04 if the version is 0, otherwise of 0x05.
    ///
    /// # Errors
    /// `Usage` for a value of 4 GiB; `Unsupported` for an unknown version.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        put_fill(&mut out, &self.fill, self.version)?;
        Ok(out)
    }
}

/// Appends the body of a message of this version: of 0x04 if that is 0, otherwise of 0x05.
///
/// # Errors
/// As [`FillMessage::encode`].
pub fn put_fill(out: &mut Vec<u8>, fill: &Fill, version: u8) -> Result<()> {
    let (undefined, value) = match &fill.value {
        FillValue::Undefined => (true, &[][..]),
        FillValue::Default => (false, &[][..]),
        FillValue::User(value) => (false, &value[..]),
    };
    let allocation = match fill.allocation {
        AllocationTime::Early => 1,
        AllocationTime::Late => 2,
        AllocationTime::Incremental => 3,
    };
    let time = match fill.time {
        FillTime::OnAllocation => 0,
        FillTime::Never => 1,
        FillTime::IfSet => 2,
    };
    let with_size = match version {
        0 => true,
        1 | 2 => {
            out.extend([version, allocation, time, u8::from(!undefined)]);
            !undefined
        }
        3 => {
            let undefined = if undefined { UNDEFINED } else { 0 };
            let has_value = if value.is_empty() { 0 } else { HAS_VALUE };
            out.extend([3, allocation | time << 2 | undefined | has_value]);
            !value.is_empty()
        }
        version => return Err(unknown_version(version)),
    };
    if with_size {
        put_u32(out, value.len(), "size of a fill value")?;
        out.extend_from_slice(value);
    }
    Ok(())
}

fn value(bytes: &mut Bytes<'_>) -> Result<FillValue> {
    let size = bytes.u32()? as usize;
    let value = bytes.take(size)?;
    Ok(if value.is_empty() { FillValue::Default } else { FillValue::User(value.to_vec()) })
}

fn decode_v1(bytes: &mut Bytes<'_>) -> Result<Fill> {
    let [allocation, time, defined] = bytes.array()?;
    let value = if defined == 0 { FillValue::Undefined } else { value(bytes)? };
    Ok(Fill { allocation: allocation_time(allocation)?, time: fill_time(time)?, value })
}

fn decode_v3(bytes: &mut Bytes<'_>) -> Result<Fill> {
    let flags = bytes.u8()?;
    check_bits(flags, 0x3f)?;
    let value = match (flags & UNDEFINED != 0, flags & HAS_VALUE != 0) {
        (true, true) => return Err(Error::corrupt("an undefined fill value that has a value")),
        (true, false) => FillValue::Undefined,
        (false, true) => value(bytes)?,
        (false, false) => FillValue::Default,
    };
    Ok(Fill { allocation: allocation_time(flags & 3)?, time: fill_time(flags >> 2 & 3)?, value })
}

fn allocation_time(code: u8) -> Result<AllocationTime> {
    match code {
        1 => Ok(AllocationTime::Early),
        // 0 stands for the default of the layout; it only matters where data are written.
        0 | 2 => Ok(AllocationTime::Late),
        3 => Ok(AllocationTime::Incremental),
        _ => Err(Error::corrupt(format!("unknown allocation time {code}"))),
    }
}

fn fill_time(code: u8) -> Result<FillTime> {
    match code {
        0 => Ok(FillTime::OnAllocation),
        1 => Ok(FillTime::Never),
        2 => Ok(FillTime::IfSet),
        _ => Err(Error::corrupt(format!("unknown fill time {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    fn same(bytes: &str, version: u8, allocation: AllocationTime, time: FillTime, value: FillValue) {
        let bytes = hex(bytes);
        let decode =
            |b: &[u8]| if version == 0 { FillMessage::decode_old(b) } else { FillMessage::decode(b) };
        let message = FillMessage { version, fill: Fill { allocation, time, value } };
        assert_eq!(decode(&bytes).unwrap(), message);
        assert_eq!(message.encode().unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&decode(&bytes[..n]).unwrap_err()));
        }
    }

    #[test]
    fn every_version() {
        use AllocationTime::*;
        use FillTime::*;
        let user = || FillValue::User(vec![7, 8]);
        same("02000000 0708", 0, Late, IfSet, user());
        same("00000000", 0, Late, IfSet, FillValue::Undefined);
        same("01 01 00 01 02000000 0708", 1, Early, OnAllocation, user());
        same("02 02 02 01 00000000", 2, Late, IfSet, FillValue::Default);
        same("02 03 01 00", 2, Incremental, Never, FillValue::Undefined);
        same("03 0a", 3, Late, IfSet, FillValue::Default);
        same("03 1b", 3, Incremental, IfSet, FillValue::Undefined);
        same("03 2a 02000000 0708", 3, Late, IfSet, user());
    }

    #[test]
    fn hostile() {
        let decode = |text| FillMessage::decode(&hex(text));
        assert!(is_corrupt(decode("03 3a 00000000")));
        assert!(is_corrupt(decode("03 0e")));
        assert!(is_corrupt(decode("03 4a")));
        assert!(is_corrupt(decode("02 04 02 00")));
        assert!(is_unsupported(decode("04 0a")));
        assert!(is_truncated(&decode("03 2a ffffffff 00").unwrap_err()));
    }
}
