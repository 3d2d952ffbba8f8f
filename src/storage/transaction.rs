//! Blocks of a file on their way to disk, and the commit that makes them count.
//!
//! New blocks are gathered into long writes; nothing that the last commit reaches is ever overwritten but the
//! superblock, whose 48 bytes lie in one sector. `commit` is the one place where order matters:
//!
//! 1. every new block is written, and the file is as long as its superblock will say;
//! 2. sync: the new blocks are on disk before anything leads to them;
//! 3. the superblock is written: it leads to the new root;
//! 4. sync: only now is the commit reported, and the space of the last one on its way to be free.
//!
//! `docs/CRASH.md` argues why a kill at any instant leaves the last commit or the new one.

use std::sync::Arc;

use super::allocator::{Allocator, Block};
use crate::{
    error::{Error, ErrorKind, Result},
    format::superblock::Superblock,
    source::ByteStore,
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

#[derive(Debug)]
pub(crate) struct Transaction {
    store: Arc<dyn ByteStore>,
    base: u64,
    durability: Durability,
    pub(crate) allocator: Allocator,
    /// Blocks one after the other that are not written yet, and the address of the first.
    pending: Vec<u8>,
    pending_at: u64,
    /// Why nothing may be written any more.
    poisoned: Option<String>,
}

impl Transaction {
    pub(crate) fn new(store: Arc<dyn ByteStore>, base: u64, durability: Durability, end: u64) -> Self {
        Transaction {
            store,
            base,
            durability,
            allocator: Allocator::new(end),
            pending: Vec::new(),
            pending_at: 0,
            poisoned: None,
        }
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

    /// Writes to a place of its own: large raw data.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.drain()?;
        self.write_now(address, bytes)
    }

    fn write_now(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.check()?;
        let at = self.base + address;
        let written = self.store.write_at(at, bytes);
        self.guard(written)
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
        if self.pending_at + self.pending.len() as u64 != address || self.pending.len() >= GATHERED {
            self.drain()?;
            self.pending_at = address;
        }
        if bytes.len() >= GATHERED / 4 {
            return self.write(address, bytes);
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what was gathered: all blocks can be read from the store then.
    pub(crate) fn drain(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.write_now(self.pending_at, &pending)?;
        self.pending = pending;
        self.pending.clear();
        Ok(())
    }

    /// Makes the store as long as what is allocated.
    pub(crate) fn grow(&mut self) -> Result<()> {
        let end = self.base + self.allocator.end();
        if self.store.len() < end {
            let grown = self.store.set_len(end);
            self.guard(grown)?;
        }
        Ok(())
    }

    /// Bytes that were written.
    pub(crate) fn read(&mut self, address: u64, len: u64) -> Result<Vec<u8>> {
        self.drain()?;
        let mut bytes = crate::limits::try_vec("bytes of a block", len)?;
        bytes.resize(len as usize, 0);
        self.store.read_at(self.base + address, &mut bytes)?;
        Ok(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let synced = self.store.sync();
        self.guard(synced)
    }

    /// Whether a commit waits until the disk has everything.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.durability == Durability::Full
    }

    /// Lets others open the file, which is not written any more.
    pub(crate) fn unlock(&self) -> Result<()> {
        self.store.unlock()
    }

    /// Makes the superblock lead to the blocks that were put.
    pub(crate) fn commit(&mut self, superblock: &mut Superblock) -> Result<()> {
        self.drain()?;
        let end = self.base + self.allocator.end();
        self.grow()?;
        self.sync()?;
        superblock.eof = end;
        let bytes = superblock.encode()?;
        let at = self.base;
        let published = self.store.write_at(at, &bytes);
        self.guard(published)?;
        self.sync()?;
        self.allocator.committed();
        Ok(())
    }
}
