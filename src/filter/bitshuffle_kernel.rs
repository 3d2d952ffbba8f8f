//! The transpose of bits that bitshuffle and Blosc share.
//!
//! Of `count` elements (a multiple of 8) it makes rows of `count / 8` bytes, one for each bit of an element: bit i of
//! byte j of row `8 * b + k` is bit k of byte b of element `8 * j + i`. Elements that do not fill a byte of a row, and
//! bytes that do not fill an element, are copied.

use super::shuffle;

/// Columns of eight rows that are transposed at once: one vector register a row.
const WIDE: usize = 16;
/// Bytes that are split into planes (or joined from them) before their bits move; they stay in the nearest cache.
const STAGE: usize = 1 << 12;
/// Elements that are larger move byte by byte.
const LARGEST: usize = STAGE / (8 * WIDE);

/// Sorts the bits of elements by their place; `element_size` is not 0, and the slices have the same length.
pub fn bitshuffle(input: &[u8], out: &mut [u8], element_size: usize) {
    let (count, whole) = extent(input.len(), element_size);
    let (rows, tail) = out.split_at_mut(whole);
    tail.copy_from_slice(&input[whole..]);
    let width = count / 8;
    let mut stage = [0; STAGE];
    let step = stage_elements(element_size);
    for (group, elements) in input[..whole].chunks(step * element_size).enumerate() {
        let here = elements.len() / element_size;
        let columns = group * (step / 8)..group * (step / 8) + here / 8;
        for byte in 0..element_size {
            let planes: &[u8] = if element_size == 1 {
                elements
            } else if element_size <= LARGEST {
                if byte == 0 {
                    shuffle::shuffle(element_size, elements, &mut stage[..elements.len()]);
                }
                &stage[byte * here..(byte + 1) * here]
            } else {
                for (to, element) in stage.iter_mut().zip(elements.chunks_exact(element_size)) {
                    *to = element[byte];
                }
                &stage[..here]
            };
            plane_to_rows(planes, &mut rows[8 * byte * width..8 * (byte + 1) * width], width, columns.start);
        }
    }
}

/// Undoes [`bitshuffle`].
pub fn bitunshuffle(input: &[u8], out: &mut [u8], element_size: usize) {
    let (count, whole) = extent(input.len(), element_size);
    let (elements, tail) = out.split_at_mut(whole);
    tail.copy_from_slice(&input[whole..]);
    let width = count / 8;
    let mut stage = [0; STAGE];
    let step = stage_elements(element_size);
    for (group, elements) in elements.chunks_mut(step * element_size).enumerate() {
        let here = elements.len() / element_size;
        let start = group * (step / 8);
        if element_size == 1 {
            rows_to_plane(&input[..whole], width, start, elements);
            continue;
        }
        for byte in 0..element_size {
            let rows = &input[8 * byte * width..8 * (byte + 1) * width];
            if element_size <= LARGEST {
                rows_to_plane(rows, width, start, &mut stage[byte * here..(byte + 1) * here]);
                continue;
            }
            rows_to_plane(rows, width, start, &mut stage[..here]);
            for (from, element) in stage.iter().zip(elements.chunks_exact_mut(element_size)) {
                element[byte] = *from;
            }
        }
        if element_size <= LARGEST {
            shuffle::unshuffle(element_size, &stage[..elements.len()], elements);
        }
    }
}

/// How many elements are transposed, and their bytes.
fn extent(len: usize, element_size: usize) -> (usize, usize) {
    let count = len / element_size / 8 * 8;
    (count, count * element_size)
}

/// Elements that pass through the stage together.
fn stage_elements(element_size: usize) -> usize {
    let planes = if element_size > LARGEST { 1 } else { element_size };
    STAGE / planes / (8 * WIDE) * (8 * WIDE)
}

/// Eight rows, a register each.
type Rows = [[u64; WIDE / 8]; 8];

/// Exchanges, between the rows whose numbers differ in `distance`, the bits outside `mask` of the first with those
/// within it of the second. All are done alike, so that compilers put it into vector instructions.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "two rows at once")]
fn exchange(rows: &mut Rows, distance: usize, shift: usize, mask: u64) {
    for low in (0..8).filter(|row| row & distance == 0) {
        for word in 0..WIDE / 8 {
            let (a, b) = (rows[low][word], rows[low + distance][word]);
            let exchanged = (a >> shift ^ b) & mask;
            rows[low][word] = a ^ exchanged << shift;
            rows[low + distance][word] = b ^ exchanged;
        }
    }
}

/// Transposes the 8x8 bits of each column: the rows take the place of the bits of its bytes. Its own inverse.
#[inline(always)]
fn transpose_bits(rows: &mut Rows) {
    exchange(rows, 1, 1, 0x5555_5555_5555_5555);
    exchange(rows, 2, 2, 0x3333_3333_3333_3333);
    exchange(rows, 4, 4, 0x0f0f_0f0f_0f0f_0f0f);
}

/// Transposes the 8x8 bytes of each word: the rows take the place of its bytes. Its own inverse.
#[inline(always)]
fn transpose_bytes(rows: &mut Rows) {
    exchange(rows, 1, 8, 0x00ff_00ff_00ff_00ff);
    exchange(rows, 2, 16, 0x0000_ffff_0000_ffff);
    exchange(rows, 4, 32, 0x0000_0000_ffff_ffff);
}

/// Makes the bytes of a plane from the columns of its eight rows from `start` on.
fn rows_to_plane(rows: &[u8], width: usize, start: usize, plane: &mut [u8]) {
    let columns = plane.len() / 8;
    let row = |bit: usize| &rows[bit * width + start..][..columns];
    let rows: [_; 8] = std::array::from_fn(|bit| row(bit).as_chunks::<WIDE>());
    let (blocks, rest) = plane.as_chunks_mut::<{ 8 * WIDE }>();
    let whole = rows.map(|(blocks, _)| blocks);
    for (at, block) in blocks.iter_mut().enumerate() {
        gather(whole.map(|row| &row[at]), block);
    }
    if !rest.is_empty() {
        let mut padded = [[0; WIDE]; 8];
        for (padded, (_, row)) in padded.iter_mut().zip(rows) {
            padded[..row.len()].copy_from_slice(row);
        }
        let mut block = [0; 8 * WIDE];
        gather(padded.each_ref(), &mut block);
        rest.copy_from_slice(&block[..rest.len()]);
    }
}

/// Puts the bytes of a plane into the columns of its eight rows from `start` on.
fn plane_to_rows(plane: &[u8], rows: &mut [u8], width: usize, start: usize) {
    let (blocks, rest) = plane.as_chunks::<{ 8 * WIDE }>();
    let mut at = start;
    for block in blocks {
        for (bit, part) in scatter(block).iter().enumerate() {
            rows[bit * width + at..][..WIDE].copy_from_slice(part);
        }
        at += WIDE;
    }
    if !rest.is_empty() {
        let mut block = [0; 8 * WIDE];
        block[..rest.len()].copy_from_slice(rest);
        let columns = rest.len() / 8;
        for (bit, part) in scatter(&block).iter().enumerate() {
            rows[bit * width + at..][..columns].copy_from_slice(&part[..columns]);
        }
    }
}

fn words(row: &[u8; WIDE]) -> [u64; WIDE / 8] {
    let (words, _) = row.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

fn bytes(row: [u64; WIDE / 8]) -> [u8; WIDE] {
    let mut bytes = [0; WIDE];
    for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(row) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

/// Whether no bit is set: often so in the high bytes of counts, whose transpose can be left out.
#[inline(always)]
fn is_zero(rows: &Rows) -> bool {
    let any = rows.iter().fold([0; WIDE / 8], |any, row| std::array::from_fn(|at| any[at] | row[at]));
    any == [0; WIDE / 8]
}

/// The bytes of eight times [`WIDE`] elements from their eight rows of bits.
#[inline(always)]
fn gather(rows: [&[u8; WIDE]; 8], block: &mut [u8; 8 * WIDE]) {
    let mut rows = rows.map(words);
    if is_zero(&rows) {
        block.fill(0);
        return;
    }
    transpose_bits(&mut rows);
    transpose_bytes(&mut rows);
    let (elements, _) = block.as_chunks_mut::<8>();
    for word in 0..WIDE / 8 {
        for row in 0..8 {
            elements[8 * word + row] = rows[row][word].to_le_bytes();
        }
    }
}

/// Undoes [`gather`].
#[inline(always)]
fn scatter(block: &[u8; 8 * WIDE]) -> [[u8; WIDE]; 8] {
    let (elements, _) = block.as_chunks::<8>();
    let element = |word: usize, row: usize| u64::from_le_bytes(elements[8 * word + row]);
    let mut rows: Rows = std::array::from_fn(|row| std::array::from_fn(|word| element(word, row)));
    if is_zero(&rows) {
        return [[0; WIDE]; 8];
    }
    transpose_bytes(&mut rows);
    transpose_bits(&mut rows);
    rows.map(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, bit by bit.
    fn expected(data: &[u8], size: usize) -> Vec<u8> {
        let (count, whole) = extent(data.len(), size);
        let mut out = data.to_vec();
        out[..whole].fill(0);
        for element in 0..count {
            for bit in 0..8 * size {
                let value = data[element * size + bit / 8] >> (bit % 8) & 1;
                out[bit * (count / 8) + element / 8] |= value << (element % 8);
            }
        }
        out
    }

    fn check(data: &[u8], size: usize) {
        let mut shuffled = vec![0xaa; data.len()];
        bitshuffle(data, &mut shuffled, size);
        assert!(shuffled == expected(data, size), "{size}, {}", data.len());
        let mut back = vec![0xaa; data.len()];
        bitunshuffle(&shuffled, &mut back, size);
        assert!(back == data, "{size}, {}", data.len());
    }

    proptest! {
        #[test]
        fn both_follow_the_definition(
            size in prop_oneof![Just(1_usize), Just(2), Just(4), Just(8), 1_usize..70],
            data in proptest::collection::vec(any::<u8>(), 0..3000),
        ) {
            check(&data, size);
        }
    }

    #[test]
    fn sizes_around_those_of_the_stage() {
        let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
        let data: Vec<u8> = (0..40_000).map(noise).collect();
        for size in [1, 2, 3, 4, 8, 16, 31, 32, 33, 100, 3000, 5000, 6000] {
            for len in [size * 8, size * 9 + 1, 4096, 8192, 8200, 40_000] {
                check(&data[..len.min(data.len())], size);
            }
        }
    }
}
