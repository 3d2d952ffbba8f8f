//! Content in the encodings of h5grove.
//!
//! [`encode`] gives the whole answer with its headers; the other functions write to a writer while the data are being
//! read, so that a large answer is never held whole.

mod bin;
mod csv;
mod json;
mod npy;
mod text;
mod tiff;

use std::io::Write;

pub use bin::{bin_encode, bin_encode_range};
pub use csv::csv_encode;
pub use json::{json_encode, json_parts};
pub use npy::npy_encode;
pub use tiff::tiff_encode;

use super::{
    Attributes, Data, Metadata, Stats,
    error::{Error, Result},
};

/// How content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// JSON: NaN and infinities are null, complex numbers are `[re, im]`.
    #[default]
    Json,
    /// The bytes of the elements.
    Bin,
    /// Numbers as `%.18e`, a row a line.
    Csv,
    /// A file of numpy.
    Npy,
    /// Images, a page for each index of all but the last two dimensions.
    Tiff,
}

impl Encoding {
    /// From the parameter `format` of a query.
    ///
    /// # Errors
    /// `QueryArgumentError` if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "json" => Encoding::Json,
            "bin" => Encoding::Bin,
            "csv" => Encoding::Csv,
            "npy" => Encoding::Npy,
            "tiff" => Encoding::Tiff,
            _ => return Err(Error::query(format!("Unsupported encoding {text}"))),
        })
    }

    /// The parameter of a query.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::Bin => "bin",
            Encoding::Csv => "csv",
            Encoding::Npy => "npy",
            Encoding::Tiff => "tiff",
        }
    }

    /// The headers of an answer, but for its length.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Encoding::Json => &[("Content-Type", "application/json")],
            Encoding::Bin => &[("Content-Type", "application/octet-stream")],
            Encoding::Csv => {
                &[("Content-Type", "text/csv"), ("Content-Disposition", "attachment; filename=\"data.csv\"")]
            }
            Encoding::Npy => &[
                ("Content-Type", "application/octet-stream"),
                ("Content-Disposition", "attachment; filename=\"data.npy\""),
            ],
            Encoding::Tiff => &[
                ("Content-Type", "image/tiff"),
                ("Content-Disposition", "attachment; filename=\"data.tiff\""),
            ],
        }
    }
}

/// What can be encoded.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Elements, in any encoding that takes their type and shape.
    Data(&'a Data),
    /// Metadata, as JSON.
    Metadata(&'a Metadata),
    /// Attributes, as JSON.
    Attributes(&'a Attributes),
    /// Statistics, as JSON.
    Stats(&'a Stats),
    /// Paths, as JSON.
    Paths(&'a [String]),
    /// A message, as the JSON object that h5grove answers with when something is wrong.
    Message(&'a str),
}

macro_rules! payload {
    ($($variant:ident: $type:ty),*) => {$(
        impl<'a> From<&'a $type> for Payload<'a> {
            fn from(content: &'a $type) -> Self {
                Payload::$variant(content)
            }
        }
    )*};
}
payload!(Data: Data, Metadata: Metadata, Attributes: Attributes, Stats: Stats, Paths: [String], Paths: Vec<String>);

/// Encoded content and the headers that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The bytes.
    pub content: Vec<u8>,
    /// Names and values, `Content-Length` included.
    pub headers: Vec<(&'static str, String)>,
}

/// Encodes content.
///
/// ```
/// use h5::h5grove::{DtypeConversion, LinkResolution, create_content, encoders::{Encoding, encode}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = h5::File::open("testdata/basic.h5")?;
/// let content = create_content(&file, Some("/measurements/temperature"), LinkResolution::OnlyValid)?;
/// let data = content.data(Some("0, :2"), false, DtypeConversion::Origin)?;
/// let response = encode(&data, Encoding::Npy)?;
/// assert!(response.content.starts_with(b"\x93NUMPY"));
/// # Ok(()) }
/// ```
///
/// # Errors
/// `QueryArgumentError` if the encoding does not take content of this type or shape; those of reading.
pub fn encode<'a>(content: impl Into<Payload<'a>>, encoding: Encoding) -> Result<Response> {
    let mut out = Vec::new();
    write(content, encoding, &mut out)?;
    let mut headers: Vec<_> =
        encoding.headers().iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    headers.push(("Content-Length", out.len().to_string()));
    Ok(Response { content: out, headers })
}

/// Writes content in an encoding.
///
/// # Errors
/// As [`encode`]; `File` with `Io` if the writer fails.
pub fn write<'a>(content: impl Into<Payload<'a>>, encoding: Encoding, out: &mut dyn Write) -> Result<()> {
    match (content.into(), encoding) {
        (content, Encoding::Json) => json_encode(content, out),
        (Payload::Data(data), Encoding::Bin) => bin_encode(data, out),
        (Payload::Data(data), Encoding::Csv) => csv_encode(data, out),
        (Payload::Data(data), Encoding::Npy) => npy_encode(data, out),
        (Payload::Data(data), Encoding::Tiff) => tiff_encode(data, out),
        (_, encoding) => Err(unsupported(encoding, "non-numeric content")),
    }
}

/// The length of the encoded data, where it is known before they are read.
///
/// # Errors
/// `QueryArgumentError` if the encoding does not take data of this type or shape.
pub fn encoded_len(data: &Data, encoding: Encoding) -> Result<Option<u64>> {
    Ok(match encoding {
        Encoding::Json => None,
        Encoding::Csv => {
            csv::check(data)?;
            None
        }
        Encoding::Bin => Some(bin::len(data)?),
        Encoding::Npy => Some(npy::len(data)?),
        Encoding::Tiff => Some(tiff::len(data)?),
    })
}

/// The least and the greatest length that the encoded data may have. The greatest is `None` when elements of variable
/// length have no bound.
///
/// # Errors
/// As [`encoded_len`].
pub fn encoded_len_bounds(data: &Data, encoding: Encoding) -> Result<(u64, Option<u64>)> {
    if let Some(len) = encoded_len(data, encoding)? {
        return Ok((len, Some(len)));
    }
    Ok(match encoding {
        Encoding::Csv => match *data.shape() {
            [rows, 0] => (rows, Some(rows)),
            _ => (data.len().saturating_mul(4), Some(data.len().saturating_mul(60))),
        },
        _ => json::len_bounds(data),
    })
}

fn unsupported(encoding: Encoding, what: &str) -> Error {
    Error::query(format!("Unsupported encoding {} for {what}", encoding.name()))
}

/// The encodings for numbers take nothing else.
fn numeric(data: &Data, encoding: Encoding) -> Result<()> {
    if data.is_numeric() { Ok(()) } else { Err(unsupported(encoding, "non-numeric content")) }
}

/// The encodings for arrays take no scalars.
fn array(data: &Data, encoding: Encoding) -> Result<()> {
    numeric(data, encoding)?;
    if data.shape().is_empty() { Err(unsupported(encoding, "empty and scalar datasets")) } else { Ok(()) }
}

/// Text and images have no durations.
fn numbers_only(data: &Data, encoding: Encoding) -> Result<()> {
    if data.element_dtype().is_duration() { Err(unsupported(encoding, "durations")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteOrder, Datatype, Values};

    /// An array keeps the order of the file; what numpy makes of one number has that of the machine.
    #[test]
    fn lone_numbers_are_little_endian() {
        let datatype = Datatype::integer(4, false, ByteOrder::Big);
        let data = |shape: &[u64]| {
            Data::of_values(Values::new(datatype.clone(), shape, 7u32.to_be_bytes().to_vec()).unwrap())
        };
        let encoded = |data: &Data, encoding| encode(data, encoding).unwrap().content;
        let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
        for (shape, bytes, name) in
            [(&[][..], 7u32.to_le_bytes(), &b"'<u4'"[..]), (&[1], 7u32.to_be_bytes(), b"'>u4'")]
        {
            let data = data(shape);
            assert_eq!(encoded(&data, Encoding::Bin), bytes);
            let npy = encoded(&data, Encoding::Npy);
            assert!(has(&npy, name) && npy.ends_with(&bytes), "{shape:?}");
            assert!(has(&encoded(&data, Encoding::Json), b"7"));
        }
    }
}
