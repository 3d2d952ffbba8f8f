//! Raw data: elements of a dataset, from whatever layout, into memory.

pub(crate) mod cache;
mod chunked;
mod contiguous;
pub(crate) mod output;
mod parts;
pub(crate) mod worker;

use std::{
    any::TypeId,
    borrow::Cow,
    sync::{Arc, OnceLock},
};

pub(crate) use self::parts::AxisChunks;
use self::{cache::ChunkCache, output::Output};
use super::{
    Store,
    chunk_index::{ChunkTable, IndexContext},
    external::ExternalData,
    virtual_dataset,
};
use crate::{
    element::{H5Type, SwapPlan},
    error::{Error, Result},
    filter::FilterPipeline,
    model::{
        dataspace::Dataspace,
        datatype::Datatype,
        fill::Fill,
        layout::{ChunkedLayout, Layout, VirtualMapping},
        selection::runs::Resolved,
    },
};

/// All that must be known to read the elements of a dataset.
#[derive(Debug)]
pub(crate) struct RawData {
    pub(crate) dataspace: Dataspace,
    pub(crate) datatype: Arc<Datatype>,
    pub(crate) element_size: usize,
    pub(crate) layout: Layout,
    pub(crate) pipeline: FilterPipeline,
    pub(crate) fill: Fill,
    pub(crate) external: Option<ExternalData>,
    /// Mappings of a virtual dataset.
    pub(crate) mappings: Vec<VirtualMapping>,
    pub(crate) sources: virtual_dataset::Sources,
    pub(crate) chunks: OnceLock<Arc<ChunkTable>>,
    pub(crate) cache: ChunkCache,
    /// The Rust type that elements were first read as, and how they become values of it.
    pub(crate) plain: OnceLock<(TypeId, SwapPlan)>,
}

/// How a read is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadOptions {
    /// Threads that may decode chunks; 0 is as many as the machine has.
    pub(crate) threads: usize,
    /// Virtual datasets around this one.
    pub(crate) depth: u32,
}

/// Elements that are wanted, and where they go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) selection: &'a Resolved,
    pub(crate) out: &'a Output<'a>,
}

impl RawData {
    /// Of a dataset whose elements are all in this file.
    pub(crate) fn new(
        datatype: Arc<Datatype>,
        dataspace: Dataspace,
        layout: Layout,
        pipeline: FilterPipeline,
        fill: Fill,
        cache_bytes: usize,
    ) -> Self {
        RawData {
            element_size: datatype.size,
            datatype,
            dataspace,
            layout,
            pipeline,
            fill,
            external: None,
            mappings: Vec::new(),
            sources: Default::default(),
            chunks: OnceLock::new(),
            cache: ChunkCache::new(cache_bytes),
            plain: OnceLock::new(),
        }
    }

    /// How the stored bytes of elements become values of `T`, if there is no more to do than to change the byte order.
    ///
    /// # Errors
    /// `Type` if the elements are no values of `T`.
    pub(crate) fn plain<T: H5Type>(&self) -> Result<Option<Cow<'_, SwapPlan>>> {
        let known = || self.plain.get().filter(|(of, _)| *of == TypeId::of::<T>());
        if let Some((_, swap)) = known() {
            return Ok(Some(Cow::Borrowed(swap)));
        }
        T::plan(&self.datatype)?;
        if !T::POD || size_of::<T>() != self.element_size {
            return Ok(None);
        }
        let Some(swap) = SwapPlan::between(&T::datatype(), &self.datatype) else { return Ok(None) };
        let _ = self.plain.set((TypeId::of::<T>(), swap.clone()));
        Ok(Some(Cow::Owned(swap)))
    }

    pub(crate) fn dims(&self) -> &[u64] {
        self.dataspace.dims()
    }

    /// Reads what is requested. Each result has exactly the size of what is selected. With several requests an error
    /// says which one failed.
    pub(crate) fn read(
        &self,
        store: &Arc<Store>,
        requests: &[Request<'_>],
        options: ReadOptions,
    ) -> Result<()> {
        for request in requests {
            let wanted = request.selection.len()?.checked_mul(self.element_size as u64);
            let len = request.out.len();
            if wanted != Some(len as u64) {
                return Err(Error::shape(format!("a result of {len} bytes for {wanted:?}")));
            }
        }
        if requests.iter().all(|request| request.out.len() == 0) {
            return Ok(());
        }
        self.read_parts(store, requests, options)
    }

    /// Reads elements into some places of larger results.
    pub(crate) fn read_parts(
        &self,
        store: &Arc<Store>,
        requests: &[Request<'_>],
        options: ReadOptions,
    ) -> Result<()> {
        match &self.layout {
            Layout::Compact(data) => {
                self.one_by_one(requests, &mut |r| contiguous::read_slice(self, data, r.selection, r.out))
            }
            Layout::Contiguous { address, .. } => {
                self.one_by_one(requests, &mut |r| match (&self.external, address) {
                    (Some(external), _) => {
                        contiguous::read_external(self, store, external, r.selection, r.out)
                    }
                    (None, Some(address)) => {
                        contiguous::read(self, &store.reader, *address, r.selection, r.out)
                    }
                    (None, None) => contiguous::fill(self, r.selection, r.out),
                })
            }
            Layout::Chunked(layout) => {
                let table = self.chunk_table(store, layout)?;
                chunked::read(self, store, layout, table, requests, options)
            }
            Layout::Virtual { .. } => self.one_by_one(requests, &mut |r| {
                virtual_dataset::read(self, store, r.selection, r.out, options)
            }),
        }
    }

    /// Calls `f` for each request, in the order in which they begin in the data.
    fn one_by_one(
        &self,
        requests: &[Request<'_>],
        f: &mut dyn FnMut(&Request<'_>) -> Result<()>,
    ) -> Result<()> {
        if let [request] = requests {
            return f(request);
        }
        let mut order: Vec<usize> = (0..requests.len()).collect();
        order.retain(|&i| requests[i].out.len() > 0);
        order.sort_by_cached_key(|&i| requests[i].selection.first(self.dims()));
        order.into_iter().try_for_each(|i| f(&requests[i]).map_err(|e| e.of_selection(i)))
    }

    /// The filters that were not applied to a chunk, which starts at this element.
    pub(crate) fn filter_mask(&self, layout: &ChunkedLayout, offset: &[u64], mask: u32) -> u32 {
        let is_edge =
            offset.iter().zip(&layout.chunk).zip(self.dims()).any(|((&o, &c), &d)| o.saturating_add(c) > d);
        if layout.edge_chunks_unfiltered && is_edge { u32::MAX } else { mask }
    }

    /// Bytes of a chunk without filters.
    pub(crate) fn chunk_bytes(&self, store: &Store, layout: &ChunkedLayout) -> Result<usize> {
        let limit = store.reader.limits.chunk;
        let bytes = layout
            .chunk
            .iter()
            .try_fold(self.element_size as u64, |n, &c| n.checked_mul(c))
            .unwrap_or(u64::MAX);
        if bytes > limit || usize::try_from(bytes).is_err() {
            return Err(Error::limit("bytes of a chunk", bytes, limit));
        }
        Ok(bytes as usize)
    }

    /// The table of all chunks, read on first use.
    pub(crate) fn chunk_table(&self, store: &Store, layout: &ChunkedLayout) -> Result<&ChunkTable> {
        if let Some(table) = self.chunks.get() {
            return Ok(table);
        }
        let context = IndexContext {
            reader: &store.reader,
            layout,
            dims: self.dims(),
            max_dims: &self.dataspace.max_dims(),
            chunk_bytes: self.chunk_bytes(store, layout)? as u64,
        };
        let table = Arc::new(ChunkTable::load(&context)?);
        Ok(self.chunks.get_or_init(|| table))
    }

    /// Bytes that the raw data take in the file.
    pub(crate) fn stored_bytes(&self, store: &Store) -> Result<u64> {
        match &self.layout {
            Layout::Compact(data) => Ok(data.len() as u64),
            Layout::Contiguous { address: None, .. } if self.external.is_none() => Ok(0),
            Layout::Contiguous { .. } => Ok(self.dataspace.len()?.saturating_mul(self.element_size as u64)),
            Layout::Chunked(layout) => {
                let mut sum = 0u64;
                self.chunk_table(store, layout)?.for_each(&mut |_, entry| {
                    sum = sum.saturating_add(entry.size);
                    Ok(())
                })?;
                Ok(sum)
            }
            Layout::Virtual { .. } => Ok(0),
        }
    }
}
