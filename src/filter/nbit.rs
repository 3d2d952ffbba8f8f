//! N-bit (filter 5): only the significant bits of the numbers in each element, one after the other.
//!
//! Client data: their count, a flag that the data are stored as they are, the elements of a chunk, and the layout of
//! an element:
//!
//! ```text
//! 1 size order precision offset           a number; order 0 is little-endian, 1 big-endian
//! 2 size child                            an array of as many children as fill the size
//! 3 size members (offset child)*          a compound
//! 4 size                                  bytes that are stored whole
//! ```
//!
//! Once libhdf5 has done an array of arrays or of compounds, it goes on in the parameters where those of the array's
//! children begin, not behind them, on write as on read. Members that follow in a compound are so taken for others.
//! What it then reads, or refuses, is what is decoded here; encoding refuses such layouts.

use std::ops::Range;

use super::bits::{BitReader, BitWriter};
use super::{ChunkContext, Filter, FilterSpec};
use crate::error::{Error, Result};

pub(super) struct Nbit;

/// As deep as datatypes may nest.
const MAX_DEPTH: u32 = 32;

/// Layout of (a part of) an element. Every offset and size is within that of its parent.
enum Layout {
    Number(Number),
    Array { stride: usize, size: usize, child: Box<Layout> },
    Compound(Vec<(Range<usize>, Layout)>),
    Bytes,
}

#[derive(Clone, Copy)]
struct Number {
    size: usize,
    big: bool,
    precision: u32,
    offset: u32,
}

/// What is left of the parameters.
struct Rest<'a> {
    values: &'a [u32],
    /// libhdf5 has gone back to before the end of what it has parsed.
    displaced: bool,
    /// And has parsed on from there.
    lossy: bool,
    /// Layouts that may still be parsed: those who go back could go on for ever.
    budget: usize,
}

struct Parameters {
    unchanged: bool,
    lossy: bool,
    elements: usize,
    size: usize,
    layout: Layout,
}

impl Filter for Nbit {
    fn name(&self) -> &str {
        "nbit"
    }

    fn encoded_len(&self, spec: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        is_unchanged(spec).then_some(len)
    }

    fn payload(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8]) -> Result<Option<Range<usize>>> {
        Ok(is_unchanged(spec).then_some(0..input.len()))
    }

    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let parameters = Parameters::of(spec)?;
        let len = parameters.len()?;
        let output =
            output.get_mut(..len).ok_or_else(|| Error::corrupt(format!("{len} bytes are too many")))?;
        if parameters.unchanged {
            let input = input.get(..len).ok_or_else(|| Error::corrupt("too few bytes"))?;
            output.copy_from_slice(input);
            return Ok(len);
        }
        let mut bits = BitReader::new(input);
        let early = || Error::corrupt(format!("{} bytes end early", input.len()));
        if let Layout::Number(number) = parameters.layout {
            number.read_all(&mut bits, output).ok_or_else(early)?;
            return Ok(len);
        }
        output.fill(0);
        for element in output.chunks_exact_mut(parameters.size) {
            parameters.layout.read(&mut bits, element).ok_or_else(early)?;
        }
        Ok(len)
    }

    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let parameters = Parameters::of(spec)?;
        if parameters.len()? != input.len() {
            return Err(Error::usage(format!(
                "{} bytes are not {} elements",
                input.len(),
                parameters.elements
            )));
        }
        if parameters.lossy {
            return Err(Error::unsupported(
                "n-bit loses what follows an array of arrays or compounds in a compound",
            ));
        }
        if parameters.unchanged {
            output.extend_from_slice(input);
            return Ok(true);
        }
        let mut bits = BitWriter::new(output);
        for element in input.chunks_exact(parameters.size) {
            parameters.layout.write(&mut bits, element);
        }
        // libhdf5 always begins one more byte.
        bits.write(0, 8);
        bits.finish();
        Ok(true)
    }
}

fn is_unchanged(spec: &FilterSpec) -> bool {
    spec.client_data.get(1).is_some_and(|&flag| flag != 0)
}

impl Parameters {
    fn of(spec: &FilterSpec) -> Result<Self> {
        let values = spec.client_data.get(1..).unwrap_or(&[]);
        let mut rest = Rest { values, displaced: false, lossy: false, budget: 2 * values.len() };
        let (unchanged, elements) = (rest.next()? != 0, rest.next()? as usize);
        if unchanged && rest.values.is_empty() {
            return Ok(Parameters { unchanged, lossy: false, elements, size: 1, layout: Layout::Bytes });
        }
        let (layout, size) = Layout::parse(&mut rest, 0)?;
        Ok(Parameters { unchanged, lossy: rest.lossy, elements, size, layout })
    }

    fn len(&self) -> Result<usize> {
        self.elements.checked_mul(self.size).ok_or_else(|| Error::corrupt("size of the chunk overflows"))
    }
}

impl Rest<'_> {
    fn next(&mut self) -> Result<u32> {
        let (&first, values) =
            self.values.split_first().ok_or_else(|| Error::corrupt("parameters end early"))?;
        self.values = values;
        Ok(first)
    }
}

impl Layout {
    /// Takes one layout off the parameters; also gives its size, which is not 0.
    fn parse(rest: &mut Rest<'_>, depth: u32) -> Result<(Layout, usize)> {
        if depth > MAX_DEPTH {
            return Err(Error::limit("nesting of n-bit parameters", depth.into(), MAX_DEPTH.into()));
        }
        rest.budget =
            rest.budget.checked_sub(1).ok_or_else(|| Error::corrupt("parameters refer to each other"))?;
        let class = rest.next()?;
        let size = rest.next()? as usize;
        if size == 0 {
            return Err(Error::corrupt("size is 0"));
        }
        let layout = match class {
            1 => {
                let (order, precision, offset) = (rest.next()?, rest.next()?, rest.next()?);
                let bits = u64::from(precision) + u64::from(offset);
                if order > 1 || precision == 0 || bits > 8 * size as u64 {
                    return Err(Error::corrupt(format!(
                        "order {order}, {precision} bits from {offset} on, in {size} bytes"
                    )));
                }
                Layout::Number(Number { size, big: order == 1, precision, offset })
            }
            2 => {
                let child_class = rest.values.first().copied();
                let children = rest.values.get(1..).unwrap_or(&[]);
                let (child, stride) = Layout::parse(rest, depth + 1)?;
                if matches!(child_class, Some(2 | 3)) {
                    rest.values = children;
                    rest.displaced = true;
                }
                match child_class {
                    // libhdf5 takes the size of the array for them, and skips that of the bytes.
                    Some(4) => Layout::Bytes,
                    _ => Layout::Array { stride, size, child: Box::new(child) },
                }
            }
            3 => {
                let count = rest.next()?;
                let mut members = Vec::new();
                let mut used = 0_usize;
                for _ in 0..count {
                    rest.lossy |= rest.displaced;
                    let offset = rest.next()? as usize;
                    let (member, len) = Layout::parse(rest, depth + 1)?;
                    used = used.saturating_add(len);
                    let end = offset.saturating_add(len);
                    if used > size || end > size {
                        return Err(Error::corrupt(format!(
                            "member of {len} bytes at {offset} exceeds {size}"
                        )));
                    }
                    members.push((offset..end, member));
                }
                Layout::Compound(members)
            }
            4 => Layout::Bytes,
            _ => return Err(Error::corrupt(format!("class {class} of parameters"))),
        };
        Ok((layout, size))
    }

    fn read(&self, bits: &mut BitReader<'_>, element: &mut [u8]) -> Option<()> {
        match self {
            Layout::Number(number) => number.read(bits, element)?,
            Layout::Array { stride, size, child } => {
                for part in element[..*size].chunks_exact_mut(*stride) {
                    child.read(bits, part)?;
                }
            }
            Layout::Compound(members) => {
                for (range, member) in members {
                    member.read(bits, &mut element[range.clone()])?;
                }
            }
            Layout::Bytes => {
                for byte in element {
                    *byte = bits.read(8)? as u8;
                }
            }
        }
        Some(())
    }

    fn write(&self, bits: &mut BitWriter<'_>, element: &[u8]) {
        match self {
            Layout::Number(number) => number.write(bits, element),
            Layout::Array { stride, size, child } => {
                element[..*size].chunks_exact(*stride).for_each(|part| child.write(bits, part));
            }
            Layout::Compound(members) => {
                members.iter().for_each(|(range, member)| member.write(bits, &element[range.clone()]));
            }
            Layout::Bytes => element.iter().for_each(|&byte| bits.write(byte.into(), 8)),
        }
    }
}

impl Number {
    fn read_all(&self, bits: &mut BitReader<'_>, output: &mut [u8]) -> Option<()> {
        match self.size {
            1 => self.read_sized::<1>(bits, output),
            2 => self.read_sized::<2>(bits, output),
            4 => self.read_sized::<4>(bits, output),
            8 => self.read_sized::<8>(bits, output),
            size => output.chunks_exact_mut(size).try_for_each(|element| self.read(bits, element)),
        }
    }

    fn read_sized<const N: usize>(&self, bits: &mut BitReader<'_>, output: &mut [u8]) -> Option<()> {
        for element in output.as_chunks_mut::<N>().0 {
            let value = bits.read_long(self.precision)? << self.offset;
            if self.big {
                element.copy_from_slice(&value.to_be_bytes()[8 - N..]);
            } else {
                element.copy_from_slice(&value.to_le_bytes()[..N]);
            }
        }
        Some(())
    }

    fn read(&self, bits: &mut BitReader<'_>, element: &mut [u8]) -> Option<()> {
        if self.size <= 8 {
            let value = bits.read_long(self.precision)? << self.offset;
            if self.big {
                element.copy_from_slice(&value.to_be_bytes()[8 - self.size..]);
            } else {
                element.copy_from_slice(&value.to_le_bytes()[..self.size]);
            }
            return Some(());
        }
        element.fill(0);
        for (index, count, shift) in self.parts() {
            element[index] = (bits.read(count)? << shift) as u8;
        }
        Some(())
    }

    fn write(&self, bits: &mut BitWriter<'_>, element: &[u8]) {
        for (index, count, shift) in self.parts() {
            bits.write(u64::from(element[index]) >> shift, count);
        }
    }

    /// The bytes that have significant bits, the most significant first: index, number of bits, and the lowest one.
    fn parts(self) -> impl Iterator<Item = (usize, u32, u32)> {
        let end = self.offset + self.precision;
        (self.offset / 8..end.div_ceil(8)).rev().map(move |byte| {
            let from = self.offset.max(8 * byte) - 8 * byte;
            let to = end.min(8 * byte + 8) - 8 * byte;
            let index = byte as usize;
            (if self.big { self.size - 1 - index } else { index }, to - from, from)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

    fn spec(client_data: &[u32]) -> FilterSpec {
        let mut data = vec![client_data.len() as u32 + 1];
        data.extend(client_data);
        FilterSpec { id: 5, optional: false, name: None, client_data: data }
    }

    /// Parameters of any layout and the size of its elements.
    fn layouts() -> impl Strategy<Value = (Vec<u32>, u32)> {
        let number = (1_u32..20, 0_u32..2, any::<u32>(), any::<u32>()).prop_map(|(size, order, a, b)| {
            let precision = 1 + a % (8 * size);
            (vec![1, size, order, precision, b % (8 * size - precision + 1)], size)
        });
        let leaf = prop_oneof![4 => number, 1 => (1_u32..10).prop_map(|size| (vec![4, size], size))];
        leaf.prop_recursive(3, 20, 4, |inner| {
            let array = (inner.clone(), 1_u32..4).prop_map(|((child, size), count)| {
                let mut all = vec![2, size * count];
                all.extend(child);
                (all, size * count)
            });
            let compound = proptest::collection::vec((inner, 0_u32..3), 1..4).prop_map(|members| {
                let (mut all, mut end) = (Vec::new(), 0);
                for ((child, size), gap) in &members {
                    all.push(end + gap);
                    all.extend(child);
                    end += gap + size;
                }
                all.splice(0..0, [3, end, members.len() as u32]);
                (all, end)
            });
            prop_oneof![array, compound]
        })
    }

    proptest! {
        #[test]
        fn significant_bits_survive((layout, size) in layouts(), elements in 0_u32..20, seed: u64) {
            let spec = spec(&[&[0, elements], layout.as_slice()].concat());
            let mut noise = seed;
            let data: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1);
                (noise >> 56) as u8
            })
            .take((elements * size) as usize)
            .collect();
            let (mut stored, mut again) = (Vec::new(), Vec::new());
            if let Err(error) = Nbit.encode(&spec, &CONTEXT, &data, &mut stored) {
                // Layouts that libhdf5 goes on to misread, into parameters that may mean nothing.
                use crate::ErrorKind::{Corrupt, Unsupported};
                prop_assert!(matches!(error.kind(), Unsupported(_) | Corrupt(_)));
                return Ok(());
            }
            let mut back = vec![0xaa; data.len()];
            prop_assert_eq!(Nbit.decode(&spec, &CONTEXT, &stored, &mut back).unwrap(), data.len());
            // Other bits come back as 0: a second round changes nothing.
            Nbit.encode(&spec, &CONTEXT, &back, &mut again).unwrap();
            prop_assert_eq!(&stored, &again);
            for (value, original) in back.iter().zip(&data) {
                prop_assert_eq!(value & !original, 0);
            }
            if elements > 0 {
                let whole = stored.len() - 1;
                prop_assert!(Nbit.decode(&spec, &CONTEXT, &stored[..whole - 1], &mut back).is_err());
            }
        }

        #[test]
        fn any_parameters_decode_or_fail(
            client_data in proptest::collection::vec(prop_oneof![0_u32..6, any::<u32>()], 0..30),
            data in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = Nbit.decode(&spec(&client_data), &CONTEXT, &data, &mut [0; 1000]);
        }
    }

    #[test]
    fn twelve_bits_in_two_bytes() {
        let spec = spec(&[0, 2, 1, 2, 0, 12, 4]);
        let mut stored = Vec::new();
        Nbit.encode(&spec, &CONTEXT, &[0x3f, 0x12, 0x60, 0x45], &mut stored).unwrap();
        assert_eq!(stored, [0x12, 0x34, 0x56, 0]);
        let mut back = [0; 4];
        Nbit.decode(&spec, &CONTEXT, &stored, &mut back).unwrap();
        assert_eq!(back, [0x30, 0x12, 0x60, 0x45]);
    }

    #[test]
    fn going_back_in_the_parameters_ends() {
        for period in 1..6 {
            for seed in 0..3_u32.pow(period) {
                let pattern: Vec<u32> = (0..period).map(|i| 1 + seed / 3_u32.pow(i) % 3).collect();
                let mut layout = vec![0, 1, 3, u32::MAX, u32::MAX];
                layout.extend(pattern.iter().cycle().take(4000));
                let _ = Nbit.decode(&spec(&layout), &CONTEXT, &[0; 8], &mut [0; 8]);
            }
        }
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let layout = [2, 8].repeat(1000);
        assert!(
            Nbit.decode(&spec(&[&[0, 1], layout.as_slice()].concat()), &CONTEXT, &[0; 8], &mut [0; 8])
                .is_err()
        );
    }
}
