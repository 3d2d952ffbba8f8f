//! The served folder, as a handle beneath which everything is opened.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};

use crate::OpenFile;

/// Signature of an HDF5 file.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Where the signature is looked for when files are listed.
const OFFSETS: [u64; 4] = [0, 512, 1024, 2048];
/// Folders that are nested more deeply are not listed.
const MAX_DEPTH: usize = 32;
/// Directory entries that one listing looks at.
const MAX_ENTRIES: usize = 100_000;

/// Nanoseconds after which a change gives a file another time for sure.
const SETTLED: i128 = 1_000_000_000;

/// A folder. Links that lead out of it are not followed, whatever is changed meanwhile: on Linux the kernel sees to it
/// (`openat2` with `RESOLVE_BENEATH`), elsewhere each part of a path is opened by itself.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
}

/// Which file it is and in which state; two that are equal have the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: i128,
    changed: i128,
}

impl Identity {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
            Ok(Identity {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.len(),
                modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
                changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            })
        }
        #[cfg(not(unix))]
        {
            let time = |t: io::Result<std::time::SystemTime>| {
                let since = t.ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                since.map_or(0, |d| d.as_nanos() as i128)
            };
            let (modified, changed) = (time(metadata.modified()), time(metadata.created()));
            Ok(Identity { device: 0, inode: 0, size: metadata.len(), modified, changed })
        }
    }

    /// True if the file was changed long enough ago for another change to be seen: clocks of file systems tick.
    pub fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i128);
        now - self.modified.max(self.changed) > SETTLED
    }

    /// A tag of HTTP for content of this file.
    pub fn tag(&self) -> String {
        use std::hash::{Hash, Hasher};
        let mut hasher = rustc_hash::FxHasher::default();
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        (self.device, self.changed).hash(&mut hasher);
        format!("{:x}-{:x}-{:x}-{:x}", self.inode, self.size, self.modified, hasher.finish())
    }
}

/// A file of a listing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// Path below the folder, with slashes.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: u64,
}

/// A listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Listing {
    /// The files, sorted by path.
    pub files: Vec<Listed>,
    /// There are more than a listing holds.
    pub truncated: bool,
}

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Folder { dir: Dir::open_ambient_dir(path, ambient_authority())? })
    }

    /// Opens a regular file below the folder.
    pub fn open_beneath(&self, path: &Path) -> io::Result<File> {
        // A path that leaves and comes back is refused too.
        let mut depth = 0usize;
        for component in path.components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir => depth = depth.checked_sub(1).ok_or(io::ErrorKind::NotFound)?,
                Component::RootDir | Component::Prefix(_) => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        let file = self.dir.open_with(path, &options()).map_err(|e| match e.raw_os_error() {
            // That it would lead outside comes without a number; nobody needs to know what is there.
            None => io::Error::from(io::ErrorKind::NotFound),
            Some(_) => e,
        })?;
        let file = file.into_std();
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(file)
    }

    /// The HDF5 files below the folder. Links to folders are not followed.
    pub fn list(&self, until: Instant) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let mut left = MAX_ENTRIES;
        let mut stack = vec![(self.dir.try_clone()?, PathBuf::new(), 0)];
        while let Some((dir, below, depth)) = stack.pop() {
            let Ok(entries) = dir.entries() else { continue };
            for entry in entries.flatten() {
                if left == 0 || Instant::now() > until {
                    listing.truncated = true;
                    stack.clear();
                    break;
                }
                left -= 1;
                let path = below.join(entry.file_name());
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() && depth < MAX_DEPTH {
                    if let Ok(inner) = dir.open_dir(entry.file_name()) {
                        stack.push((inner, path, depth + 1));
                    }
                } else if (kind.is_file() || kind.is_symlink())
                    && let Some(text) = path.to_str()
                    && let Ok(mut file) = self.open_beneath(&path)
                    && is_hdf5(&mut file)
                    && let Ok(metadata) = file.metadata()
                {
                    let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                    listing.files.push(Listed {
                        path: text.replace(std::path::MAIN_SEPARATOR, "/"),
                        size: metadata.len(),
                        modified: modified.map_or(0, |d| d.as_secs()),
                    });
                }
            }
        }
        listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }
}

/// For reading, without waiting for the other end of a pipe.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        options.custom_flags(libc_nonblock());
    }
    options
}

#[cfg(unix)]
fn libc_nonblock() -> i32 {
    // O_NONBLOCK.
    if cfg!(any(target_os = "linux", target_os = "android")) { 0o4000 } else { 0x0004 }
}

fn is_hdf5(file: &mut File) -> bool {
    OFFSETS.iter().any(|&offset| {
        let mut found = [0; 8];
        file.seek(SeekFrom::Start(offset)).is_ok()
            && file.read_exact(&mut found).is_ok()
            && found == SIGNATURE
    })
}

impl OpenFile for Folder {
    fn open_file(&self, path: &Path) -> io::Result<File> {
        self.open_beneath(path)
    }
}
