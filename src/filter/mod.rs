//! Filters: pure codecs, one file each; the registry that finds them; and the pipeline of filters of a dataset.

use std::ops::Range;

use crate::error::Result;

mod aec;
#[cfg(feature = "filter-bitgroom")]
mod bitgroom;
mod bits;
#[cfg(feature = "filter-bitshuffle")]
mod bitshuffle;
#[cfg(any(feature = "filter-bitshuffle", feature = "filter-blosc", feature = "filter-blosc2"))]
mod bitshuffle_kernel;
#[cfg(feature = "filter-blosc")]
mod blosc;
#[cfg(feature = "filter-blosc2")]
mod blosc2;
#[cfg(feature = "filter-bzip2")]
mod bzip2;
mod deflate;
mod fletcher32;
#[doc(hidden)]
pub mod fuzzing;
mod inflate;
#[cfg(feature = "filter-lz4")]
mod lz4;
#[cfg(feature = "filter-lz4")]
mod lz4_block;
mod lzf;
mod nbit;
mod pipeline;
mod registry;
mod repeat;
mod scaleoffset;
mod shuffle;
mod szip;
#[cfg(feature = "filter-zfp")]
pub mod zfp;
#[cfg(feature = "filter-zstd")]
mod zstd;

pub use pipeline::{FilterPipeline, Scratch};
pub use registry::{FilterSet, filter_name, lookup, register};

/// The functions that do the work, for benches.
#[doc(hidden)]
pub mod kernels {
    #[cfg(any(feature = "filter-bitshuffle", feature = "filter-blosc", feature = "filter-blosc2"))]
    pub use super::bitshuffle_kernel::{bitshuffle, bitunshuffle};
    pub use super::deflate::inflate;
    pub use super::fletcher32::checksum as fletcher32;
    pub use super::lzf::{compress as lzf_compress, decompress as lzf_decompress};
    pub use super::shuffle::{shuffle, unshuffle};
}

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

/// A codec. What it decodes may be hostile: it must not panic, and must check every length it finds.
pub trait Filter: Send + Sync {
    /// Name, as the registry of the HDF Group gives it.
    fn name(&self) -> &str;

    /// How many bytes `len` bytes become when encoded, if that depends on nothing but `len`. The pipeline
    /// computes from it how many bytes the filters before this one must give.
    fn encoded_len(&self, spec: &FilterSpec, context: &ChunkContext, len: usize) -> Option<usize> {
        let _ = (spec, context, len);
        None
    }

    /// Where the decoded bytes lie within `input`, for a filter that leaves them as they are (a checksum verifies
    /// them here). `None` if this chunk must go through [`decode`](Self::decode).
    ///
    /// # Errors
    ///
    /// `Corrupt` if `input` cannot have come from this filter.
    fn payload(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
    ) -> Result<Option<Range<usize>>> {
        let _ = (spec, context, input);
        Ok(None)
    }

    /// Undoes the filter and returns how many bytes of `output` it wrote, from its start.
    ///
    /// The length of `output` is that of the decoded bytes if it can be known, and else a bound for it; its content
    /// is arbitrary.
    ///
    /// # Errors
    ///
    /// `Corrupt` if `input` cannot have come from this filter, or decodes to more than `output` holds.
    fn decode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize>;

    /// Applies the filter: `output` (empty at first) receives the encoded bytes. `Ok(false)`, allowed only if the
    /// filter is optional, if this chunk is better stored without it.
    ///
    /// # Errors
    ///
    /// `Usage` or `Unsupported` if the parameters do not suit the chunk.
    fn encode(
        &self,
        spec: &FilterSpec,
        context: &ChunkContext,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<bool>;
}

#[cfg(test)]
mod libhdf5_tests;
