//! Codecs that a user brings, for one file and for the process.

use h5::{ChunkContext, ErrorKind, File, Filter, FilterSpec, Result};

const FILE: &str = "testdata/own_filter.h5";

/// Every byte XOR the first parameter.
struct Xor;

impl Filter for Xor {
    fn name(&self) -> &str {
        "xor"
    }
    fn encoded_len(&self, _: &FilterSpec, _: &ChunkContext, len: usize) -> Option<usize> {
        Some(len)
    }
    fn decode(&self, spec: &FilterSpec, _: &ChunkContext, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let key = spec.client_data.first().map_or(0, |&key| key as u8);
        input.iter().zip(output.iter_mut()).for_each(|(from, to)| *to = from ^ key);
        Ok(input.len().min(output.len()))
    }
    fn encode(
        &self,
        spec: &FilterSpec,
        _: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool> {
        let key = spec.client_data.first().map_or(0, |&key| key as u8);
        output.extend(input.iter().map(|byte| byte ^ key));
        Ok(true)
    }
}

fn expected() -> Vec<i32> {
    (0..32).collect()
}

// One test: what is registered for the process is there for all of it.
#[test]
fn own_codecs_for_a_file_and_for_the_process() {
    let with_own = File::options().filter(300, Xor).open(FILE).unwrap();
    assert_eq!(with_own.dataset("x").unwrap().read_vec::<i32>().unwrap(), expected());

    let without = File::open(FILE).unwrap();
    let error = without.dataset("x").unwrap().read_vec::<i32>().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    assert_eq!(error.filter().unwrap().0, 300);
    assert_eq!(error.object(), Some("/x"));
    assert_eq!(error.chunk(), Some(&[0, 0][..]));

    h5::register_filter(300, Xor);
    assert_eq!(without.dataset("x").unwrap().read_vec::<i32>().unwrap(), expected());
}
