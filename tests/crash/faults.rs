//! Stores that fail: whatever fails at whichever moment, the call says so, the handle refuses further edits, and the
//! file holds the last commit or the new one.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use h5::{
    Durability, ErrorKind, File,
    source::{ByteSource, ByteStore, MemoryStore},
};

use crate::{
    images::apply,
    judge::in_parallel,
    record::{Operation, Record, Session, is_flagged},
    sessions::sessions,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The disk is full, once.
    Full,
    /// An error of the disk, which then takes nothing any more.
    Broken,
    /// A write leaves its first sectors, then fails.
    Short,
}

#[derive(Debug)]
struct FaultStore {
    inner: MemoryStore,
    /// Calls that change the store until one fails.
    left: AtomicU64,
    fault: Fault,
}

impl FaultStore {
    /// Whether this call fails.
    fn fails(&self) -> bool {
        let broken = self.fault == Fault::Broken;
        let next = |left: u64| match left {
            0 => None,
            1 if broken => Some(1),
            left => Some(left - 1),
        };
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) == Ok(1)
    }

    fn error(&self) -> h5::Error {
        match self.fault {
            Fault::Broken => io::Error::other("the disk is broken").into(),
            _ => io::Error::from(io::ErrorKind::StorageFull).into(),
        }
    }
}

impl ByteSource for FaultStore {
    fn len(&self) -> u64 {
        self.inner.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> h5::Result<()> {
        self.inner.read_at(offset, buffer)
    }
}

impl ByteStore for FaultStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> h5::Result<()> {
        if self.fails() {
            if self.fault == Fault::Short {
                let end = (offset + bytes.len() as u64 / 2) / 512 * 512;
                self.inner.write_at(offset, &bytes[..end.saturating_sub(offset) as usize])?;
            }
            return Err(self.error());
        }
        self.inner.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> h5::Result<()> {
        if self.fails() { Err(self.error()) } else { self.inner.set_len(len) }
    }
    fn sync(&self) -> h5::Result<()> {
        if self.fails() { Err(self.error()) } else { Ok(()) }
    }
}

fn is_io(e: &h5::Error) -> bool {
    matches!(e.kind(), ErrorKind::Io(_))
}

/// Runs a session whose call number `n` fails, from 1 on.
fn run(session: &Session, record: &Record, n: usize, fault: Fault) {
    let what = format!("{}: {fault:?} at call {n}", record.title);
    let left = AtomicU64::new(u64::MAX);
    let store = Arc::new(FaultStore { inner: MemoryStore::new(), left, fault });
    store.inner.write_at(0, &record.initial).unwrap();
    store.left.store(n as u64, Ordering::Relaxed);
    let (mut returned, mut handle) = (0, None);
    let kept: Arc<dyn ByteStore> = store.clone();
    let e = session.run(&kept, Durability::Full, &mut handle, &mut || returned += 1).expect_err(&what);
    assert!(is_io(&e), "{what}: {e:?}");

    let file = handle.expect(&what);
    let refused = file.root().and_then(|root| root.set_attr("more", 1)).expect_err(&what);
    assert!(is_io(&refused) && refused.to_string().contains("an earlier write failed"), "{what}: {refused}");
    assert!(is_io(&file.flush().expect_err(&what)), "{what}");
    assert!(is_io(&file.close().expect_err(&what)), "{what}");

    let bytes = store.inner.to_vec();
    let state = record.find(&bytes, returned).unwrap_or_else(|e| panic!("{what}: {e}"));
    if fault != Fault::Broken && record.states[returned].is_some() && before_publishing(record, n) {
        assert_eq!(bytes.len(), record.files[returned].len(), "{what}: the length of the file");
        assert!(!is_flagged(&bytes), "{what}");
    }
    record.edit(&bytes, state).unwrap_or_else(|e| panic!("{what}: {e}"));
}

/// Whether a call comes before the end of the first barrier of its commit.
fn before_publishing(record: &Record, call: usize) -> bool {
    let (mut calls, mut barriers) = (0, 0);
    for step in &record.steps {
        match step.operation {
            Operation::Returned => barriers = 0,
            Operation::Sync => {
                calls += 1;
                barriers += 1;
                if calls == call {
                    return barriers == 1;
                }
                continue;
            }
            _ => calls += 1,
        }
        if calls == call {
            return barriers == 0;
        }
    }
    false
}

#[test]
fn faults() {
    // All calls of some sessions, or some of all.
    let step = if cfg!(debug_assertions) { 23 } else { 2 };
    let sessions: Vec<Session> = sessions().into_iter().filter(|s| s.share > 0.1).collect();
    let counts = in_parallel(&sessions, |session| {
        let record = Record::of(session);
        let calls = record.steps.iter().filter(|s| s.operation != Operation::Returned).count();
        let mut done = 0;
        for (i, fault) in [Fault::Full, Fault::Broken, Fault::Short].into_iter().enumerate() {
            for n in (1 + (i + record.title.len()) % step..=calls).step_by(step) {
                run(session, &record, n, fault);
                done += 1;
            }
        }
        done
    });
    println!("{} faults", counts.iter().sum::<usize>());
}

/// A store that fails while a commit is brought to its end: the next one to open it does that.
#[test]
fn a_recovery_that_fails_is_repeated() {
    let session = sessions().into_iter().find(|s| s.title() == "copies of links in v0").unwrap();
    let record = Record::of(&session);
    // The first image whose flag is set.
    let mut image = record.initial.clone();
    for step in &record.steps {
        apply(&mut image, &step.operation);
        if is_flagged(&image) {
            break;
        }
    }
    let mut n = 1;
    loop {
        let store = FaultStore { inner: MemoryStore::new(), left: AtomicU64::new(0), fault: Fault::Short };
        store.inner.write_at(0, &image).unwrap();
        store.left.store(n, Ordering::Relaxed);
        let store = Arc::new(store);
        let opened = File::options().open_rw_in(store.clone());
        assert_eq!(record.find(&store.inner.to_vec(), 1).or(record.find(&store.inner.to_vec(), 0)), Ok(1));
        record.edit(&store.inner.to_vec(), 1).unwrap();
        match opened {
            Err(e) => assert!(is_io(&e), "{e:?}"),
            Ok(_) => break,
        }
        n += 1;
    }
    assert!(n > 5, "{n} calls");
}
