//! Ranks that work on one file together.

use std::fmt;

use crate::Result;

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
