//! Raw data in other files that are no HDF5 files.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{Store, heap::local::LocalHeapData, other_files::place_for};
use crate::{
    error::{Error, Result},
    format::message::external_files::ExternalFilesMessage,
    limits::Reach,
    model::{layout::ExternalFile, link::Name},
    source::{ByteSource, ByteStore},
};

const WHAT: &str = "external raw data file";

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
        Ok(Self::of(files))
    }

    pub(crate) fn of(files: Vec<ExternalFile>) -> Self {
        let sources = files.iter().map(|_| OnceLock::new()).collect();
        ExternalData { files, sources }
    }

    fn source(&self, store: &Store, slot: usize) -> Result<&Arc<dyn ByteSource>> {
        if let Some(source) = self.sources[slot].get() {
            return Ok(source);
        }
        let name = self.files[slot].name.as_bytes();
        // Other programs may cut these files at will: no mapping.
        let reach = &store.settings.policy.external_data;
        let (_, source) = store.open_named(name, reach, WHAT, false)?;
        Ok(self.sources[slot].get_or_init(|| source))
    }

    /// Fills `out` from byte `start` of the data; what a file does not have yet is zero.
    pub(crate) fn read(&self, store: &Store, start: u64, out: &mut [u8]) -> Result<()> {
        let mut rest = out;
        for_each_part(&self.files, start, rest.len() as u64, &mut |slot, at, len| {
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(len as usize);
            rest = behind;
            let source = self.source(store, slot)?;
            let present = source.len().saturating_sub(at).min(len) as usize;
            if present > 0 {
                source.read_at(at, &mut part[..present])?;
            }
            part[present..].fill(0);
            Ok(())
        })
    }
}

/// Calls `f` for the parts of a range of the data: file, offset there, bytes.
fn for_each_part(
    files: &[ExternalFile],
    start: u64,
    mut len: u64,
    f: &mut dyn FnMut(usize, u64, u64) -> Result<()>,
) -> Result<()> {
    let mut skip = start;
    for (slot, file) in files.iter().enumerate() {
        if len == 0 {
            return Ok(());
        }
        let size = file.size.unwrap_or(u64::MAX);
        if skip >= size {
            skip -= size;
            continue;
        }
        let part = (size - skip).min(len);
        let at = file.offset.checked_add(skip);
        f(slot, at.ok_or_else(|| Error::corrupt("external offset beyond 64 bits"))?, part)?;
        len -= part;
        skip = 0;
    }
    if len == 0 {
        return Ok(());
    }
    Err(Error::corrupt(format!("the external files end {len} bytes before the data")))
}

/// The external files of a dataset that is being written. They are made by the first write.
#[derive(Debug)]
pub(crate) struct ExternalTargets {
    pub(crate) files: Vec<ExternalFile>,
    own: Option<PathBuf>,
    reach: Reach,
    targets: Vec<OnceLock<Arc<dyn ByteStore>>>,
}

impl ExternalTargets {
    /// Checks that the policy of a file allows to write these.
    pub(crate) fn new(store: &Store, files: Vec<ExternalFile>) -> Result<Self> {
        for (i, file) in files.iter().enumerate() {
            if file.size.is_none() && i + 1 < files.len() {
                return Err(Error::usage("only the last external file can be unlimited"));
            }
            if file.size.is_some_and(|size| file.offset.checked_add(size).is_none()) {
                return Err(Error::usage("an external file of more than 64 bits"));
            }
            place_for(
                store.path.as_deref(),
                file.name.as_bytes(),
                &store.settings.policy.external_data,
                WHAT,
            )?;
        }
        let targets = files.iter().map(|_| OnceLock::new()).collect();
        let (own, reach) = (store.path.clone(), store.settings.policy.external_data.clone());
        Ok(ExternalTargets { files, own, reach, targets })
    }

    /// Of a dataset that is there: whether the policy allows to write is found when something is written.
    pub(crate) fn listed(store: &Store, files: Vec<ExternalFile>) -> Self {
        let targets = files.iter().map(|_| OnceLock::new()).collect();
        let (own, reach) = (store.path.clone(), store.settings.policy.external_data.clone());
        ExternalTargets { files, own, reach, targets }
    }

    /// Bytes that the files can hold, `None` for no bound.
    pub(crate) fn capacity(&self) -> Option<u64> {
        self.files.iter().try_fold(0u64, |sum, file| Some(sum.saturating_add(file.size?)))
    }

    fn target(&self, slot: usize) -> Result<&Arc<dyn ByteStore>> {
        if let Some(target) = self.targets[slot].get() {
            return Ok(target);
        }
        let path = place_for(self.own.as_deref(), self.files[slot].name.as_bytes(), &self.reach, WHAT)?;
        let target = open_for_writing(&path)?;
        Ok(self.targets[slot].get_or_init(|| target))
    }

    /// Writes bytes from byte `start` of the data on.
    pub(crate) fn write(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        for_each_part(&self.files, start, bytes.len() as u64, &mut |slot, at, len| {
            let (part, behind) = rest.split_at(len as usize);
            rest = behind;
            self.target(slot)?.write_at(at, part)
        })
    }

    /// Returns when all that was written is on disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.targets.iter().filter_map(OnceLock::get).try_for_each(|target| target.sync())
    }
}

fn open_for_writing(path: &Path) -> Result<Arc<dyn ByteStore>> {
    #[cfg(any(unix, windows))]
    {
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Arc::new(crate::source::FileStore::new(file)?))
    }
    #[cfg(not(any(unix, windows)))]
    {
        Err(Error::unsupported(format!("writing {} on this platform", path.display())))
    }
}
