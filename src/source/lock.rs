//! Advisory locks of whole files, as libhdf5 takes them: shared for reading, exclusive for writing, never waited for.

#[cfg(any(unix, windows))]
use crate::error::{Error, ErrorKind, Result};

/// Which locks are taken when files are opened and made: shared ones for reading, exclusive ones for writing. They end
/// with the last handle of a file that is read, and with [`File::close`](crate::File::close) of one that is written.
///
/// The environment variable `HDF5_USE_FILE_LOCKING` goes before this, as it does in libhdf5: `FALSE` or `0` is
/// [`Off`](Self::Off), `TRUE` or `1` is [`On`](Self::On), `BEST_EFFORT` is [`BestEffort`](Self::BestEffort); anything
/// else is ignored. Files that an external link or a virtual dataset leads to are locked as the first one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Locking {
    /// Locks, where the file system has them (the default).
    #[default]
    BestEffort,
    /// Locks; files on a file system without them cannot be opened.
    On,
    /// No locks. Who writes a file while others read it makes them read nonsense.
    Off,
}

#[cfg(any(unix, windows))]
impl Locking {
    /// What the environment says, or else this.
    fn effective(self) -> Self {
        self.or_of(std::env::var_os("HDF5_USE_FILE_LOCKING").as_deref())
    }

    fn or_of(self, variable: Option<&std::ffi::OsStr>) -> Self {
        match variable.and_then(|v| v.to_str()) {
            Some("FALSE" | "0") => Locking::Off,
            Some("TRUE" | "1") => Locking::On,
            Some("BEST_EFFORT") => Locking::BestEffort,
            _ => self,
        }
    }
}

/// A file, and a lock that ends with it: also where a child process that is just being started has the file still.
#[cfg(any(unix, windows))]
#[derive(Debug)]
pub(crate) struct LockedFile {
    file: std::fs::File,
    locked: std::sync::atomic::AtomicBool,
}

#[cfg(any(unix, windows))]
impl LockedFile {
    /// Takes a lock.
    ///
    /// # Errors
    /// `Locked` if someone else holds one that forbids it; `Io`.
    pub(crate) fn new(file: std::fs::File, exclusive: bool, locking: Locking) -> Result<Self> {
        let locked = lock(&file, exclusive, locking)?.into();
        Ok(LockedFile { file, locked })
    }

    /// Ends the lock.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn unlock(&self) -> Result<()> {
        if self.locked.swap(false, std::sync::atomic::Ordering::AcqRel) {
            self.file.unlock()?;
        }
        Ok(())
    }
}

#[cfg(any(unix, windows))]
impl Drop for LockedFile {
    fn drop(&mut self) {
        // The lock ends with the file if this fails.
        let _ = self.unlock();
    }
}

#[cfg(any(unix, windows))]
impl std::ops::Deref for LockedFile {
    type Target = std::fs::File;
    fn deref(&self) -> &std::fs::File {
        &self.file
    }
}

/// A file whose locks are the caller's.
#[cfg(any(unix, windows))]
impl From<std::fs::File> for LockedFile {
    fn from(file: std::fs::File) -> Self {
        LockedFile { file, locked: false.into() }
    }
}

/// Locks a file; whether there is a lock now.
#[cfg(any(unix, windows))]
fn lock(file: &std::fs::File, exclusive: bool, locking: Locking) -> Result<bool> {
    use std::fs::TryLockError;
    let locking = locking.effective();
    if locking == Locking::Off {
        return Ok(false);
    }
    let taken = if exclusive { file.try_lock() } else { file.try_lock_shared() };
    match taken {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Err(held(exclusive)),
        // What platforms say that have no locks, and file systems.
        Err(TryLockError::Error(e))
            if locking == Locking::BestEffort && e.kind() == std::io::ErrorKind::Unsupported =>
        {
            Ok(false)
        }
        Err(TryLockError::Error(e)) => Err(e.into()),
    }
}

#[cfg(any(unix, windows))]
fn held(exclusive: bool) -> Error {
    let who = if exclusive { "the file is open elsewhere" } else { "a writer has the file open" };
    let text = format!("{who} and its lock is held; HDF5_USE_FILE_LOCKING=FALSE opens it regardless");
    Error::new(ErrorKind::Locked(text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_first() {
        let of = |text: &str| Locking::On.or_of(Some(text.as_ref()));
        assert_eq!(of("FALSE"), Locking::Off);
        assert_eq!(of("0"), Locking::Off);
        assert_eq!(Locking::Off.or_of(Some("1".as_ref())), Locking::On);
        assert_eq!(Locking::Off.or_of(Some("TRUE".as_ref())), Locking::On);
        assert_eq!(of("BEST_EFFORT"), Locking::BestEffort);
        assert_eq!(of("false"), Locking::On, "libhdf5 knows capital letters only");
        assert_eq!(Locking::Off.or_of(None), Locking::Off);
    }

    #[test]
    fn one_writer_or_many_readers() {
        let path = std::env::temp_dir().join(format!("h5-lock-{}", std::process::id()));
        let open = || {
            let mut options = std::fs::File::options();
            options.read(true).write(true).create(true).truncate(false).open(&path).unwrap()
        };
        let lock = |file, exclusive, locking| LockedFile::new(file, exclusive, locking);
        let is_held = |result: Result<LockedFile>| matches!(result.unwrap_err().kind(), ErrorKind::Locked(_));
        let a = lock(open(), false, Locking::On).unwrap();
        let b = lock(open(), false, Locking::BestEffort).unwrap();
        assert!(is_held(lock(open(), true, Locking::On)));
        lock(open(), true, Locking::Off).unwrap();
        drop((a, b));
        let c = lock(open(), true, Locking::On).unwrap();
        assert!(is_held(lock(open(), false, Locking::BestEffort)));
        // A file that shares the lock does not keep it.
        let shared = c.try_clone().unwrap();
        drop(c);
        lock(open(), true, Locking::On).unwrap();
        drop(shared);
        std::fs::remove_file(path).unwrap();
    }
}
