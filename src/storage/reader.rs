//! Bytes at addresses of a file.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    error::{Error, ErrorKind, Result},
    format::primitive::Sizes,
    limits::Limits,
    source::{ByteSource, prefetch},
};

/// Reads at addresses, which count from the base address of the file.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    source: Arc<dyn ByteSource>,
    base: u64,
    /// End of what may be read, relative to the base address; of a file that is being written, the end of the source.
    end: Option<u64>,
    pub(crate) sizes: Sizes,
    pub(crate) limits: Arc<Limits>,
    /// Metadata blocks read so far, up to `FIRST_READS`.
    reads: Arc<AtomicU32>,
    /// What could not be read and was passed over, of a file that is being rescued.
    losses: Option<Arc<Mutex<Vec<Error>>>>,
}

/// More losses than this are not listed.
const MAX_LOSSES: usize = 100;

/// As many blocks are read by positioned reads before a map is used: whoever opens a large file for one dataset pays
/// for no map and no page faults, each of which maps and unmaps many pages.
const FIRST_READS: u32 = 64;

impl Reader {
    /// `end` is the end of the file that its superblock gives, relative to `base`.
    pub(crate) fn new(
        source: Arc<dyn ByteSource>,
        base: u64,
        end: u64,
        sizes: Sizes,
        limits: Arc<Limits>,
    ) -> Self {
        let end = end.min(source.len().saturating_sub(base));
        Reader { source, base, end: Some(end), sizes, limits, reads: Arc::default(), losses: None }
    }

    /// Of a file that is being written: what is beyond its end is only known when it is read.
    pub(crate) fn growing(source: Arc<dyn ByteSource>, base: u64, sizes: Sizes, limits: Arc<Limits>) -> Self {
        Reader { source, base, end: None, sizes, limits, reads: Arc::default(), losses: None }
    }

    /// From now on parts of a structure that cannot be read are passed over where the rest can be had without them.
    pub(crate) fn tolerate(&mut self) {
        self.losses = Some(Arc::default());
    }

    /// Passes over a part that cannot be read, if that is tolerated.
    pub(crate) fn forgive(&self, part: Result<()>) -> Result<()> {
        let (Some(losses), Err(error)) = (&self.losses, &part) else { return part };
        if matches!(error.kind(), ErrorKind::Io(_)) {
            return part;
        }
        let mut losses = losses.lock().unwrap_or_else(PoisonError::into_inner);
        if losses.len() < MAX_LOSSES
            && let Err(error) = part
        {
            losses.push(error);
        }
        Ok(())
    }

    /// What was passed over since this was last asked.
    pub(crate) fn take_losses(&self) -> Vec<Error> {
        let losses = self.losses.as_ref().map(|l| l.lock().unwrap_or_else(PoisonError::into_inner));
        losses.map(|mut l| std::mem::take(&mut *l)).unwrap_or_default()
    }

    /// The address behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.end.unwrap_or_else(|| self.source.len().saturating_sub(self.base))
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn source(&self) -> &Arc<dyn ByteSource> {
        &self.source
    }

    fn check(&self, address: u64, len: u64) -> Result<u64> {
        match address.checked_add(len) {
            Some(end) if end <= self.end() => Ok(self.base + address),
            _ => Err(Error::truncated(format!("{len} bytes wanted, the file ends at {:#x}", self.end()))
                .at(address)),
        }
    }

    /// Whether this is one of the first small pieces of a file, which are read without a map.
    pub(crate) fn is_first(&self) -> bool {
        self.source.copies_faster()
            && self.reads.load(Ordering::Relaxed) < FIRST_READS
            && self.reads.fetch_add(1, Ordering::Relaxed) < FIRST_READS
    }

    /// Exactly `len` bytes, without a copy if the source is addressable.
    pub(crate) fn bytes(&self, address: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        let start = self.check(address, len)?;
        if !self.is_first()
            && let Some(all) = self.source.as_slice()
        {
            let start = start as usize;
            return match all.get(start..start + len as usize) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => Err(Error::truncated("the source has become shorter").at(address)),
            };
        }
        let mut buffer = self.limits.vec("metadata block", len)?;
        buffer.resize(len as usize, 0);
        self.source.read_at(start, &mut buffer)?;
        Ok(Cow::Owned(buffer))
    }

    /// Up to `len` bytes: fewer at the end of the file, but at least one.
    pub(crate) fn up_to(&self, address: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        self.bytes(address, len.min(self.end().saturating_sub(address)).max(1))
    }

    /// Fills a buffer.
    pub(crate) fn read_into(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        let start = self.check(address, buffer.len() as u64)?;
        self.source.read_at(start, buffer)
    }

    /// Bytes that were there when they were read.
    fn known(&self, address: u64, len: u64) -> Option<&[u8]> {
        let start = usize::try_from(self.base.checked_add(address)?).ok()?;
        self.source.as_slice()?.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    }

    /// Says that these bytes will be read in a moment, which helps where there is a map. They need not exist.
    pub(crate) fn prefetch(&self, address: u64, len: u64) {
        let mapped = !self.source.copies_faster() || self.reads.load(Ordering::Relaxed) >= FIRST_READS;
        if mapped && let Some(bytes) = self.known(address, len) {
            prefetch(bytes);
        }
    }

    /// Bytes that are addressable.
    pub(crate) fn slice(&self, address: u64, len: u64) -> Option<&[u8]> {
        let start = usize::try_from(self.check(address, len).ok()?).ok()?;
        self.source.as_slice()?.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    }
}

/// A block that was read: borrowed again from an addressable source each time, else kept.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    Range { address: u64, len: u64 },
    Owned(Arc<[u8]>),
}

impl Stored {
    pub(crate) fn new(address: u64, bytes: Cow<'_, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(b) => Stored::Range { address, len: b.len() as u64 },
            Cow::Owned(b) => Stored::Owned(b.into()),
        }
    }

    pub(crate) fn bytes<'a>(&'a self, reader: &'a Reader) -> &'a [u8] {
        match self {
            Stored::Range { address, len } => reader.known(*address, *len).unwrap_or_default(),
            Stored::Owned(bytes) => bytes,
        }
    }
}
