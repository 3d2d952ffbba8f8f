//! Open files and what was found in them, as long as the files stay what they are.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use super::{
    Limits,
    cache::Cache,
    folder::{Folder, Identity},
};
use crate::{
    ErrorKind, File, OpenFile, Opener, Policy, Reach,
    h5grove::{Content, Error, LinkResolution, Result, create_content},
};

/// Open files that are kept.
const FILES: usize = 64;
/// Contents that are kept, each with decoded chunks.
const CONTENTS: usize = 32;
/// Bytes of decoded chunks that a kept dataset holds.
const CHUNKS: usize = 4 << 20;
/// Datasets with more chunks are not kept: their index is large.
const INDEXED: u64 = 1 << 17;
/// Bytes of answers that are kept.
const ANSWERS: usize = 32 << 20;
/// Answers that are larger are not kept.
pub const ANSWER: usize = 256 << 10;
/// Other files that a file may lead to and still be kept.
const OTHERS: usize = 256;

/// The files of a folder.
pub struct Files {
    folder: Arc<Folder>,
    limits: crate::Limits,
    next: AtomicU64,
    open: Cache<PathBuf, Arc<OpenedFile>>,
    contents: Cache<(u64, String, LinkResolution), Content>,
    answers: Cache<(u64, String), Bytes>,
}

/// A file that is open, in the state in which it was opened.
pub struct OpenedFile {
    number: u64,
    identity: Identity,
    /// The identity tells this state from every later one.
    settled: bool,
    file: File,
    others: Arc<Recorder>,
}

/// Opens the other files that a file leads to, and remembers which.
#[derive(Debug)]
struct Recorder {
    folder: Arc<Folder>,
    /// The file itself, which is open already.
    main: Mutex<Option<fs::File>>,
    seen: Mutex<BTreeMap<PathBuf, Option<Identity>>>,
}

impl OpenFile for Recorder {
    fn open_file(&self, path: &Path) -> io::Result<fs::File> {
        if let Some(main) = self.main.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(main);
        }
        let opened = self.folder.open_beneath(path);
        let identity = opened.as_ref().ok().and_then(|file| Identity::of(file).ok());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() <= OTHERS {
            seen.insert(path.to_owned(), identity);
        }
        opened
    }
}

impl Recorder {
    /// True if the other files, and those that were not found, are what they were.
    fn is_fresh(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.len() <= OTHERS
            && seen.iter().all(|(path, known)| {
                let opened = self.folder.open_beneath(path).ok();
                opened.and_then(|file| Identity::of(&file).ok()) == *known
            })
    }
}

impl OpenedFile {
    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }
    /// The tag of its content, unless it was looked for in other files too.
    pub fn tag(&self) -> Option<String> {
        (self.settled && self.stays()).then(|| self.identity.tag())
    }
    /// The tag that an answer has which came from this file alone.
    pub fn own_tag(&self) -> String {
        self.identity.tag()
    }
    /// True if no other file was looked for.
    fn stays(&self) -> bool {
        self.others.seen.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl Files {
    /// Of a folder.
    pub fn new(folder: Arc<Folder>, limits: &Limits) -> Self {
        let of_files = crate::Limits {
            allocation: limits.max_decoded.clamp(1 << 20, 1 << 30),
            chunk: limits.max_decoded.clamp(1 << 20, 1 << 29),
            ..crate::Limits::default()
        };
        Files {
            folder,
            limits: of_files,
            next: AtomicU64::new(0),
            open: Cache::new(FILES),
            contents: Cache::new(CONTENTS),
            answers: Cache::new(ANSWERS),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A file by its path below the folder.
    ///
    /// # Errors
    /// `FileNotFound`, also for what lies outside; `PermissionDenied`; `File`.
    pub fn open(&self, name: &str) -> Result<Arc<OpenedFile>> {
        let path = Path::new(name.trim_start_matches('/')).to_owned();
        if name.contains('\0') {
            return Err(Error::FileNotFound);
        }
        let missing = |e: io::Error| match (e.kind(), e.raw_os_error()) {
            (io::ErrorKind::PermissionDenied, _) => Error::PermissionDenied,
            // EIO, ENOMEM, ENFILE, EMFILE: it is not about the name.
            (_, Some(5 | 12 | 23 | 24)) => e.into(),
            _ => Error::FileNotFound,
        };
        let main = self.folder.open_beneath(&path).map_err(missing)?;
        let identity = Identity::of(&main).map_err(Error::from)?;
        if let Some(known) = self.open.get(&path)
            && known.identity == identity
            && known.others.is_fresh()
        {
            return Ok(known);
        }
        let others = Arc::new(Recorder {
            folder: self.folder.clone(),
            main: Mutex::new(Some(main)),
            seen: Mutex::default(),
        });
        let opener = Opener::from(others.clone() as Arc<dyn OpenFile>);
        let file = File::options()
            .policy(Policy::all(Reach::Through(opener.clone())))
            .limits(self.limits.clone())
            .chunk_cache_bytes(CHUNKS)
            .open_through(&opener, &path)
            .map_err(Error::of_opening)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let settled = identity.is_settled();
        let opened = Arc::new(OpenedFile { number, identity, settled, file, others });
        if settled {
            self.open.put(path, 1, opened.clone());
        }
        Ok(opened)
    }

    /// The content at a path of a file.
    ///
    /// # Errors
    /// As [`create_content`].
    pub fn content(&self, opened: &OpenedFile, path: &str, links: LinkResolution) -> Result<Content> {
        let key = (opened.number, path.to_owned(), links);
        if let Some(known) = self.contents.get(&key) {
            return Ok(known);
        }
        let content = create_content(&opened.file, Some(path), links)?;
        if !opened.settled {
            return Ok(content);
        }
        if let Content::Dataset(dataset) = &content
            && let Some(chunk) = dataset.dataset().chunk_shape()
        {
            let extents = dataset.dataset().shape().iter().zip(chunk);
            let chunks = extents.fold(1u64, |n, (&d, &c)| n.saturating_mul(d.div_ceil(c.max(1))));
            if chunks > INDEXED {
                return Ok(content);
            }
        }
        self.contents.put(key, 1, content.clone());
        Ok(content)
    }

    /// An answer that was given before, from this file in this state.
    pub fn answer(&self, opened: &OpenedFile, request: &str) -> Option<Bytes> {
        self.answers.get(&(opened.number, request.to_owned()))
    }

    /// Keeps an answer that came from this file alone.
    pub fn keep_answer(&self, opened: &OpenedFile, request: &str, answer: Bytes) {
        if answer.len() <= ANSWER && opened.settled && opened.stays() {
            let weight = answer.len() + request.len() + 128;
            self.answers.put((opened.number, request.to_owned()), weight, answer);
        }
    }
}

/// The message that a client is told. The operating system's own words stay here.
pub fn message(error: &Error) -> String {
    match error {
        Error::File(e) => match e.kind() {
            ErrorKind::Io(_) => "the file cannot be read".to_owned(),
            _ => e.to_string(),
        },
        e => e.to_string(),
    }
}
