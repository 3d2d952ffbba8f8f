//! The files of a manager: the one that it is about, and a temporary one for what is dropped at the end.
//!
//! Shared among processes, the file is open only while a lock on a file beside it is held. The operating system gives
//! that lock back when a process is killed, and every commit is whole, so that the next one finds the last commit.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{Durability, Error, ErrorKind, File, Result};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// It must exist, and is not changed.
    Read,
    /// It must exist.
    ReadWrite,
    /// It is made if it does not exist.
    Append,
    /// It is made anew.
    Write,
    /// It must not exist.
    Exclusive,
}

impl Mode {
    pub(super) fn parse(mode: &str) -> Result<Self> {
        Ok(match mode {
            "r" => Mode::Read,
            "r+" => Mode::ReadWrite,
            "a" => Mode::Append,
            "w" => Mode::Write,
            "w-" | "x" => Mode::Exclusive,
            _ => {
                let text = format!("the mode {mode:?}; there are r, r+, a, w, w- and x");
                return Err(Error::new(ErrorKind::Usage(text)));
            }
        })
    }
}

/// How long a file is waited for that someone else has open, not knowing of the lock beside it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a file; one that does not exist is made where the mode says so.
pub(super) fn open(path: &Path, mode: Mode, durability: Durability) -> Result<File> {
    let create = || File::create_options().durability(durability);
    match mode {
        Mode::Read => File::open(path),
        Mode::Write => create().create(path),
        Mode::Exclusive => create().exclusive(true).create(path),
        Mode::Append if !path.exists() => create().exclusive(true).create(path),
        Mode::ReadWrite | Mode::Append => File::options().durability(durability).open_rw(path),
    }
}

/// The lock beside a file; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub(super) struct Turn(#[allow(dead_code, reason = "the lock ends with the file")] fs::File);

impl Turn {
    /// Waits for the lock.
    pub(super) fn wait(path: &Path) -> Result<Self> {
        let beside = beside(path);
        let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(&beside)?;
        file.lock()?;
        Ok(Turn(file))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".lock");
    path.with_file_name(name)
}

/// Opens a file whose turn it is. What a killed process left half done is brought to its end or taken back.
pub(super) fn open_in_turn(path: &Path, mode: Mode, durability: Durability) -> Result<File> {
    let start = Instant::now();
    loop {
        match open(path, mode, durability) {
            Err(e) if matches!(e.kind(), ErrorKind::Locked(_)) => {
                // The mark of a writer that is gone, if nobody has the file.
                let cleared = mode != Mode::Read && matches!(File::clear(path), Ok(true));
                if !cleared && start.elapsed() > PATIENCE {
                    return Err(e);
                }
                if !cleared {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            other => return other,
        }
    }
}

/// Makes a file that is not an empty one visible only when it is whole.
pub(super) fn create_in_turn(path: &Path, durability: Durability) -> Result<()> {
    if fs::metadata(path).is_ok_and(|m| m.len() > 0) {
        return Ok(());
    }
    let made = temporary(path, "new");
    let file = File::create_options().durability(durability).exclusive(true).create(&made)?;
    file.close()?;
    fs::rename(&made, path)?;
    Ok(())
}

/// The name of a temporary file, as the reference has it: tmp-h5flow-%y.%m.%d-%H.%M.%S-{uid}.h5, in UTC.
pub(super) fn temporary(path: &Path, tag: &str) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = ((now.as_secs() / 86_400) as i64, now.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let uid = format!(
        "{:08x}-{:x}-{:x}-{tag}",
        std::process::id(),
        now.subsec_nanos(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    path.with_file_name(format!(
        "tmp-h5flow-{:02}.{month:02}.{day:02}-{:02}.{:02}.{:02}-{uid}.h5",
        year.rem_euclid(100),
        second / 3600,
        second / 60 % 60,
        second % 60
    ))
}

/// Year, month and day of a day since 1970, in the Gregorian calendar (Hinnant, "chrono-compatible date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn days_have_dates() {
        assert_eq!(super::civil(0), (1970, 1, 1));
        assert_eq!(super::civil(11_016), (2000, 2, 29));
        assert_eq!(super::civil(20_513), (2026, 3, 1));
    }
}
