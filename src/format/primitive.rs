//! Field widths, addresses, and the one way in which bytes become structures and structures bytes.

use std::io::{Cursor, Seek};

use binrw::{BinRead, BinResult, BinWrite, Endian, io};

use super::checksum;
use crate::error::{Context, Error, ErrorKind, Result};

/// Widths of addresses and lengths of a file, in bytes. Only the superblock produces one (and tests).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// Bytes of an address ("size of offsets").
    pub offset: u8,
    /// Bytes of a length ("size of lengths").
    pub length: u8,
}

impl Sizes {
    /// What almost every file has.
    pub const EIGHT: Sizes = Sizes { offset: 8, length: 8 };
}

/// Unsigned little-endian number of `width` (1 to 8) bytes.
pub fn read_uint<R: io::Read + Seek>(reader: &mut R, _: Endian, (width,): (u8,)) -> BinResult<u64> {
    let mut buffer = [0u8; 8];
    let width = usize::from(width.min(8));
    reader.read_exact(&mut buffer[..width])?;
    Ok(u64::from_le_bytes(buffer))
}

/// Writes a number in `width` (1 to 8) bytes; one that does not fit is an error.
pub fn write_uint<W: io::Write + Seek>(
    value: &u64,
    writer: &mut W,
    _: Endian,
    (width,): (u8,),
) -> BinResult<()> {
    let width = usize::from(width.min(8));
    let bytes = value.to_le_bytes();
    if bytes[width..].iter().any(|&b| b != 0) {
        return Err(binrw::Error::AssertFail {
            pos: 0,
            message: format!("{value} does not fit in {width} bytes"),
        });
    }
    Ok(writer.write_all(&bytes[..width])?)
}

/// Address of `sizes.offset` bytes; all ones is `None` (undefined).
pub fn read_address<R: io::Read + Seek>(r: &mut R, e: Endian, (sizes,): (Sizes,)) -> BinResult<Option<u64>> {
    let value = read_uint(r, e, (sizes.offset,))?;
    Ok((value != all_ones(sizes.offset)).then_some(value))
}

/// Writes an address; `None` as all ones.
pub fn write_address<W: io::Write + Seek>(
    value: &Option<u64>,
    w: &mut W,
    e: Endian,
    (sizes,): (Sizes,),
) -> BinResult<()> {
    write_uint(&value.unwrap_or(all_ones(sizes.offset)), w, e, (sizes.offset,))
}

/// Length of `sizes.length` bytes.
pub fn read_length<R: io::Read + Seek>(r: &mut R, e: Endian, (sizes,): (Sizes,)) -> BinResult<u64> {
    read_uint(r, e, (sizes.length,))
}

/// Writes a length of `sizes.length` bytes.
pub fn write_length<W: io::Write + Seek>(v: &u64, w: &mut W, e: Endian, (sizes,): (Sizes,)) -> BinResult<()> {
    write_uint(v, w, e, (sizes.length,))
}

/// Address that the format requires; all ones is an error.
pub fn read_defined<R: io::Read + Seek>(r: &mut R, e: Endian, (sizes,): (Sizes,)) -> BinResult<u64> {
    read_address(r, e, (sizes,))?.ok_or_else(|| to_binrw(Error::corrupt("undefined address")))
}

/// Writes an address that is defined.
pub fn write_defined<W: io::Write + Seek>(
    v: &u64,
    w: &mut W,
    e: Endian,
    (sizes,): (Sizes,),
) -> BinResult<()> {
    write_uint(v, w, e, (sizes.offset,))
}

/// Version byte of a structure that has one version only; another is unsupported.
pub fn read_version<R: io::Read + Seek>(r: &mut R, _: Endian, (version,): (u8,)) -> BinResult<u8> {
    let mut byte = [0u8];
    r.read_exact(&mut byte)?;
    match byte[0] {
        b if b == version => Ok(b),
        b => Err(to_binrw(Error::unsupported(format!("version {b}")))),
    }
}

/// The number of `width` bytes with every bit set: an undefined address, an unlimited length.
pub const fn all_ones(width: u8) -> u64 {
    if width >= 8 { u64::MAX } else { (1 << (8 * width as u32)) - 1 }
}

/// Bytes that hold any number up to `value` ("limit encoding"): floor(log2(value)) / 8 + 1.
pub const fn limit_width(value: u64) -> u8 {
    if value == 0 { 1 } else { (value.ilog2() / 8 + 1) as u8 }
}

/// A structure of the specification: one declaration that is read and written by binrw.
pub trait Structure:
    for<'a> BinRead<Args<'a> = (Sizes,)> + for<'a> BinWrite<Args<'a> = (Sizes,)> + Sized
{
    /// Its name in the specification, for errors.
    const NAME: &'static str;

    /// Whether a checksum over the whole structure follows its last field: verified and written here.
    const CHECKSUM: bool = false;

    /// Parses the structure at the start of `bytes`; what follows it is left alone.
    fn decode(bytes: &[u8], sizes: Sizes) -> Result<Self> {
        Self::decode_prefix(bytes, sizes).map(|(value, _)| value)
    }

    /// Parses the structure at the start of `bytes`, and tells how many bytes it took.
    fn decode_prefix(bytes: &[u8], sizes: Sizes) -> Result<(Self, usize)> {
        let mut cursor = Cursor::new(bytes);
        let value = Self::read_le_args(&mut cursor, (sizes,)).map_err(|e| from_binrw(e, Self::NAME))?;
        let mut taken = cursor.position() as usize;
        if Self::CHECKSUM {
            taken = taken.saturating_add(checksum::CHECKSUM_LEN);
            let sealed = bytes.get(..taken).ok_or_else(|| Error::truncated("no room for the checksum"));
            sealed.and_then(checksum::verify).in_structure(Self::NAME)?;
        }
        Ok((value, taken))
    }

    /// The bytes of the structure.
    fn encode(&self, sizes: Sizes) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(64);
        self.put(&mut bytes, sizes)?;
        Ok(bytes)
    }

    /// Appends the bytes of the structure.
    fn put(&self, out: &mut Vec<u8>, sizes: Sizes) -> Result<()> {
        let start = out.len();
        let mut cursor = Cursor::new(&mut *out);
        cursor.set_position(start as u64);
        self.write_le_args(&mut cursor, (sizes,)).map_err(|e| from_binrw(e, Self::NAME))?;
        if Self::CHECKSUM {
            checksum::append_from(out, start);
        }
        Ok(())
    }
}

/// The error of this crate for one of binrw: its kind, not its text.
pub fn from_binrw(error: binrw::Error, structure: &'static str) -> Error {
    fn kind(error: binrw::Error) -> ErrorKind {
        match error {
            binrw::Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                ErrorKind::Truncated("the block is shorter than the structure".into())
            }
            binrw::Error::Io(e) => ErrorKind::Io(e),
            binrw::Error::BadMagic { pos, .. } => {
                ErrorKind::Corrupt(format!("wrong signature at byte {pos}"))
            }
            binrw::Error::AssertFail { message, .. } => ErrorKind::Corrupt(message),
            binrw::Error::NoVariantMatch { .. } => ErrorKind::Corrupt("unknown variant".into()),
            binrw::Error::Custom { err, .. } => match err.downcast::<Error>() {
                Ok(e) => e.into_kind(),
                Err(_) => ErrorKind::Corrupt("invalid value".into()),
            },
            binrw::Error::Backtrace(b) => kind(*b.error),
            _ => ErrorKind::Corrupt("invalid value".into()),
        }
    }
    Error::new(kind(error)).in_structure(structure)
}

/// An error of this crate on its way through binrw.
pub fn to_binrw(error: Error) -> binrw::Error {
    binrw::Error::Custom { pos: 0, err: Box::new(error) }
}

/// Takes bytes from the front of a slice; never past its end.
///
/// For structures whose parts depend on each other in ways that a declaration cannot say (datatypes, selections,
/// tree nodes).
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `n` bytes.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        match self.0.split_at_checked(n) {
            Some((head, rest)) => {
                self.0 = rest;
                Ok(head)
            }
            None => Err(Error::truncated(format!("{n} bytes wanted, {} left", self.0.len()))),
        }
    }
    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }
    /// The next two bytes.
    #[inline]
    pub fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    /// The next four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    /// The next eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.0.split_first_chunk() {
            Some((head, rest)) => {
                self.0 = rest;
                Ok(*head)
            }
            None => Err(Error::truncated(format!("{N} bytes wanted, {} left", self.0.len()))),
        }
    }
    /// Number of `width` (1 to 8) bytes.
    #[inline]
    pub fn uint(&mut self, width: u8) -> Result<u64> {
        if width == 8 {
            return self.u64();
        }
        let mut buffer = [0u8; 8];
        let width = usize::from(width.min(8));
        buffer[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(buffer))
    }
    /// Address; all ones is `None`.
    #[inline]
    pub fn address(&mut self, sizes: Sizes) -> Result<Option<u64>> {
        let value = self.uint(sizes.offset)?;
        Ok((value != all_ones(sizes.offset)).then_some(value))
    }
    /// Length.
    #[inline]
    pub fn length(&mut self, sizes: Sizes) -> Result<u64> {
        self.uint(sizes.length)
    }
    /// The bytes up to a NUL, which is taken too.
    pub fn until_nul(&mut self) -> Result<&'a [u8]> {
        match self.0.iter().position(|&b| b == 0) {
            Some(n) => {
                let text = self.take(n)?;
                self.take(1)?;
                Ok(text)
            }
            None => Err(Error::truncated("a string without its NUL")),
        }
    }

    /// Address that the format requires; all ones is an error.
    #[inline]
    pub fn defined(&mut self, sizes: Sizes) -> Result<u64> {
        self.address(sizes)?.ok_or_else(|| Error::corrupt("undefined address"))
    }
    /// The four bytes that start a structure.
    pub fn signature(&mut self, signature: &[u8; 4]) -> Result<()> {
        if self.array::<4>()? == *signature {
            return Ok(());
        }
        Err(Error::corrupt(format!("wrong signature, not {}", signature.escape_ascii())))
    }
    /// Version byte of a structure that has one version only; another is unsupported.
    pub fn version(&mut self, version: u8) -> Result<()> {
        match self.u8()? {
            v if v == version => Ok(()),
            v => Err(Error::unsupported(format!("version {v}"))),
        }
    }
}

/// Appends fields to the bytes of a structure: the counterpart of [`Bytes`].
pub trait Put {
    /// Number of `width` (1 to 8) bytes; one that does not fit is an error.
    fn uint(&mut self, value: u64, width: u8) -> Result<()>;
    /// Address; `None` as all ones.
    fn address(&mut self, value: Option<u64>, sizes: Sizes) -> Result<()>;
    /// Length.
    fn length(&mut self, value: u64, sizes: Sizes) -> Result<()>;
}

impl Put for Vec<u8> {
    fn uint(&mut self, value: u64, width: u8) -> Result<()> {
        let width = usize::from(width.min(8));
        let bytes = value.to_le_bytes();
        if bytes[width..].iter().any(|&b| b != 0) {
            return Err(Error::corrupt(format!("{value} does not fit in {width} bytes")));
        }
        self.extend_from_slice(&bytes[..width]);
        Ok(())
    }
    fn address(&mut self, value: Option<u64>, sizes: Sizes) -> Result<()> {
        self.uint(value.unwrap_or(all_ones(sizes.offset)), sizes.offset)
    }
    fn length(&mut self, value: u64, sizes: Sizes) -> Result<()> {
        self.uint(value, sizes.length)
    }
}
