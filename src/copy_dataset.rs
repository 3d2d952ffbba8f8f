//! Copying of datasets: what the copy is to be, before it has elements.

use std::sync::Arc;

use crate::{
    copy::{DatasetChange, LayoutChange},
    copy_objects::{Copier, order},
    dataset::Dataset,
    element::{has_references, widened},
    error::{Error, Result},
    model::{
        dataspace::Dataspace,
        fill::{AllocationTime, Fill, FillValue},
        layout::Layout,
    },
    storage::{
        external::ExternalTargets,
        write::{ImportDataset, Storage, guess_chunk},
    },
};

impl Copier<'_> {
    /// Makes the copy of a dataset without its elements; its key, and whether the elements are stored as they are.
    pub(crate) fn dataset(&mut self, dataset: &Dataset, change: &DatasetChange) -> Result<(u64, bool)> {
        let committed = self.committed(dataset.store(), dataset.named_datatype_address())?;
        let datatype = widened(dataset.datatype(), self.wider(dataset.store())?);
        let is_virtual = matches!(dataset.layout(), Layout::Virtual { .. });
        let wants_filters = change.filters.as_ref().is_some_and(|f| !f.is_empty());
        let stays_virtual = is_virtual && change.layout.is_none() && !wants_filters;
        // Where its sources are left behind, a virtual dataset has the extent that it has now.
        let dataspace = if stays_virtual { stored_dataspace(dataset) } else { dataset.dataspace().clone() };
        let can_be_chunked = !dataspace.dims().is_empty() && !dataspace.is_null();
        let resizable = dataspace.dims().iter().zip(dataspace.max_dims()).any(|(d, max)| max != Some(*d));
        let guessed = || guess_chunk(dataspace.dims(), &dataspace.max_dims(), datatype.size as u64);
        let wants_filters = wants_filters && can_be_chunked;
        let kept = match dataset.layout() {
            Layout::Compact(_) => Storage::Compact,
            Layout::Contiguous { .. } if !dataset.external_files().is_empty() => {
                let files = dataset.external_files().to_vec();
                Storage::External(Arc::new(ExternalTargets::listed(&self.target, files)))
            }
            Layout::Contiguous { .. } => Storage::Contiguous,
            Layout::Chunked(layout) => Storage::Chunked(layout.chunk.clone()),
            Layout::Virtual { .. } => Storage::Virtual(dataset.virtual_mappings().to_vec()),
        };
        let storage = match &change.layout {
            Some(LayoutChange::Chunked(_)) if !can_be_chunked => {
                return Err(Error::usage("a scalar or null dataset has no chunks"));
            }
            Some(LayoutChange::Chunked(chunk)) if chunk.is_empty() => Storage::Chunked(guessed()),
            Some(LayoutChange::Chunked(chunk)) => {
                // No larger than the dataset can be.
                let max = dataspace.max_dims();
                let cut = chunk.iter().zip(&max).map(|(&c, m)| m.map_or(c, |m| c.min(m.max(1))));
                if chunk.len() != max.len() {
                    return Err(Error::shape(format!("chunks of {chunk:?} for a rank of {}", max.len())));
                }
                Storage::Chunked(cut.collect())
            }
            Some(_) if resizable => return Err(Error::usage("a dataset that may grow must be chunked")),
            Some(LayoutChange::Compact) => Storage::Compact,
            Some(LayoutChange::Contiguous) => Storage::Contiguous,
            None if wants_filters && !matches!(kept, Storage::Chunked(_)) => Storage::Chunked(guessed()),
            None => kept,
        };
        let fill = self.fill(dataset, &storage, change.layout.is_some())?;
        let filters = match (&storage, &change.filters) {
            (Storage::Chunked(chunk), Some(requests)) => {
                self.session()?.filters_for(requests, &datatype, chunk, fill.bytes())?
            }
            (Storage::Chunked(_), None) => dataset.filters().to_vec(),
            _ => Vec::new(),
        };
        let verbatim = match (dataset.layout(), &storage) {
            (Layout::Chunked(layout), Storage::Chunked(chunk)) => {
                layout.chunk == *chunk && filters == dataset.filters()
            }
            (Layout::Contiguous { .. }, Storage::Contiguous) => dataset.external_files().is_empty(),
            (_, Storage::External(_) | Storage::Virtual(_)) => true,
            _ => false,
        };
        let attribute_order = order(dataset.attribute_creation_order());
        if !verbatim && !change.is_nothing() {
            let codecs = &dataset.store().settings.codecs;
            if let Some(filter) = dataset.filters().iter().find(|f| codecs.lookup(f.id).is_none()) {
                let name = filter.name.clone().unwrap_or_default();
                let text = format!("decoding filter {} ({name}), which is not built in", filter.id);
                return Err(Error::unsupported(text));
            }
        }
        let import =
            ImportDataset { datatype, committed, dataspace, fill, storage, filters, attribute_order };
        Ok((self.session()?.import_dataset(import)?, verbatim))
    }

    /// The fill value of a dataset, if it has one of its own.
    fn fill_bytes(&self, dataset: &Dataset) -> Result<Option<Vec<u8>>> {
        let Some(values) = dataset.fill_values() else { return Ok(None) };
        let (moved, _) = self.transfer(dataset.store(), self.verifies(), |transfer| {
            self.session()?.with_heap(&mut |heap| transfer.values(&values, heap))
        });
        moved.map(Some)
    }

    /// A fill value with references can be had only when everything is there that they may refer to.
    pub(crate) fn refill(&self, dataset: &Dataset, key: u64) -> Result<()> {
        if has_references(dataset.datatype())
            && let Some(bytes) = self.fill_bytes(dataset)?
        {
            self.session()?.set_fill_value(key, bytes)?;
        }
        Ok(())
    }

    fn fill(&self, dataset: &Dataset, storage: &Storage, changed: bool) -> Result<Fill> {
        let mut fill = dataset.fill().clone();
        if let FillValue::User(bytes) = &mut fill.value {
            *bytes = match self.fill_bytes(dataset)? {
                Some(moved) => moved,
                None => vec![0; dataset.datatype().size + self.wider(dataset.store())?],
            };
        }
        fill.allocation = match (storage, fill.allocation) {
            (Storage::Compact, _) => AllocationTime::Early,
            (_, AllocationTime::Early) if !changed => AllocationTime::Early,
            (Storage::Contiguous, AllocationTime::Incremental) => AllocationTime::Late,
            (Storage::Chunked(_), AllocationTime::Early | AllocationTime::Late) if changed => {
                AllocationTime::Incremental
            }
            (_, other) => other,
        };
        Ok(fill)
    }
}

/// The extent as it is stored: that of a virtual dataset may follow its sources.
fn stored_dataspace(dataset: &Dataset) -> Dataspace {
    let mut dataspace = dataset.dataspace().clone();
    if let Dataspace::Simple(extent) = &mut dataspace {
        extent.dims_mut().copy_from_slice(dataset.core().stored_dims());
    }
    dataspace
}
