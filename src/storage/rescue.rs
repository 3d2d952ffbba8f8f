//! What a damaged file still holds: headers of objects are found by what they look like, wherever they lie.
//!
//! A header of version 2 has a signature and a checksum. One of version 1 has neither: it counts if its messages can be
//! read and make an object. Time is bounded by a multiple of the length of the file, memory by its number of objects.

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Settings, Store,
    dataset::{DatasetCore, datatype_of},
    heap::global::GlobalHeap,
    links::LinkStorage,
    object::{ObjectHeader, ObjectKind},
    open::{find_signature, read_superblock},
    reader::Reader,
    virtual_dataset,
};
use crate::{
    error::Result,
    format::{
        primitive::Sizes,
        superblock::{DEFAULT_CHUNK_K, DEFAULT_INTERNAL_K, DEFAULT_LEAF_K, Superblock},
    },
    limits::Limits,
    model::link::LinkTarget,
    source::ByteSource,
};

const SIGNATURE: &[u8; 4] = b"OHDR";
/// Bytes that are looked through at once, and by how many two such pieces overlap.
const WINDOW: u64 = 4 << 20;
const OVERLAP: u64 = 16;
/// Objects that are looked for at most.
const MAX_OBJECTS: usize = 1 << 22;
/// Bytes of messages that a header of version 1 has at most to be taken for one.
const MAX_V1_LEN: u32 = 1 << 20;
/// Bytes of headers that are read for each byte of the file.
const EFFORT: u64 = 32;

/// A damaged file, and the objects in it.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) store: Arc<Store>,
    /// The root group, if it is known or can be guessed.
    pub(crate) root: Option<u64>,
    /// Groups, datasets and committed datatypes, by address; sorted.
    pub(crate) objects: Vec<(u64, ObjectKind)>,
    /// Hard links: what the groups among them lead to.
    children: FxHashMap<u64, Vec<u64>>,
    /// What is wrong with the file as a whole.
    pub(crate) notes: Vec<String>,
}

/// A superblock for a file that has none: its root is not known.
fn assumed(base: u64, len: u64) -> Superblock {
    Superblock {
        version: 2,
        sizes: Sizes::EIGHT,
        base,
        eof: len,
        extension: None,
        root: u64::MAX,
        root_symbol_table: None,
        flags: 0,
        leaf_k: DEFAULT_LEAF_K,
        internal_k: DEFAULT_INTERNAL_K,
        chunk_k: DEFAULT_CHUNK_K,
        free_space: None,
        driver_info: None,
    }
}

/// Opens a damaged file and finds its objects.
pub(crate) fn survey(
    source: Arc<dyn ByteSource>,
    name: String,
    path: Option<PathBuf>,
    limits: Arc<Limits>,
    settings: &Settings,
) -> Result<Survey> {
    let mut notes = Vec::new();
    let found = find_signature(&*source).and_then(|base| Ok((base, read_superblock(source.clone(), base)?)));
    let candidates = match found {
        Ok((base, (superblock, source))) => {
            let end = superblock.eof.saturating_sub(superblock.base).saturating_add(base);
            if end > source.len() {
                notes.push(format!("the file should have {end} bytes, it has {}", source.len()));
            }
            vec![(base, superblock, source)]
        }
        Err(error) => {
            notes.push(format!("no superblock: {error}"));
            // Behind a user block all addresses would be shifted.
            let bases = [0u64].into_iter().chain((9..20).map(|bits| 1 << bits));
            let bases = bases.filter(|&base| base == 0 || base < source.len());
            bases.map(|base| (base, assumed(base, source.len()), source.clone())).collect()
        }
    };
    let open = |(base, superblock, source): (u64, Superblock, Arc<dyn ByteSource>)| {
        let end = source.len().saturating_sub(base);
        let mut reader = Reader::new(source, base, end, superblock.sizes, limits.clone());
        reader.tolerate();
        let store = Store {
            reader,
            superblock,
            name: name.clone(),
            path: path.clone(),
            settings: settings.clone(),
            global_heap: GlobalHeap::default(),
            session: None,
            file_space: None,
            image: None,
            shared_message_table: None,
            shared: OnceLock::new(),
            workers: Default::default(),
            others: Mutex::default(),
            #[cfg(feature = "parallel")]
            pool: None,
        };
        look_through(store)
    };
    // The base with which most links lead to objects.
    let mut best: Option<(usize, Survey)> = None;
    for candidate in candidates {
        let survey = open(candidate)?;
        let hits = survey.resolved_links();
        if best.as_ref().is_none_or(|(most, _)| hits > *most) {
            best = Some((hits, survey));
        }
    }
    let (_, mut survey) = best.ok_or_else(|| crate::error::Error::corrupt("nothing to look through"))?;
    survey.notes.splice(0..0, notes);
    Ok(survey)
}

/// Finds the objects of a file.
fn look_through(mut store: Store) -> Result<Survey> {
    let mut notes = Vec::new();
    let mut superblock = store.superblock.clone();
    if let Err(error) = store.extension(&mut superblock) {
        notes.push(format!("the superblock extension cannot be read: {error}"));
    }
    store.superblock = superblock;
    let store = Arc::new(store);
    let objects = scan(&store, &mut notes)?;
    let mut children = FxHashMap::default();
    for &(address, kind) in &objects {
        if kind == ObjectKind::Group {
            children.insert(address, hard_links(&store, address));
        }
    }
    // Losses are told when the objects are copied.
    store.reader.take_losses();
    let mut survey = Survey { store, root: None, objects, children, notes };
    survey.root = survey.find_root();
    Ok(survey)
}

/// Where the hard links of a group lead, as far as they can be read.
fn hard_links(store: &Arc<Store>, group: u64) -> Vec<u64> {
    let mut out = Vec::new();
    let Ok(header) = ObjectHeader::read(&store.reader, group) else { return out };
    let Ok(links) = LinkStorage::of(store, &header) else { return out };
    // What was found before an error counts.
    let _ = links.for_each(store, &header, &mut |link| {
        if let Ok(link) = link
            && let LinkTarget::Hard(address) = link.target
        {
            out.push(address);
        }
        Ok(())
    });
    out
}

/// All headers of objects, by address.
fn scan(store: &Arc<Store>, notes: &mut Vec<String>) -> Result<Vec<(u64, ObjectKind)>> {
    let reader = &store.reader;
    let end = reader.end();
    let mut effort = end.saturating_mul(EFFORT).saturating_add(64 << 20);
    let mut out = Vec::new();
    let mut from = 0;
    while from < end {
        let len = (end - from).min(WINDOW + OVERLAP);
        let window = match reader.bytes(from, len) {
            Ok(window) => window,
            Err(error) => {
                notes.push(format!("{len} bytes at {from:#x} cannot be read: {error}"));
                from = from.saturating_add(WINDOW);
                continue;
            }
        };
        let last = (window.len() as u64).min(WINDOW) as usize;
        for at in 0..last {
            let bytes = &window[at..];
            let address = from + at as u64;
            let likely = match bytes[0] {
                b'O' => bytes.starts_with(SIGNATURE),
                // libhdf5 does not align them.
                1 => looks_like_v1(bytes, end - address),
                _ => false,
            };
            if !likely {
                continue;
            }
            if let Some((kind, cost)) = object(store, address) {
                out.push((address, kind));
                effort = effort.saturating_sub(cost);
            } else {
                effort = effort.saturating_sub(v1_len(bytes).into());
            }
            if effort == 0 || out.len() >= MAX_OBJECTS {
                notes.push(format!("the search for objects was given up at {address:#x}"));
                return Ok(out);
            }
        }
        from += WINDOW;
    }
    Ok(out)
}

/// Bytes of messages that a header of version 1 says it has.
fn v1_len(bytes: &[u8]) -> u32 {
    bytes.get(8..12).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes).min(MAX_V1_LEN)
}

/// Version 1, reserved, number of messages (2), reference count (4), bytes of messages (4), reserved (4).
fn looks_like_v1(bytes: &[u8], left: u64) -> bool {
    let Some(head) = bytes.first_chunk::<16>() else { return false };
    let messages = u16::from_le_bytes([head[2], head[3]]);
    let references = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    head[1] == 0
        && messages > 0
        && references < 1 << 24
        && (8..=MAX_V1_LEN).contains(&len)
        && u64::from(len) + 16 <= left
        // A message takes 8 bytes or more; those of continuations are counted too.
        && (len / 8 >= u32::from(messages) || messages < 1 << 12)
        // Filled up to a multiple of 8, at times with what was there.
        && head[12..].iter().filter(|&&b| b == 0).count() >= 2
}

/// What object has its header there, and how many bytes were read to tell.
fn object(store: &Arc<Store>, address: u64) -> Option<(ObjectKind, u64)> {
    let header = ObjectHeader::read(&store.reader, address).ok()?;
    let cost =
        header.continuations.iter().fold(header.prefix.total_len(), |n, (_, len)| n.saturating_add(*len));
    let kind = header.kind().ok()?;
    let plausible = match kind {
        ObjectKind::Group => LinkStorage::of(store, &header).is_ok(),
        ObjectKind::Datatype => datatype_of(store, &header).is_ok(),
        // Mappings and files of others are looked at when it is copied.
        ObjectKind::Dataset => {
            datatype_of(store, &header).is_ok()
                && DatasetCore::open_in(store, &header, &virtual_dataset::Session::default(), 0).is_ok()
        }
    };
    plausible.then_some((kind, cost))
}

impl Survey {
    fn kind(&self, address: u64) -> Option<ObjectKind> {
        let at = self.objects.binary_search_by_key(&address, |o| o.0).ok()?;
        self.objects.get(at).map(|o| o.1)
    }

    /// Hard links that lead to objects.
    fn resolved_links(&self) -> usize {
        self.children.values().flatten().filter(|&&child| self.kind(child).is_some()).count()
            + self.objects.len().min(1)
    }

    /// What can be reached from these objects by hard links, themselves included.
    fn reached(&self, from: u64, seen: &mut FxHashSet<u64>) -> usize {
        let before = seen.len();
        let mut pending = vec![from];
        while let Some(address) = pending.pop() {
            if self.kind(address).is_some() && seen.insert(address) {
                pending.extend(self.children.get(&address).into_iter().flatten());
            }
        }
        seen.len() - before
    }

    /// The group of the superblock; without one, that from which most can be reached of those that no link leads to.
    fn find_root(&mut self) -> Option<u64> {
        let stored = self.store.superblock.root;
        if self.kind(stored) == Some(ObjectKind::Group) {
            return Some(stored);
        }
        if stored != u64::MAX {
            self.notes.push(format!("the root group at {stored:#x} cannot be read"));
        }
        let targets: HashSet<u64> = self.children.values().flatten().copied().collect();
        let groups = self.objects.iter().filter(|o| o.1 == ObjectKind::Group).map(|o| o.0);
        // Of the first ones only: each may reach all others.
        let tops = groups.filter(|address| !targets.contains(address)).take(1000);
        let sized = tops.map(|address| (self.reached(address, &mut FxHashSet::default()), address));
        let best = sized.max_by_key(|&(reached, address)| (reached, std::cmp::Reverse(address)));
        // One that leads nowhere is as good as any other.
        let root = best.filter(|b| b.0 > 1).map(|b| b.1);
        if let Some(root) = root {
            self.notes.push(format!("the group at {root:#x} is taken for the root group"));
        }
        root
    }

    /// The objects that the root does not lead to and that no link among them leads to; then, for cycles, the others.
    pub(crate) fn orphans(&self) -> Vec<u64> {
        let mut seen = FxHashSet::default();
        if let Some(root) = self.root {
            self.reached(root, &mut seen);
        }
        let lost: Vec<u64> = self.objects.iter().map(|o| o.0).filter(|a| !seen.contains(a)).collect();
        let targets: HashSet<u64> =
            lost.iter().filter_map(|a| self.children.get(a)).flatten().copied().collect();
        let (mut tops, rest): (Vec<u64>, Vec<u64>) = lost.iter().partition(|a| !targets.contains(a));
        tops.iter().for_each(|&top| _ = self.reached(top, &mut seen));
        for address in rest {
            if !seen.contains(&address) {
                self.reached(address, &mut seen);
                tops.push(address);
            }
        }
        tops
    }
}
