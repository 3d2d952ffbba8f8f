//! Chunks that libhdf5 and hdf5plugin wrote (`testdata/filters/make_*.py`): decoded as they decode them.

use super::{ChunkContext, FilterPipeline, FilterSpec, Scratch};

pub(super) struct Case {
    pub(super) name: String,
    element_size: usize,
    pub(super) pipeline: FilterPipeline,
    mask: u32,
    pub(super) stored: Vec<u8>,
    pub(super) decoded: Vec<u8>,
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number(&mut self) -> u32 {
        let (number, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        u32::from_le_bytes(*number)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.number() as usize;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes.to_vec()
    }
}

/// What libhdf5's own filters wrote, and those of plugins that are built in.
const FILES: &[&[u8]] = &[
    include_bytes!("../../testdata/filters/filters.bin"),
    #[cfg(all(feature = "filter-bitshuffle", feature = "filter-bzip2"))]
    include_bytes!("../../testdata/filters/codecs.bin"),
    #[cfg(feature = "filter-blosc2")]
    include_bytes!("../../testdata/filters/blosc.bin"),
];

fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|file| parse(file)).collect()
}

/// The cases of a file in the format of `make_filters.py`.
pub(super) fn parse(bytes: &[u8]) -> Vec<Case> {
    let mut bytes = Bytes(bytes.strip_prefix(b"H5FT").unwrap());
    let mut cases = Vec::new();
    while !bytes.0.is_empty() {
        let name = String::from_utf8(bytes.bytes()).unwrap();
        let element_size = bytes.number() as usize;
        let filters = (0..bytes.number())
            .map(|_| FilterSpec {
                id: bytes.number() as u16,
                optional: bytes.number() != 0,
                name: None,
                client_data: (0..bytes.number()).map(|_| bytes.number()).collect(),
            })
            .collect();
        let (mask, stored, decoded) = (bytes.number(), bytes.bytes(), bytes.bytes());
        cases.push(Case {
            name,
            element_size,
            pipeline: FilterPipeline { filters, ..FilterPipeline::default() },
            mask,
            stored,
            decoded,
        });
    }
    cases
}

impl Case {
    /// Appends a case as `make_filters.py` does, with other bytes.
    pub(super) fn write(&self, dump: &mut Vec<u8>, mask: u32, stored: &[u8], decoded: &[u8]) {
        let put = |dump: &mut Vec<u8>, bytes: &[u8]| {
            dump.extend((bytes.len() as u32).to_le_bytes());
            dump.extend(bytes);
        };
        put(dump, self.name.as_bytes());
        dump.extend((self.element_size as u32).to_le_bytes());
        dump.extend((self.pipeline.filters.len() as u32).to_le_bytes());
        for filter in &self.pipeline.filters {
            let head = [filter.id.into(), filter.optional.into(), filter.client_data.len() as u32];
            dump.extend(head.iter().chain(&filter.client_data).flat_map(|value| value.to_le_bytes()));
        }
        dump.extend(mask.to_le_bytes());
        put(dump, stored);
        put(dump, decoded);
    }

    pub(super) fn context(&self) -> ChunkContext {
        ChunkContext { chunk_bytes: self.decoded.len(), element_size: self.element_size }
    }
}

#[test]
fn chunks_of_libhdf5_decode() {
    let mut scratch = Scratch::default();
    let mut wrong = Vec::new();
    for case in cases() {
        let mut output = vec![0xaa; case.decoded.len()];
        let into = case.pipeline.decode_chunk_into(
            &case.context(),
            case.mask,
            &case.stored,
            &mut scratch,
            &mut output,
        );
        match into {
            Ok(()) if output == case.decoded => {}
            Ok(()) => wrong.push(format!("{}: other bytes", case.name)),
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
        let decoded = case.pipeline.decode_chunk(&case.context(), case.mask, &case.stored, &mut scratch);
        if !decoded.is_ok_and(|decoded| decoded == case.decoded) {
            wrong.push(format!("{}: decode_chunk", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// With `H5_DUMP_FILTERS` set to a path, also writes what our encoders give, for `make_*.py --verify`.
#[test]
fn chunks_of_libhdf5_round_trip() {
    let mut scratch = Scratch::default();
    let mut dump = b"H5FT".to_vec();
    for case in cases() {
        if case.pipeline.filters.iter().any(|filter| filter.id == 32026) {
            continue; // is only read
        }
        let (stored, mask) =
            case.pipeline.encode_chunk(&case.context(), &case.decoded, &mut scratch).unwrap();
        let stored = stored.to_vec();
        let decoded = case.pipeline.decode_chunk(&case.context(), mask, &stored, &mut scratch).unwrap();
        assert_eq!(decoded, case.decoded, "{}", case.name);
        case.write(&mut dump, mask, &stored, &case.decoded);
    }
    if let Some(path) = std::env::var_os("H5_DUMP_FILTERS") {
        std::fs::write(path, dump).unwrap();
    }
}

#[test]
fn damaged_chunks_decode_or_fail() {
    let mut scratch = Scratch::default();
    let mut noise = 1_u64;
    for case in cases() {
        for _ in 0..20 {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut stored = case.stored.clone();
            let at = (noise >> 40) as usize % stored.len();
            stored[at] ^= 1 << (noise >> 37 & 7);
            let _ = case.pipeline.decode_chunk(&case.context(), case.mask, &stored, &mut scratch);
            stored.truncate(at);
            let _ = case.pipeline.decode_chunk(&case.context(), case.mask, &stored, &mut scratch);
        }
    }
}
