//! Bytes that stand in place of those of another source.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{ByteSource, ByteStore, past_end};
use crate::error::Result;

/// What stands in place of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the source below has from this offset on.
    Moved {
        /// Offset in the source below.
        from: u64,
        /// Bytes.
        len: u64,
    },
}

impl Piece {
    /// Bytes of the range.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Moved { len, .. } => *len,
        }
    }

    /// Whether the range has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the first bytes; the others.
    fn split_off(&mut self, at: u64) -> Piece {
        match self {
            Piece::Bytes(bytes) => Piece::Bytes(bytes.split_off(at as usize)),
            Piece::Moved { from, len } => {
                let rest = Piece::Moved { from: *from + at, len: *len - at };
                *len = at;
                rest
            }
        }
    }
}

/// Ranges that are replaced; they do not overlap.
#[derive(Debug, Default)]
pub struct Pieces {
    map: BTreeMap<u64, Piece>,
    /// Bytes of those that are in memory.
    memory: u64,
}

/// Pieces one behind the other are joined up to so many bytes.
const JOINED: usize = 1 << 20;

impl Pieces {
    /// Replaces a range; a later piece wins over an earlier one.
    pub fn put(&mut self, offset: u64, piece: Piece) {
        if piece.is_empty() {
            return;
        }
        let end = offset.saturating_add(piece.len());
        let overlapping: Vec<u64> = self
            .map
            .range(..end)
            .rev()
            .take_while(|(start, piece)| *start + piece.len() > offset)
            .map(|(start, _)| *start)
            .collect();
        for start in overlapping {
            let Some(mut old) = self.remove(start) else { continue };
            if start + old.len() > end {
                let rest = old.split_off(end - start);
                self.insert(end, rest);
            }
            if start < offset {
                old.split_off(offset - start);
                self.insert(start, old);
            }
        }
        if let Piece::Bytes(bytes) = &piece
            && let Some((start, Piece::Bytes(before))) = self.map.range_mut(..offset).next_back()
            && start + before.len() as u64 == offset
            && before.len() + bytes.len() <= JOINED
        {
            before.extend_from_slice(bytes);
            self.memory += bytes.len() as u64;
            return;
        }
        self.insert(offset, piece);
    }

    fn insert(&mut self, offset: u64, piece: Piece) {
        if let Piece::Bytes(bytes) = &piece {
            self.memory += bytes.len() as u64;
        }
        self.map.insert(offset, piece);
    }

    fn remove(&mut self, offset: u64) -> Option<Piece> {
        let piece = self.map.remove(&offset)?;
        if let Piece::Bytes(bytes) = &piece {
            self.memory -= bytes.len() as u64;
        }
        Some(piece)
    }

    /// Bytes that are kept in memory.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The pieces by their offsets.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Piece)> {
        self.map.iter().map(|(&offset, piece)| (offset, piece))
    }

    /// The end of the last piece.
    fn end(&self) -> u64 {
        self.map.last_key_value().map_or(0, |(start, piece)| start + piece.len())
    }

    /// Reads over what is below; a gap behind its end reads as zeros.
    fn read(&self, below: &dyn ByteSource, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let len = below.len().max(self.end());
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|&end| end <= len)
            .ok_or_else(|| past_end(offset, buffer.len(), len))?;
        let there = below.len().saturating_sub(offset).min(buffer.len() as u64) as usize;
        if there > 0 {
            below.read_at(offset, &mut buffer[..there])?;
        }
        buffer[there..].fill(0);
        for (&start, piece) in self.map.range(..end).rev() {
            let piece_end = start + piece.len();
            if piece_end <= offset {
                break;
            }
            let (from, to) = (start.max(offset), piece_end.min(end));
            let part = &mut buffer[(from - offset) as usize..(to - offset) as usize];
            match piece {
                Piece::Bytes(bytes) => {
                    part.copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
                }
                Piece::Moved { from: at, .. } => below.read_at(at + (from - start), part)?,
            }
        }
        Ok(())
    }
}

/// A source with some ranges replaced: the metadata cache image of a file, or a commit that was not brought to its end.
#[derive(Debug)]
pub struct OverlaySource {
    below: Arc<dyn ByteSource>,
    pieces: Pieces,
}

impl OverlaySource {
    /// Nothing replaced yet.
    pub fn new(below: Arc<dyn ByteSource>) -> Self {
        OverlaySource { below, pieces: Pieces::default() }
    }

    /// Replaces the bytes from `offset` on; a later piece wins over an earlier one. The source grows if they reach
    /// beyond its end (a gap reads as zeros).
    pub fn put(&mut self, offset: u64, piece: Piece) {
        self.pieces.put(offset, piece);
    }
}

impl ByteSource for OverlaySource {
    fn len(&self) -> u64 {
        self.below.len().max(self.pieces.end())
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.pieces.read(&*self.below, offset, buffer)
    }
}

/// A store as it will be when changes that are not made yet have been made.
#[derive(Debug)]
pub struct PatchedStore {
    store: Arc<dyn ByteStore>,
    pieces: RwLock<Pieces>,
}

impl PatchedStore {
    /// Nothing is to be changed yet.
    pub fn new(store: Arc<dyn ByteStore>) -> Self {
        PatchedStore { store, pieces: RwLock::default() }
    }

    /// The store without the changes.
    pub fn store(&self) -> &dyn ByteStore {
        &*self.store
    }

    /// Works on the changes.
    pub fn with<T>(&self, f: impl FnOnce(&mut Pieces) -> T) -> T {
        f(&mut self.pieces.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ByteSource for PatchedStore {
    fn len(&self) -> u64 {
        self.store.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let pieces = self.pieces.read().unwrap_or_else(PoisonError::into_inner);
        if pieces.is_empty() {
            drop(pieces);
            return self.store.read_at(offset, buffer);
        }
        pieces.read(&*self.store, offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{MemorySource, MemoryStore};

    fn bytes(b: &[u8]) -> Piece {
        Piece::Bytes(b.to_vec())
    }

    #[test]
    fn later_pieces_win_and_leave_the_rest() {
        let mut o = OverlaySource::new(Arc::new(MemorySource::new(b"0123456789".to_vec())));
        o.put(2, bytes(b"abcd"));
        o.put(3, bytes(b"XY"));
        o.put(5, bytes(b"_"));
        let mut all = [0; 10];
        o.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"01aXY_6789");
        let mut part = [0; 3];
        o.read_at(4, &mut part).unwrap();
        assert_eq!(&part, b"Y_6");
        assert!(o.read_at(8, &mut part).is_err());
        o.put(11, bytes(b"!"));
        let mut tail = [9; 3];
        o.read_at(9, &mut tail).unwrap();
        assert_eq!(&tail, b"9\0!");
    }

    #[test]
    fn moved_pieces_are_read_from_below() {
        let store = MemoryStore::new();
        store.write_at(0, b"0123456789").unwrap();
        let patched = PatchedStore::new(Arc::new(store));
        patched.with(|p| p.put(0, Piece::Moved { from: 6, len: 4 }));
        patched.with(|p| p.put(1, bytes(b"x")));
        let mut all = [0; 10];
        patched.read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"6x89456789");
        assert_eq!(patched.with(|p| p.iter().count()), 3);
        assert_eq!(patched.with(|p| p.memory()), 1);
        patched.store().read_at(0, &mut all).unwrap();
        assert_eq!(&all, b"0123456789");
    }
}
