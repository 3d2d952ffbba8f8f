//! The buffers of threads that decode chunks, kept from read to read.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use crate::filter::Scratch;

/// What a thread keeps from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(super) scratch: Scratch,
    /// The stored bytes of a chunk.
    pub(super) stored: Vec<u8>,
}

/// The workers of an open file that rest. A small read finds its buffers where the last one left them: fresh memory
/// would have to be cleared, and would not be in the processor's cache.
#[derive(Debug, Default)]
pub(crate) struct Workers(Mutex<Vec<Worker>>);

/// Workers that are kept at most.
const KEPT: usize = 4;
/// Bytes of a worker that is kept at most.
const KEPT_BYTES: usize = 4 << 20;

impl Workers {
    pub(super) fn lease(&self) -> Lease<'_> {
        let resting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lease { worker: resting.unwrap_or_default(), workers: self }
    }
}

/// A worker that goes back when it is dropped.
pub(super) struct Lease<'a> {
    worker: Worker,
    workers: &'a Workers,
}

impl Deref for Lease<'_> {
    type Target = Worker;
    fn deref(&self) -> &Worker {
        &self.worker
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Worker {
        &mut self.worker
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let worker = std::mem::take(&mut self.worker);
        if worker.scratch.capacity().saturating_add(worker.stored.capacity()) > KEPT_BYTES {
            return;
        }
        let mut resting = self.workers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() < KEPT {
            resting.push(worker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_workers_are_used_again() {
        let workers = Workers::default();
        let mut lease = workers.lease();
        lease.stored.reserve_exact(1000);
        drop(lease);
        let mut again = workers.lease();
        assert!(again.stored.capacity() >= 1000);
        assert_eq!(workers.lease().stored.capacity(), 0);
        again.stored.reserve_exact(KEPT_BYTES + 1);
        drop(again);
        assert!(workers.lease().stored.capacity() <= 1000);
    }
}
