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
    if count == 0 {
        return;
    }
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
    if count == 0 {
        return;
    }
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

/// Elements that the staged kernels hold between two stages: so few that compilers keep them in vector registers.
const STAGE: usize = 64;

/// Joins narrow numbers in pairs: compilers turn this loop into interleaving instructions.
macro_rules! join {
    ($name:ident, $narrow:ty, $wide:ty) => {
        #[inline(always)]
        fn $name(low: &[$narrow; STAGE], high: &[$narrow; STAGE]) -> [$wide; STAGE] {
            let mut joined = [0; STAGE];
            for ((to, low), high) in joined.iter_mut().zip(low).zip(high) {
                *to = <$wide>::from(*low) | <$wide>::from(*high) << <$narrow>::BITS;
            }
            joined
        }
    };
}
join!(join_8, u8, u16);
join!(join_16, u16, u32);
join!(join_32, u32, u64);

/// The planes of elements of `N` bytes, each as blocks of [`STAGE`] bytes.
fn staged<const N: usize>(planes: &[u8]) -> [&[[u8; STAGE]]; N] {
    let count = planes.len() / N;
    std::array::from_fn(|byte| planes[byte * count..(byte + 1) * count].as_chunks().0)
}

fn unshuffle_4(planes: &[u8], elements: &mut [u8]) {
    let [a, b, c, d] = staged(planes);
    let pairs = a.iter().zip(b).zip(c.iter().zip(d));
    for (block, ((a, b), (c, d))) in elements.as_chunks_mut::<{ 4 * STAGE }>().0.iter_mut().zip(pairs) {
        let joined = join_16(&join_8(a, b), &join_8(c, d));
        for (element, value) in block.as_chunks_mut().0.iter_mut().zip(joined) {
            *element = value.to_le_bytes();
        }
    }
    let count = planes.len() / 4;
    unshuffle_range(4, count, count / STAGE * STAGE, planes, elements);
}

fn unshuffle_8(planes: &[u8], elements: &mut [u8]) {
    let [a, b, c, d, e, f, g, h] = staged(planes);
    let low = a.iter().zip(b).zip(c.iter().zip(d));
    let high = e.iter().zip(f).zip(g.iter().zip(h));
    let blocks = elements.as_chunks_mut::<{ 8 * STAGE }>().0;
    for (block, (((a, b), (c, d)), ((e, f), (g, h)))) in blocks.iter_mut().zip(low.zip(high)) {
        let low = join_16(&join_8(a, b), &join_8(c, d));
        let high = join_16(&join_8(e, f), &join_8(g, h));
        for (element, value) in block.as_chunks_mut().0.iter_mut().zip(join_32(&low, &high)) {
            *element = value.to_le_bytes();
        }
    }
    let count = planes.len() / 8;
    unshuffle_range(8, count, count / STAGE * STAGE, planes, elements);
}

/// Splits wide numbers into their halves.
macro_rules! split {
    ($name:ident, $wide:ty, $narrow:ty) => {
        #[inline(always)]
        fn $name(joined: &[$wide; STAGE]) -> ([$narrow; STAGE], [$narrow; STAGE]) {
            let (mut low, mut high) = ([0; STAGE], [0; STAGE]);
            for ((value, low), high) in joined.iter().zip(&mut low).zip(&mut high) {
                (*low, *high) = (*value as $narrow, (*value >> <$narrow>::BITS) as $narrow);
            }
            (low, high)
        }
    };
}
split!(split_8, u16, u8);
split!(split_16, u32, u16);
split!(split_32, u64, u32);

/// Puts the blocks of `N` planes that `split` makes of every [`STAGE`] elements to their places.
#[inline(always)]
fn shuffle_staged<const N: usize>(
    elements: &[u8],
    planes: &mut [u8],
    split: impl Fn(&[[u8; N]; STAGE]) -> [[u8; STAGE]; N],
) {
    let count = elements.len() / N;
    let (blocks, _) = elements.as_chunks::<N>().0.as_chunks::<STAGE>();
    for (block, at) in blocks.iter().zip((0..).step_by(STAGE)) {
        for (plane, part) in planes.chunks_exact_mut(count).zip(split(block)) {
            plane[at..at + STAGE].copy_from_slice(&part);
        }
    }
    shuffle_range(N, count, count / STAGE * STAGE, elements, planes);
}

fn shuffle_2(elements: &[u8], planes: &mut [u8]) {
    shuffle_staged(elements, planes, |block| {
        let (a, b) = split_8(&block.map(u16::from_le_bytes));
        [a, b]
    });
}

fn shuffle_4(elements: &[u8], planes: &mut [u8]) {
    shuffle_staged(elements, planes, |block| {
        let (low, high) = split_16(&block.map(u32::from_le_bytes));
        let ((a, b), (c, d)) = (split_8(&low), split_8(&high));
        [a, b, c, d]
    });
}

fn shuffle_8(elements: &[u8], planes: &mut [u8]) {
    shuffle_staged(elements, planes, |block| {
        let (low, high) = split_32(&block.map(u64::from_le_bytes));
        let ((ab, cd), (ef, gh)) = (split_16(&low), split_16(&high));
        let ((a, b), (c, d)) = (split_8(&ab), split_8(&cd));
        let ((e, f), (g, h)) = (split_8(&ef), split_8(&gh));
        [a, b, c, d, e, f, g, h]
    });
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
