//! Shuffle (filter 2): the first bytes of all elements, then all second bytes, and so on; what does not fill an
//! element stays at the end. Client data: the element size.

use std::ops::Range;

use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Shuffle;

fn element_size(spec: &FilterSpec, context: &ChunkContext) -> Result<usize> {
    match spec.client_data.first() {
        Some(0) => Err(Error::corrupt("element size is 0")),
        Some(&size) => Ok(size as usize),
        None => Ok(context.element_size.max(1)),
    }
}

impl Filter for Shuffle {
    fn name(&self) -> &str {
        "shuffle"
    }

    fn encoded_len(&self, _: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        Some(len)
    }

    fn payload(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
    ) -> Result<Option<Range<usize>>> {
        let size = element_size(spec, context)?;
        Ok((size == 1 || input.len() / size <= 1).then_some(0..input.len()))
    }

    fn decode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize> {
        let size = element_size(spec, context)?;
        let output = output
            .get_mut(..input.len())
            .ok_or_else(|| Error::corrupt(format!("{} bytes are more than expected", input.len())))?;
        unshuffle(size, input, output);
        Ok(input.len())
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let size = element_size(spec, context)?;
        output.resize(input.len(), 0);
        shuffle(size, input, output);
        Ok(true)
    }
}

/// Elements of which a generic kernel moves all bytes before it goes on: few enough that their cache lines stay.
const BLOCK: usize = 64;

/// Undoes [`shuffle`]; both slices have the same length, and `size` is not 0.
pub fn unshuffle(size: usize, input: &[u8], output: &mut [u8]) {
    let count = input.len() / size;
    let whole = count * size;
    let (elements, tail) = output.split_at_mut(whole);
    tail.copy_from_slice(&input[whole..]);
    let planes = &input[..whole];
    match size {
        2 => unshuffle_2(planes, elements),
        4 => unshuffle_4(planes, elements),
        8 => unshuffle_8(planes, elements),
        _ => unshuffle_range(size, count, 0, planes, elements),
    }
}

/// Brings equal bytes of all elements together; both slices have the same length, and `size` is not 0.
pub fn shuffle(size: usize, input: &[u8], output: &mut [u8]) {
    let count = input.len() / size;
    let whole = count * size;
    let (planes, tail) = output.split_at_mut(whole);
    tail.copy_from_slice(&input[whole..]);
    let elements = &input[..whole];
    match size {
        2 => shuffle_2(elements, planes),
        4 => shuffle_4(elements, planes),
        8 => shuffle_8(elements, planes),
        _ => shuffle_range(size, count, 0, elements, planes),
    }
}

/// The elements from `from` on, of any size.
fn unshuffle_range(size: usize, count: usize, from: usize, planes: &[u8], elements: &mut [u8]) {
    let mut start = from;
    for block in elements[from * size..].chunks_mut(BLOCK * size) {
        let here = block.len() / size;
        for (byte, plane) in planes.chunks_exact(count).enumerate() {
            for (element, value) in block.chunks_exact_mut(size).zip(&plane[start..start + here]) {
                element[byte] = *value;
            }
        }
        start += here;
    }
}

fn shuffle_range(size: usize, count: usize, from: usize, elements: &[u8], planes: &mut [u8]) {
    let mut start = from;
    for block in elements[from * size..].chunks(BLOCK * size) {
        let here = block.len() / size;
        for (byte, plane) in planes.chunks_exact_mut(count).enumerate() {
            for (value, element) in plane[start..start + here].iter_mut().zip(block.chunks_exact(size)) {
                *value = element[byte];
            }
        }
        start += here;
    }
}

fn unshuffle_2(planes: &[u8], elements: &mut [u8]) {
    let (low, high) = planes.split_at(planes.len() / 2);
    for ((element, low), high) in elements.as_chunks_mut::<2>().0.iter_mut().zip(low).zip(high) {
        *element = [*low, *high];
    }
}

fn shuffle_2(elements: &[u8], planes: &mut [u8]) {
    let (low, high) = planes.split_at_mut(elements.len() / 2);
    for ((element, low), high) in elements.as_chunks::<2>().0.iter().zip(low).zip(high) {
        [*low, *high] = *element;
    }
}

fn unshuffle_4(planes: &[u8], elements: &mut [u8]) {
    let count = planes.len() / 4;
    let (p01, p23) = planes.split_at(2 * count);
    let ((p0, p1), (p2, p3)) = (p01.split_at(count), p23.split_at(count));
    let lanes = p0.iter().zip(p1).zip(p2.iter().zip(p3));
    for (element, ((a, b), (c, d))) in elements.as_chunks_mut::<4>().0.iter_mut().zip(lanes) {
        *element = [*a, *b, *c, *d];
    }
}

fn shuffle_4(elements: &[u8], planes: &mut [u8]) {
    let count = elements.len() / 4;
    let (p01, p23) = planes.split_at_mut(2 * count);
    let ((p0, p1), (p2, p3)) = (p01.split_at_mut(count), p23.split_at_mut(count));
    let lanes = p0.iter_mut().zip(p1).zip(p2.iter_mut().zip(p3));
    for (element, ((a, b), (c, d))) in elements.as_chunks::<4>().0.iter().zip(lanes) {
        [*a, *b, *c, *d] = *element;
    }
}

/// Transposes an 8 x 8 matrix of bytes: byte j of word i becomes byte i of word j.
#[inline(always)]
fn transpose(mut rows: [u64; 8]) -> [u64; 8] {
    for (distance, mask) in
        [(4, 0x0000_0000_ffff_ffff_u64), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)]
    {
        for i in (0..8).filter(|i| i & distance == 0) {
            let (low, high) = (rows[i], rows[i + distance]);
            let swap = ((low >> (8 * distance)) ^ high) & mask;
            rows[i] = low ^ (swap << (8 * distance));
            rows[i + distance] = high ^ swap;
        }
    }
    rows
}

fn unshuffle_8(planes: &[u8], elements: &mut [u8]) {
    let count = planes.len() / 8;
    if count == 0 {
        return;
    }
    let mut lanes = [const { &[] as &[[u8; 8]] }; 8];
    for (lane, plane) in lanes.iter_mut().zip(planes.chunks_exact(count)) {
        *lane = plane.as_chunks::<8>().0;
    }
    for (block, at) in elements.as_chunks_mut::<64>().0.iter_mut().zip(0..) {
        let rows = transpose(lanes.map(|lane| u64::from_le_bytes(lane[at])));
        for (element, row) in block.as_chunks_mut::<8>().0.iter_mut().zip(rows) {
            *element = row.to_le_bytes();
        }
    }
    unshuffle_range(8, count, count / 8 * 8, planes, elements);
}

fn shuffle_8(elements: &[u8], planes: &mut [u8]) {
    let count = elements.len() / 8;
    if count == 0 {
        return;
    }
    for (block, at) in elements.as_chunks::<64>().0.iter().zip((0..).step_by(8)) {
        let mut rows = [0; 8];
        for (row, element) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
            *row = u64::from_le_bytes(*element);
        }
        for (plane, row) in planes.chunks_exact_mut(count).zip(transpose(rows)) {
            plane[at..at + 8].copy_from_slice(&row.to_le_bytes());
        }
    }
    shuffle_range(8, count, count / 8 * 8, elements, planes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_kernels_follow_the_definition(
            size in prop_oneof![Just(1_usize), Just(2), Just(4), Just(8), 1_usize..40],
            data in proptest::collection::vec(any::<u8>(), 0..3000),
        ) {
            let count = data.len() / size;
            let mut expected = data.clone();
            for element in 0..count {
                for byte in 0..size {
                    expected[byte * count + element] = data[element * size + byte];
                }
            }
            let mut shuffled = vec![0; data.len()];
            shuffle(size, &data, &mut shuffled);
            prop_assert_eq!(&shuffled, &expected);
            let mut back = vec![0; data.len()];
            unshuffle(size, &shuffled, &mut back);
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn element_size_0_is_an_error() {
        let spec = FilterSpec { id: 2, optional: false, name: None, client_data: vec![0] };
        let context = ChunkContext { chunk_bytes: 4, element_size: 4 };
        assert!(Shuffle.decode(&spec, &context, &[0; 4], &mut [0; 4]).is_err());
    }
}
