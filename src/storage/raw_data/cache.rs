//! Decoded chunks of a dataset, the last used ones, bounded in bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::output::zeros;
use crate::error::Result;

/// Least-recently-used cache of decoded chunks, by chunk number.
#[derive(Debug)]
pub(crate) struct ChunkCache {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    clock: u64,
    chunks: FxHashMap<u64, (u64, Arc<Vec<u8>>)>,
    by_age: BTreeMap<u64, u64>,
}

impl ChunkCache {
    pub(crate) fn new(capacity: usize) -> Self {
        ChunkCache { capacity, state: Mutex::default() }
    }

    /// True if a chunk of that size would be kept.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        bytes <= self.capacity
    }

    /// True if a chunk is there. That does not count as a use.
    #[cfg(feature = "parallel")]
    pub(crate) fn has(&self, number: u64) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).chunks.contains_key(&number)
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<Vec<u8>>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let (age, chunk) = state.chunks.get_mut(&number)?;
        state.by_age.remove(age);
        state.clock += 1;
        *age = state.clock;
        state.by_age.insert(state.clock, number);
        Some(chunk.clone())
    }

    /// Keeps a copy of a chunk. When the cache is full the copy takes the place of the chunk that was not used for the
    /// longest time: fresh memory would cost page faults.
    pub(crate) fn put(&self, number: u64, bytes: &[u8]) -> Result<()> {
        if !self.takes(bytes.len()) {
            return Ok(());
        }
        let mut chunk = self.room(bytes.len())?;
        chunk.copy_from_slice(bytes);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.clock += 1;
        state.bytes += chunk.len();
        state.by_age.insert(state.clock, number);
        if let Some((age, old)) = state.chunks.insert(number, (state.clock, Arc::new(chunk))) {
            state.by_age.remove(&age);
            state.bytes -= old.len();
        }
        while state.bytes > self.capacity && state.pop_oldest().is_some() {}
        Ok(())
    }

    fn room(&self, len: usize) -> Result<Vec<u8>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = if state.bytes.saturating_add(len) > self.capacity { state.pop_oldest() } else { None };
        drop(state);
        match oldest.and_then(|chunk| Arc::try_unwrap(chunk).ok()) {
            Some(buffer) if buffer.len() == len => Ok(buffer),
            _ => zeros(len),
        }
    }
}

impl State {
    fn pop_oldest(&mut self) -> Option<Arc<Vec<u8>>> {
        let (_, number) = self.by_age.pop_first()?;
        let (_, chunk) = self.chunks.remove(&number)?;
        self.bytes -= chunk.len();
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = ChunkCache::new(20);
        let chunk = |n: u8| vec![n; 8];
        cache.put(1, &chunk(1)).unwrap();
        cache.put(2, &chunk(2)).unwrap();
        assert!(cache.get(1).is_some());
        cache.put(3, &chunk(3)).unwrap();
        assert!(cache.get(2).is_none());
        assert_eq!(cache.get(1).unwrap()[0], 1);
        cache.put(1, &chunk(9)).unwrap();
        assert_eq!(cache.get(1).unwrap()[0], 9);
        cache.put(4, &[0; 21]).unwrap();
        assert!(cache.get(4).is_none() && cache.get(1).is_some());
    }
}
