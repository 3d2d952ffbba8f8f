//! What a new dataset is to be, and what follows from that: the shape of chunks, the parameters of filters, the index.

use std::sync::Arc;

use super::{Profile, header::put_checked_datatype};
use crate::{
    error::{Error, Result},
    filter::{FilterSpec, filter_name, lookup},
    model::{
        dataspace::Dataspace,
        datatype::{ByteOrder, Datatype, DatatypeClass, FloatType, IntegerType},
        fill::{AllocationTime, FillTime},
        layout::{ChunkIndexType, VirtualMapping},
    },
    storage::external::ExternalTargets,
};

/// What a dataset is to be.
#[derive(Clone, Debug)]
pub(crate) struct DatasetSpec {
    pub(crate) datatype: Datatype,
    /// Key of the committed datatype that it is.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: Dataspace,
    /// Extent of a chunk; empty to have one guessed.
    pub(crate) chunk: Option<Vec<u64>>,
    pub(crate) compact: bool,
    /// The files that hold the raw data.
    pub(crate) external: Option<Arc<ExternalTargets>>,
    /// Where the elements of a virtual dataset are.
    pub(crate) mappings: Vec<VirtualMapping>,
    pub(crate) filters: Vec<FilterRequest>,
    /// One element.
    pub(crate) fill_value: Option<Vec<u8>>,
    pub(crate) fill_time: Option<FillTime>,
    pub(crate) allocation: Option<AllocationTime>,
    pub(crate) attribute_order: super::Order,
}

/// A filter for a dataset; its parameters may depend on that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterRequest {
    /// Bytes of equal weight together.
    Shuffle,
    /// Deflate (gzip), of level 0 to 9.
    Deflate(u8),
    /// A checksum of every chunk.
    Fletcher32,
    /// LZF compression.
    Lzf,
    /// Szip compression.
    Szip {
        /// With nearest-neighbour preprocessing.
        nearest_neighbour: bool,
        /// Even, up to 32.
        pixels_per_block: u32,
    },
    /// Only the significant bits of numbers.
    Nbit,
    /// Integers in this many bits (0: as few as a chunk needs), floats with this many decimal digits.
    ScaleOffset(i32),
    /// Any filter that is known, with its parameters.
    Custom(FilterSpec),
}

/// Checks that a datatype can be written to a file with addresses of `width` bytes.
pub(crate) fn check_datatype(datatype: &Datatype, width: u8) -> Result<()> {
    put_checked_datatype(&mut Vec::with_capacity(32), datatype, width)
}

/// A shape of chunks for those who do not choose one: halved dimension after dimension, from the extent down to
/// between 8 KiB and 1 MiB, the larger the dataset the larger, as h5py does it.
pub(crate) fn guess_chunk(dims: &[u64], max_dims: &[Option<u64>], element_size: u64) -> Vec<u64> {
    const BASE: f64 = 16.0 * 1024.0;
    const MIN: f64 = 8.0 * 1024.0;
    const MAX: f64 = 1024.0 * 1024.0;
    let start = |(d, max): (&u64, &Option<u64>)| match (d, max) {
        (0, Some(max)) => (*max).clamp(1, 1024),
        (0, None) => 1024,
        (d, _) => *d,
    };
    let mut chunk: Vec<u64> = dims.iter().zip(max_dims).map(start).collect();
    let size = element_size as f64;
    let product = |chunk: &[u64]| chunk.iter().map(|&c| c as f64).product::<f64>();
    let target = (BASE * 2f64.powf((product(&chunk) * size / MAX).log10())).clamp(MIN, MAX);
    for turn in 0.. {
        let bytes = product(&chunk) * size;
        let near = bytes < target || (bytes - target).abs() / target < 0.5;
        if (near && bytes < MAX) || product(&chunk) <= 1.0 {
            break;
        }
        let d = turn % chunk.len().max(1);
        chunk[d] = chunk[d].div_ceil(2);
    }
    chunk
}

/// The index that libhdf5 chooses. Chunks that are allocated early and have no filters need none.
pub(crate) fn index_type(
    profile: Profile,
    dims: &[u64],
    max_dims: &[Option<u64>],
    chunk: &[u64],
    is_plain_and_early: bool,
) -> ChunkIndexType {
    if profile == Profile::Compatible {
        return ChunkIndexType::BTreeV1;
    }
    match max_dims.iter().filter(|m| m.is_none()).count() {
        0 if dims == chunk && max_dims.iter().zip(dims).all(|(m, &d)| *m == Some(d)) => {
            ChunkIndexType::Single { filtered: None }
        }
        0 if is_plain_and_early && !max_dims.contains(&Some(0)) => ChunkIndexType::Implicit,
        0 => ChunkIndexType::FixedArray { page_bits: 10 },
        1 => ChunkIndexType::ExtensibleArray {
            max_bits: 32,
            index_elements: 4,
            min_pointers: 4,
            min_elements: 16,
            page_bits: 10,
        },
        _ => ChunkIndexType::BTreeV2 { node_size: 2048, split: 100, merge: 40 },
    }
}

/// The filter with the parameters that the dataset gives it.
pub(crate) fn filter_spec(
    request: &FilterRequest,
    datatype: &Datatype,
    chunk: &[u64],
    fill: Option<&[u8]>,
) -> Result<FilterSpec> {
    let elements: u64 = chunk.iter().product();
    let size = u32::try_from(datatype.size).map_err(|_| Error::usage("elements of 4 GiB"))?;
    let bytes = u32::try_from(elements.saturating_mul(datatype.size as u64)).map_err(|_| {
        Error::limit("bytes of a chunk", elements.saturating_mul(u64::from(size)), u64::from(u32::MAX))
    })?;
    let spec = |id: u16, optional, client_data| {
        let name = if id >= 256 { filter_name(id).map(str::to_owned) } else { None };
        Ok(FilterSpec { id, optional, name, client_data })
    };
    match request {
        FilterRequest::Shuffle => spec(2, true, vec![size]),
        FilterRequest::Deflate(level @ 0..=9) => spec(1, true, vec![u32::from(*level)]),
        FilterRequest::Deflate(level) => {
            Err(Error::usage(format!("deflate level {level}; 0 to 9 are possible")))
        }
        FilterRequest::Fletcher32 => spec(3, false, vec![]),
        FilterRequest::Lzf => spec(32000, true, vec![4, 0x0105, bytes]),
        FilterRequest::Szip { nearest_neighbour, pixels_per_block } => {
            spec(4, true, szip(datatype, chunk, *nearest_neighbour, *pixels_per_block)?)
        }
        FilterRequest::ScaleOffset(factor) => {
            spec(6, true, scale_offset(datatype, elements as u32, *factor, fill)?)
        }
        FilterRequest::Nbit => spec(5, true, nbit(datatype, elements as u32)?),
        FilterRequest::Custom(spec) => {
            if lookup(spec.id).is_none() {
                return Err(Error::unsupported(format!("filter {} is not built in", spec.id)));
            }
            Ok(FilterSpec { client_data: local(spec, size, bytes), ..spec.clone() })
        }
    }
}

/// The parameters of a filter with those that its plugin takes from the dataset, where they are zero or left out.
fn local(spec: &FilterSpec, element_size: u32, chunk_bytes: u32) -> Vec<u32> {
    let mut out = spec.client_data.clone();
    let known: &[u32] = match spec.id {
        // Versions of filter and format, element size, bytes of a chunk. Blosc has no larger elements.
        32001 => &[2, 2, if element_size <= 255 { element_size } else { 1 }, chunk_bytes],
        // Version of the filter, element size.
        32008 if out.get(2).is_none_or(|&size| size == 0) => &[0, 5, element_size],
        _ => &[],
    };
    if out.len() < known.len() {
        out.resize(known.len(), 0);
    }
    out.iter_mut().zip(known).filter(|(value, _)| **value == 0).for_each(|(value, known)| *value = *known);
    out
}

/// Order, first bit and number of bits of a number.
fn number(datatype: &Datatype) -> Option<(ByteOrder, u16, u16)> {
    match &datatype.class {
        DatatypeClass::Integer(IntegerType { order, offset, precision, .. })
        | DatatypeClass::Bitfield(IntegerType { order, offset, precision, .. })
        | DatatypeClass::Float(FloatType { order, offset, precision, .. })
            if *order != ByteOrder::Vax =>
        {
            Some((*order, *offset, *precision))
        }
        DatatypeClass::Enum { base, .. } => number(base),
        _ => None,
    }
}

fn szip(datatype: &Datatype, chunk: &[u64], nearest_neighbour: bool, block: u32) -> Result<Vec<u32>> {
    const K13: u32 = 1;
    const EC: u32 = 4;
    const LSB: u32 = 8;
    const MSB: u32 = 16;
    const NN: u32 = 32;
    const RAW: u32 = 128;
    let Some((order, offset, precision)) = number(datatype) else {
        return Err(Error::usage(format!("szip of {datatype}")));
    };
    if !(2..=32).contains(&block) || !block.is_multiple_of(2) {
        return Err(Error::usage(format!(
            "szip with {block} pixels per block; even numbers up to 32 are possible"
        )));
    }
    let bits = if offset == 0 { u32::from(precision) } else { datatype.size as u32 * 8 };
    let bits = match bits {
        0..=24 => bits,
        25..=32 => 32,
        33..=64 => 64,
        _ => return Err(Error::usage(format!("szip of {bits} bits"))),
    };
    let points = chunk.iter().product::<u64>();
    let longest = u64::from(block) * 128;
    let scanline = match chunk.last().copied().unwrap_or(0) {
        last if last < u64::from(block) => {
            if points < u64::from(block) {
                return Err(Error::usage(format!(
                    "szip with {block} pixels per block for {points} elements"
                )));
            }
            points.min(longest)
        }
        last if last <= 4096 => last.min(longest),
        _ => longest,
    };
    let order = if order == ByteOrder::Big { MSB } else { LSB };
    let coding = if nearest_neighbour { NN } else { EC };
    Ok(vec![coding | K13 | RAW | order, block, bits, scanline as u32])
}

fn scale_offset(datatype: &Datatype, elements: u32, factor: i32, fill: Option<&[u8]>) -> Result<Vec<u32>> {
    let size = datatype.size as u32;
    let (scale_type, class, sign, order) = match &datatype.class {
        DatatypeClass::Integer(i) if matches!(size, 1 | 2 | 4 | 8) && i.is_full(datatype.size) => {
            if factor < 0 || factor as u32 > 8 * size {
                return Err(Error::usage(format!("scale-offset to {factor} bits")));
            }
            (2, 0, u32::from(i.signed), i.order)
        }
        DatatypeClass::Float(f) if matches!(size, 4 | 8) && f.is_ieee(datatype.size) => (0, 1, 0, f.order),
        _ => return Err(Error::usage(format!("scale-offset of {datatype}"))),
    };
    let order = u32::from(order == ByteOrder::Big);
    let mut out = vec![scale_type, factor as u32, elements, class, size, sign, order, 1];
    // The fill value as a number in little-endian words; zero if none was set.
    let mut bytes = fill.map_or_else(|| vec![0; datatype.size], <[u8]>::to_vec);
    if order == 1 {
        bytes.reverse();
    }
    for word in bytes.chunks(4) {
        let mut wide = [0; 4];
        wide[..word.len()].copy_from_slice(word);
        out.push(u32::from_le_bytes(wide));
    }
    out.resize(20, 0);
    Ok(out)
}

fn nbit(datatype: &Datatype, elements: u32) -> Result<Vec<u32>> {
    let mut tree = Vec::new();
    let packs = nbit_tree(datatype, &mut tree)?;
    let mut out = vec![0, u32::from(!packs), elements];
    out.extend(tree);
    out[0] = u32::try_from(out.len()).map_err(|_| Error::usage("too large a datatype for n-bit"))?;
    Ok(out)
}

/// Appends the layout of an element; true if there are bits to be left out.
fn nbit_tree(datatype: &Datatype, out: &mut Vec<u32>) -> Result<bool> {
    let size = datatype.size as u32;
    match &datatype.class {
        DatatypeClass::Integer(_) | DatatypeClass::Float(_) => match number(datatype) {
            Some((order, offset, precision)) => {
                let order = u32::from(order == ByteOrder::Big);
                out.extend([1, size, order, precision.into(), offset.into()]);
                Ok(offset != 0 || u32::from(precision) != size * 8)
            }
            None => Err(Error::usage(format!("n-bit of {datatype}"))),
        },
        DatatypeClass::Array { base, .. } => {
            out.extend([2, size]);
            nbit_tree(base, out)
        }
        DatatypeClass::Compound(members) => {
            out.extend([3, size, members.len() as u32]);
            let mut packs = false;
            for member in members {
                out.push(member.offset as u32);
                packs |= nbit_tree(&member.datatype, out)?;
            }
            Ok(packs)
        }
        _ => {
            out.extend([4, size]);
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_guessed_as_h5py_does() {
        // h5py._hl.filters.guess_chunk of 3.16.
        let fixed = |dims: &[u64]| dims.iter().map(|&d| Some(d)).collect::<Vec<_>>();
        for (dims, size, expected) in [
            (&[1000u64, 1000][..], 8, &[63u64, 63][..]),
            (&[100], 4, &[100]),
            (&[10_000_000], 8, &[9766]),
            (&[100, 100, 100], 4, &[13, 25, 25]),
        ] {
            assert_eq!(guess_chunk(dims, &fixed(dims), size), expected, "{dims:?}");
        }
        assert_eq!(guess_chunk(&[0], &[None], 8), [1024]);
    }

    #[test]
    fn szip_and_scale_offset_parameters() {
        let f32 = Datatype::f32(ByteOrder::Little);
        assert_eq!(szip(&f32, &[100], true, 8).unwrap(), [169, 8, 32, 100]);
        assert!(szip(&Datatype::var_string(), &[100], true, 8).is_err());
        let i32 = Datatype::integer(4, true, ByteOrder::Little);
        let parameters = scale_offset(&i32, 10, 0, None).unwrap();
        assert_eq!(parameters[..8], [2, 0, 10, 0, 4, 1, 0, 1]);
        assert_eq!(parameters.len(), 20);
        assert_eq!(nbit(&i32, 10).unwrap(), [8, 1, 10, 1, 4, 0, 32, 0]);
    }
}
