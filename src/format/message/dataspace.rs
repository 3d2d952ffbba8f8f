//! Dataspace message (0x01): section IV.A.2.b of the specification.
//!
//! ```text
//! version 1                                    version 2
//! +---------+------+-------+----------+        +---------+------+-------+------+
//! | 1       | rank | flags | reserved |        | 2       | rank | flags | type |
//! +---------+------+-------+----------+        +---------+------+-------+------+
//! | reserved (4)                      |        type: 0 scalar, 1 simple, 2 null
//! +-----------------------------------+
//! both: | dimension (L) x rank | maximum dimension (L) x rank, if flags bit 0; 2^64 - 1: unlimited |
//!
//! Narrower lengths cannot say "unlimited": libhdf5 writes all ones there too, and reads a number.
//! ```
//!
//! Flags bit 1 of version 1 announces a permutation that no library ever wrote.

use smallvec::SmallVec;

use crate::error::{Context, Error, Result};
use crate::format::message::unknown_version;
use crate::format::output::{narrow, put_length};
use crate::format::primitive::{Bytes, Sizes, all_ones};
use crate::model::dataspace::{Dataspace, Extent};

const NAME: &str = "dataspace message";
const HAS_MAX: u8 = 0x01;

/// Decodes a dataspace, and tells how many bytes it took.
///
/// # Errors
/// `Truncated`, `Corrupt` (rank above 32, a maximum below the extent), `Unsupported` (version).
pub fn decode_dataspace(body: &[u8], sizes: Sizes) -> Result<(Dataspace, usize)> {
    let mut bytes = Bytes(body);
    let dataspace = decode(&mut bytes, sizes).in_structure(NAME)?;
    Ok((dataspace, body.len() - bytes.0.len()))
}

fn decode(bytes: &mut Bytes<'_>, sizes: Sizes) -> Result<Dataspace> {
    let [version, rank, flags, kind] = bytes.array()?;
    let rank = usize::from(rank);
    let kind = match version {
        1 => {
            bytes.take(4)?;
            1
        }
        2 => kind,
        _ => return Err(unknown_version(version)),
    };
    if rank > Dataspace::MAX_RANK {
        return Err(Error::corrupt(format!("rank {rank} exceeds 32")));
    }
    match (kind, rank) {
        (0 | 1, 0) => return Ok(Dataspace::Scalar),
        (2, 0) => return Ok(Dataspace::Null),
        (0 | 2, _) => {
            return Err(Error::corrupt(format!("scalar or null dataspace of rank {rank}")));
        }
        (1, _) => {}
        _ => return Err(Error::corrupt(format!("unknown type of dataspace {kind}"))),
    }
    let count = if flags & HAS_MAX != 0 { 2 * rank } else { rank };
    let mut values = SmallVec::with_capacity(count);
    for _ in 0..count {
        values.push(bytes.length(sizes)?);
    }
    let (dims, max_dims) = values.split_at(rank);
    if let Some((dim, max)) = dims.iter().zip(max_dims).find(|(dim, max)| max < dim) {
        return Err(Error::corrupt(format!("extent {dim} exceeds its maximum {max}")));
    }
    Ok(Dataspace::Simple(Extent::stored(rank, values)))
}

/// Encodes a dataspace in this version (1 or 2); a null dataspace, which only version 2 has, in version 2.
///
/// # Errors
/// `Usage` if it is not valid, or does not fit in the widths of the file.
pub fn encode_dataspace(dataspace: &Dataspace, version: u8, sizes: Sizes) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(8 + 16 * dataspace.rank());
    put_dataspace(&mut out, dataspace, version, sizes)?;
    Ok(out)
}

/// Appends what [`encode_dataspace`] gives.
///
/// # Errors
/// As [`encode_dataspace`].
pub fn put_dataspace(out: &mut Vec<u8>, dataspace: &Dataspace, version: u8, sizes: Sizes) -> Result<()> {
    let dims = dataspace.dims();
    let with_max = match dataspace {
        Dataspace::Simple(extent) if extent.has_max_dims() => Some(extent),
        _ => None,
    };
    if dims.len() > Dataspace::MAX_RANK {
        return Err(Error::usage(format!("dataspace of {} dimensions", dims.len())));
    }
    let rank: u8 = narrow(dims.len(), "rank")?;
    let flags = if with_max.is_some() { HAS_MAX } else { 0 };
    match (version, dataspace) {
        (1 | 2, Dataspace::Null) => out.extend([2, 0, 0, 2]),
        (1, _) => out.extend([1, rank, flags, 0, 0, 0, 0, 0]),
        (2, _) => out.extend([2, rank, flags, u8::from(rank > 0)]),
        _ => return Err(unknown_version(version)),
    }
    let unlimited = all_ones(sizes.length);
    for &dim in dims {
        put_length(out, dim, sizes)?;
    }
    for (&dim, max) in dims.iter().zip(with_max.into_iter().flat_map(Extent::max_dims)) {
        if max.is_some_and(|max| max < dim) {
            return Err(Error::usage(format!("extent {dim} with maximum {max:?}")));
        }
        put_length(out, max.unwrap_or(unlimited), sizes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };

    fn same(bytes: &str, sizes: Sizes, value: Dataspace) {
        let bytes = hex(bytes);
        assert_eq!(decode_dataspace(&bytes, sizes).unwrap(), (value.clone(), bytes.len()));
        assert_eq!(encode_dataspace(&value, bytes[0], sizes).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&decode_dataspace(&bytes[..n], sizes).unwrap_err()));
        }
    }

    #[test]
    fn both_versions() {
        same("01000000 00000000", Sizes::EIGHT, Dataspace::Scalar);
        same("02000000", Sizes::EIGHT, Dataspace::Scalar);
        same("02000002", Sizes::EIGHT, Dataspace::Null);
        same("01010000 00000000 05000000", FOUR, Dataspace::simple([5]));
        same(
            "02020101 0300000000000000 0400000000000000 ffffffffffffffff 0400000000000000",
            Sizes::EIGHT,
            Dataspace::Simple(Extent::new(&[3, 4], Some(&[None, Some(4)])).unwrap()),
        );
        same(
            "01010100 00000000 00000000 ffffffff",
            FOUR,
            Dataspace::Simple(Extent::new(&[0], Some(&[Some(0xffff_ffff)])).unwrap()),
        );
        assert_eq!(encode_dataspace(&Dataspace::Null, 1, FOUR).unwrap(), [2, 0, 0, 2]);
    }

    #[test]
    fn hostile() {
        let decode = |text| decode_dataspace(&hex(text), FOUR);
        assert!(is_corrupt(decode("02210001")));
        assert!(is_corrupt(decode("02010002 01000000")));
        assert!(is_corrupt(decode("02010003 01000000")));
        assert!(is_corrupt(decode("02010101 02000000 01000000")));
        assert!(is_unsupported(decode("03010001 02000000")));
        assert!(is_usage(encode_dataspace(&Dataspace::simple([1 << 32]), 2, FOUR)));
    }
}
