//! A chunk: its blocks, of which those at the upper edges may be partial.

use super::bitstream::{BitReader, BitWriter};
use super::block::Value;
use super::header::{Header, Kind};
use super::planes::Planes;
use crate::error::{Error, Result};

/// Decodes the values of a chunk, whose bytes are those of `output`.
pub(super) fn decode(header: &Header, stored: &[u8], output: &mut [u8]) -> Result<()> {
    match header.kind {
        Kind::I32 => decode_values::<i32>(header, stored, output),
        Kind::I64 => decode_values::<i64>(header, stored, output),
        Kind::F32 => decode_values::<f32>(header, stored, output),
        Kind::F64 => decode_values::<f64>(header, stored, output),
    }
}

/// Encodes the values of a chunk, whose bytes are those of `input`.
pub(super) fn encode(header: &Header, input: &[u8], stored: &mut Vec<u8>) {
    match header.kind {
        Kind::I32 => encode_values::<i32>(header, input, stored),
        Kind::I64 => encode_values::<i64>(header, input, stored),
        Kind::F32 => encode_values::<f32>(header, input, stored),
        Kind::F64 => encode_values::<f64>(header, input, stored),
    }
}

fn decode_values<T: Value>(header: &Header, stored: &[u8], output: &mut [u8]) -> Result<()> {
    match header.rank {
        1 => decode_blocks::<T, 4>(header, stored, output),
        2 => decode_blocks::<T, 16>(header, stored, output),
        3 => decode_blocks::<T, 64>(header, stored, output),
        _ => decode_blocks::<T, 256>(header, stored, output),
    }
}

fn encode_values<T: Value>(header: &Header, input: &[u8], stored: &mut Vec<u8>) {
    match header.rank {
        1 => encode_blocks::<T, 4>(header, input, stored),
        2 => encode_blocks::<T, 16>(header, input, stored),
        3 => encode_blocks::<T, 64>(header, input, stored),
        _ => encode_blocks::<T, 256>(header, input, stored),
    }
}

fn decode_blocks<T: Value, const SIZE: usize>(
    header: &Header,
    stored: &[u8],
    output: &mut [u8],
) -> Result<()> {
    let mut reader = BitReader::new(stored);
    let mut planes = Planes::default();
    let mut block = [T::default(); SIZE];
    for place in Places::new(header) {
        T::decode(&header.params, &mut reader, &mut planes, &mut block);
        if reader.overrun() {
            return Err(Error::corrupt(format!("{} bytes are too few", stored.len())));
        }
        place.rows::<SIZE>(|row, start| {
            let bytes = &mut output[start * T::BYTES..][..place.extents[0] * T::BYTES];
            for (bytes, value) in bytes.chunks_exact_mut(T::BYTES).zip(&block[row..row + 4]) {
                value.put(bytes, header.big);
            }
        });
    }
    Ok(())
}

fn encode_blocks<T: Value, const SIZE: usize>(header: &Header, input: &[u8], stored: &mut Vec<u8>) {
    let mut writer = BitWriter::new(stored);
    let mut planes = Planes::default();
    let mut block = [T::default(); SIZE];
    for place in Places::new(header) {
        place.rows::<SIZE>(|row, start| {
            let bytes = &input[start * T::BYTES..][..place.extents[0] * T::BYTES];
            for (bytes, value) in bytes.chunks_exact(T::BYTES).zip(&mut block[row..row + 4]) {
                *value = T::get(bytes, header.big);
            }
        });
        place.pad(&mut block);
        T::encode(&header.params, &mut writer, &mut planes, &block);
    }
    writer.finish();
}

/// Where a block lies.
struct Place {
    /// Index of its first value.
    start: usize,
    /// How many values it has in each dimension, 1 to 4; 1 beyond the rank.
    extents: [usize; 4],
    /// Values from one row, plane, ... of the chunk to the next.
    strides: [usize; 4],
}

impl Place {
    /// Calls a function for each row, with the index of its first value in the block and in the chunk.
    #[inline(always)]
    fn rows<const SIZE: usize>(&self, mut f: impl FnMut(usize, usize)) {
        let [_, y_end, z_end, w_end] = self.extents;
        let [_, y_stride, z_stride, w_stride] = self.strides;
        for w in 0..w_end {
            for z in 0..z_end {
                for y in 0..y_end {
                    let row = (w * 64 + z * 16 + y * 4) % SIZE;
                    f(row, self.start + w * w_stride + z * z_stride + y * y_stride);
                }
            }
        }
    }

    /// Fills what a partial block lacks: dimension by dimension, with the last value, but the fourth with the first.
    #[inline(always)]
    fn pad<T: Value, const SIZE: usize>(&self, block: &mut [T; SIZE]) {
        let rank = SIZE.trailing_zeros() as usize / 2;
        for (axis, &extent) in self.extents.iter().enumerate().take(rank) {
            if extent == 4 {
                continue;
            }
            let stride = 1 << (2 * axis);
            for slab in block.chunks_exact_mut(4 * stride) {
                for i in extent..4 {
                    let from = if i == 3 { 0 } else { i - 1 };
                    slab.copy_within(from * stride..(from + 1) * stride, i * stride);
                }
            }
        }
    }
}

/// The blocks of a chunk, in the order in which they are stored.
struct Places {
    /// Extents of the chunk.
    chunk: [usize; 4],
    rank: usize,
    strides: [usize; 4],
    /// Index of the next block's first value in each dimension.
    next: Option<[usize; 4]>,
}

impl Places {
    fn new(header: &Header) -> Self {
        // The number of values fits, hence so does each extent.
        let chunk = header.extents.map(|extent| extent as usize);
        let strides = [1, chunk[0], chunk[0] * chunk[1], chunk[0] * chunk[1] * chunk[2]];
        Places { chunk, rank: header.rank, strides, next: Some([0; 4]) }
    }
}

impl Iterator for Places {
    type Item = Place;

    #[inline(always)]
    fn next(&mut self) -> Option<Place> {
        let at = self.next?;
        let mut extents = [1; 4];
        let mut start = 0;
        for axis in 0..4 {
            extents[axis] = (self.chunk[axis] - at[axis]).min(4);
            start += at[axis] * self.strides[axis];
        }
        let mut next = at;
        self.next = None;
        for axis in 0..self.rank {
            next[axis] += 4;
            if next[axis] < self.chunk[axis] {
                self.next = Some(next);
                break;
            }
            next[axis] = 0;
        }
        Some(Place { start, extents, strides: self.strides })
    }
}
