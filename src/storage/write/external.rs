//! Datasets whose raw data are in external files: their list in the object header, the heap of its names, and writes.
//!
//! The data go to their place in those files at once: there is no other. A flush waits for them before it publishes
//! what it has, and that is all it promises of them.

use std::sync::Arc;

use super::{State, data::range, node::NodeId};
use crate::{
    error::{Error, Result},
    format::{
        local_heap::{FREE_NULL, LocalHeap},
        message::external_files::{ExternalFilesMessage, ExternalSlot},
        primitive::{Sizes, Structure},
    },
    model::{layout::ExternalFile, selection::runs::Resolved},
    storage::{allocator::Block, external::ExternalTargets, transaction::Transaction},
};

/// Bytes of fill values that are written at once.
const PIECE: u64 = 1 << 20;

/// The names, each with a NUL and at a multiple of 8; an empty one comes first. And where they are.
fn names(files: &[ExternalFile]) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = vec![0; 8];
    let mut offsets = Vec::with_capacity(files.len());
    for file in files {
        offsets.push(bytes.len() as u64);
        bytes.extend_from_slice(file.name.as_bytes());
        bytes.resize((bytes.len() + 1).next_multiple_of(8), 0);
    }
    (bytes, offsets)
}

/// The message that lists the files, with the address of the heap of their names.
pub(super) fn message(files: &[ExternalFile], heap: u64) -> Result<ExternalFilesMessage> {
    let allocated = u16::try_from(files.len())
        .map_err(|_| Error::limit("external files", files.len() as u64, u64::from(u16::MAX)))?;
    let slots = files.iter().zip(names(files).1);
    let slots =
        slots.map(|(f, name_offset)| ExternalSlot { name_offset, offset: f.offset, size: f.size }).collect();
    Ok(ExternalFilesMessage { allocated, heap, slots })
}

/// Writes the local heap of the names.
pub(super) fn heap(
    tx: &mut Transaction,
    blocks: &mut Vec<Block>,
    files: &[ExternalFile],
    sizes: Sizes,
) -> Result<u64> {
    let (names, _) = names(files);
    let header_len = LocalHeap::encoded_len(sizes) as u64;
    let len = header_len + names.len() as u64;
    let address = tx.allocator.allocate(len)?;
    blocks.push((address, len));
    let heap = LocalHeap { size: names.len() as u64, free_list: FREE_NULL, data: address + header_len };
    let mut bytes = heap.encode(sizes)?;
    bytes.extend(names);
    tx.put_at(address, &bytes)?;
    Ok(address)
}

impl State {
    /// Writes elements to external files. Nothing of the file itself changes.
    pub(super) fn write_external(
        &mut self,
        id: NodeId,
        files: &Arc<ExternalTargets>,
        selection: &Resolved,
        bytes: &[u8],
    ) -> Result<()> {
        let node = self.node_mut(id)?;
        node.version += 1;
        let dataset = node.dataset()?;
        let (dims, size) = (dataset.dataspace.dims().to_vec(), dataset.datatype.size as u64);
        self.will_sync(files);
        selection.for_each_run(&dims, &mut |run| {
            let (source, target, len) = range(run, size)?;
            files.write(target, bytes.get(source..source + len).unwrap_or_default())
        })
    }

    /// Writes a fill value to all elements, as libhdf5 does it with one that the user gives.
    pub(super) fn fill_external(&mut self, id: NodeId, files: &Arc<ExternalTargets>) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let Some(fill) = dataset.fill.bytes().filter(|f| f.iter().any(|&b| b != 0)) else { return Ok(()) };
        let (total, len) = (dataset.bytes()?, fill.len() as u64);
        let piece = fill.repeat((PIECE / len).clamp(1, (total / len).max(1)) as usize);
        self.will_sync(files);
        let mut done = 0;
        while done < total {
            let part = (total - done).min(piece.len() as u64);
            files.write(done, &piece[..part as usize])?;
            done += part;
        }
        Ok(())
    }

    fn will_sync(&mut self, files: &Arc<ExternalTargets>) {
        if !self.unsynced.iter().any(|known| Arc::ptr_eq(known, files)) {
            self.unsynced.push(files.clone());
        }
    }

    /// Waits for what was written to external files.
    pub(super) fn sync_external(&mut self) -> Result<()> {
        if !self.tx.waits_for_disk() {
            self.unsynced.clear();
        }
        while let Some(files) = self.unsynced.last() {
            files.sync()?;
            self.unsynced.pop();
        }
        Ok(())
    }
}
