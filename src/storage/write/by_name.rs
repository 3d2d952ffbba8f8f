//! Links and attributes by their names.

use smallvec::SmallVec;

use crate::model::link::Name;

/// Entries of a block; a full one becomes two.
const BLOCK: usize = 256;

/// A map whose keys are names, in the order of their bytes: sorted blocks, none of which is empty. Most groups and
/// attribute lists are one short block; names that come in order fill one block after the other.
#[derive(Clone, Debug)]
pub(crate) struct ByName<V> {
    blocks: SmallVec<[Vec<(Name, V)>; 1]>,
    len: usize,
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        ByName { blocks: SmallVec::new(), len: 0 }
    }
}

impl<V> ByName<V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The block in which a name is or belongs, and its place there: `Ok` if it is there.
    fn find(&self, name: &[u8]) -> (usize, Result<usize, usize>) {
        // Names that come in order go behind the last one.
        let last = self.blocks.len().saturating_sub(1);
        let Some((greatest, _)) = self.blocks.last().and_then(|block| block.last()) else {
            return (0, Err(0));
        };
        if greatest.as_bytes() < name {
            return (last, Err(self.blocks[last].len()));
        }
        let starts_by =
            |block: &Vec<(Name, V)>| block.first().is_some_and(|(first, _)| first.as_bytes() <= name);
        let at = self.blocks.partition_point(starts_by).saturating_sub(1);
        (at, self.blocks[at].binary_search_by(|(other, _)| other.as_bytes().cmp(name)))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&V> {
        let (block, Ok(at)) = self.find(name) else { return None };
        Some(&self.blocks[block][at].1)
    }

    pub(crate) fn contains(&self, name: &[u8]) -> bool {
        self.find(name).1.is_ok()
    }

    /// Puts an entry in; the one that it replaces.
    pub(crate) fn insert(&mut self, name: Name, value: V) -> Option<V> {
        let (mut block, place) = self.find(name.as_bytes());
        let mut at = match place {
            Ok(at) => return Some(std::mem::replace(&mut self.blocks[block][at].1, value)),
            Err(at) => at,
        };
        self.len += 1;
        if self.blocks.is_empty() {
            self.blocks.push(Vec::new());
        }
        if self.blocks[block].len() == BLOCK {
            // In order: the block stays full. Else both have room.
            let split = if at == BLOCK { BLOCK } else { BLOCK / 2 };
            let mut rest = Vec::with_capacity(BLOCK);
            rest.extend(self.blocks[block].drain(split..));
            self.blocks.insert(block + 1, rest);
            if at >= split {
                (block, at) = (block + 1, at - split);
            }
        }
        let entries = &mut self.blocks[block];
        if entries.len() == entries.capacity() {
            let few = (256 / size_of::<(Name, V)>()).max(1);
            entries.reserve_exact((3 * entries.len()).clamp(few, BLOCK / 4));
        }
        entries.insert(at, (name, value));
        None
    }

    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<V> {
        let (block, Ok(at)) = self.find(name) else { return None };
        let (_, value) = self.blocks[block].remove(at);
        if self.blocks[block].is_empty() {
            self.blocks.remove(block);
        }
        self.len -= 1;
        Some(value)
    }

    /// In the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, &V)> {
        self.blocks.iter().flatten().map(|(name, value)| (name, value))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.iter().map(|(name, _)| name)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.blocks.into_iter().flatten().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(steps: &[(bool, u16)]) {
        let (mut map, mut model) = (ByName::default(), BTreeMap::new());
        for (i, &(insert, key)) in steps.iter().enumerate() {
            let name = Name::from(format!("n{key}"));
            if insert {
                assert_eq!(map.insert(name.clone(), i), model.insert(name, i));
            } else {
                assert_eq!(map.remove(name.as_bytes()), model.remove(&name));
            }
            assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
        }
        assert!(map.iter().eq(model.iter()));
        assert!(map.blocks.iter().all(|block| (1..=BLOCK).contains(&block.len())));
        for key in 0..2000u16 {
            let name = Name::from(format!("n{key}"));
            assert_eq!(map.get(name.as_bytes()), model.get(&name));
            assert_eq!(map.contains(name.as_bytes()), model.contains_key(&name));
        }
        assert!(map.into_values().eq(model.into_values()));
    }

    proptest! {
        #[test]
        fn as_a_b_tree(steps in prop::collection::vec((prop::bool::weighted(0.7), 0u16..1500), 0..3000)) {
            check(&steps);
        }
    }

    #[test]
    fn in_order_and_backwards() {
        let forward: Vec<(bool, u16)> = (1000..2000).map(|n| (true, n)).collect();
        check(&forward);
        let mut steps: Vec<(bool, u16)> = forward.iter().rev().copied().collect();
        check(&steps);
        steps.extend(forward.iter().map(|&(_, n)| (false, n)));
        check(&steps);
    }
}
