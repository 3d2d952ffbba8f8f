//! Images for h5py: `tests/python/check_crash.py` judges them. Nothing happens unless `H5_CRASH_DIR` names a folder.

use std::{
    fmt::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use h5::{
    File,
    source::{ByteStore, MemoryStore},
};

use crate::{
    images::images,
    judge::{hash, in_parallel},
    record::{Operation, Record, is_flagged},
    sessions::sessions,
};

/// Images of each session, of those with a flag and of the others.
const EACH: usize = 4;

/// The bytes of the superblock are those of one write, as a disk leaves them that does not tear sectors: what libhdf5
/// makes of others is not promised.
fn has_whole_superblock(record: &Record, image: &[u8]) -> bool {
    let base = record.base as usize;
    let writes = || {
        record.steps.iter().filter_map(|step| match &step.operation {
            Operation::Write(at, bytes) if *at == record.base && bytes.len() < 128 => Some(&bytes[..]),
            _ => None,
        })
    };
    let Some(len) = writes().map(<[u8]>::len).min() else { return false };
    let found = image.get(base..base + len);
    found == record.initial.get(base..base + len) || writes().any(|bytes| found == Some(bytes))
}

/// What a file holds after it was opened to be changed, and closed.
fn recovered(image: &[u8]) -> Vec<u8> {
    let store = Arc::new(MemoryStore::new());
    store.write_at(0, image).unwrap();
    File::options().threads(1).open_rw_in(store.clone()).unwrap().close().unwrap();
    store.to_vec()
}

#[test]
fn images_for_h5py() {
    let Some(folder) = std::env::var_os("H5_CRASH_DIR") else { return };
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).unwrap();
    let number = AtomicUsize::new(0);
    let save = |bytes: &[u8]| {
        let name = format!("{:05}.h5", number.fetch_add(1, Ordering::Relaxed));
        std::fs::write(folder.join(&name), bytes).unwrap();
        name
    };
    let sessions: Vec<_> = sessions().into_iter().filter(|s| s.share > 0.1).collect();
    let lines = in_parallel(&sessions, |session| {
        let record = Record::of(session);
        let states: Vec<Option<String>> =
            record.files.iter().zip(&record.states).map(|(f, s)| s.as_ref().map(|_| save(f))).collect();
        let (mut chosen, mut out) = ([0, 0], String::new());
        images(&record, &record.steps, 600, &mut |image, returned| {
            let flagged = is_flagged(image);
            let wanted = &mut chosen[usize::from(flagged)];
            if *wanted == EACH
                || hash(image) % 29 != 0
                || record.states[returned].is_none()
                || !has_whole_superblock(&record, image)
            {
                return;
            }
            *wanted += 1;
            let allowed: Vec<String> = record.allowed(returned).filter_map(|i| states[i].clone()).collect();
            let (name, version) = (save(image), record.version);
            let kind = if flagged { "flagged" } else { "plain" };
            let _ = writeln!(out, "{kind}\t{version}\t{name}\t{}\t{}", allowed.join(","), record.title);
            if flagged {
                let (name, new) = (save(&recovered(image)), allowed.last().unwrap());
                let _ = writeln!(out, "recovered\t{version}\t{name}\t{new}\t{}", record.title);
            }
        });
        out
    });
    std::fs::write(folder.join("images.tsv"), lines.concat()).unwrap();
}
