//! Decoded chunks of a dataset, the last used ones, bounded in bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

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
    chunks: FxHashMap<u64, (u64, Arc<[u8]>)>,
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

    pub(crate) fn get(&self, number: u64) -> Option<Arc<[u8]>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let (age, chunk) = state.chunks.get_mut(&number)?;
        state.by_age.remove(age);
        state.clock += 1;
        *age = state.clock;
        state.by_age.insert(state.clock, number);
        Some(chunk.clone())
    }

    pub(crate) fn put(&self, number: u64, chunk: Arc<[u8]>) {
        if !self.takes(chunk.len()) {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        state.clock += 1;
        state.bytes += chunk.len();
        state.by_age.insert(state.clock, number);
        if let Some((age, old)) = state.chunks.insert(number, (state.clock, chunk)) {
            state.by_age.remove(&age);
            state.bytes -= old.len();
        }
        while state.bytes > self.capacity {
            let Some((_, oldest)) = state.by_age.pop_first() else { break };
            if let Some((_, old)) = state.chunks.remove(&oldest) {
                state.bytes -= old.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = ChunkCache::new(20);
        let chunk = |n: u8| Arc::<[u8]>::from(vec![n; 8]);
        cache.put(1, chunk(1));
        cache.put(2, chunk(2));
        assert!(cache.get(1).is_some());
        cache.put(3, chunk(3));
        assert!(cache.get(2).is_none());
        assert_eq!(cache.get(1).unwrap()[0], 1);
        cache.put(1, chunk(9));
        assert_eq!(cache.get(1).unwrap()[0], 9);
        cache.put(4, vec![0; 21].into());
        assert!(cache.get(4).is_none() && cache.get(1).is_some());
    }
}
