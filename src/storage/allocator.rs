//! Where new blocks of a file go: into space that was freed, or at the end.
//!
//! Addresses count from the base of the file. Space that the last commit still reaches is never handed out: what a
//! commit no longer needs is free only when the commit after it is on disk too, so that a reader who opened the file
//! before has one whole commit of time, and a superblock that went astray leads to a whole file.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// A range of the file: address and bytes.
pub(crate) type Block = (u64, u64);

#[derive(Clone, Debug, Default)]
pub(crate) struct Allocator {
    /// End of what is in use.
    end: u64,
    /// Free ranges by address; no two touch.
    free: BTreeMap<u64, u64>,
    /// The same, by their bytes: size and address.
    by_size: BTreeSet<(u64, u64)>,
    /// Freed by the commit in the making, and by the last one.
    leaving: Vec<Block>,
    left: Vec<Block>,
}

/// A block of at least so many bytes is not put into free space larger than it by less than this.
const WORTH_SPLITTING: u64 = 32;

impl Allocator {
    pub(crate) fn new(end: u64) -> Self {
        Allocator { end, ..Allocator::default() }
    }

    /// The end of the file.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Free bytes below the end, those included that are not to be used yet.
    #[cfg(test)]
    pub(crate) fn free_bytes(&self) -> u64 {
        let waiting = self.leaving.iter().chain(&self.left).map(|b| b.1).sum::<u64>();
        waiting.saturating_add(self.free.values().sum())
    }

    /// New space. Its content is arbitrary unless it starts at what was the end.
    pub(crate) fn allocate(&mut self, len: u64) -> Result<u64> {
        if len == 0 {
            return Err(Error::usage("a block of no bytes"));
        }
        // One of that size, or else the smallest that is worth splitting, however many crumbs there are.
        let first = |from: u64| self.by_size.range((from, 0)..).next().copied();
        let found = first(len).filter(|&(size, _)| size == len);
        if let Some((size, at)) = found.or_else(|| first(len.saturating_add(WORTH_SPLITTING))) {
            self.take(at);
            if size > len {
                self.give(at + len, size - len);
            }
            return Ok(at);
        }
        let at = self.end;
        let end = at.checked_add(len).filter(|&end| end < 1 << 62);
        self.end = end.ok_or_else(|| Error::limit("bytes of a file", len, 1 << 62))?;
        Ok(at)
    }

    /// New space for an object header that stays where it is: within one sector of the disk, if it is not longer, so
    /// that one write can change it. `base` is the offset of address 0.
    pub(crate) fn allocate_header(&mut self, len: u64, base: u64) -> Result<u64> {
        const SECTOR: u64 = 512;
        let place = |at: u64| {
            let start = (base + at) % SECTOR;
            if len <= SECTOR && start + len > SECTOR { at + SECTOR - start } else { at }
        };
        let fits = |&&(size, at): &&(u64, u64)| place(at).saturating_add(len) <= at + size;
        // The search is bounded: not every range that is long enough lies well.
        if let Some(&(size, start)) = self.by_size.range((len, 0)..).take(256).find(fits) {
            self.take(start);
            let at = place(start);
            self.release((start, at - start));
            self.release((at + len, start + size - (at + len)));
            return Ok(at);
        }
        let gap = (self.end, place(self.end) - self.end);
        self.end += gap.1;
        self.release(gap);
        let at = self.end;
        let end = at.checked_add(len).filter(|&end| end < 1 << 62);
        self.end = end.ok_or_else(|| Error::limit("bytes of a file", len, 1 << 62))?;
        Ok(at)
    }

    /// Moves the end to a multiple of a page.
    pub(crate) fn align_end(&mut self, page: u64) {
        let end = self.end.next_multiple_of(page.max(1));
        if end > self.end {
            let gap = (self.end, end - self.end);
            self.end = end;
            self.release(gap);
        }
    }

    /// New space at the end of the file, where everything is zero that is not written.
    pub(crate) fn allocate_zeroed(&mut self, len: u64) -> Result<u64> {
        let by_size = std::mem::take(&mut self.by_size);
        let at = self.allocate(len);
        self.by_size = by_size;
        at
    }

    /// Gives back a block that no commit has ever reached: it may be used again at once.
    pub(crate) fn release(&mut self, (at, len): Block) {
        if len == 0 {
            return;
        }
        let (mut start, mut end) = (at, at.saturating_add(len));
        // What a damaged file names twice is not free twice: it stays unused.
        let before = self.free.range(..end).next_back();
        if end > self.end || before.is_some_and(|(&at, &len)| at + len > start) {
            return;
        }
        if let Some((&before, &size)) = self.free.range(..start).next_back()
            && before + size == start
        {
            self.take(before);
            start = before;
        }
        if let Some(size) = self.take(end) {
            end += size;
        }
        self.give(start, end - start);
    }

    /// Removes a free range; its bytes.
    fn take(&mut self, at: u64) -> Option<u64> {
        let size = self.free.remove(&at)?;
        self.by_size.remove(&(size, at));
        Some(size)
    }

    fn give(&mut self, at: u64, size: u64) {
        self.free.insert(at, size);
        self.by_size.insert((size, at));
    }

    /// Gives back a block that the last commit reaches and the next one will not.
    pub(crate) fn leave(&mut self, block: Block) {
        self.leaving.push(block);
    }

    /// A commit is on disk.
    pub(crate) fn committed(&mut self) {
        let left = std::mem::replace(&mut self.left, std::mem::take(&mut self.leaving));
        left.into_iter().for_each(|block| self.release(block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_used_again_two_commits_later() {
        let mut a = Allocator::new(100);
        assert_eq!(a.allocate(50).unwrap(), 100);
        assert_eq!(a.allocate(50).unwrap(), 150);
        a.leave((100, 50));
        assert_eq!(a.allocate(50).unwrap(), 200);
        a.committed();
        assert_eq!(a.allocate(50).unwrap(), 250);
        a.committed();
        assert_eq!(a.free_bytes(), 50);
        assert_eq!(a.allocate(50).unwrap(), 100);
        assert_eq!(a.end(), 300);
    }

    #[test]
    fn crumbs_do_not_hide_a_large_range() {
        let mut a = Allocator::new(1 << 20);
        for i in 0..1000 {
            a.release((i * 100, 10));
        }
        a.release((500_000, 1000));
        a.release((600_000, 400));
        assert_eq!(a.allocate(400).unwrap(), 600_000);
        assert_eq!(a.allocate(300).unwrap(), 500_000);
        assert_eq!(a.allocate(300).unwrap(), 500_300);
        assert_eq!(a.end(), 1 << 20);
    }

    #[test]
    fn neighbours_are_joined() {
        let mut a = Allocator::new(0);
        a.allocate(300).unwrap();
        a.release((0, 100));
        a.release((200, 100));
        a.release((100, 100));
        assert_eq!(a.allocate_zeroed(10).unwrap(), 300);
        assert_eq!(a.allocate(300).unwrap(), 0);
        assert!(a.allocate(0).is_err());
        assert!(a.allocate(1 << 62).is_err());
    }
}
