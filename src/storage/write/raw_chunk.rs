//! Chunks that are stored as they are given: encoded elsewhere.

use super::{
    Session,
    node::{RawState, aspect},
};
use crate::error::{Error, Result};

impl Session {
    /// Stores the encoded bytes of the chunk that starts at this element.
    pub(crate) fn write_chunk_raw(
        &self,
        address: u64,
        offset: &[u64],
        bytes: &[u8],
        filter_mask: u32,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_data(id)?;
        let dataset = state.node(id)?.dataset()?;
        let RawState::Chunked(chunked) = &dataset.data else {
            return Err(Error::usage("the dataset is not chunked"));
        };
        let fits = offset.len() == chunked.chunk.len()
            && offset.iter().zip(&chunked.chunk).all(|(o, c)| o % c == 0)
            && offset.iter().zip(dataset.dataspace.dims()).all(|(o, d)| o < d);
        if !fits {
            return Err(Error::usage(format!("no chunk starts at {offset:?}")));
        }
        let place: Vec<u64> = offset.iter().zip(&chunked.chunk).map(|(o, c)| o / c).collect();
        let chunk_bytes =
            chunked.chunk.iter().fold(dataset.datatype.size as u64, |n, &c| n.saturating_mul(c));
        let size = bytes.len() as u64;
        if dataset.pipeline.filters.is_empty() {
            if size != chunk_bytes {
                return Err(Error::shape(format!("{size} bytes for an unfiltered chunk of {chunk_bytes}")));
            }
            if filter_mask != 0 {
                return Err(Error::usage("a filter mask for a dataset without filters"));
            }
        }
        // What an index has room for.
        let width = (1 + (chunk_bytes.max(1).ilog2() + 8) / 8).min(4);
        let limit = (1u64 << (8 * width)) - 1;
        if size == 0 || size > limit {
            return Err(Error::limit("bytes of an encoded chunk", size, limit));
        }
        state.touch(id, aspect::DATA)?;
        state.forget_elements(id, &place)?;
        state.store_chunk(id, &place, bytes, filter_mask)
    }
}
