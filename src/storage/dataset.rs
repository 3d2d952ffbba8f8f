//! A dataset, from the messages of its object header.

use std::sync::{Arc, OnceLock};

use super::{
    Store,
    external::ExternalData,
    heap::global::HeapSession,
    object::ObjectHeader,
    raw_data::{RawData, cache::ChunkCache},
    virtual_dataset::{self, Session},
};
use crate::{
    element::HeapRead,
    error::{Context, Error, Result},
    filter::FilterPipeline,
    format::{
        message::{
            MessageType, dataspace::decode_dataspace, datatype::decode_datatype,
            external_files::ExternalFilesMessage, fill::FillMessage, layout::LayoutMessage,
            pipeline::PipelineMessage,
        },
        virtual_mapping::decode_virtual_mappings,
    },
    model::{
        datatype::Datatype,
        fill::{AllocationTime, Fill, FillTime, FillValue},
        layout::Layout,
    },
};

/// A dataset as its object header describes it.
#[derive(Debug)]
pub(crate) struct DatasetCore {
    pub(crate) datatype: Arc<Datatype>,
    /// Object header of the committed datatype, if it is one.
    pub(crate) committed: Option<u64>,
    pub(crate) raw: RawData,
    /// Extent as it is stored, of a virtual dataset, whose extent may follow its sources.
    pub(crate) stored_dims: Option<Vec<u64>>,
    /// Which edit of a file that is being written it shows.
    pub(crate) version: u64,
}

/// The datatype of an object, and the address of the committed one that it is.
pub(crate) fn datatype_of(store: &Store, header: &ObjectHeader) -> Result<(Datatype, Option<u64>)> {
    let reader = &store.reader;
    let decode = |body: &[u8]| Ok(decode_datatype(body, reader.sizes, &reader.limits)?.0);
    let datatype = header.content(store, MessageType::Datatype, decode)?;
    let datatype = datatype.ok_or_else(|| Error::corrupt("no datatype message").at(header.address))?;
    let committed = match header.find(MessageType::Datatype) {
        Some(message) if message.is_shared() => store.committed(header.body(reader, message))?,
        _ => None,
    };
    Ok((datatype, committed))
}

/// What holds for files from before fill values had a message of their own.
fn before_fill_values(layout: &Layout) -> Fill {
    let allocation = match layout {
        Layout::Compact(_) => AllocationTime::Early,
        Layout::Contiguous { .. } => AllocationTime::Late,
        Layout::Chunked(_) | Layout::Virtual { .. } => AllocationTime::Incremental,
    };
    Fill { allocation, time: FillTime::IfSet, value: FillValue::Undefined }
}

impl DatasetCore {
    /// Extent as it is stored; that of a virtual dataset may follow its sources.
    pub(crate) fn stored_dims(&self) -> &[u64] {
        self.stored_dims.as_deref().unwrap_or(self.raw.dims())
    }

    pub(crate) fn open(store: &Arc<Store>, header: &ObjectHeader) -> Result<Self> {
        Self::open_in(store, header, &Session::default(), 0)
    }

    /// Opens a dataset below `depth` virtual datasets.
    pub(crate) fn open_in(
        store: &Arc<Store>,
        header: &ObjectHeader,
        session: &Session,
        depth: u32,
    ) -> Result<Self> {
        if let Some(edits) = store.session_data(header.address) {
            return edits.dataset(store, header.address, session, depth);
        }
        let reader = &store.reader;
        let sizes = reader.sizes;
        let (datatype, committed) = datatype_of(store, header)?;
        let dataspace =
            header.content(store, MessageType::Dataspace, |b| Ok(decode_dataspace(b, sizes)?.0))?;
        let mut dataspace =
            dataspace.ok_or_else(|| Error::corrupt("no dataspace message").at(header.address))?;
        let layout = header
            .content(store, MessageType::Layout, |body| LayoutMessage::decode(body, sizes))?
            .ok_or_else(|| Error::corrupt("no layout message").at(header.address))?
            .layout;
        let pipeline = header.content(store, MessageType::Pipeline, PipelineMessage::decode)?;
        let pipeline = FilterPipeline {
            filters: pipeline.map(|p| p.filters).unwrap_or_default(),
            codecs: store.settings.codecs.clone(),
        };
        let mut fill = header.content(store, MessageType::Fill, FillMessage::decode)?;
        if fill.is_none() {
            fill = header.content(store, MessageType::FillOld, FillMessage::decode_old)?;
        }
        let fill = fill.map_or_else(|| before_fill_values(&layout), |f| f.fill);
        if let FillValue::User(value) = &fill.value
            && value.len() != datatype.size
        {
            let text = format!("fill value of {} bytes for elements of {}", value.len(), datatype.size);
            return Err(Error::corrupt(text).in_structure("fill value").at(header.address));
        }
        if let Layout::Chunked(chunked) = &layout {
            let text = if chunked.chunk.len() != dataspace.rank() {
                format!("chunks of rank {} for a dataset of rank {}", chunked.chunk.len(), dataspace.rank())
            } else if chunked.element_size != datatype.size as u64 {
                format!("chunks of elements of {} bytes for {datatype}", chunked.element_size)
            } else {
                String::new()
            };
            if !text.is_empty() {
                return Err(Error::corrupt(text).in_structure("data layout").at(header.address));
            }
        }
        let external = header.content(store, MessageType::ExternalFiles, |body| {
            ExternalData::new(store, &ExternalFilesMessage::decode(body, sizes)?)
        })?;
        let mut stored_dims = None;
        let mut mappings = Vec::new();
        if let Layout::Virtual { address: Some(address), index } = layout {
            let heap: HeapSession<'_> = store.global_heap.session(reader);
            heap.with_object(address, index, &mut |object| {
                mappings = decode_virtual_mappings(object, sizes)
                    .in_structure("virtual dataset mappings")
                    .at(address)?;
                Ok(())
            })?;
            stored_dims = Some(dataspace.dims().to_vec());
            virtual_dataset::extend(store, &mappings, &mut dataspace, session, depth)?;
        }
        let datatype = Arc::new(datatype);
        let raw = RawData {
            datatype: datatype.clone(),
            element_size: datatype.size,
            dataspace,
            layout,
            pipeline,
            fill,
            external,
            mappings,
            sources: Default::default(),
            chunks: OnceLock::new(),
            cache: ChunkCache::new(store.settings.cache_bytes),
            plain: OnceLock::new(),
        };
        Ok(DatasetCore { datatype, committed, raw, stored_dims, version: 0 })
    }
}
