//! Copying of raw data: piece by piece, as they are stored where that is possible.

use crate::{
    copy_objects::{Copier, element_size},
    dataset::Dataset,
    element::names_places,
    error::{Error, ErrorKind, Result},
    filter::{ChunkContext, Scratch},
    model::{
        dataspace::element_count,
        layout::{ChunkedLayout, Layout},
        selection::{HyperslabDim, Selection},
    },
};

/// Bytes that are copied at once.
const PIECE: u64 = 8 << 20;

/// An element range in each dimension: its start and extent.
type Block = (Vec<u64>, Vec<u64>);

/// True for what is wrong with one piece of the data only.
fn is_local(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Corrupt(_) | ErrorKind::Truncated(_) | ErrorKind::Unsupported(_) | ErrorKind::Limit { .. }
    )
}

/// Bytes of elements that a damaged file is believed to have for each of its own; and that any file may have.
const BELIEVED: u64 = 1024;
const BELIEVED_ANYWAY: u64 = 64 << 20;

impl Copier<'_> {
    /// Refuses elements of a damaged file that it can hardly have had: they would be fill values without end.
    fn believe(&self, dataset: &Dataset, bytes: u64) -> Result<()> {
        let allowed = dataset.store().reader.end().saturating_mul(BELIEVED).saturating_add(BELIEVED_ANYWAY);
        if self.verifies() && bytes > allowed {
            return Err(Error::limit("bytes of elements of a damaged dataset", bytes, allowed));
        }
        Ok(())
    }

    /// Copies the elements of a dataset; `verbatim` if layout and filters are the same.
    pub(crate) fn data(&mut self, dataset: &Dataset, key: u64, verbatim: bool) -> Result<()> {
        if dataset.is_empty() {
            return Ok(());
        }
        let plain = !names_places(dataset.datatype());
        match dataset.layout() {
            // The elements are where they were.
            Layout::Virtual { .. } if verbatim => Ok(()),
            Layout::Contiguous { .. } if verbatim && !dataset.external_files().is_empty() => Ok(()),
            Layout::Contiguous { address: None, .. } if dataset.external_files().is_empty() => Ok(()),
            Layout::Contiguous { address: Some(address), .. } if verbatim && plain => {
                self.contiguous(dataset, key, *address)
            }
            Layout::Chunked(layout) if verbatim && plain => self.raw_chunks(dataset, key, layout),
            Layout::Chunked(layout) if verbatim || self.is_sparse(dataset, layout)? => {
                self.stored_chunks(dataset, key, layout)
            }
            layout => {
                self.believe(dataset, dataset.len()?.saturating_mul(element_size(dataset.datatype())))?;
                let unit = match layout {
                    Layout::Chunked(layout) => layout.chunk.clone(),
                    _ => vec![1; dataset.shape().len()],
                };
                let unit = self.session()?.chunk_of(key)?.unwrap_or(unit);
                let bytes = element_size(dataset.datatype());
                for block in blocks(dataset.shape(), &unit, bytes) {
                    self.block(dataset, key, &block)?;
                }
                Ok(())
            }
        }
    }

    fn contiguous(&mut self, dataset: &Dataset, key: u64, address: u64) -> Result<()> {
        let total = dataset.len()?.saturating_mul(element_size(dataset.datatype()));
        let reader = &dataset.store().reader;
        if !self.verifies() {
            // Before storage is set aside.
            reader.up_to(address, 1)?;
            if dataset.store().session.is_none() && address.saturating_add(total) > reader.end() {
                return Err(Error::truncated(format!("{total} bytes of elements at {address:#x}")));
            }
        }
        self.believe(dataset, total)?;
        let fill = dataset.fill().bytes().unwrap_or(&[0]).to_vec();
        // What is missing of zeros need not be written.
        let is_zero = self.verifies() && fill.iter().all(|&b| b == 0);
        self.session()?.reserve_contiguous(key, is_zero)?;
        let mut done = 0;
        let mut lost = 0;
        while done < total {
            let len = (total - done).min(PIECE);
            match reader.bytes(address + done, len) {
                Ok(bytes) => self.session()?.write_contiguous_raw(key, done, &bytes)?,
                Err(error) if self.verifies() && is_local(&error) => {
                    // All that there is of the piece; fill values for the rest.
                    let there = reader.end().saturating_sub(address.saturating_add(done)).min(len);
                    let mut piece = match there {
                        0 => Vec::new(),
                        _ => reader.bytes(address + done, there)?.into_owned(),
                    };
                    let from = piece.len() - piece.len() % fill.len();
                    piece.truncate(from);
                    lost += len - from as u64;
                    if !is_zero {
                        // Pieces are no whole elements: the fill value goes on where the element does.
                        let phase = (done + from as u64) as usize % fill.len();
                        piece.extend(fill.iter().cycle().skip(phase).take(len as usize - from));
                    }
                    self.session()?.write_contiguous_raw(key, done, &piece)?;
                }
                Err(error) => return Err(error),
            }
            done += len;
        }
        if lost > 0 {
            self.problem(
                dataset.path(),
                Error::truncated(format!(
                    "{lost} of {total} bytes of elements lie beyond the end of the file"
                )),
            )?;
        }
        Ok(())
    }

    /// Copies encoded chunks.
    fn raw_chunks(&mut self, dataset: &Dataset, key: u64, layout: &ChunkedLayout) -> Result<()> {
        let (store, raw) = (dataset.store(), &dataset.core().raw);
        let table = raw.chunk_table(store, layout)?;
        if self.verifies() {
            let (mut stored, chunk) = (0u64, raw.chunk_bytes(store, layout)? as u64);
            table.for_each(&mut |_, _| {
                stored = stored.saturating_add(chunk);
                Ok(())
            })?;
            self.believe(dataset, stored)?;
        }
        let context =
            ChunkContext { chunk_bytes: raw.chunk_bytes(store, layout)?, element_size: raw.element_size };
        let filters = raw.pipeline.filters.len();
        let all = if filters == 0 { 0 } else { u32::MAX >> (32 - filters.min(32)) };
        let mut scratch = Scratch::default();
        table.for_each(&mut |place, entry| {
            let offset: Vec<u64> =
                place.iter().zip(&layout.chunk).map(|(p, c)| p.saturating_mul(*c)).collect();
            if offset.iter().zip(raw.dims()).any(|(o, d)| o >= d) {
                return Ok(());
            }
            // The copy has no exception for chunks at the edge.
            let mask = raw.filter_mask(layout, &offset, entry.mask) & all;
            let mut copy = || {
                let bytes = store.reader.bytes(entry.address, entry.size)?;
                if self.verifies() {
                    match raw.pipeline.decode_chunk(&context, mask, &bytes, &mut scratch) {
                        // Sound or not, its bytes are as they were.
                        Err(e) if matches!(e.kind(), ErrorKind::Unsupported(_)) => {}
                        other => _ = other?,
                    }
                }
                self.session()?.write_chunk_raw(key, &offset, &bytes, mask)
            };
            match copy() {
                Err(error) if self.verifies() && is_local(&error) => {
                    self.problem(dataset.path(), error.of_chunk(&offset))
                }
                other => other.map_err(|e| e.of_chunk(&offset)),
            }
        })
    }

    /// True if less than half of the chunks are stored.
    fn is_sparse(&self, dataset: &Dataset, layout: &ChunkedLayout) -> Result<bool> {
        let mut stored = 0u64;
        dataset.core().raw.chunk_table(dataset.store(), layout)?.for_each(&mut |_, _| {
            stored += 1;
            Ok(())
        })?;
        let grid: Vec<u64> =
            dataset.shape().iter().zip(&layout.chunk).map(|(d, c)| d.div_ceil((*c).max(1))).collect();
        Ok(stored < element_count(&grid).unwrap_or(u64::MAX) / 2 || stored == 0)
    }

    /// Copies the elements of the chunks that are stored.
    fn stored_chunks(&mut self, dataset: &Dataset, key: u64, layout: &ChunkedLayout) -> Result<()> {
        let table = dataset.core().raw.chunk_table(dataset.store(), layout)?;
        table.for_each(&mut |place, _| {
            let start: Vec<u64> =
                place.iter().zip(&layout.chunk).map(|(p, c)| p.saturating_mul(*c)).collect();
            if start.iter().zip(dataset.shape()).any(|(s, d)| s >= d) {
                return Ok(());
            }
            let count = start.iter().zip(&layout.chunk).zip(dataset.shape());
            let count = count.map(|((s, c), d)| (*c).min(d - s)).collect();
            self.block(dataset, key, &(start, count))
        })
    }

    /// Copies the elements of a block.
    fn block(&mut self, dataset: &Dataset, key: u64, (start, count): &Block) -> Result<()> {
        let slab: Vec<_> = start.iter().zip(count).map(|(&s, &c)| HyperslabDim::range(s, c)).collect();
        let selection = if start.is_empty() { Selection::All } else { Selection::Hyperslab(slab) };
        let resolved = selection.resolve(dataset.shape())?;
        let lenient = self.verifies();
        let values = match dataset.values(selection) {
            Err(error) if lenient && is_local(&error) => return self.problem(dataset.path(), error),
            values => values?,
        };
        let (written, lost) = self.transfer(dataset.store(), lenient, |transfer| {
            self.session()?.write(key, &resolved, &mut |heap, sink| {
                let bytes = transfer.values(&values, heap)?;
                sink(heap.0, &bytes)
            })
        });
        written?;
        if lost > 0 {
            let text = format!("{lost} parts of the elements from {start:?} on cannot be found");
            self.problem(dataset.path(), Error::corrupt(text))?;
        }
        Ok(())
    }
}

/// Blocks that cover an array, each of whole units (but at the edges) and not much more than a piece of bytes.
fn blocks(dims: &[u64], unit: &[u64], element_bytes: u64) -> impl Iterator<Item = Block> + use<> {
    let mut block: Vec<u64> = unit.iter().zip(dims).map(|(&u, &d)| u.clamp(1, d.max(1))).collect();
    for d in (0..block.len()).rev() {
        let bytes = block.iter().fold(element_bytes, |n, &b| n.saturating_mul(b)).max(1);
        let grown = block[d].saturating_mul((PIECE / bytes).max(1));
        block[d] = grown.min(dims[d]);
        if block[d] < dims[d] {
            break;
        }
    }
    let dims = dims.to_vec();
    let mut next = (!dims.contains(&0)).then(|| vec![0u64; dims.len()]);
    std::iter::from_fn(move || {
        let start = next.take()?;
        let count = start.iter().zip(&block).zip(&dims).map(|((s, b), d)| (*b).min(d - s)).collect();
        let mut following = start.clone();
        for d in (0..dims.len()).rev() {
            following[d] = following[d].saturating_add(block[d]);
            if following[d] < dims[d] {
                next = Some(following);
                break;
            }
            following[d] = 0;
        }
        Some((start, count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_an_array_once() {
        for (dims, unit, bytes) in [
            (vec![], vec![], 8),
            (vec![10], vec![3], 1 << 20),
            (vec![5, 7, 9], vec![2, 3, 4], 1 << 18),
            (vec![100, 100], vec![1, 1], 8),
            (vec![0, 5], vec![1, 1], 8),
            (vec![3, 4000, 5], vec![1, 1, 1], 1 << 10),
        ] {
            let total: u64 =
                blocks(&dims, &unit, bytes).map(|(_, count)| count.iter().product::<u64>()).sum();
            assert_eq!(total, dims.iter().product::<u64>(), "{dims:?}");
            let mut seen = std::collections::HashSet::new();
            for (start, count) in blocks(&dims, &unit, bytes) {
                assert!(seen.insert(start.clone()));
                for d in 0..dims.len() {
                    assert!(start[d] % unit[d] == 0 && count[d] > 0);
                    assert!(start[d] + count[d] == dims[d] || count[d] % unit[d] == 0);
                }
                let least: u64 = unit.iter().product::<u64>() * bytes;
                assert!(count.iter().product::<u64>() * bytes <= PIECE.max(least));
            }
        }
        assert_eq!(blocks(&[100, 100], &[1, 1], 8).count(), 1);
    }
}
