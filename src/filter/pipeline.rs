//! The filters of a dataset, applied in order on write and undone in reverse order on read.

use std::ops::Range;

use super::{ChunkContext, Filter, FilterSet, FilterSpec, filter_name};
use crate::error::{Error, Result};

/// More filters than this libhdf5 refuses as well (`H5Z_MAX_NFILTERS`), and the mask has no bit for them.
const MAX_FILTERS: usize = 32;

/// The filters of a dataset in the order in which a writer applies them.
#[derive(Clone, Debug, Default)]
pub struct FilterPipeline {
    /// The filters.
    pub filters: Vec<FilterSpec>,
    /// Codecs of the file.
    pub codecs: FilterSet,
}

/// Buffers that a thread keeps from chunk to chunk, so that once they are large enough nothing is allocated.
#[derive(Debug, Default)]
pub struct Scratch {
    first: Vec<u8>,
    second: Vec<u8>,
}

impl Scratch {
    /// Bytes of its buffers.
    pub(crate) fn capacity(&self) -> usize {
        self.first.capacity().saturating_add(self.second.capacity())
    }
}

/// Where the bytes are between two filters.
enum Place {
    Given(Range<usize>),
    First(Range<usize>),
    Second(Range<usize>),
    Destination(usize),
}

/// How many bytes a filter must give when it is undone.
#[derive(Clone, Copy)]
enum Expected {
    Exactly(usize),
    AtMost(usize),
}

struct Step<'p> {
    spec: &'p FilterSpec,
    filter: &'p dyn Filter,
    expected: Expected,
}

impl FilterPipeline {
    /// Undoes the filters of a stored chunk and returns its bytes, which are `context.chunk_bytes` many.
    ///
    /// Bit i of `mask` says that the chunk was stored without filter i. The result borrows from `stored` if no filter
    /// changed the bytes, and else from `scratch`.
    ///
    /// # Errors
    ///
    /// `Corrupt` if a filter cannot have given these bytes or the chunk has another size; `Unsupported` if a filter
    /// is not known; `Limit` if there is no memory. The error names the filter.
    pub fn decode_chunk<'a>(
        &self,
        context: &ChunkContext,
        mask: u32,
        stored: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<&'a [u8]> {
        let place = self.decode(context, mask, stored, scratch, None)?;
        let bytes: &'a [u8] = match place {
            Place::Given(range) => &stored[range],
            Place::First(range) => &scratch.first[range],
            Place::Second(range) => &scratch.second[range],
            Place::Destination(_) => &[],
        };
        check_size(context, bytes.len())?;
        Ok(bytes)
    }

    /// Undoes the filters of a stored chunk straight into `destination`, whose length is `context.chunk_bytes`.
    ///
    /// # Errors
    ///
    /// As [`decode_chunk`](Self::decode_chunk); `Usage` if the length of `destination` is wrong. After an error its
    /// content is arbitrary.
    pub fn decode_chunk_into(
        &self,
        context: &ChunkContext,
        mask: u32,
        stored: &[u8],
        scratch: &mut Scratch,
        destination: &mut [u8],
    ) -> Result<()> {
        if destination.len() != context.chunk_bytes {
            return Err(Error::usage(format!(
                "a buffer of {} bytes for a chunk of {}",
                destination.len(),
                context.chunk_bytes
            )));
        }
        let place = self.decode(context, mask, stored, scratch, Some(destination))?;
        let bytes = match place {
            Place::Given(range) => &stored[range],
            Place::First(range) => &scratch.first[range],
            Place::Second(range) => &scratch.second[range],
            Place::Destination(len) => return check_size(context, len),
        };
        check_size(context, bytes.len())?;
        destination.copy_from_slice(bytes);
        Ok(())
    }

    /// Applies the filters to the bytes of a chunk. Returns what to store, and the mask of the optional filters that
    /// did not apply.
    ///
    /// # Errors
    ///
    /// That of a filter which is not optional; `Unsupported` if such a filter is not known.
    pub fn encode_chunk<'a>(
        &self,
        context: &ChunkContext,
        raw: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<(&'a [u8], u32)> {
        self.check_count()?;
        let mut mask = 0;
        let mut place = Place::Given(0..raw.len());
        for (index, spec) in self.filters.iter().enumerate() {
            let (input, output, is_first) = match &place {
                Place::First(range) => (&scratch.first[range.clone()], &mut scratch.second, false),
                Place::Second(range) => (&scratch.second[range.clone()], &mut scratch.first, true),
                _ => (raw, &mut scratch.first, true),
            };
            output.clear();
            let outcome = self.find(spec).and_then(|filter| filter.encode(spec, context, input, output));
            match outcome {
                Ok(true) => {
                    let range = 0..output.len();
                    place = if is_first { Place::First(range) } else { Place::Second(range) };
                }
                Ok(false) | Err(_) if spec.optional => mask |= 1 << index,
                Ok(_) => {
                    return Err(named(spec, Error::usage("cannot encode this chunk, and is not optional")));
                }
                Err(error) => return Err(named(spec, error)),
            }
        }
        let bytes: &'a [u8] = match place {
            Place::First(range) => &scratch.first[range],
            Place::Second(range) => &scratch.second[range],
            _ => raw,
        };
        Ok((bytes, mask))
    }

    fn decode(
        &self,
        context: &ChunkContext,
        mask: u32,
        stored: &[u8],
        scratch: &mut Scratch,
        mut destination: Option<&mut [u8]>,
    ) -> Result<Place> {
        let (steps, count) = self.steps(context, mask)?;
        let mut place = Place::Given(0..stored.len());
        for index in (0..count).rev() {
            let Some(step) = &steps[index] else { continue };
            let (input, output, is_first) = match &place {
                Place::First(range) => (&scratch.first[range.clone()], &mut scratch.second, false),
                Place::Second(range) => (&scratch.second[range.clone()], &mut scratch.first, true),
                Place::Given(range) => (&stored[range.clone()], &mut scratch.first, true),
                Place::Destination(_) => break,
            };
            let wrap = |error| named(step.spec, error);
            if let Some(inner) = step.filter.payload(step.spec, context, input).map_err(wrap)? {
                if inner.start > inner.end || inner.end > input.len() {
                    return Err(wrap(Error::corrupt("payload beyond its input")));
                }
                step.check(inner.len())?;
                place = match place {
                    Place::Given(outer) => Place::Given(within(&outer, &inner)),
                    Place::First(outer) => Place::First(within(&outer, &inner)),
                    Place::Second(outer) => Place::Second(within(&outer, &inner)),
                    other => other,
                };
                continue;
            }
            let last = index == 0;
            if last && let Some(destination) = destination.as_deref_mut() {
                let len = step.filter.decode(step.spec, context, input, destination).map_err(wrap)?;
                step.check(len)?;
                place = Place::Destination(len);
                continue;
            }
            let (Expected::Exactly(bound) | Expected::AtMost(bound)) = step.expected;
            let output = room(output, bound).map_err(wrap)?;
            let len = step.filter.decode(step.spec, context, input, output).map_err(wrap)?;
            step.check(len)?;
            if len > bound {
                return Err(wrap(Error::corrupt("more bytes than there is room for")));
            }
            place = if is_first { Place::First(0..len) } else { Place::Second(0..len) };
        }
        Ok(place)
    }

    /// The filters that were applied, with the sizes that follow from that of the chunk.
    fn steps(&self, context: &ChunkContext, mask: u32) -> Result<([Option<Step<'_>>; MAX_FILTERS], usize)> {
        self.check_count()?;
        let mut steps = [const { None }; MAX_FILTERS];
        let mut count = 0;
        let mut expected = Expected::Exactly(context.chunk_bytes);
        // No filter that is worth its name gives more than this, and a chain of them must not multiply it.
        let bound = context.chunk_bytes.saturating_mul(2).saturating_add(1 << 16);
        for (index, spec) in self.filters.iter().enumerate() {
            if mask & (1 << index) != 0 {
                continue;
            }
            let filter = self.find(spec)?;
            steps[count] = Some(Step { spec, filter, expected });
            count += 1;
            expected = match expected {
                Expected::Exactly(len) => match filter.encoded_len(spec, context, len) {
                    Some(len) => Expected::Exactly(len),
                    None => Expected::AtMost(bound),
                },
                Expected::AtMost(_) => Expected::AtMost(bound),
            };
        }
        Ok((steps, count))
    }

    fn find(&self, spec: &FilterSpec) -> Result<&dyn Filter> {
        let not_built_in = || named(spec, Error::unsupported("not built in"));
        self.codecs.lookup(spec.id).ok_or_else(not_built_in)
    }

    fn check_count(&self) -> Result<()> {
        if self.filters.len() > MAX_FILTERS {
            return Err(Error::corrupt(format!("{} filters; {MAX_FILTERS} are allowed", self.filters.len())));
        }
        Ok(())
    }
}

impl Step<'_> {
    fn check(&self, len: usize) -> Result<()> {
        match self.expected {
            Expected::Exactly(expected) if len != expected => {
                Err(named(self.spec, Error::corrupt(format!("gives {len} bytes, should give {expected}"))))
            }
            _ => Ok(()),
        }
    }
}

fn name_of(spec: &FilterSpec) -> &str {
    match (filter_name(spec.id), &spec.name) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) => "unknown",
    }
}

fn named(spec: &FilterSpec, error: Error) -> Error {
    error.of_filter(spec.id, name_of(spec))
}

fn within(outer: &Range<usize>, inner: &Range<usize>) -> Range<usize> {
    outer.start + inner.start..outer.start + inner.end
}

fn check_size(context: &ChunkContext, len: usize) -> Result<()> {
    if len != context.chunk_bytes {
        return Err(Error::corrupt(format!(
            "the filters give {len} bytes, the chunk has {}",
            context.chunk_bytes
        )));
    }
    Ok(())
}

/// The first `len` bytes of a buffer, which grows if need be.
fn room(buffer: &mut Vec<u8>, len: usize) -> Result<&mut [u8]> {
    if buffer.len() < len {
        if buffer.try_reserve_exact(len - buffer.len()).is_err() {
            return Err(Error::limit("decoded chunk", len as u64, isize::MAX as u64));
        }
        buffer.resize(len, 0);
    }
    Ok(&mut buffer[..len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::filter::register;

    fn spec(id: u16, client_data: &[u32]) -> FilterSpec {
        FilterSpec { id, optional: false, name: None, client_data: client_data.to_vec() }
    }

    fn pipeline(ids: &[u16]) -> FilterPipeline {
        let filters = ids.iter().map(|&id| spec(id, if id == 2 { &[8] } else { &[] })).collect();
        FilterPipeline { filters, ..FilterPipeline::default() }
    }

    fn data(len: usize) -> Vec<u8> {
        (0..len as u32 / 8).flat_map(|i| (f64::from(i) * 0.5).to_le_bytes()).collect()
    }

    fn round_trip(pipeline: &FilterPipeline, raw: &[u8]) {
        let context = ChunkContext { chunk_bytes: raw.len(), element_size: 8 };
        let mut scratch = Scratch::default();
        let (stored, mask) = pipeline.encode_chunk(&context, raw, &mut scratch).unwrap();
        assert_eq!(mask, 0);
        let stored = stored.to_vec();
        assert_eq!(pipeline.decode_chunk(&context, 0, &stored, &mut scratch).unwrap(), raw, "{pipeline:?}");
        let mut output = vec![0xaa; raw.len()];
        pipeline.decode_chunk_into(&context, 0, &stored, &mut scratch, &mut output).unwrap();
        assert_eq!(output, raw);
        for wrong in [raw.len() - 8, raw.len() + 8] {
            let context = ChunkContext { chunk_bytes: wrong, ..context };
            assert!(pipeline.decode_chunk(&context, 0, &stored, &mut scratch).is_err());
        }
    }

    #[test]
    fn every_order_of_filters_round_trips() {
        let raw = data(8000);
        for a in [1, 2, 3, 32000] {
            round_trip(&pipeline(&[a]), &raw);
            for b in [1, 2, 3, 32000] {
                round_trip(&pipeline(&[a, b]), &raw);
                for c in [1, 2, 3, 32000] {
                    round_trip(&pipeline(&[a, b, c]), &raw);
                }
            }
        }
        round_trip(&pipeline(&[]), &raw);
    }

    #[test]
    fn the_mask_skips_single_filters() {
        let raw = data(800);
        let context = ChunkContext { chunk_bytes: raw.len(), element_size: 8 };
        let (full, mut scratch) = (pipeline(&[2, 1, 3]), Scratch::default());
        for mask in 0..8_u32 {
            let ids: Vec<u16> = (0..3).filter(|i| mask & 1 << i == 0).map(|i| [2, 1, 3][i]).collect();
            let stored = pipeline(&ids).encode_chunk(&context, &raw, &mut scratch).unwrap().0.to_vec();
            assert_eq!(full.decode_chunk(&context, mask, &stored, &mut scratch).unwrap(), raw);
        }
    }

    #[test]
    fn unknown_filters_are_named_unless_skipped() {
        let context = ChunkContext { chunk_bytes: 8, element_size: 8 };
        let (pipeline, mut scratch) = (pipeline(&[32002]), Scratch::default());
        let error = pipeline.decode_chunk(&context, 0, &[0; 8], &mut scratch).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)));
        assert_eq!(error.filter(), Some((32002, "mafisc")));
        assert_eq!(pipeline.decode_chunk(&context, 1, &[7; 8], &mut scratch).unwrap(), [7; 8]);
        assert!(pipeline.encode_chunk(&context, &[0; 8], &mut scratch).is_err());
    }

    #[test]
    fn optional_filters_that_were_applied_must_be_known() {
        let context = ChunkContext { chunk_bytes: 8, element_size: 8 };
        // What exists but is not built in is named, also if the file does not.
        let missing =
            [(32017, "sz"), (32024, "sz3"), (32028, "sperr"), (32018, "fcidecomp"), (32019, "jpeg")];
        for (id, name) in [(32034, "htj2k"), (305, "lzo"), (32002, "mafisc")].into_iter().chain(missing) {
            let mut pipeline = pipeline(&[id]);
            pipeline.filters[0].optional = true;
            let error = pipeline.decode_chunk(&context, 0, &[0; 8], &mut Scratch::default()).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unsupported(_)));
            assert_eq!(error.filter(), Some((id, name)));
            assert_eq!(pipeline.decode_chunk(&context, 1, &[7; 8], &mut Scratch::default()).unwrap(), [7; 8]);
        }
    }

    #[test]
    fn optional_filters_that_fail_set_their_bit() {
        let raw: Vec<u8> = (0..=255).collect();
        let context = ChunkContext { chunk_bytes: raw.len(), element_size: 8 };
        let mut scratch = Scratch::default();
        let mut pipeline = pipeline(&[32002, 2, 1, 32000, 3]);
        for at in [0, 2, 3] {
            pipeline.filters[at].optional = true;
        }
        let (stored, mask) = pipeline.encode_chunk(&context, &raw, &mut scratch).unwrap();
        assert_eq!((stored.len(), mask & !0b1000), (260, 0b101));
        let stored = stored.to_vec();
        assert_eq!(pipeline.decode_chunk(&context, mask, &stored, &mut scratch).unwrap(), raw);
    }

    #[test]
    fn errors_name_the_filter() {
        let raw = data(80);
        let context = ChunkContext { chunk_bytes: raw.len(), element_size: 8 };
        let (pipeline, mut scratch) = (pipeline(&[2, 1, 3]), Scratch::default());
        let mut stored = pipeline.encode_chunk(&context, &raw, &mut scratch).unwrap().0.to_vec();
        stored[3] ^= 0x10;
        let error = pipeline.decode_chunk(&context, 0, &stored, &mut scratch).unwrap_err();
        assert_eq!(error.filter(), Some((3, "fletcher32")));
        let error = pipeline.decode_chunk(&context, 0b100, &stored, &mut scratch).unwrap_err();
        assert_eq!(error.filter(), Some((1, "deflate")));
    }

    #[test]
    fn added_filters_are_found() {
        struct Invert;
        impl Filter for Invert {
            fn name(&self) -> &str {
                "invert"
            }
            fn decode(
                &self,
                _: &FilterSpec,
                _: &ChunkContext,
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize> {
                output.iter_mut().zip(input).for_each(|(to, from)| *to = !from);
                Ok(input.len())
            }
            fn encode(
                &self,
                _: &FilterSpec,
                _: &ChunkContext,
                input: &[u8],
                output: &mut Vec<u8>,
            ) -> Result<bool> {
                output.extend(input.iter().map(|byte| !byte));
                Ok(true)
            }
        }
        register(300, Invert);
        round_trip(&pipeline(&[2, 300, 3]), &data(80));
        round_trip(&pipeline(&[3, 300]), &data(80));
    }
}
