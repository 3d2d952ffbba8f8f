//! Raw data in other files that are no HDF5 files.

use std::sync::{Arc, OnceLock};

use super::{Store, heap::local::LocalHeapData};
use crate::{
    error::{Error, Result},
    format::message::external_files::ExternalFilesMessage,
    model::{layout::ExternalFile, link::Name},
    source::ByteSource,
};

/// The files that hold the raw data of a dataset, one after the other.
#[derive(Debug)]
pub(crate) struct ExternalData {
    pub(crate) files: Vec<ExternalFile>,
    sources: Vec<OnceLock<Arc<dyn ByteSource>>>,
}

impl ExternalData {
    pub(crate) fn new(store: &Store, message: &ExternalFilesMessage) -> Result<Self> {
        let heap = LocalHeapData::open(&store.reader, message.heap)?;
        let files = message
            .slots
            .iter()
            .map(|slot| {
                let name = Name::from(heap.string(slot.name_offset)?);
                Ok(ExternalFile { name, offset: slot.offset, size: slot.size })
            })
            .collect::<Result<Vec<_>>>()?;
        let sources = files.iter().map(|_| OnceLock::new()).collect();
        Ok(ExternalData { files, sources })
    }

    fn source(&self, store: &Store, slot: usize) -> Result<&Arc<dyn ByteSource>> {
        if let Some(source) = self.sources[slot].get() {
            return Ok(source);
        }
        let name = self.files[slot].name.as_bytes();
        // Other programs may cut these files at will: no mapping.
        let reach = &store.settings.policy.external_data;
        let (_, source) = store.open_named(name, reach, "external raw data file", false)?;
        Ok(self.sources[slot].get_or_init(|| source))
    }

    /// Fills `out` from byte `start` of the data; what a file does not have yet is zero.
    pub(crate) fn read(&self, store: &Store, start: u64, mut out: &mut [u8]) -> Result<()> {
        let mut skip = start;
        for (slot, file) in self.files.iter().enumerate() {
            if out.is_empty() {
                return Ok(());
            }
            let size = file.size.unwrap_or(u64::MAX);
            if skip >= size {
                skip -= size;
                continue;
            }
            let len = (size - skip).min(out.len() as u64) as usize;
            let (part, rest) = out.split_at_mut(len);
            let source = self.source(store, slot)?;
            let at = file
                .offset
                .checked_add(skip)
                .ok_or_else(|| Error::corrupt("external offset beyond 64 bits"))?;
            let present = source.len().saturating_sub(at).min(len as u64) as usize;
            if present > 0 {
                source.read_at(at, &mut part[..present])?;
            }
            part[present..].fill(0);
            out = rest;
            skip = 0;
        }
        if out.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!("the external files end {} bytes before the data", out.len())))
    }
}
