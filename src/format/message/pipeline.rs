//! Filter pipeline message (0x0B): section IV.A.2.l of the specification.
//!
//! ```text
//! version 1: | 1 | filters n | reserved (6) | n x filter |    version 2: | 2 | filters n | n x filter |
//! filter:    | id (2) | name length (2) | flags (2) | values m (2) | name | values (4 x m) | padding (4) |
//! ```
//!
//! Version 1 pads the name to a multiple of 8 and an odd number of values with 4 bytes. Version 2 has no padding, and
//! neither name length nor name for ids below 256. Flags bit 0: the filter is optional.

use crate::error::{Context, Error, Result};
use crate::filter::FilterSpec;
use crate::format::message::unknown_version;
use crate::format::output::{narrow, put_name, put_u16};
use crate::format::primitive::Bytes;

const NAME: &str = "filter pipeline message";
const MAX_FILTERS: usize = 32;
const OPTIONAL: u16 = 0x01;

/// The filters of a dataset in the order in which they are applied on writing, and the version of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineMessage {
    /// Version of the message.
    pub version: u8,
    /// The filters.
    pub filters: Vec<FilterSpec>,
}

impl PipelineMessage {
    /// Decodes the message.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` (more than 32 filters), `Unsupported` (version).
    pub fn decode(body: &[u8]) -> Result<Self> {
        Self::decode_prefix(body).map(|(pipeline, _)| pipeline)
    }

    /// Decodes the message, and tells how many bytes it took.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode).
    pub fn decode_prefix(body: &[u8]) -> Result<(Self, usize)> {
        let mut bytes = Bytes(body);
        let pipeline = decode(&mut bytes).in_structure(NAME)?;
        Ok((pipeline, body.len() - bytes.0.len()))
    }

    /// The body of the message.
    ///
    /// # Errors
    /// `Usage` for more than 32 filters or too many values; `Unsupported` for an unknown version.
    pub fn encode(&self) -> Result<Vec<u8>> {
        if self.filters.len() > MAX_FILTERS {
            return Err(Error::usage(format!("{} filters", self.filters.len())));
        }
        let mut out = vec![self.version, self.filters.len() as u8];
        match self.version {
            1 => out.extend([0; 6]),
            2 => {}
            _ => return Err(unknown_version(self.version)),
        }
        for filter in &self.filters {
            put_filter(filter, self.version, &mut out).in_structure(NAME)?;
        }
        Ok(out)
    }
}

fn decode(bytes: &mut Bytes<'_>) -> Result<PipelineMessage> {
    let [version, count] = bytes.array()?;
    match version {
        1 => {
            bytes.take(6)?;
        }
        2 => {}
        _ => return Err(unknown_version(version)),
    }
    if usize::from(count) > MAX_FILTERS {
        return Err(Error::corrupt(format!("{count} filters")));
    }
    let filters = (0..count).map(|_| filter(bytes, version)).collect::<Result<_>>()?;
    Ok(PipelineMessage { version, filters })
}

/// Neither name nor its length are stored.
fn is_nameless(version: u8, id: u16) -> bool {
    version == 2 && id < 256
}

fn filter(bytes: &mut Bytes<'_>, version: u8) -> Result<FilterSpec> {
    let id = bytes.u16()?;
    let name_len = if is_nameless(version, id) { 0 } else { usize::from(bytes.u16()?) };
    let flags = bytes.u16()?;
    let values = usize::from(bytes.u16()?);
    let padded = if version == 1 { name_len.next_multiple_of(8) } else { name_len };
    let name = bytes.take(padded)?[..name_len].split(|&b| b == 0).next().unwrap_or_default();
    let data = bytes.take(4 * values)?;
    if version == 1 && values % 2 == 1 {
        bytes.take(4)?;
    }
    Ok(FilterSpec {
        id,
        optional: flags & OPTIONAL != 0,
        name: (name_len > 0).then(|| String::from_utf8_lossy(name).into_owned()),
        client_data: data.as_chunks().0.iter().map(|&v| u32::from_le_bytes(v)).collect(),
    })
}

fn put_filter(filter: &FilterSpec, version: u8, out: &mut Vec<u8>) -> Result<()> {
    let mut name = Vec::new();
    if let Some(text) = filter.name.as_ref().filter(|_| !is_nameless(version, filter.id)) {
        put_name(&mut name, text.as_bytes(), if version == 1 { 8 } else { 1 })?;
    }
    put_u16(out, filter.id, "filter")?;
    if !is_nameless(version, filter.id) {
        put_u16(out, name.len(), "length of the name of a filter")?;
    }
    put_u16(out, u16::from(filter.optional), "flags")?;
    let values: u16 = narrow(filter.client_data.len(), "number of filter values")?;
    put_u16(out, values, "number of filter values")?;
    out.extend(name);
    out.extend(filter.client_data.iter().flat_map(|v| v.to_le_bytes()));
    if version == 1 && values % 2 == 1 {
        out.extend([0; 4]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    fn spec(id: u16, optional: bool, name: Option<&str>, client_data: &[u32]) -> FilterSpec {
        FilterSpec { id, optional, name: name.map(str::to_owned), client_data: client_data.to_vec() }
    }

    fn same(bytes: &str, version: u8, filters: Vec<FilterSpec>) {
        let bytes = hex(bytes);
        let message = PipelineMessage { version, filters };
        assert_eq!(PipelineMessage::decode_prefix(&bytes).unwrap(), (message.clone(), bytes.len()));
        assert_eq!(message.encode().unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&PipelineMessage::decode(&bytes[..n]).unwrap_err()));
        }
    }

    #[test]
    fn both_versions() {
        same(
            "01 02 000000000000 0200 0800 0100 0100 73687566666c6500 08000000 00000000
             0100 0800 0100 0100 6465666c61746500 04000000 00000000",
            1,
            vec![spec(2, true, Some("shuffle"), &[8]), spec(1, true, Some("deflate"), &[4])],
        );
        same(
            "01 01 000000000000 0300 0000 0000 0200 01000000 02000000",
            1,
            vec![spec(3, false, None, &[1, 2])],
        );
        same(
            "02 02 0200 0100 0100 08000000 007d 0400 0000 0000 6c7a6600",
            2,
            vec![spec(2, true, None, &[8]), spec(32000, false, Some("lzf"), &[])],
        );
        same("02 00", 2, vec![]);
    }

    #[test]
    fn hostile() {
        let decode = |text| PipelineMessage::decode(&hex(text));
        assert!(is_corrupt(decode("02 21")));
        assert!(is_unsupported(decode("03 00")));
        assert!(is_truncated(&decode("02 01 0200 0100 ffff 08000000").unwrap_err()));
        assert!(is_usage(
            PipelineMessage { version: 2, filters: vec![spec(1, false, None, &[]); 33] }.encode()
        ));
    }
}
