//! A kill or a loss of power at any instant leaves the content of the last flush, or of the one in the making.
//!
//! A store records what a session writes. Images of what may be on disk are made from the record: every prefix, and
//! within each stretch between two barriers subsets, torn at 512 and at 8 bytes. `docs/CRASH.md` has the argument.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use h5::source::{ByteSource, ByteStore, MemoryStore};
use h5::{File, Profile};

#[derive(Clone, Debug)]
enum Operation {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
    /// A flush has returned: what it promised holds from here on.
    Returned,
}

/// Keeps a record of all that is done to a store.
#[derive(Debug, Default)]
struct RecordingStore {
    inner: MemoryStore,
    log: Mutex<Vec<Operation>>,
}

impl ByteSource for RecordingStore {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> h5::Result<()> {
        self.inner.read_at(offset, buffer)
    }
}

impl ByteStore for RecordingStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> h5::Result<()> {
        self.log.lock().unwrap().push(Operation::Write(offset, bytes.to_vec()));
        self.inner.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> h5::Result<()> {
        self.log.lock().unwrap().push(Operation::SetLen(len));
        self.inner.set_len(len)
    }
    fn sync(&self) -> h5::Result<()> {
        self.log.lock().unwrap().push(Operation::Sync);
        self.inner.sync()
    }
}

fn apply(image: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write(offset, bytes) => {
            let end = *offset as usize + bytes.len();
            image.resize(image.len().max(end), 0);
            image[*offset as usize..end].copy_from_slice(bytes);
        }
        Operation::SetLen(len) => image.resize(*len as usize, 0),
        Operation::Sync | Operation::Returned => {}
    }
}

/// Some of an operation: what was on its way when the power went, in whole units of `unit` bytes.
fn apply_torn(image: &mut Vec<u8>, operation: &Operation, unit: usize, random: &mut impl FnMut() -> u64) {
    let Operation::Write(offset, bytes) = operation else { return apply(image, operation) };
    let mut at = 0;
    while at < bytes.len() {
        let len = (unit - (*offset as usize + at) % unit).min(bytes.len() - at);
        if random().is_multiple_of(2) {
            apply(image, &Operation::Write(offset + at as u64, bytes[at..at + len].to_vec()));
        }
        at += len;
    }
}

/// All that a file holds, as text.
fn content(bytes: Vec<u8>) -> h5::Result<String> {
    let file = File::from_bytes(bytes)?;
    let root = file.root()?;
    let mut out = format!("{:?}", root.names()?);
    for name in ["x", "y", "text"] {
        let Some(_) = root.link(name)? else { continue };
        let dataset = root.dataset(name)?;
        out += &match name {
            "text" => format!("{:?}", dataset.read_vec::<String>()?),
            _ => format!("{:?}", dataset.read_vec::<i32>()?),
        };
        for attribute in dataset.attributes()? {
            let attribute = attribute?;
            out += &format!("{}={:?}", attribute.name(), attribute.read_vec::<i32>()?);
        }
    }
    if root.link("group")?.is_some() {
        out += &format!("{:?}", root.group("group")?.names()?);
    }
    Ok(out)
}

/// The record of a session, and what each of its flushes left.
fn session(profile: Profile) -> (Vec<Operation>, Vec<String>) {
    let store = Arc::new(RecordingStore::default());
    let file = File::create_options().profile(profile).user_block(512).create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let mut states = Vec::new();
    let mut flush = |file: &File| {
        file.flush().unwrap();
        store.log.lock().unwrap().push(Operation::Returned);
        states.push(content(store.inner.to_vec()).unwrap());
    };
    flush(&file);
    let mut x = root.new_dataset::<i32>().shape(0).resizable().chunk(8).deflate(1).create("x").unwrap();
    let y = root.new_dataset::<i32>().shape(300).create("y").unwrap();
    let text = root.new_dataset::<String>().shape(4).create("text").unwrap();
    flush(&file);
    let group = root.create_group("group").unwrap();
    for round in 0..10 {
        x.append(&[round; 5]).unwrap();
        y.write_slice(&[round; 7], ndarray::s![round as usize * 7..round as usize * 7 + 7]).unwrap();
        y.set_attr(format!("a{round}"), round).unwrap();
        text.write_slice(&["t".repeat(round as usize + 1)], 1..2).unwrap();
        for i in 0..3 {
            group.create_group(format!("{round} {i}")).unwrap();
        }
        flush(&file);
    }
    x.resize([3]).unwrap();
    flush(&file);
    let log = store.log.lock().unwrap().clone();
    (log, states)
}

#[derive(Debug, Default)]
struct Verdict {
    images: usize,
    wrong: usize,
}

/// Judges images of what a crash may leave.
fn judge(log: &[Operation], states: &[String]) -> Verdict {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut verdict = Verdict::default();
    // The superblock is at the start of a sector, which a disk writes whole or not at all.
    let is_superblock = |o: &Operation| matches!(o, Operation::Write(512, bytes) if bytes.len() == 48);
    let mut check = |image: Vec<u8>, returned: usize| {
        verdict.images += 1;
        // The flush in the making may be there, too.
        let allowed = &states[returned.saturating_sub(1)..states.len().min(returned + 1)];
        let fine = match content(image) {
            Ok(found) => allowed.contains(&found),
            Err(_) => returned == 0,
        };
        verdict.wrong += usize::from(!fine);
    };
    let (mut image, mut returned) = (Vec::new(), 0);
    for epoch in log.split(|o| matches!(o, Operation::Sync)) {
        let mut prefix = image.clone();
        for operation in epoch {
            check(prefix.clone(), returned);
            apply(&mut prefix, operation);
            returned += usize::from(matches!(operation, Operation::Returned));
        }
        check(prefix.clone(), returned);
        for round in 0..120 {
            let mut some = image.clone();
            let unit = [512, 8, 0][round % 3];
            let mut order: Vec<&Operation> = epoch.iter().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for operation in order {
                match random() % 3 {
                    0 => {}
                    1 if unit > 0 && !is_superblock(operation) => {
                        apply_torn(&mut some, operation, unit, &mut random);
                    }
                    _ => apply(&mut some, operation),
                }
            }
            check(some, returned);
        }
        image = prefix;
    }
    verdict
}

#[test]
fn a_crash_leaves_one_flush_or_the_next() {
    for profile in [Profile::Compatible, Profile::Modern] {
        let (log, states) = session(profile);
        let verdict = judge(&log, &states);
        println!("{profile:?}: {verdict:?} of {} operations", log.len());
        assert_eq!(verdict.wrong, 0, "{verdict:?}");
        assert!(verdict.images > 3000, "{verdict:?}");
    }
}

#[test]
fn a_barrier_that_is_missing_is_noticed() {
    let (log, states) = session(Profile::Modern);
    let barriers: Vec<usize> =
        log.iter().enumerate().filter(|(_, o)| matches!(o, Operation::Sync)).map(|(i, _)| i).collect();
    // Each commit has two: one before the superblock is written, one after.
    assert_eq!(barriers.len(), 2 * states.len());
    for which in [0, 1] {
        let gone: Vec<usize> = barriers.iter().skip(which).step_by(2).copied().collect();
        let kept = log.iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, o)| o.clone());
        let verdict = judge(&kept.collect::<Vec<_>>(), &states);
        assert!(verdict.wrong > 0, "without barrier {which}: {verdict:?}");
    }
}
