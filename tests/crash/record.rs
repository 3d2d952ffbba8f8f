//! What a session does to its store, operation by operation, and what each of its flushes left.

use std::sync::{Arc, Mutex, OnceLock};

use h5::source::{ByteSource, ByteStore, MemoryStore};
use h5::{Durability, File, Profile};

use crate::content::content;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
    Sync,
    /// A flush has returned: what it promised holds from here on.
    Returned,
}

/// Keeps a record of all that is done to a store.
#[derive(Debug, Default)]
pub struct RecordingStore {
    pub inner: MemoryStore,
    pub log: Mutex<Vec<Operation>>,
}

impl RecordingStore {
    pub fn of(bytes: &[u8]) -> Self {
        let store = RecordingStore::default();
        store.inner.write_at(0, bytes).unwrap();
        store
    }
    fn note(&self, operation: Operation) {
        self.log.lock().unwrap().push(operation);
    }
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
        self.note(Operation::Write(offset, bytes.into()));
        self.inner.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> h5::Result<()> {
        self.note(Operation::SetLen(len));
        self.inner.set_len(len)
    }
    fn sync(&self) -> h5::Result<()> {
        self.note(Operation::Sync);
        self.inner.sync()
    }
}

/// What a session starts from.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// A new file, with a user block of so many bytes.
    Create(Profile, u64),
    /// A file of `testdata/edit/`.
    Fixture(&'static str),
}

/// A session of edits: run again and again, it does the same.
#[derive(Clone, Copy)]
pub struct Session {
    pub name: &'static str,
    pub start: Start,
    pub edits: fn(&mut Steps<'_>) -> h5::Result<()>,
    /// How many images are made of it, in parts of what the others get.
    pub share: f64,
}

impl Session {
    pub fn title(&self) -> String {
        match self.start {
            Start::Create(profile, _) => format!("{} in a new file, {profile:?}", self.name),
            Start::Fixture(fixture) => format!("{} in {fixture}", self.name),
        }
    }

    pub fn initial(&self) -> Vec<u8> {
        match self.start {
            Start::Create(..) => Vec::new(),
            Start::Fixture(name) => {
                let path = format!("{}/testdata/edit/{name}.h5", env!("CARGO_MANIFEST_DIR"));
                std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
            }
        }
    }

    /// Runs it in a store that holds the initial bytes; `handle` gets the file that is open.
    pub fn run(
        &self,
        store: &Arc<dyn ByteStore>,
        durability: Durability,
        handle: &mut Option<File>,
        returned: &mut dyn FnMut(),
    ) -> h5::Result<()> {
        let file = match self.start {
            Start::Create(profile, user_block) => {
                let options = File::create_options().profile(profile).user_block(user_block).threads(1);
                options.durability(durability).create_in(store.clone())?
            }
            Start::Fixture(_) => {
                File::options().threads(1).durability(durability).open_rw_in(store.clone())?
            }
        };
        *handle = Some(file.clone());
        (self.edits)(&mut Steps { file, store, durability, handle, returned })
    }
}

/// A session while it runs.
pub struct Steps<'a> {
    pub file: File,
    store: &'a Arc<dyn ByteStore>,
    durability: Durability,
    handle: &'a mut Option<File>,
    returned: &'a mut dyn FnMut(),
}

impl Steps<'_> {
    pub fn flush(&mut self) -> h5::Result<()> {
        self.file.flush()?;
        (self.returned)();
        Ok(())
    }

    /// Closes the file and opens it again.
    pub fn reopen(&mut self) -> h5::Result<()> {
        self.file.clone().close()?;
        (self.returned)();
        let options = File::options().threads(1).durability(self.durability);
        self.file = options.open_rw_in(self.store.clone())?;
        *self.handle = Some(self.file.clone());
        Ok(())
    }
}

/// How a commit was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// By the superblock.
    Superblock,
    /// By another sector.
    Sector,
    /// By the flag that leads to a journal.
    Journal,
}

/// An operation, and what is known of it.
#[derive(Clone, Debug)]
pub struct Step {
    pub operation: Operation,
    /// A write that publishes by itself: the disk does it whole or not at all.
    pub atomic: bool,
    /// Of a barrier: of which kind of commit, and which of its barriers.
    pub barrier: Option<(Kind, usize)>,
}

/// The record of a session.
#[derive(Debug)]
pub struct Record {
    pub title: String,
    pub share: f64,
    pub initial: Vec<u8>,
    pub steps: Vec<Step>,
    /// The content before the first flush, where there is one, and after each.
    pub states: Vec<Option<String>>,
    /// The same with what `probe` adds, made when it is needed.
    pub probed: Vec<OnceLock<String>>,
    /// The bytes of each state.
    pub files: Vec<Vec<u8>>,
    pub commits: Vec<Kind>,
    /// Offset and version of the superblock.
    pub base: u64,
    pub version: u8,
}

pub const JOURNAL: &[u8; 16] = b"\x89h5 journal 1\r\n\x1a";
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// The offset of the superblock.
pub fn base(bytes: &[u8]) -> Option<usize> {
    let offsets = [0].into_iter().chain((9..).map(|n| 1 << n).take_while(|&n| n < bytes.len()));
    offsets.into_iter().find(|&n| bytes[n..].starts_with(SIGNATURE))
}

/// The superblock says that there is a journal.
pub fn is_flagged(bytes: &[u8]) -> bool {
    let Some(base) = base(bytes) else { return false };
    let at = if bytes[base + 8] < 2 { base + 20 } else { base + 11 };
    bytes[at] & 0x80 != 0
}

impl Record {
    pub fn of(session: &Session) -> Record {
        Self::with(session, Durability::Full)
    }

    pub fn with(session: &Session, durability: Durability) -> Record {
        let initial = session.initial();
        let store = Arc::new(RecordingStore::of(&initial));
        store.log.lock().unwrap().clear();
        let before = (!initial.is_empty()).then(|| content(initial.clone()).unwrap());
        let (mut states, mut files) = (vec![before], vec![initial.clone()]);
        let kept: Arc<dyn ByteStore> = store.clone();
        let run = session.run(&kept, durability, &mut None, &mut || {
            store.note(Operation::Returned);
            let bytes = store.inner.to_vec();
            let found = content(bytes.clone());
            states.push(Some(found.unwrap_or_else(|e| panic!("{} {e:?}", session.title()))));
            files.push(bytes);
        });
        run.unwrap_or_else(|e| panic!("{}: {e:?}", session.title()));
        let log = store.log.lock().unwrap().clone();
        let last = files.last().unwrap();
        let (base, probed) = (base(last).unwrap(), states.iter().map(|_| OnceLock::new()).collect());
        let version = last[base + 8];
        let (steps, commits) = classify(&log, base as u64);
        let title = session.title();
        let share = session.share;
        Record { title, share, initial, steps, states, probed, files, commits, base: base as u64, version }
    }
}

/// Tells the commits of a log apart.
fn classify(log: &[Operation], base: u64) -> (Vec<Step>, Vec<Kind>) {
    let mut steps: Vec<Step> = Vec::new();
    let mut commits = Vec::new();
    for commit in log.split_inclusive(|o| matches!(o, Operation::Returned)) {
        let is_journal = commit.iter().any(|o| {
            matches!(o, Operation::Write(_, b) if b.len() >= 44 && b[b.len() - 44..].starts_with(JOURNAL))
        });
        let barriers = commit.iter().filter(|o| matches!(o, Operation::Sync)).count();
        let last = commit.iter().rfind(|o| matches!(o, Operation::Write(..)));
        let by_superblock =
            matches!(last, Some(Operation::Write(at, b)) if *at == base && b.starts_with(SIGNATURE));
        let kind = match (is_journal, by_superblock) {
            (true, _) => Kind::Journal,
            (_, true) => Kind::Superblock,
            _ => Kind::Sector,
        };
        if barriers > 0 {
            commits.push(kind);
            let expected = match kind {
                Kind::Superblock => 2..=2,
                Kind::Sector => 2..=3,
                Kind::Journal => 4..=4,
            };
            assert!(expected.contains(&barriers), "{barriers} barriers of {kind:?}");
        }
        let mut number = 0;
        for operation in commit {
            let is_barrier = matches!(operation, Operation::Sync);
            // A sector commit may need no new superblock: it then lacks the second barrier.
            let which = if kind == Kind::Sector && barriers == 2 { [0, 2][number.min(1)] } else { number };
            let in_place = number > 0 && kind != Kind::Journal;
            steps.push(Step {
                operation: operation.clone(),
                atomic: in_place && matches!(operation, Operation::Write(..)),
                barrier: is_barrier.then_some((kind, which)),
            });
            number += usize::from(is_barrier);
        }
    }
    for step in steps.iter().filter(|s| s.atomic) {
        if let Operation::Write(at, bytes) = &step.operation {
            assert_eq!(at / 512, (at + bytes.len() as u64 - 1) / 512, "a publishing write of two sectors");
        }
    }
    (steps, commits)
}
