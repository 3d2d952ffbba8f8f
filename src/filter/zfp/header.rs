//! The client data: versions, then the header of a zfp stream in 32-bit words.
//!
//! The header is a stream of bits itself, the lowest bit of the first word first: "zfp" and the version of the codec
//! (32 bits), type and extents (52), mode (12, or 64 if these 12 are set). A file of a big-endian machine has the bytes
//! of each word the other way around, and then the values of a chunk are big-endian as well.

use super::bitstream::{BitReader, BitWriter};
use crate::error::{Error, Result};
use crate::model::datatype::{ByteOrder, Datatype, DatatypeClass};

/// The lowest exponent of a double that is not zero.
pub(super) const MIN_EXPONENT: i32 = -1074;
/// More bits than any block has.
const MAX_BITS: u32 = 16658;
const MAX_PRECISION: u32 = 64;

const MAGIC: [u8; 3] = *b"zfp";
const CODEC: u8 = 5;
/// zfp 1.0.1, its codec, H5Z-ZFP 1.1.1.
const VERSIONS: u32 = 0x1010 << 16 | (CODEC as u32) << 12 | 0x111;

/// Modes in 12 bits: first those of a fixed rate, then of a fixed precision, the reversible one, and of a fixed accuracy.
const FIRST_PRECISION: u32 = 2048;
const REVERSIBLE: u32 = FIRST_PRECISION + 128;
const FIRST_ACCURACY: u32 = REVERSIBLE + 1;
const LONG_MODE: u32 = 0xfff;
/// Exponents are stored with this added, so that they are not negative.
const EXPONENT_BIAS: i32 = 16495;

/// How zfp bounds what it stores.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// So many bits per value.
    Rate(f64),
    /// So many bit planes of each block.
    Precision(u32),
    /// Absolute error (not for integers, which it stores as they are but for overflow).
    Accuracy(f64),
    /// Every bit is kept.
    Reversible,
    /// The parameters that all other modes come down to.
    Expert {
        /// Least number of bits of a block.
        min_bits: u32,
        /// Greatest number of bits of a block.
        max_bits: u32,
        /// Greatest number of bit planes of a block.
        max_precision: u32,
        /// Exponent of the lowest bit plane of floats; below -1074, every bit is kept.
        min_exponent: i32,
    },
}

/// What bounds the bits of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Params {
    pub(super) min_bits: u32,
    pub(super) max_bits: u32,
    pub(super) max_precision: u32,
    pub(super) min_exponent: i32,
}

/// The type of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    I32,
    I64,
    F32,
    F64,
}

/// What the client data say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// 1 to 4.
    pub(super) rank: usize,
    /// The fastest varying first; 1 beyond the rank.
    pub(super) extents: [u64; 4],
    pub(super) params: Params,
    /// Values are big-endian.
    pub(super) big: bool,
}

/// Client data for the zfp filter, for chunks of a datatype and shape.
///
/// Values of a big-endian type are stored as a big-endian machine would do.
///
/// # Errors
///
/// `Unsupported` for types other than integers and IEEE floats of 4 or 8 bytes, and shapes that have none or more than
/// four extents greater than 1; `Usage` if the mode makes no sense.
pub fn client_data(mode: Mode, datatype: &Datatype, chunk: &[u64]) -> Result<Vec<u32>> {
    let (kind, order) = match (&datatype.class, datatype.size) {
        (DatatypeClass::Integer(integer), 4) => (Kind::I32, integer.order),
        (DatatypeClass::Integer(integer), 8) => (Kind::I64, integer.order),
        (DatatypeClass::Float(float), 4) if float.is_ieee(4) => (Kind::F32, float.order),
        (DatatypeClass::Float(float), 8) if float.is_ieee(8) => (Kind::F64, float.order),
        _ => {
            return Err(Error::unsupported(format!(
                "zfp takes integers and floats of 4 or 8 bytes, not {datatype}"
            )));
        }
    };
    let mut extents = [1; 4];
    let mut rank = 0;
    for &extent in chunk.iter().rev().filter(|&&extent| extent != 1) {
        *extents.get_mut(rank).ok_or_else(|| shape(chunk))? = extent;
        rank += 1;
    }
    if rank == 0 || extents[..rank].iter().any(|&extent| extent == 0 || (extent - 1) >> (48 / rank) != 0) {
        return Err(shape(chunk));
    }
    let params = Params::new(mode, kind, rank)?;
    Ok(Header { kind, rank, extents, params, big: order == ByteOrder::Big }.encode())
}

fn shape(chunk: &[u64]) -> Error {
    Error::unsupported(format!("zfp takes chunks with 1 to 4 extents greater than 1, not {chunk:?}"))
}

impl Header {
    pub(super) fn decode(client_data: &[u32]) -> Result<Self> {
        let Some((&versions, words)) = client_data.split_first() else {
            return Err(Error::corrupt("no parameters"));
        };
        // Older versions of the filter give no version of the codec here.
        let codec = versions >> 12 & 0xf;
        if versions & 0xfff >= 0x110 && codec > CODEC.into() {
            return Err(codec_version(codec));
        }
        let little: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let swapped: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let (big, bytes) = match (little.strip_prefix(&MAGIC), swapped.strip_prefix(&MAGIC)) {
            (Some([CODEC, rest @ ..]), _) => (false, rest),
            (_, Some([CODEC, rest @ ..])) => (true, rest),
            (Some([codec, ..]), _) | (_, Some([codec, ..])) => return Err(codec_version((*codec).into())),
            _ => return Err(Error::corrupt("the parameters are no zfp header")),
        };
        let mut reader = BitReader::new(bytes);
        let kind = match reader.read(2) {
            0 => Kind::I32,
            1 => Kind::I64,
            2 => Kind::F32,
            _ => Kind::F64,
        };
        let rank = reader.read(2) as usize + 1;
        let mut extents = [1; 4];
        for extent in &mut extents[..rank] {
            *extent = reader.read(48 / rank as u32) + 1;
        }
        let params = Params::decode(&mut reader)?;
        if reader.overrun() {
            return Err(Error::corrupt(format!("{} parameters are too few", client_data.len())));
        }
        Ok(Header { kind, rank, extents, params, big })
    }

    fn encode(&self) -> Vec<u32> {
        let mut bytes = Vec::new();
        let mut writer = BitWriter::new(&mut bytes);
        for byte in MAGIC.into_iter().chain([CODEC]) {
            writer.write(byte.into(), 8);
        }
        writer.write(self.kind as u64, 2);
        writer.write(self.rank as u64 - 1, 2);
        for extent in &self.extents[..self.rank] {
            writer.write(extent - 1, 48 / self.rank as u32);
        }
        self.params.encode(&mut writer);
        writer.finish();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let word =
            |word: &[u8; 4]| if self.big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
        [VERSIONS].into_iter().chain(bytes.as_chunks().0.iter().map(word)).collect()
    }

    /// How many values a chunk has, if that can be counted.
    pub(super) fn count(&self) -> Option<usize> {
        self.extents
            .iter()
            .try_fold(1, |count: usize, &extent| count.checked_mul(usize::try_from(extent).ok()?))
    }
}

fn codec_version(codec: u32) -> Error {
    Error::unsupported(format!("version {codec} of the zfp codec; {CODEC} is supported"))
}

impl Params {
    const UNBOUND: Params =
        Params { min_bits: 1, max_bits: MAX_BITS, max_precision: MAX_PRECISION, min_exponent: MIN_EXPONENT };
    const REVERSIBLE: Params = Params { min_exponent: MIN_EXPONENT - 1, ..Self::UNBOUND };

    fn new(mode: Mode, kind: Kind, rank: usize) -> Result<Self> {
        let params = match mode {
            Mode::Rate(rate) => {
                // A block of floats has at least its exponent.
                let least = match kind {
                    Kind::I32 | Kind::I64 => 1,
                    Kind::F32 => 9,
                    Kind::F64 => 12,
                };
                let bits = (rate * f64::from(1 << (2 * rank)) + 0.5).floor();
                if !(bits >= 0.0 && bits <= f64::from(MAX_BITS)) {
                    return Err(Error::usage(format!("zfp cannot store {rate} bits per value")));
                }
                let bits = (bits as u32).max(least);
                Params { min_bits: bits, max_bits: bits, ..Self::UNBOUND }
            }
            Mode::Precision(precision) if precision > 0 => {
                Params { max_precision: precision.min(MAX_PRECISION), ..Self::UNBOUND }
            }
            Mode::Accuracy(error) if error >= 0.0 && error.is_finite() => {
                Params { min_exponent: floor_log2(error).max(MIN_EXPONENT), ..Self::UNBOUND }
            }
            Mode::Reversible => Self::REVERSIBLE,
            Mode::Expert { min_bits, max_bits, max_precision, min_exponent } => {
                Params { min_bits, max_bits, max_precision, min_exponent }
            }
            Mode::Precision(_) | Mode::Accuracy(_) => {
                return Err(Error::usage(format!("zfp has no mode {mode:?}")));
            }
        };
        let Params { min_bits, max_bits, max_precision, min_exponent } = params;
        let exponents = -EXPONENT_BIAS..0x8000 - EXPONENT_BIAS;
        if min_bits == 0 || max_bits > 0x8000 || !exponents.contains(&min_exponent) {
            return Err(Error::usage(format!("{params:?} cannot be stored")));
        }
        params.check().map_err(|_| Error::usage(format!("{params:?} make no sense")))?;
        debug_assert!(max_bits >= min_bits && max_precision > 0);
        Ok(params)
    }

    fn check(self) -> Result<Self> {
        if self.min_bits > self.max_bits || !(1..=MAX_PRECISION).contains(&self.max_precision) {
            return Err(Error::corrupt(format!("{self:?}")));
        }
        Ok(self)
    }

    fn decode(reader: &mut BitReader<'_>) -> Result<Self> {
        let mode = reader.read(12) as u32;
        let params = match mode {
            LONG_MODE => Params {
                min_bits: reader.read(15) as u32 + 1,
                max_bits: reader.read(15) as u32 + 1,
                max_precision: reader.read(7) as u32 + 1,
                min_exponent: reader.read(15) as i32 - EXPONENT_BIAS,
            },
            FIRST_ACCURACY.. => {
                Params { min_exponent: (mode - FIRST_ACCURACY) as i32 + MIN_EXPONENT, ..Self::UNBOUND }
            }
            REVERSIBLE => Self::REVERSIBLE,
            FIRST_PRECISION.. => Params { max_precision: mode - FIRST_PRECISION + 1, ..Self::UNBOUND },
            _ => Params { min_bits: mode + 1, max_bits: mode + 1, ..Self::UNBOUND },
        };
        params.check()
    }

    fn encode(self, writer: &mut BitWriter<'_>) {
        let Params { min_bits, max_bits, max_precision, min_exponent } = self;
        let accuracy = FIRST_ACCURACY as i64 + i64::from(min_exponent) - i64::from(MIN_EXPONENT);
        let short = if self == Self::UNBOUND {
            LONG_MODE
        } else if self == Self::REVERSIBLE {
            REVERSIBLE
        } else if self == (Params { min_bits, max_bits: min_bits, ..Self::UNBOUND }) && max_bits <= 2048 {
            max_bits - 1
        } else if self == (Params { max_precision, ..Self::UNBOUND }) {
            FIRST_PRECISION + max_precision - 1
        } else if self == (Params { min_exponent, ..Self::UNBOUND })
            && (FIRST_ACCURACY.into()..LONG_MODE.into()).contains(&accuracy)
        {
            accuracy as u32
        } else {
            LONG_MODE
        };
        writer.write(short.into(), 12);
        if short == LONG_MODE {
            writer.write((min_bits - 1).into(), 15);
            writer.write((max_bits - 1).into(), 15);
            writer.write((max_precision - 1).into(), 7);
            writer.write((min_exponent + EXPONENT_BIAS) as u64, 15);
        }
    }
}

/// The exponent of the greatest power of two that is not above a positive number; less than any for zero.
fn floor_log2(number: f64) -> i32 {
    let bits = number.to_bits();
    match (bits >> 52) as i32 {
        0 => bits.checked_ilog2().map_or(i32::MIN, |bit| bit as i32 + MIN_EXPONENT),
        biased => biased - 1023,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F64: fn() -> Datatype = || Datatype::f64(ByteOrder::Little);

    #[test]
    fn client_data_are_those_of_the_plugin() {
        let f32 = Datatype::f32(ByteOrder::Little);
        let i64 = Datatype::integer(8, true, ByteOrder::Little);
        let expert = Mode::Expert { min_bits: 1, max_bits: 16657, max_precision: 64, min_exponent: -1074 };
        let cases: [(_, _, &[u64], &[u32]); 7] = [
            (Mode::Accuracy(0.01), &f32, &[20, 32], &[0x300001f6, 0xcac00001]),
            (Mode::Rate(12.0), &f32, &[24, 32], &[0x700001f6, 0x0bf00001]),
            (Mode::Precision(14), &f32, &[24, 32], &[0x700001f6, 0x80d00001]),
            (Mode::Reversible, &i64, &[20, 1, 32, 1], &[0x300001f5, 0x88000001]),
            (Mode::Reversible, &f32, &[2, 1, 3, 1, 4, 5], &[0x2003004e, 0x88000100]),
            (Mode::Rate(16.0), &F64(), &[4, 4, 4], &[0x0030003b, 0x3ff00030]),
            (expert, &F64(), &[7], &[0x00000063, 0xfff00000, 0xe0880000, 0x787af]),
        ];
        for (mode, datatype, chunk, words) in cases {
            let expected: Vec<u32> = [0x10105111, 0x570667a].iter().chain(words).copied().collect();
            let found = client_data(mode, datatype, chunk).unwrap();
            assert_eq!(found, expected, "{mode:?} {found:x?}");
        }
    }

    #[test]
    fn headers_come_back() {
        for (order, big) in [(ByteOrder::Little, false), (ByteOrder::Big, true)] {
            let datatype = Datatype::f64(order);
            for mode in [
                Mode::Rate(3.3),
                Mode::Precision(64),
                Mode::Precision(128),
                Mode::Accuracy(1e-320),
                Mode::Accuracy(1e300),
                Mode::Accuracy(0.0),
                Mode::Reversible,
                Mode::Expert { min_bits: 3, max_bits: 32768, max_precision: 9, min_exponent: -16495 },
            ] {
                for chunk in [&[5_u64][..], &[3, 1, 6], &[7, 8, 9], &[2, 3, 4096, 5]] {
                    let header = Header::decode(&client_data(mode, &datatype, chunk).unwrap()).unwrap();
                    assert_eq!((header.kind, header.big), (Kind::F64, big));
                    assert_eq!(header.params, Params::new(mode, Kind::F64, header.rank).unwrap());
                    let extents: Vec<u64> =
                        chunk.iter().rev().copied().filter(|&extent| extent != 1).collect();
                    assert_eq!(header.extents[..header.rank], extents);
                }
            }
        }
    }

    #[test]
    fn what_zfp_cannot_store_is_refused() {
        let f64 = F64();
        for chunk in [&[][..], &[1, 1], &[2; 5], &[3, 0], &[2, 2, 2, 4097], &[1 << 24 | 1, 2]] {
            assert!(client_data(Mode::Reversible, &f64, chunk).is_err(), "{chunk:?}");
        }
        let expert = |min_bits, max_bits, max_precision, min_exponent| Mode::Expert {
            min_bits,
            max_bits,
            max_precision,
            min_exponent,
        };
        for mode in [
            Mode::Rate(-1.0),
            Mode::Rate(f64::NAN),
            Mode::Rate(1e9),
            Mode::Precision(0),
            Mode::Accuracy(-1.0),
            Mode::Accuracy(f64::NAN),
            expert(2, 1, 64, 0),
            expert(0, 1, 64, 0),
            expert(1, 1 << 16, 64, 0),
            expert(1, 1, 65, 0),
            expert(1, 1, 0, 0),
            expert(1, 1, 1, i32::MIN),
        ] {
            assert!(client_data(mode, &f64, &[4]).is_err(), "{mode:?}");
        }
        for size in [1, 2] {
            assert!(
                client_data(Mode::Reversible, &Datatype::integer(size, true, ByteOrder::Little), &[4])
                    .is_err()
            );
        }
        assert!(client_data(Mode::Reversible, &Datatype::var_string(), &[4]).is_err());
    }

    #[test]
    fn damaged_headers_are_refused() {
        let whole = client_data(Mode::Rate(1.0), &F64(), &[4]).unwrap();
        for len in 0..whole.len() {
            assert!(Header::decode(&whole[..len]).is_err());
        }
        let long = Header {
            params: Params { max_precision: 63, ..Params::REVERSIBLE },
            ..Header::decode(&whole).unwrap()
        };
        let long = long.encode();
        assert_eq!(long.len(), 6);
        assert!(Header::decode(&long[..5]).is_err() && Header::decode(&long).is_ok());
        let magic = [whole[0], whole[1] ^ 0x100, whole[2], whole[3]];
        assert!(Header::decode(&magic).is_err());
        let codec = [whole[0], whole[1] ^ 0x300_0000, whole[2], whole[3]];
        assert!(Header::decode(&codec).unwrap_err().to_string().contains("version 6"));
        assert!(Header::decode(&[0x1010_6111, whole[1], whole[2], whole[3]]).is_err());
        // Before H5Z-ZFP 1.1, these four bits belonged to its version.
        assert!(Header::decode(&[0x0054_6101, whole[1], whole[2], whole[3]]).is_ok());
    }
}
