//! A cache of bounded weight: what was used least recently goes first.

use std::{
    collections::BTreeMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

/// Values by key.
#[derive(Debug)]
pub struct Cache<K, V> {
    capacity: usize,
    state: Mutex<State<K, V>>,
}

#[derive(Debug)]
struct State<K, V> {
    weight: usize,
    clock: u64,
    values: FxHashMap<K, (u64, usize, V)>,
    by_age: BTreeMap<u64, K>,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Holds values of this weight in sum.
    pub fn new(capacity: usize) -> Self {
        let state = State { weight: 0, clock: 0, values: FxHashMap::default(), by_age: BTreeMap::new() };
        Cache { capacity, state: Mutex::new(state) }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let (age, _, value) = state.values.get_mut(key)?;
        state.by_age.remove(age);
        state.clock += 1;
        *age = state.clock;
        state.by_age.insert(state.clock, key.clone());
        Some(value.clone())
    }

    /// Keeps a value, unless it is heavier than all may be. What goes is dropped outside of the lock.
    pub fn put(&self, key: K, weight: usize, value: V) {
        if weight > self.capacity {
            return;
        }
        let mut gone = Vec::new();
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        state.clock += 1;
        state.weight += weight;
        state.by_age.insert(state.clock, key.clone());
        if let Some((age, weight, old)) = state.values.insert(key, (state.clock, weight, value)) {
            state.by_age.remove(&age);
            state.weight -= weight;
            gone.push(old);
        }
        while state.weight > self.capacity {
            let Some((_, key)) = state.by_age.pop_first() else { break };
            if let Some((_, weight, old)) = state.values.remove(&key) {
                state.weight -= weight;
                gone.push(old);
            }
        }
        drop(guard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(10);
        cache.put("a", 4, 1);
        cache.put("b", 4, 2);
        assert_eq!(cache.get(&"a"), Some(1));
        cache.put("c", 4, 3);
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (Some(1), None, Some(3)));
        cache.put("a", 1, 5);
        cache.put("d", 11, 4);
        assert_eq!((cache.get(&"a"), cache.get(&"d")), (Some(5), None));
    }
}
