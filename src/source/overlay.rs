//! Bytes that stand in place of those of another source.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
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
    ahead: RwLock<Ahead>,
}

/// What the store does not have yet.
#[derive(Debug, Default)]
struct Ahead {
    pieces: Pieces,
    /// New bytes on their way into one long write, and their offset.
    gathered: Vec<u8>,
    gathered_at: u64,
}

impl Ahead {
    fn gathered_end(&self) -> u64 {
        if self.gathered.is_empty() { 0 } else { self.gathered_at + self.gathered.len() as u64 }
    }
}

impl PatchedStore {
    /// Nothing is to be changed yet.
    pub fn new(store: Arc<dyn ByteStore>) -> Self {
        PatchedStore { store, ahead: RwLock::default() }
    }

    /// The store without the changes.
    pub fn store(&self) -> &dyn ByteStore {
        &*self.store
    }

    fn read(&self) -> RwLockReadGuard<'_, Ahead> {
        self.ahead.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ahead> {
        self.ahead.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the changes.
    pub fn with<T>(&self, f: impl FnOnce(&mut Pieces) -> T) -> T {
        f(&mut self.write().pieces)
    }

    /// Adds to the bytes that [`write_gathered`](Self::write_gathered) writes, if there are fewer than `most` and these
    /// follow them; false if not. They are read from now on.
    pub fn gather(&self, offset: u64, bytes: &[u8], most: usize) -> bool {
        let ahead = &mut *self.write();
        if ahead.gathered.is_empty() {
            ahead.gathered_at = offset;
        }
        let follows = ahead.gathered_at + ahead.gathered.len() as u64 == offset;
        if follows && ahead.gathered.len() < most {
            ahead.gathered.extend_from_slice(bytes);
            return true;
        }
        false
    }

    /// Whether there are bytes that [`write_gathered`](Self::write_gathered) would write.
    pub fn has_gathered(&self) -> bool {
        !self.read().gathered.is_empty()
    }

    /// Writes what was gathered. Only one thread may gather and write.
    ///
    /// # Errors
    /// `Io`.
    pub fn write_gathered(&self) -> Result<()> {
        let ahead = self.read();
        self.store.write_at(ahead.gathered_at, &ahead.gathered)?;
        drop(ahead);
        self.write().gathered.clear();
        Ok(())
    }
}

impl ByteSource for PatchedStore {
    fn len(&self) -> u64 {
        self.store.len().max(self.read().gathered_end())
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let ahead = self.read();
        let untouched =
            offset >= ahead.gathered_end() || offset.saturating_add(buffer.len() as u64) <= ahead.gathered_at;
        if ahead.pieces.is_empty() && untouched {
            drop(ahead);
            return self.store.read_at(offset, buffer);
        }
        ahead.pieces.read(&WithGathered(&*self.store, &ahead), offset, buffer)
    }
}

/// A store with the bytes that were gathered for it.
#[derive(Debug)]
struct WithGathered<'a>(&'a dyn ByteStore, &'a Ahead);

impl ByteSource for WithGathered<'_> {
    fn len(&self) -> u64 {
        self.0.len().max(self.1.gathered_end())
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let WithGathered(store, ahead) = self;
        let end = offset.saturating_add(buffer.len() as u64);
        if end > self.len() {
            return Err(past_end(offset, buffer.len(), self.len()));
        }
        let (from, to) = (offset.max(ahead.gathered_at), end.min(ahead.gathered_end()));
        let below = store.len().saturating_sub(offset).min(buffer.len() as u64) as usize;
        let hidden = from <= offset && to >= end;
        if below > 0 && !hidden {
            store.read_at(offset, &mut buffer[..below])?;
        }
        buffer[below..].fill(0);
        if from < to {
            let start = (from - ahead.gathered_at) as usize;
            let part = &ahead.gathered[start..start + (to - from) as usize];
            buffer[(from - offset) as usize..(to - offset) as usize].copy_from_slice(part);
        }
        Ok(())
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

    #[test]
    fn what_is_gathered_is_read_before_it_is_written() {
        let store = MemoryStore::new();
        store.write_at(0, b"0123456789").unwrap();
        let patched = PatchedStore::new(Arc::new(store));
        assert!(patched.gather(8, b"ab", 4));
        assert!(!patched.gather(11, b"x", 4));
        assert!(patched.gather(10, b"cdef", 4));
        assert!(!patched.gather(14, b"x", 4));
        let read = |offset, len| {
            let mut bytes = vec![9; len];
            patched.read_at(offset, &mut bytes).map(|()| bytes)
        };
        for piece in [false, true] {
            if piece {
                patched.with(|p| p.put(1, bytes(b"x")));
            }
            assert_eq!(patched.len(), 14);
            assert_eq!(read(6, 8).unwrap(), b"67abcdef");
            assert_eq!(read(9, 3).unwrap(), b"bcd");
            assert_eq!(read(4, 4).unwrap(), b"4567");
            assert!(read(12, 3).is_err());
        }
        assert_eq!(read(0, 4).unwrap(), b"0x23");
        assert_eq!(patched.store().len(), 10);
        patched.write_gathered().unwrap();
        assert!(!patched.has_gathered());
        assert_eq!(read(6, 8).unwrap(), b"67abcdef");
        assert_eq!(patched.store().len(), 14);
        // Beyond the end: the gap is zeros.
        assert!(patched.gather(20, b"!", 4));
        assert_eq!(read(12, 9).unwrap(), b"ef\0\0\0\0\0\0!");
    }
}
