//! What the fuzz targets do with their input: plain functions, which `tests/fuzz_corpus.rs` runs over the committed
//! corpus too. Errors are fine; a panic, an abort, a hang or a huge allocation is a finding.

/// Opens the bytes as a file and visits everything in it.
pub fn open_and_walk(data: &[u8]) {
    use h5::source::ByteSource;
    let source = h5::source::MemorySource::new(data.to_vec());
    assert_eq!(source.len(), data.len() as u64);
}

/// Undoes a pipeline of up to three filters on a stored chunk, in both ways there are, and applies one and undoes it.
///
/// Input: number of filters; for each its index in `FILTERS`, its number of parameters and these; the mask of filters
/// left out; element size; chunk size (three bytes); the stored bytes.
pub fn filters(data: &[u8]) {
    use h5::internals::{ChunkContext, FilterPipeline, FilterSpec, Scratch};
    const FILTERS: [u16; 7] = [1, 2, 3, 32000, 4, 5, 6];
    /// Those of `FILTERS` that come first and give back what they were given.
    const LOSSLESS: usize = 4;

    let mut input = Input(data);
    let mut pipeline = FilterPipeline::default();
    let mut lossless = true;
    for _ in 0..input.byte() % 4 {
        let index = usize::from(input.byte()) % FILTERS.len();
        lossless &= index < LOSSLESS;
        let client_data = (0..input.byte() % 24).map(|_| input.number(4) as u32).collect();
        pipeline.filters.push(FilterSpec { id: FILTERS[index], optional: false, name: None, client_data });
    }
    let mask = u32::from(input.byte());
    let element_size = usize::from(input.byte()).max(1);
    let chunk_bytes = input.number(3) % (1 << 20);
    let context = ChunkContext { chunk_bytes, element_size };
    let stored = input.0;

    let mut destination = vec![0; chunk_bytes];
    let into = pipeline.decode_chunk_into(&context, mask, stored, &mut Scratch::default(), &mut destination);
    let mut scratch = Scratch::default();
    match pipeline.decode_chunk(&context, mask, stored, &mut scratch) {
        Ok(bytes) => {
            into.expect("decoding into a buffer fails where decoding does not");
            assert!(bytes == destination, "two ways of decoding, two results");
        }
        Err(error) => assert!(into.is_err(), "only decoding into a buffer does without: {error}"),
    }

    let context = ChunkContext { chunk_bytes: stored.len(), element_size };
    let mut scratch = Scratch::default();
    if let (true, Ok((encoded, mask))) = (lossless, pipeline.encode_chunk(&context, stored, &mut scratch)) {
        let mut scratch = Scratch::default();
        let decoded = pipeline.decode_chunk(&context, mask, encoded, &mut scratch);
        assert!(decoded.expect("what was encoded can be decoded") == stored, "not what was encoded");
    }
}

/// Takes numbers from the front of the input; zeros when it is used up.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        self.number(1) as u8
    }
    fn number(&mut self, width: usize) -> usize {
        let (bytes, rest) = self.0.split_at(width.min(self.0.len()));
        self.0 = rest;
        bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    }
}
