//! The buffers of threads that decode chunks, kept from read to read.

use std::sync::{Mutex, MutexGuard, PoisonError};

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
        Lease { worker: None, workers: self }
    }

    fn resting(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker that is fetched when it is needed, and goes back when this is dropped.
pub(super) struct Lease<'a> {
    worker: Option<Worker>,
    workers: &'a Workers,
}

impl Lease<'_> {
    pub(super) fn worker(&mut self) -> &mut Worker {
        self.worker.get_or_insert_with(|| self.workers.resting().pop().unwrap_or_default())
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        if worker.scratch.capacity().saturating_add(worker.stored.capacity()) > KEPT_BYTES {
            return;
        }
        let mut resting = self.workers.resting();
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
        lease.worker().stored.reserve_exact(1000);
        drop(lease);
        let mut again = workers.lease();
        assert!(again.worker().stored.capacity() >= 1000);
        assert_eq!(workers.lease().worker().stored.capacity(), 0);
        again.worker().stored.reserve_exact(KEPT_BYTES + 1);
        drop(again);
        assert!(workers.lease().worker().stored.capacity() <= 1000);
    }
}
