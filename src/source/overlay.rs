//! Bytes that stand in place of those of another source.

use std::{collections::BTreeMap, sync::Arc};

use super::{ByteSource, past_end};
use crate::error::Result;

/// A source with some ranges replaced: the metadata cache image of a file, or writes not yet made.
#[derive(Debug)]
pub struct OverlaySource {
    below: Arc<dyn ByteSource>,
    /// Start -> bytes; the ranges do not overlap.
    pieces: BTreeMap<u64, Vec<u8>>,
    len: u64,
}

impl OverlaySource {
    /// Nothing replaced yet.
    pub fn new(below: Arc<dyn ByteSource>) -> Self {
        let len = below.len();
        OverlaySource { below, pieces: BTreeMap::new(), len }
    }

    /// Replaces the bytes from `offset` on; a later piece wins over an earlier one. The source grows if they reach
    /// beyond its end (a gap reads as zeros).
    pub fn put(&mut self, offset: u64, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let end = offset.saturating_add(bytes.len() as u64);
        let overlapping: Vec<u64> = self
            .pieces
            .range(..end)
            .rev()
            .take_while(|(start, piece)| *start + piece.len() as u64 > offset)
            .map(|(start, _)| *start)
            .collect();
        for start in overlapping {
            let Some(mut old) = self.pieces.remove(&start) else { continue };
            let old_end = start + old.len() as u64;
            if old_end > end {
                self.pieces.insert(end, old.split_off((end - start) as usize));
            }
            if start < offset {
                old.truncate((offset - start) as usize);
                self.pieces.insert(start, old);
            }
        }
        self.len = self.len.max(end);
        self.pieces.insert(offset, bytes);
    }
}

impl ByteSource for OverlaySource {
    fn len(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|&end| end <= self.len)
            .ok_or_else(|| past_end(offset, buffer.len(), self.len))?;
        let below = self.below.len().saturating_sub(offset).min(buffer.len() as u64) as usize;
        if below > 0 {
            self.below.read_at(offset, &mut buffer[..below])?;
        }
        buffer[below..].fill(0);
        for (&start, piece) in self.pieces.range(..end).rev() {
            let piece_end = start + piece.len() as u64;
            if piece_end <= offset {
                break;
            }
            let (from, to) = (start.max(offset), piece_end.min(end));
            buffer[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&piece[(from - start) as usize..(to - start) as usize]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;

    #[test]
    fn later_pieces_win_and_leave_the_rest() {
        let mut o = OverlaySource::new(Arc::new(MemorySource::new(b"0123456789".to_vec())));
        o.put(2, b"abcd".to_vec());
        o.put(3, b"XY".to_vec());
        o.put(5, b"_".to_vec());
        let mut all = [0; 10];
        o.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"01aXY_6789");
        let mut part = [0; 3];
        o.read_at(4, &mut part).unwrap();
        assert_eq!(&part, b"Y_6");
        assert!(o.read_at(8, &mut part).is_err());
        o.put(11, b"!".to_vec());
        let mut tail = [9; 3];
        o.read_at(9, &mut tail).unwrap();
        assert_eq!(&tail, b"9\0!");
    }
}
