//! Filters: pure codecs, one file each; and the pipeline of filters of a dataset.

use crate::error::Result;

/// One filter of a pipeline, as the file stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterSpec {
    /// Registered identification.
    pub id: u16,
    /// The filter may be skipped when it fails on write.
    pub optional: bool,
    /// Name as stored, if any.
    pub name: Option<String>,
    /// Client data: the parameters of the filter.
    pub client_data: Vec<u32>,
}

/// What a codec may know about the chunk it works on.
#[derive(Clone, Copy, Debug)]
pub struct ChunkContext {
    /// Bytes of the chunk when all filters are undone.
    pub chunk_bytes: usize,
    /// Bytes of one element.
    pub element_size: usize,
}

/// A codec. Decoding is hostile input: no panic, and no more output than `max_len`.
pub trait Filter: Send + Sync {
    /// Name, as the registry of the HDF Group gives it.
    fn name(&self) -> &str;
    /// Undoes the filter. `input` is what is stored; `output` is cleared and receives at most `max_len` bytes.
    fn decode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        max_len: usize,
        output: &mut Vec<u8>,
    ) -> Result<()>;
    /// Applies the filter; `Ok(false)` if this chunk is better stored without it.
    fn encode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool>;
}
