//! Ranks that work on one file together.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// How ranks talk to each other. Every call but `rank` and `size` is collective: it returns when all ranks have made it.
pub trait Communicator: Send + Sync + fmt::Debug {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;
    /// Number of ranks.
    fn size(&self) -> usize;
    /// What each rank gave, in the order of the ranks.
    ///
    /// # Errors
    /// `Io` if a rank cannot be reached.
    fn allgather(&self, value: u64) -> Result<Vec<u64>>;
    /// Waits for all ranks.
    ///
    /// # Errors
    /// As [`allgather`](Self::allgather).
    fn barrier(&self) -> Result<()> {
        self.allgather(0).map(|_| ())
    }
    /// What the rank `root` gave.
    ///
    /// # Errors
    /// As [`allgather`](Self::allgather).
    fn bcast(&self, value: u64, root: usize) -> Result<u64> {
        Ok(self.allgather(value)?.get(root).copied().unwrap_or(value))
    }
}

/// Rank 0 does something once for all ranks, which learn whether it could.
pub(super) fn once(
    communicator: &dyn Communicator,
    what: &str,
    f: impl FnOnce() -> Result<()>,
) -> Result<()> {
    if communicator.size() == 1 {
        return f();
    }
    let done = if communicator.rank() == 0 { f() } else { Ok(()) };
    match (communicator.bcast(u64::from(done.is_err()), 0)?, done) {
        (0, _) => Ok(()),
        (_, Err(e)) => Err(e),
        _ => Err(Error::new(ErrorKind::Usage(format!("rank 0 could not {what}")))),
    }
}

/// The only rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Communicator for Serial {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    fn allgather(&self, value: u64) -> Result<Vec<u64>> {
        Ok(vec![value])
    }
}
