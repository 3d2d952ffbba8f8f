//! The contiguous frame: a header and a trailer of MessagePack, and chunks between them. The fields of the header lie
//! at fixed places; its numbers are big-endian, those of chunks little-endian.

use crate::error::{Error, Result};
use crate::filter::blosc::chunk::Chunk;

const MAGIC: &[u8] = b"\x9e\xa8b2frame\0";
const MIN_HEADER: usize = 87;
/// Frames of later versions may have anything.
const LAST_VERSION: u8 = 3;
const MAX_METALAYERS: usize = 16;

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    At(usize),
    /// Not stored: the number of its special value.
    Special(u8),
}

/// A frame, its header parsed.
pub struct Frame<'a> {
    bytes: &'a [u8],
    pub type_size: usize,
    /// Bytes of the decoded chunks.
    pub len: usize,
    /// Bytes of a decoded chunk; the last may have fewer. 0 if they differ.
    pub chunk_len: usize,
    header: &'a [u8],
    /// Where the chunk of offsets begins.
    offsets: usize,
}

/// The field of a header at a fixed place, which its type precedes.
fn field<const N: usize>(bytes: &[u8], at: usize, kind: u8) -> Result<[u8; N]> {
    match bytes.get(at - 1..) {
        Some([first, rest @ ..]) if *first == kind => rest.first_chunk().copied(),
        _ => None,
    }
    .ok_or_else(|| Error::corrupt(format!("frame of Blosc2 has no field {kind:#x} at {at}")))
}

fn unsigned(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Error::corrupt(format!("size {value} in a frame of Blosc2")))
}

fn field_32(bytes: &[u8], at: usize) -> Result<usize> {
    unsigned(i32::from_be_bytes(field(bytes, at, 0xd2)?).into())
}

fn field_64(bytes: &[u8], at: usize) -> Result<usize> {
    unsigned(i64::from_be_bytes(field(bytes, at, 0xd3)?))
}

impl<'a> Frame<'a> {
    pub fn parse(input: &'a [u8]) -> Result<Self> {
        if !input.starts_with(MAGIC) || input.len() < MIN_HEADER {
            return Err(Error::corrupt("no frame of Blosc2"));
        }
        let header_len = field_32(input, 11)?;
        let frame_len = unsigned(i64::from_be_bytes(field(input, 16, 0xcf)?))?;
        let bytes = input
            .get(..frame_len)
            .filter(|bytes| header_len >= MIN_HEADER && header_len <= bytes.len())
            .ok_or_else(|| Error::corrupt(format!("{} bytes of a frame of {frame_len}", input.len())))?;
        let [general, kind, ..] = field::<4>(bytes, 25, 0xa4)?;
        if general & 15 > LAST_VERSION {
            return Err(Error::unsupported(format!("version {} of the frame of Blosc2", general & 15)));
        }
        if kind & 15 != 0 {
            return Err(Error::unsupported(format!("frame of Blosc2 of type {kind}")));
        }
        if general & 0x80 != 0 {
            return Err(Error::unsupported("frame of Blosc2 with blocks of variable length"));
        }
        let (len, stored) = (field_64(bytes, 30)?, field_64(bytes, 39)?);
        let type_size = field_32(bytes, 48)?;
        if type_size == 0 {
            return Err(Error::corrupt("elements of no bytes in a frame of Blosc2"));
        }
        Ok(Self {
            bytes,
            type_size,
            len,
            chunk_len: field_32(bytes, 58)?,
            header: &bytes[..header_len],
            offsets: header_len.saturating_add(stored),
        })
    }

    /// The content of a metalayer.
    pub fn metalayer(&self, name: &str) -> Result<Option<&'a [u8]>> {
        let corrupt = || Error::corrupt("metalayers of a frame of Blosc2");
        let Some([0x93, 0xcd, _, _, 0xde, high, low, rest @ ..]) = self.header.get(MIN_HEADER..) else {
            return if self.header.len() > MIN_HEADER { Err(corrupt()) } else { Ok(None) };
        };
        let count = usize::from(u16::from_be_bytes([*high, *low]));
        if count > MAX_METALAYERS {
            return Err(corrupt());
        }
        let mut rest = rest;
        for _ in 0..count {
            let (&len, after) = rest.split_first().ok_or_else(corrupt)?;
            if len & 0xe0 != 0xa0 {
                return Err(corrupt());
            }
            let (found, after) = after.split_at_checked(usize::from(len & 31)).ok_or_else(corrupt)?;
            let ([0xd2, offset @ ..], after) = after.split_first_chunk::<5>().ok_or_else(corrupt)? else {
                return Err(corrupt());
            };
            rest = after;
            if found == name.as_bytes() {
                let offset = unsigned(i32::from_be_bytes(*offset).into())?;
                let value = self.header.get(offset..).ok_or_else(corrupt)?;
                let ([0xc6, len @ ..], value) = value.split_first_chunk::<5>().ok_or_else(corrupt)? else {
                    return Err(corrupt());
                };
                return value.get(..u32::from_be_bytes(*len) as usize).map(Some).ok_or_else(corrupt);
            }
        }
        Ok(None)
    }

    /// The chunk of offsets, if there are any.
    pub fn offsets(&self) -> Result<Option<Chunk<'a>>> {
        if self.len == 0 {
            return Ok(None);
        }
        let chunk = Chunk::parse(self.bytes.get(self.offsets..).unwrap_or_default())?;
        if !chunk.len.is_multiple_of(8) {
            return Err(Error::corrupt("offsets of chunks in a frame of Blosc2"));
        }
        Ok(Some(chunk))
    }

    /// Bytes of the frame.
    pub fn stored(&self) -> usize {
        self.bytes.len()
    }

    /// What an offset says.
    pub fn place(&self, offset: u64) -> Result<Place> {
        if offset >> 63 != 0 {
            return Ok(Place::Special((offset >> 56 & 7) as u8));
        }
        usize::try_from(offset)
            .ok()
            .and_then(|offset| offset.checked_add(self.header.len()))
            .filter(|at| *at < self.offsets)
            .map(Place::At)
            .ok_or_else(|| Error::corrupt(format!("chunk at {offset} of a frame of Blosc2")))
    }

    /// The chunk at a place that [`place`](Self::place) gave.
    pub fn chunk(&self, at: usize) -> Result<Chunk<'a>> {
        Chunk::parse(self.bytes.get(at..self.offsets).unwrap_or_default())
    }
}
