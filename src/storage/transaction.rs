//! Blocks of a file on their way to disk, and the commit that makes them count.
//!
//! New blocks are gathered into long writes. What the last commit reaches is never overwritten before `commit`, which
//! is the one place where order matters:
//!
//! 1. every new block is written, and the file is as long as its superblock will say;
//! 2. sync: the new blocks are on disk before anything leads to them;
//! 3. publish: the one write that leads to them. It is the superblock, if nothing else changes in its place; it is one
//!    sector, if all that changes lies in it (the superblock with a higher end goes before, which alone means nothing);
//!    or it is a flag in the superblock, which makes the journal behind the end count. Then what the journal says is
//!    done, sync, and the flag goes;
//! 4. sync: only now is the commit reported, and the space of the last one on its way to be free.
//!
//! `docs/CRASH.md` argues why a kill at any instant leaves the last commit or the new one.

use std::sync::Arc;

use super::allocator::{Allocator, Block};
use crate::{
    error::{Context, Error, ErrorKind, Result},
    format::{
        journal::{self, Change, FOOTER_LEN, Footer},
        superblock::{FLAG_JOURNAL, MAX_LEN, Superblock},
    },
    source::{ByteSource, ByteStore, PatchedStore, Piece},
};

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// For nothing: a commit survives the end of the process, not that of the machine.
    None,
    /// Until the disk has everything (the default).
    #[default]
    Full,
}

/// Pending blocks are written from here on.
const GATHERED: usize = 4 << 20;
/// Disks write so many bytes, from a multiple of it on, whole or not at all.
const SECTOR: u64 = 512;
/// Changes in place that are longer, or all together, wait in the file and not in memory.
const LONG_PATCH: usize = 1 << 20;
const MEMORY: u64 = 32 << 20;
/// No journal is longer: its entries in memory have no more than `MEMORY`, of a byte each at the worst.
const MAX_JOURNAL: u64 = 1 << 30;

#[derive(Debug)]
pub(crate) struct Transaction {
    /// The store with the changes that this commit will make in their place.
    store: Arc<PatchedStore>,
    base: u64,
    durability: Durability,
    pub(crate) allocator: Allocator,
    /// The superblock on disk, if there is one.
    published: Option<Superblock>,
    /// Blocks in which long changes wait.
    waiting: Vec<Block>,
    /// Where the file ends that was opened, while what is behind it there may still be.
    tail: Option<u64>,
    /// Why nothing may be written any more.
    poisoned: Option<String>,
}

impl Transaction {
    /// In a store whose superblock is `published`, if it has one.
    pub(crate) fn new(
        store: Arc<PatchedStore>,
        base: u64,
        durability: Durability,
        end: u64,
        published: Option<Superblock>,
    ) -> Self {
        Transaction {
            store,
            base,
            durability,
            allocator: Allocator::new(end),
            tail: published.is_some().then(|| base.saturating_add(end)),
            published,
            waiting: Vec::new(),
            poisoned: None,
        }
    }

    /// The offset of address 0.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn check(&self) -> Result<()> {
        match &self.poisoned {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::Io(std::io::Error::other(format!(
                "an earlier write failed ({why}); the file on disk holds the last flush"
            ))))),
        }
    }

    /// Notes a failure after which the state of the store is unknown.
    fn guard<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(e) = &result {
            self.poisoned.get_or_insert_with(|| e.to_string());
        }
        result
    }

    /// Notes a failure before anything was published: the file gets back the length that it had.
    fn guard_new<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err()
            && let Some(published) = &self.published
        {
            let end = self.base.saturating_add(published.eof.saturating_sub(published.base));
            if self.store.store().len() > end {
                // The disk may be full: others need the space. If this fails too, the rest stays behind the end.
                let _ = self.store.store().set_len(end);
            }
        }
        self.guard(result)
    }

    /// Writes to a place of its own: large raw data.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.drain()?;
        self.write_now(address, bytes)
    }

    /// Cuts off what an earlier writer has left behind the end: new space there is to be zero. If it is the journal of
    /// a process that was killed, the superblock that does without it must be on disk first.
    fn cut_tail(&mut self) -> Result<()> {
        let Some(end) = self.tail.take().filter(|&end| self.store.store().len() > end) else { return Ok(()) };
        self.sync()?;
        let cut = self.store.store().set_len(end);
        self.guard(cut)
    }

    fn write_now(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        self.cut_tail()?;
        let at = self.base + address;
        let written = self.store.store().write_at(at, bytes);
        self.guard_new(written)
    }

    /// A new block with these bytes, written soon.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<Block> {
        let block = (self.allocator.allocate(bytes.len() as u64)?, bytes.len() as u64);
        self.put_at(block.0, bytes)?;
        Ok(block)
    }

    /// The bytes of a block that was allocated, written soon.
    pub(crate) fn put_at(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        if bytes.len() >= GATHERED / 4 {
            return self.write(address, bytes);
        }
        if !self.store.gather(self.base + address, bytes, GATHERED) {
            self.drain()?;
            self.store.gather(self.base + address, bytes, GATHERED);
        }
        Ok(())
    }

    /// Writes what was gathered. It can be read before.
    fn drain(&mut self) -> Result<()> {
        if !self.store.has_gathered() {
            return Ok(());
        }
        self.check()?;
        self.cut_tail()?;
        let written = self.store.write_gathered();
        self.guard_new(written)
    }

    /// Makes the store as long as what is allocated.
    pub(crate) fn grow(&mut self) -> Result<()> {
        self.cut_tail()?;
        let end = self.base + self.allocator.end();
        if self.store.store().len() < end {
            let grown = self.store.store().set_len(end);
            self.guard_new(grown)?;
        }
        Ok(())
    }

    /// Changes what the last commit reaches, in its place, when this one is published. It is read from now on.
    pub(crate) fn patch(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        let at = self.base + address;
        for (i, part) in bytes.chunks(LONG_PATCH).enumerate() {
            let at = at + (i * LONG_PATCH) as u64;
            if part.len() < LONG_PATCH && self.store.with(|pieces| pieces.memory()) < MEMORY {
                self.store.with(|pieces| pieces.put(at, Piece::Bytes(part.to_vec())));
                continue;
            }
            let block = (self.allocator.allocate(part.len() as u64)?, part.len() as u64);
            self.write(block.0, part)?;
            self.waiting.push(block);
            let piece = Piece::Moved { from: self.base + block.0, len: block.1 };
            self.store.with(|pieces| pieces.put(at, piece));
        }
        Ok(())
    }

    /// Bytes that were put or written.
    pub(crate) fn read(&self, address: u64, len: u64) -> Result<Vec<u8>> {
        let mut bytes = crate::limits::try_vec("bytes of a block", len)?;
        bytes.resize(len as usize, 0);
        self.store.read_at(self.base + address, &mut bytes)?;
        Ok(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let synced = self.store.store().sync();
        self.guard(synced)
    }

    /// The first barrier of a commit: a disk may only find out now that it is full.
    fn sync_new(&mut self) -> Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let synced = self.store.store().sync();
        self.guard_new(synced)
    }

    /// The patches, without bytes at their ends that are there already.
    fn changes(&self) -> Result<Vec<Change>> {
        let mut changes: Vec<Change> =
            self.store.with(|pieces| pieces.iter().map(|(at, piece)| (at, piece.clone())).collect());
        for (at, piece) in &mut changes {
            let Piece::Bytes(bytes) = piece else { continue };
            let mut old = vec![0; bytes.len()];
            self.store.store().read_at(*at, &mut old)?;
            let differs = |i: &usize| bytes[*i] != old[*i];
            let first = (0..bytes.len()).find(differs).unwrap_or(bytes.len());
            let last = (first..bytes.len()).rfind(differs).map_or(first, |i| i + 1);
            bytes.truncate(last);
            bytes.drain(..first);
            *at += first as u64;
        }
        changes.retain(|(_, piece)| !piece.is_empty());
        Ok(changes)
    }

    /// Makes what was put and patched count, with this superblock, whose end is set.
    /// Whether a commit waits until the disk has everything.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.durability == Durability::Full
    }

    /// Lets others open the file, which is not written any more.
    pub(crate) fn unlock(&self) -> Result<()> {
        self.store.store().unlock()
    }

    /// Makes the superblock lead to the blocks that were put.
    ///
    /// After an error nothing more is written, whatever it was: the caller has given away the blocks of this commit, and
    /// could not tell any more what the last one reaches.
    pub(crate) fn commit(&mut self, superblock: &mut Superblock) -> Result<()> {
        let done = self.publish(superblock);
        self.guard(done)
    }

    fn publish(&mut self, superblock: &mut Superblock) -> Result<()> {
        self.drain()?;
        self.cut_tail()?;
        let changes = self.changes()?;
        let end = self.base + self.allocator.end();
        superblock.eof = superblock.base + self.allocator.end();
        let bytes = superblock.encode()?;
        let only_end_differs = self
            .published
            .as_ref()
            .is_some_and(|old| Superblock { eof: superblock.eof, ..old.clone() } == *superblock);
        let unchanged = self.published.as_ref() == Some(&*superblock);
        match self.in_one_sector(&changes)? {
            Some((at, sector)) if only_end_differs => {
                self.settle_len(end)?;
                self.sync_new()?;
                if !unchanged {
                    self.write_in_place(self.base, &bytes)?;
                    self.sync()?;
                }
                self.write_in_place(at, &sector)?;
            }
            _ if changes.is_empty() => {
                self.settle_len(end)?;
                self.sync_new()?;
                self.write_in_place(self.base, &bytes)?;
            }
            _ => self.commit_journal(changes, end, bytes)?,
        }
        self.sync()?;
        self.store.with(|pieces| *pieces = Default::default());
        self.published = Some(superblock.clone());
        std::mem::take(&mut self.waiting).into_iter().for_each(|block| self.allocator.leave(block));
        self.allocator.committed();
        // A journal is of no use any more. The next commit waits for this before it publishes anything.
        if self.store.store().len() > end {
            let cut = self.store.store().set_len(end);
            self.guard(cut)?;
        }
        Ok(())
    }

    /// Writes a superblock that differs from the one on disk in its flags only.
    pub(crate) fn mark(&mut self, superblock: &Superblock) -> Result<()> {
        let bytes = superblock.encode()?;
        self.write_in_place(self.base, &bytes)?;
        self.sync()?;
        self.published = Some(superblock.clone());
        Ok(())
    }

    /// Nothing of an older journal stays behind the end.
    fn settle_len(&mut self, end: u64) -> Result<()> {
        if self.store.store().len() == end {
            return Ok(());
        }
        let settled = self.store.store().set_len(end);
        self.guard_new(settled)
    }

    fn write_in_place(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let written = self.store.store().write_at(at, bytes);
        self.guard(written)
    }

    /// The bytes from the first change to the last, if one sector holds them all.
    fn in_one_sector(&self, changes: &[Change]) -> Result<Option<(u64, Vec<u8>)>> {
        let (Some((first, _)), Some((last, piece))) = (changes.first(), changes.last()) else {
            return Ok(None);
        };
        let end = last + piece.len();
        if first / SECTOR != (end - 1) / SECTOR || changes.iter().any(|c| matches!(c.1, Piece::Moved { .. }))
        {
            return Ok(None);
        }
        let mut bytes = vec![0; (end - first) as usize];
        self.store.read_at(*first, &mut bytes)?;
        Ok(Some((*first, bytes)))
    }

    /// All but the last sync of a commit that changes several places.
    fn commit_journal(&mut self, mut changes: Vec<Change>, end: u64, superblock: Vec<u8>) -> Result<()> {
        let Some(published) = self.published.clone() else {
            return Err(Error::usage("changes in a file that was never published"));
        };
        changes.push((self.base, Piece::Bytes(superblock.clone())));
        let bytes = journal::encode(end, &changes);
        changes.pop();
        // The footer is the last of the file.
        self.settle_len(end + bytes.len() as u64)?;
        let written = self.store.store().write_at(end, &bytes);
        self.guard_new(written)?;
        self.sync_new()?;
        self.write_in_place(self.base, &flagged(&published)?)?;
        self.sync()?;
        let done = replay(self.store.store(), &changes, self.base, &superblock);
        self.guard(done)?;
        self.sync()?;
        self.write_in_place(self.base, &superblock)
    }
}

/// A superblock that leads to a journal.
fn flagged(superblock: &Superblock) -> Result<Vec<u8>> {
    Superblock { flags: superblock.flags | FLAG_JOURNAL, ..superblock.clone() }.encode()
}

/// Makes the changes of a journal, and gives the file its new superblock, which still has the flag: only when all that
/// is on disk may the flag go, in a write that changes nothing else. So no part of a superblock that was written in
/// parts can count: either the flag or a wrong checksum leads to the journal.
fn replay(store: &dyn ByteStore, changes: &[Change], base: u64, superblock: &[u8]) -> Result<()> {
    for (at, piece) in changes {
        match piece {
            Piece::Bytes(bytes) => store.write_at(*at, bytes)?,
            Piece::Moved { from, len } => {
                let mut done = 0;
                while done < *len {
                    let mut part = vec![0; (len - done).min(LONG_PATCH as u64) as usize];
                    store.read_at(from + done, &mut part)?;
                    store.write_at(at + done, &part)?;
                    done += part.len() as u64;
                }
            }
        }
    }
    store.write_at(base, &flagged(&Superblock::decode(superblock)?)?)
}

/// The changes of a commit that was published in a journal and did not come to its end: the superblock is flagged, or
/// was being written.
pub(crate) fn unfinished(source: &dyn ByteSource, base: u64) -> Result<Option<Vec<Change>>> {
    let mut head = vec![0; (source.len() - base).min(MAX_LEN as u64) as usize];
    source.read_at(base, &mut head)?;
    let superblock = Superblock::decode(&head);
    if superblock.as_ref().is_ok_and(|s| s.flags & FLAG_JOURNAL == 0) {
        return Ok(None);
    }
    let Some(at) = source.len().checked_sub(FOOTER_LEN as u64) else { return Ok(None) };
    let mut footer = [0; FOOTER_LEN];
    source.read_at(at, &mut footer)?;
    let Some(footer) = Footer::decode(&footer, source.len()) else {
        return match superblock {
            Ok(_) => Err(Error::corrupt("the superblock leads to a journal that is not there").at(base)),
            Err(_) => Ok(None),
        };
    };
    if footer.len > MAX_JOURNAL {
        return Err(Error::limit("bytes of a journal", footer.len, MAX_JOURNAL).at(at));
    }
    let mut entries = crate::limits::try_vec("bytes of a journal", footer.len)?;
    entries.resize(footer.len as usize, 0);
    source.read_at(footer.start, &mut entries)?;
    let changes = footer.changes(&entries).at(footer.start)?;
    match changes.last() {
        Some((at, Piece::Bytes(bytes))) if *at == base && Superblock::decode(bytes).is_ok() => {
            Ok(Some(changes))
        }
        _ => Err(Error::corrupt("a journal without a superblock").at(footer.start)),
    }
}

/// Brings a commit to its end that was published in a journal. Does nothing if there is none; what was done before is
/// done again.
pub(crate) fn recover(store: &dyn ByteStore, base: u64) -> Result<bool> {
    let Some(mut changes) = unfinished(store, base)? else { return Ok(false) };
    let Some((_, Piece::Bytes(superblock))) = changes.pop() else { return Ok(false) };
    replay(store, &changes, base, &superblock)?;
    store.sync()?;
    store.write_at(base, &superblock)?;
    store.sync()?;
    let superblock = Superblock::decode(&superblock)?;
    store.set_len(base.saturating_add(superblock.eof.saturating_sub(superblock.base)))?;
    Ok(true)
}
