//! Making datasets.

use std::{collections::BTreeMap, sync::Arc};

use smallvec::SmallVec;

use super::{
    Session, SessionHeap, State,
    header::MAX_MESSAGE,
    node::{Body, ChunkedState, DatasetBody, Node, NodeId, Parts, RawState, Target},
    spec::{DatasetSpec, check_datatype, filter_spec, guess_chunk, index_type},
};
use crate::{
    error::{Error, Result},
    filter::FilterPipeline,
    model::{
        dataspace::Dataspace,
        datatype::DatatypeClass,
        fill::{AllocationTime, Fill, FillTime, FillValue},
        layout::ChunkIndexType,
        selection::Selection,
    },
    storage::external::ExternalTargets,
};

/// Gives all elements as the file has them.
pub(crate) type Data<'a> =
    &'a mut dyn FnMut(&mut SessionHeap<'_>, &mut dyn FnMut(&mut State, &[u8]) -> Result<()>) -> Result<()>;

impl Session {
    /// Makes a dataset and writes its elements, if there are any; its key.
    pub(crate) fn new_dataset(
        &self,
        from: u64,
        path: Option<&[u8]>,
        spec: DatasetSpec,
        data: Option<Data<'_>>,
    ) -> Result<u64> {
        let mut state = self.edit()?;
        let from = state.open(from)?;
        let (committed, order) = (spec.committed, spec.attribute_order);
        let mut body = state.dataset_body(spec)?;
        let place = path.map(|path| state.place(from, path)).transpose()?;
        body.committed = committed.map(|key| state.pin_type(key, &body.datatype)).transpose()?;
        let committed = body.committed;
        let id = state.push(Node::new(Body::Dataset(body), order))?;
        let made = state.fill_dataset(id, data).and_then(|()| match &place {
            Some(place) => state.link(place, Target::Node(id)),
            None => Ok(()),
        });
        let made = made.and_then(|()| state.count_use(committed));
        if let Err(e) = made {
            state.drop_data(id);
            // Its number stays taken if others were made since, which hold the lock no one else has: none.
            if id.0 as usize + 1 == state.nodes.len() {
                state.nodes.pop();
            }
            return Err(e);
        }
        Ok(id.key())
    }
}

impl State {
    fn fill_dataset(&mut self, id: NodeId, data: Option<Data<'_>>) -> Result<()> {
        let early = {
            let dataset = self.node(id)?.dataset()?;
            dataset.fill.allocation == AllocationTime::Early
                && matches!(dataset.data, RawState::Contiguous { .. } | RawState::Chunked(_))
        };
        if early {
            self.allocate_all(id)?;
        }
        let Some(data) = data else {
            let targets = match &self.node(id)?.dataset()?.data {
                RawState::External(targets) => targets.clone(),
                _ => return Ok(()),
            };
            return self.fill_external(id, &targets);
        };
        data(&mut SessionHeap(self), &mut |state, bytes| {
            let dataset = state.node(id)?.dataset()?;
            if dataset.dataspace.is_null() {
                return Ok(());
            }
            if let RawState::Contiguous { .. } = dataset.data {
                return state.fill_contiguous(id, bytes);
            }
            let all = Selection::All.resolve(dataset.dataspace.dims())?;
            state.write(id, &all, bytes)
        })
    }

    fn dataset_body(&mut self, spec: DatasetSpec) -> Result<Box<DatasetBody>> {
        check_datatype(&spec.datatype, self.sizes().offset)?;
        let size = spec.datatype.size;
        if let Some(fill) = &spec.fill_value
            && fill.len() != size
        {
            return Err(Error::usage(format!("a fill value of {} bytes for elements of {size}", fill.len())));
        }
        let dims = spec.dataspace.dims();
        let max_dims: SmallVec<[_; 4]> = match &spec.dataspace {
            Dataspace::Simple(extent) => extent.max_dims().collect(),
            _ => SmallVec::new(),
        };
        let max_dims = &max_dims[..];
        if dims.iter().zip(max_dims).any(|(d, max)| max.is_some_and(|max| max < *d)) {
            return Err(Error::shape(format!("extent {dims:?} above its maximum {max_dims:?}")));
        }
        let resizable = dims.iter().zip(max_dims).any(|(d, max)| *max != Some(*d));
        let elsewhere = spec.external.is_some() || !spec.mappings.is_empty();
        let plain = spec.chunk.is_none() && spec.filters.is_empty() && !spec.compact && !dims.is_empty();
        if elsewhere && (!plain || spec.external.is_some() && !spec.mappings.is_empty()) {
            return Err(Error::usage(
                "an external or virtual dataset has dimensions, and neither chunks, filters nor another layout",
            ));
        }
        let chunked = !elsewhere && (spec.chunk.is_some() || resizable || !spec.filters.is_empty());
        if chunked && dims.is_empty() {
            return Err(Error::usage("a scalar or null dataset has no chunks, filters or growth"));
        }
        if chunked && spec.compact {
            return Err(Error::usage("a compact dataset has no chunks, filters or growth"));
        }
        let mut pipeline = FilterPipeline::default();
        let (data, allocation) = if chunked {
            let chunk = match &spec.chunk {
                Some(chunk) if !chunk.is_empty() => chunk.clone(),
                _ => guess_chunk(dims, max_dims, size as u64),
            };
            self.check_chunk(&chunk, max_dims, size as u64)?;
            for filter in &spec.filters {
                let fill = spec.fill_value.as_deref();
                pipeline.filters.push(filter_spec(filter, &spec.datatype, &chunk, fill)?);
            }
            if pipeline.filters.len() > 32 {
                return Err(Error::usage("more than 32 filters"));
            }
            let early = spec.allocation == Some(AllocationTime::Early);
            let index =
                index_type(self.profile, dims, max_dims, &chunk, early && pipeline.filters.is_empty());
            let state = ChunkedState { chunk, index, chunks: BTreeMap::new() };
            (RawState::Chunked(state), AllocationTime::Incremental)
        } else if let Some(targets) = &spec.external {
            check_external(targets, max_dims, dims, size as u64)?;
            (RawState::External(targets.clone()), AllocationTime::Late)
        } else if !spec.mappings.is_empty() {
            let object = self.store_mappings(&spec.mappings, max_dims)?;
            (RawState::Virtual { mappings: spec.mappings.clone(), object }, AllocationTime::Incremental)
        } else if spec.compact {
            let bytes = spec.dataspace.len()?.saturating_mul(size as u64);
            if bytes > MAX_MESSAGE as u64 - 16 {
                return Err(Error::limit("bytes of a compact dataset", bytes, MAX_MESSAGE as u64 - 16));
            }
            let mut data = vec![0; bytes as usize];
            if let Some(fill) = &spec.fill_value {
                data.chunks_exact_mut(size.max(1)).for_each(|element| element.copy_from_slice(fill));
            }
            (RawState::Compact(data), AllocationTime::Early)
        } else {
            (RawState::Contiguous { address: None, published: false }, AllocationTime::Late)
        };
        let value = match &spec.fill_value {
            Some(value) => FillValue::User(value.clone()),
            None => FillValue::Default,
        };
        let fill = Fill {
            allocation: spec.allocation.unwrap_or(allocation),
            time: spec.fill_time.unwrap_or(FillTime::IfSet),
            value,
        };
        let has_small_header = has_small_header(&spec);
        let body = Box::new(DatasetBody {
            layout_version: None,
            datatype: Arc::new(spec.datatype),
            committed: None,
            dataspace: spec.dataspace,
            fill,
            pipeline,
            data,
        });
        if body.bytes()? >= super::KEYS {
            return Err(Error::limit("bytes of a dataset", body.bytes()?, super::KEYS));
        }
        if has_small_header {
            return Ok(body);
        }
        // Whatever the header cannot hold is found now and not at the flush.
        let node = Node::new(Body::Dataset(body), spec.attribute_order);
        let encoder = self.encoder(&|_| 0);
        encoder.header(&node, &Parts::default(), true)?;
        match node.body {
            Body::Dataset(body) => Ok(body),
            _ => Err(Error::usage("not a dataset")),
        }
    }

    pub(super) fn check_chunk(
        &self,
        chunk: &[u64],
        max_dims: &[Option<u64>],
        element_size: u64,
    ) -> Result<()> {
        if chunk.len() != max_dims.len() || chunk.contains(&0) {
            return Err(Error::shape(format!(
                "chunks of {chunk:?} for a dataset of rank {}",
                max_dims.len()
            )));
        }
        if chunk.iter().zip(max_dims).any(|(c, max)| max.is_some_and(|max| *c > max.max(1))) {
            return Err(Error::shape(format!("chunks of {chunk:?} are larger than the dataset can be")));
        }
        let bytes = chunk.iter().try_fold(element_size, |n, &c| n.checked_mul(c)).unwrap_or(u64::MAX);
        if bytes > u64::from(u32::MAX) {
            return Err(Error::limit("bytes of a chunk", bytes, u64::from(u32::MAX)));
        }
        let count = max_dims
            .iter()
            .zip(chunk)
            .try_fold(1u64, |n, (max, &c)| n.checked_mul(max.map_or(1, |max| max.div_ceil(c)).max(1)));
        let limit = match index_type(self.profile, &[], max_dims, chunk, false) {
            ChunkIndexType::FixedArray { .. } => 1 << 40,
            _ => 1 << 62,
        };
        if count.is_none_or(|count| count > limit) {
            return Err(Error::limit("chunks of a dataset", count.unwrap_or(u64::MAX), limit));
        }
        Ok(())
    }
}

/// Whether nothing in the header of a dataset is of any length.
fn has_small_header(spec: &DatasetSpec) -> bool {
    use DatatypeClass::{Bitfield, FixedString, Float, Integer, VarString};
    let simple = matches!(
        spec.datatype.class,
        Integer(_) | Float(_) | Bitfield(_) | FixedString { .. } | VarString { .. }
    );
    let plain = spec.filters.is_empty() && spec.fill_value.is_none() && !spec.compact;
    simple && plain && spec.external.is_none() && spec.mappings.is_empty()
}

/// Checks that external files have room for the largest extent, which only the first dimension can reach.
fn check_external(
    targets: &ExternalTargets,
    max_dims: &[Option<u64>],
    dims: &[u64],
    element_size: u64,
) -> Result<()> {
    if max_dims.iter().zip(dims).skip(1).any(|(max, d)| *max != Some(*d)) {
        return Err(Error::usage("an external dataset can grow in its first dimension only"));
    }
    let wanted = max_dims.iter().try_fold(element_size, |n, max| Some(n.saturating_mul((*max)?)));
    match (wanted, targets.capacity()) {
        (_, None) => Ok(()),
        (Some(wanted), Some(room)) if wanted <= room => Ok(()),
        (wanted, Some(room)) => Err(Error::shape(format!(
            "external files of {room} bytes for {}",
            wanted.map_or_else(|| "data without a bound".to_owned(), |n| format!("{n} bytes"))
        ))),
    }
}
