//! What is right to find in an image.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use h5::{
    File,
    source::{ByteSource, ByteStore, MemoryStore},
};

use crate::{
    content::content,
    images::images,
    record::{Operation, Record, RecordingStore, Step, is_flagged},
};

#[derive(Debug, Default)]
pub struct Verdict {
    pub images: usize,
    /// With a journal that counts.
    pub flagged: usize,
    /// Opened to be changed, and changed.
    pub edited: usize,
    /// Images of a recovery that was itself cut off.
    pub recoveries: usize,
    pub wrong: usize,
    /// What was wrong first.
    pub first: Option<String>,
}

impl Verdict {
    pub fn add(&mut self, other: Verdict) {
        self.images += other.images;
        self.flagged += other.flagged;
        self.edited += other.edited;
        self.recoveries += other.recoveries;
        self.wrong += other.wrong;
        self.first = self.first.take().or(other.first);
    }

    fn fail(&mut self, what: String) {
        self.wrong += 1;
        self.first.get_or_insert(what);
    }
}

pub fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The edit that is made in images: in the root group, an attribute and a link.
fn probe(bytes: &[u8]) -> h5::Result<Vec<u8>> {
    let store = Arc::new(MemoryStore::new());
    store.write_at(0, bytes)?;
    let file = File::options().threads(1).open_rw_in(store.clone())?;
    let root = file.root()?;
    root.set_attr("probe", [1, 2, 3])?;
    root.create_group("probe group")?.set_attr("text", "of the probe")?;
    file.close()?;
    Ok(store.to_vec())
}

impl Record {
    /// The states that a crash may leave when so many flushes have returned.
    pub fn allowed(&self, returned: usize) -> std::ops::Range<usize> {
        returned..self.states.len().min(returned + 2)
    }

    /// Which state an image holds.
    pub fn find(&self, image: &[u8], returned: usize) -> Result<usize, String> {
        let found = content(image.to_vec());
        let mut allowed = self.allowed(returned);
        // A journal that counts is read: the content is the new one.
        if is_flagged(image) {
            allowed.start += 1;
        }
        let text = match &found {
            Ok(text) => text,
            Err(e) => {
                let nothing_promised = self.states[returned].is_none() && !is_flagged(image);
                return if nothing_promised { Ok(returned) } else { Err(format!("{e:?}")) };
            }
        };
        // The later one first: two states may have the same content.
        let at = allowed.clone().rev().find(|&i| self.states[i].as_ref() == Some(text));
        at.ok_or_else(|| {
            let others = self.states.iter().position(|s| s.as_ref() == Some(text));
            format!("of {allowed:?}, found {others:?}")
        })
    }

    /// Opens an image to change it: after the change all is as it would be after a whole commit.
    pub fn edit(&self, image: &[u8], state: usize) -> Result<(), String> {
        if self.states[state].is_none() {
            return Ok(());
        }
        let expected = self.probed[state]
            .get_or_init(|| content(probe(&self.files[state]).expect("an edit")).expect("content"));
        let edited = probe(image).map_err(|e| format!("edit: {e:?}"))?;
        match content(edited) {
            Ok(found) if found == *expected => Ok(()),
            Ok(_) => Err("the content is another after an edit".into()),
            Err(e) => Err(format!("after an edit: {e:?}")),
        }
    }
}

/// What is done with images besides reading them.
#[derive(Clone, Copy)]
pub struct Extras {
    /// One image of so many is changed.
    pub edited: u64,
    /// One image of so many with a journal has its recovery cut off.
    pub recovered: u64,
}

/// Judges images of one session. `steps` are its own, or some of them.
pub fn judge(record: &Record, steps: &[Step], wanted: usize, extras: Extras) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen = HashSet::new();
    images(record, steps, wanted, &mut |image, returned| {
        let hash = hash((image, returned));
        if !seen.insert(hash) {
            return;
        }
        verdict.images += 1;
        let flagged = is_flagged(image);
        verdict.flagged += usize::from(flagged);
        let state = match record.find(image, returned) {
            Ok(state) => state,
            Err(e) => return verdict.fail(format!("{}: flush {returned}: {e}", record.title)),
        };
        if hash % extras.edited == 0 && record.states[returned].is_some() {
            verdict.edited += 1;
            if let Err(e) = record.edit(image, state) {
                verdict.fail(format!("{}: flush {returned}: {e}", record.title));
            }
        }
        if flagged && hash % extras.recovered == 1 {
            recovery(record, image, returned, &mut verdict);
        }
    });
    verdict
}

/// Opens an image with a journal, and cuts off what that writes.
fn recovery(record: &Record, image: &[u8], returned: usize, verdict: &mut Verdict) {
    let store = Arc::new(RecordingStore::of(image));
    store.log.lock().unwrap().clear();
    let opened = File::options().threads(1).open_rw_in(store.clone());
    if let Err(e) = opened {
        return verdict.fail(format!("{}: recovery: {e:?}", record.title));
    }
    let log = store.log.lock().unwrap().clone();
    let steps: Vec<Step> =
        log.into_iter().map(|operation| Step { operation, atomic: false, barrier: None }).collect();
    let whole = store.inner.to_vec();
    if is_flagged(&whole) || store.inner.len() > image.len() as u64 {
        verdict.fail(format!("{}: a recovery that leaves the journal", record.title));
    }
    let cut = Record {
        title: format!("{}, recovery", record.title),
        share: 1.0,
        initial: image.to_vec(),
        steps: Vec::new(),
        states: Vec::new(),
        probed: Vec::new(),
        files: Vec::new(),
        commits: Vec::new(),
        base: record.base,
        version: record.version,
    };
    // All leave the new content, whether the flag is still there or not.
    let expected = record.states.get(returned + 1).or(record.states.last()).cloned().flatten();
    images(&cut, &steps, 60, &mut |image, _| {
        verdict.recoveries += 1;
        match content(image.to_vec()) {
            Ok(found) if Some(&found) == expected.as_ref() => {}
            Ok(_) => verdict.fail(format!("{}: other content", cut.title)),
            Err(e) => verdict.fail(format!("{}: {e:?}", cut.title)),
        }
    });
}

/// Does something for every item, in two threads.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((i, item)) = {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    items.get(i).map(|item| (i, item))
                } {
                    let result = work(item);
                    done.lock().unwrap().insert(i, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

/// About how many images are made of all sessions together.
pub fn image_count() -> usize {
    let asked = std::env::var("H5_CRASH_IMAGES").ok().and_then(|n| n.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 6_000 } else { 240_000 })
}

/// A step that is not there any more.
pub fn without(steps: &[Step], barrier: (crate::record::Kind, usize)) -> Vec<Step> {
    let kept = steps.iter().filter(|s| s.barrier != Some(barrier) || s.operation != Operation::Sync);
    kept.cloned().collect()
}
