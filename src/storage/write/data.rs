//! Raw data: elements into the file. What the last commit reaches is never overwritten: it gets a new place.

use super::{
    Session, SessionHeap, State,
    chunk_data::Parts,
    node::{NodeId, RawState, aspect},
};
use crate::{
    error::{Error, Result},
    model::{
        dataspace::Dataspace,
        selection::runs::{Resolved, Run},
    },
    storage::transaction::Transaction,
};

/// Raw data of fewer bytes are gathered with metadata into long writes.
const SMALL: usize = 64 << 10;
/// Bytes that are copied or filled at once.
const PIECE: u64 = 4 << 20;

use super::create::Data as Encode;

impl Session {
    /// Writes the selected elements, which `encode` gives as the file has them.
    pub(crate) fn write(&self, address: u64, selection: &Resolved, encode: Encode<'_>) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_data(id)?;
        encode(&mut SessionHeap(&mut state), &mut |state, bytes| state.write(id, selection, bytes))
    }

    /// The extent of a dataset.
    pub(crate) fn dims(&self, address: u64) -> Result<Vec<u64>> {
        let mut state = self.lock();
        let id = state.open(address)?;
        state.load_data(id)?;
        Ok(state.node(id)?.dataset()?.dataspace.dims().to_vec())
    }

    /// Gives a dataset a larger extent, and writes the elements that it gained.
    pub(crate) fn append(
        &self,
        address: u64,
        dims: &[u64],
        selection: &Resolved,
        encode: Encode<'_>,
    ) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_data(id)?;
        let before = state.node(id)?.dataset()?.dataspace.dims().to_vec();
        encode(&mut SessionHeap(&mut state), &mut |state, bytes| {
            state.resize(id, dims)?;
            state.write(id, selection, bytes).inspect_err(|_| {
                // The extent can be what it was: only smaller ones can be refused.
                let _ = state.resize(id, &before);
            })
        })
    }

    /// Gives a dataset another extent.
    pub(crate) fn resize(&self, address: u64, dims: &[u64]) -> Result<()> {
        let mut state = self.edit()?;
        let id = state.open(address)?;
        state.load_data(id)?;
        state.resize(id, dims)
    }
}

impl State {
    /// Writes elements; `bytes` are those that are selected, in order.
    pub(super) fn write(&mut self, id: NodeId, selection: &Resolved, bytes: &[u8]) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let size = dataset.datatype.size as u64;
        let wanted = selection.len()?.checked_mul(size);
        if wanted != Some(bytes.len() as u64) {
            return Err(Error::shape(format!("{} bytes for a selection of {wanted:?}", bytes.len())));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let dims = dataset.dataspace.dims().to_vec();
        if let RawState::External(files) = &dataset.data {
            let files = files.clone();
            return self.write_external(id, &files, selection, bytes);
        }
        self.touch(id, aspect::DATA)?;
        match &mut self.node_mut(id)?.dataset_mut()?.data {
            RawState::External(_) => Ok(()),
            RawState::Virtual { .. } => {
                Err(Error::unsupported("writing to the sources of a virtual dataset through it"))
            }
            RawState::Compact(data) => selection.for_each_run(&dims, &mut |run| {
                let (source, target, len) = range(run, size)?;
                let from = bytes.get(source..source + len);
                let to = usize::try_from(target).ok().and_then(|at| data.get_mut(at..at + len));
                match (from, to) {
                    (Some(from), Some(to)) => to.copy_from_slice(from),
                    _ => return Err(Error::shape("elements outside the dataset")),
                }
                Ok(())
            }),
            RawState::Contiguous { .. } => self.write_contiguous(id, selection, &dims, size, bytes),
            RawState::Chunked(state) => {
                let parts = Parts::new(selection, &dims, &state.chunk.clone())?;
                self.write_chunks(id, &parts, bytes)
            }
        }
    }

    fn write_contiguous(
        &mut self,
        id: NodeId,
        selection: &Resolved,
        dims: &[u64],
        size: u64,
        bytes: &[u8],
    ) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let RawState::Contiguous { address, published } = dataset.data else { return Ok(()) };
        let total = dataset.bytes()?;
        let whole = match selection {
            Resolved::Grid(axes) => axes.iter().zip(dims).all(|(a, &d)| a.start == 0 && a.len() == d),
            Resolved::Runs(runs) => matches!(runs[..], [run] if run.source == 0 && run.len * size == total),
        };
        let in_place = published && !whole && !self.copies(bytes.len() as u64, total);
        let at = match address {
            Some(at) if !published || in_place => at,
            _ if whole => self.tx.allocator.allocate(total)?,
            Some(old) => {
                let at = self.tx.allocator.allocate(total)?;
                self.copy(old, at, total)?;
                at
            }
            None => self.allocate_filled(id, total)?,
        };
        if whole {
            self.put_data(at, bytes)?;
        } else {
            let mut patch = Gathered::default();
            selection.for_each_run(dims, &mut |run| {
                let (source, target, len) = range(run, size)?;
                let piece = bytes.get(source..source + len).unwrap_or_default();
                match in_place {
                    true => patch.add(&mut self.tx, at + target, piece, at + total),
                    false => self.put_data(at + target, piece),
                }
            })?;
            patch.end(&mut self.tx)?;
        }
        if in_place {
            return Ok(());
        }
        if let RawState::Contiguous { address, published } = &mut self.node_mut(id)?.dataset_mut()?.data {
            let old = address.replace(at).filter(|old| *old != at);
            *published = false;
            old.into_iter().for_each(|old| self.tx.allocator.leave((old, total)));
        }
        Ok(())
    }

    /// Writes all elements of a new contiguous dataset.
    pub(super) fn fill_contiguous(&mut self, id: NodeId, bytes: &[u8]) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let total = dataset.bytes()?;
        if total != bytes.len() as u64 {
            return Err(Error::shape(format!("{} bytes for a dataset of {total}", bytes.len())));
        }
        let RawState::Contiguous { address, published: false } = dataset.data else {
            return Err(Error::usage("a dataset that is not new"));
        };
        if total == 0 {
            return Ok(());
        }
        let at = address.map_or_else(|| self.tx.allocator.allocate(total), Ok)?;
        if let RawState::Contiguous { address, .. } = &mut self.node_mut(id)?.dataset_mut()?.data {
            *address = Some(at);
        }
        self.put_data(at, bytes)
    }

    /// Whether elements that the last commit has are copied to a new place with what is written to some of them, and
    /// not changed in their place, which writes twice.
    fn copies(&self, bytes: u64, total: u64) -> bool {
        total <= SMALL as u64 || bytes >= total / 2
    }

    /// Raw data: gathered if they are few.
    pub(super) fn put_data(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        if bytes.len() < SMALL { self.tx.put_at(at, bytes) } else { self.tx.write(at, bytes) }
    }

    /// A new block that holds the fill value.
    fn allocate_filled(&mut self, id: NodeId, total: u64) -> Result<u64> {
        let dataset = self.node(id)?.dataset()?;
        let fill = dataset.fill.bytes().filter(|f| f.iter().any(|&b| b != 0)).map(<[u8]>::to_vec);
        let at = self.tx.allocator.allocate_zeroed(total)?;
        self.tx.grow()?;
        if let Some(fill) = fill {
            let elements = (PIECE / fill.len() as u64).max(1);
            let piece = fill.repeat(elements.min(total / fill.len() as u64) as usize);
            let mut done = 0;
            while done < total {
                let len = (total - done).min(piece.len() as u64);
                self.tx.write(at + done, &piece[..len as usize])?;
                done += len;
            }
        }
        Ok(at)
    }

    pub(super) fn copy(&mut self, from: u64, to: u64, len: u64) -> Result<()> {
        let mut done = 0;
        while done < len {
            let piece = self.tx.read(from + done, (len - done).min(PIECE))?;
            self.tx.write(to + done, &piece)?;
            done += piece.len() as u64;
        }
        Ok(())
    }

    /// Storage for all elements, of a dataset that is allocated early.
    pub(super) fn allocate_all(&mut self, id: NodeId) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let total = dataset.bytes()?;
        if total == 0 {
            return Ok(());
        }
        if let RawState::Contiguous { .. } = dataset.data {
            let at = self.allocate_filled(id, total)?;
            if let RawState::Contiguous { address, .. } = &mut self.node_mut(id)?.dataset_mut()?.data {
                *address = Some(at);
            }
            return Ok(());
        }
        self.allocate_chunks(id)
    }

    /// Gives back what a dataset holds that came to nothing.
    pub(super) fn drop_data(&mut self, id: NodeId) {
        let Ok(dataset) = self.node_mut(id).and_then(|n| n.dataset_mut()) else { return };
        let mut blocks = Vec::new();
        let mut buffered = 0;
        match &mut dataset.data {
            RawState::Contiguous { address: Some(at), published: false } => {
                let at = *at;
                blocks.extend(dataset.bytes().ok().map(|len| (at, len)));
            }
            RawState::Chunked(state) => {
                for chunk in std::mem::take(&mut state.chunks).into_values() {
                    blocks.extend(chunk.stored.map(|(entry, _)| (entry.address, entry.size)));
                    buffered += chunk.elements.map_or(0, |e| e.len() as u64);
                }
            }
            _ => {}
        }
        self.buffered = self.buffered.saturating_sub(buffered);
        blocks.into_iter().for_each(|block| self.tx.allocator.release(block));
    }

    fn resize(&mut self, id: NodeId, dims: &[u64]) -> Result<()> {
        let dataset = self.node(id)?.dataset()?;
        let (Dataspace::Simple(extent), RawState::Chunked(_) | RawState::External(_)) =
            (&dataset.dataspace, &dataset.data)
        else {
            return Err(Error::usage("only a chunked or external dataset can be resized"));
        };
        let old = extent.dims();
        let max_dims = dataset.dataspace.max_dims();
        if dims.len() != old.len()
            || dims.iter().zip(&max_dims).any(|(d, max)| max.is_some_and(|max| max < *d))
        {
            return Err(Error::shape(format!("extent {dims:?} of a dataset that can be {max_dims:?}")));
        }
        let total = dims.iter().try_fold(dataset.datatype.size as u64, |n, &d| n.checked_mul(d));
        if dims.iter().all(|&d| d > 0) && total.is_none_or(|n| n >= super::KEYS) {
            return Err(Error::limit("bytes of a dataset", total.unwrap_or(u64::MAX), super::KEYS));
        }
        if old == dims {
            return Ok(());
        }
        let shrinks = old.iter().zip(dims).any(|(old, new)| new < old);
        self.touch(id, aspect::DATA)?;
        if shrinks && matches!(self.node(id)?.dataset()?.data, RawState::Chunked(_)) {
            self.cut_chunks(id, dims)?;
        }
        if let Dataspace::Simple(extent) = &mut self.node_mut(id)?.dataset_mut()?.dataspace {
            extent.resize(dims);
        }
        Ok(())
    }
}

/// Elements that are changed in their place and lie close together become one patch, with those between them as they
/// are: a patch costs much more than an element.
#[derive(Default)]
struct Gathered {
    start: u64,
    /// The patch, up to `len`; behind that what is there.
    bytes: Vec<u8>,
    len: usize,
}

impl Gathered {
    const GAP: u64 = 512;
    const MOST: u64 = 64 << 10;

    /// Adds a piece at an address of a block that ends at `end`.
    fn add(&mut self, tx: &mut Transaction, at: u64, piece: &[u8], end: u64) -> Result<()> {
        let until = at.saturating_add(piece.len() as u64);
        let behind = at.checked_sub(self.start.saturating_add(self.len as u64));
        if self.len == 0 || behind.is_none_or(|gap| gap > Self::GAP) || until - self.start > Self::MOST {
            self.end(tx)?;
            (self.start, self.len) = (at, piece.len());
            self.bytes.clear();
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        let (from, to) = ((at - self.start) as usize, (until - self.start) as usize);
        if self.bytes.len() < to {
            let mut there = tx.read(self.start, end.saturating_sub(self.start).min(Self::MOST))?;
            if there.len() < to {
                return Err(Error::shape("elements outside the dataset"));
            }
            there[..self.len].copy_from_slice(&self.bytes[..self.len]);
            self.bytes = there;
        }
        self.bytes[from..to].copy_from_slice(piece);
        self.len = to;
        Ok(())
    }

    fn end(&mut self, tx: &mut Transaction) -> Result<()> {
        match std::mem::take(&mut self.len) {
            0 => Ok(()),
            len => tx.patch(self.start, &self.bytes[..len]),
        }
    }
}

/// Bytes of a run: where they are in the caller's elements, where in the dataset, and how many.
pub(super) fn range(run: Run, size: u64) -> Result<(usize, u64, usize)> {
    let bytes =
        |n: u64| n.checked_mul(size).ok_or_else(|| Error::limit("bytes of a selection", u64::MAX, u64::MAX));
    let memory = |n: u64| {
        usize::try_from(bytes(n)?)
            .map_err(|_| Error::limit("bytes of a selection", u64::MAX, usize::MAX as u64))
    };
    Ok((memory(run.target)?, bytes(run.source)?, memory(run.len)?))
}
