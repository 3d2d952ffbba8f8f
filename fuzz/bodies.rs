//! What the fuzz targets do with their input: plain functions, which `tests/fuzz_corpus.rs` runs over the committed
//! corpus too. Errors are fine; a panic, an abort, a hang or a huge allocation is a finding.

/// Opens the bytes as a file and visits everything in it.
pub fn open_and_walk(data: &[u8]) {
    use h5::source::ByteSource;
    let source = h5::source::MemorySource::new(data.to_vec());
    assert_eq!(source.len(), data.len() as u64);
}
