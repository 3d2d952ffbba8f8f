//! Locks of files: who may open what while it is open elsewhere. `H5_PYTHON` is a Python with h5py, for libhdf5's side.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use h5::{ErrorKind, File, Locking, Result};

/// One test at a time: a child that is being started shares the locks of all others for an instant.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("h5-locks-{}-{name}.h5", std::process::id()))
}

fn made(name: &str) -> PathBuf {
    let path = path(name);
    let file = File::create(&path).unwrap();
    file.root().unwrap().new_dataset::<i32>().with_data(&[1, 2, 3]).create("x").unwrap();
    file.close().unwrap();
    path
}

fn is_locked(result: Result<File>) {
    let error = result.expect_err("the file is open elsewhere");
    assert!(matches!(error.kind(), ErrorKind::Locked(_)), "{error}");
    assert!(error.to_string().contains("lock"), "{error}");
}

#[test]
fn a_writer_keeps_others_out_and_readers_a_writer() {
    let _turn = turn();
    let path = path("same_process");
    let writer = File::create(&path).unwrap();
    writer.root().unwrap().new_dataset::<i32>().with_data(&[1, 2, 3]).create("x").unwrap();
    writer.flush().unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    is_locked(File::open(&path));
    is_locked(File::create(&path));
    is_locked(File::options().mmap(false).open(&path));
    // The refused one has not cut the file.
    assert_eq!(std::fs::metadata(&path).unwrap().len(), len);
    let regardless = File::options().locking(Locking::Off).open(&path).unwrap();
    assert_eq!(regardless.dataset("x").unwrap().read_vec::<i32>().unwrap(), [1, 2, 3]);
    // A handle that is left over reads on, and is in nobody's way.
    let root = writer.root().unwrap();
    writer.close().unwrap();
    let first = File::open(&path).unwrap();
    let second = File::options().mmap(false).open(&path).unwrap();
    assert_eq!(root.names().unwrap(), ["x"]);
    is_locked(File::create(&path));
    drop(first);
    is_locked(File::create(&path));
    assert_eq!(second.dataset("x").unwrap().read_vec::<i32>().unwrap(), [1, 2, 3]);
    // Any handle keeps the file open.
    let dataset = second.dataset("x").unwrap();
    drop(second);
    is_locked(File::create(&path));
    drop(dataset);
    let writer = File::create(&path).unwrap();
    // Dropped without a close.
    drop(writer);
    File::create(&path).unwrap().close().unwrap();
    std::fs::remove_file(path).unwrap();
}

/// A Python that holds a file open until it is told to go on.
struct Python {
    child: Child,
    input: ChildStdin,
}

impl Python {
    /// Opens a file; `None` without a Python to do it. The second is what it said: "open" or an error.
    fn open(path: &std::path::Path, mode: &str, locking: Option<&str>) -> Option<(Python, String)> {
        const SCRIPT: &str = "
import sys, h5py
try:
    f = h5py.File(sys.argv[1], sys.argv[2])
    print('open', flush=True)
except OSError as e:
    print(str(e).replace(chr(10), ' '), flush=True)
sys.stdin.readline()
";
        let Some(python) = std::env::var_os("H5_PYTHON") else {
            eprintln!("skipped: H5_PYTHON is not set");
            return None;
        };
        let mut command = Command::new(python);
        command.arg("-c").arg(SCRIPT).arg(path).arg(mode);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        match locking {
            Some(value) => command.env("HDF5_USE_FILE_LOCKING", value),
            None => command.env_remove("HDF5_USE_FILE_LOCKING"),
        };
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Some((Python { child, input }, said.trim().to_owned()))
    }

    fn close(mut self) {
        self.input.write_all(b"\n").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn libhdf5_is_kept_out_while_we_write() {
    let _turn = turn();
    let path = path("we_write");
    let file = File::create(&path).unwrap();
    file.flush().unwrap();
    for mode in ["r", "r+"] {
        let Some((python, said)) = Python::open(&path, mode, None) else { return };
        assert!(said.contains("lock"), "{mode}: {said}");
        python.close();
    }
    let (python, said) = Python::open(&path, "r", Some("FALSE")).unwrap();
    assert_eq!(said, "open");
    python.close();
    file.close().unwrap();
    let (python, said) = Python::open(&path, "r+", None).unwrap();
    assert_eq!(said, "open");
    python.close();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn we_are_kept_out_while_libhdf5_writes() {
    let _turn = turn();
    let path = made("it_writes");
    let Some((python, said)) = Python::open(&path, "r+", None) else { return };
    assert_eq!(said, "open");
    is_locked(File::open(&path));
    is_locked(File::create(&path));
    File::options().locking(Locking::Off).open(&path).unwrap();
    python.close();
    let ours = File::open(&path).unwrap();
    let (python, said) = Python::open(&path, "r", None).unwrap();
    assert_eq!(said, "open", "two readers");
    is_locked(File::create(&path));
    python.close();
    let (python, said) = Python::open(&path, "r+", None).unwrap();
    assert!(said.contains("lock"), "{said}");
    python.close();
    drop(ours);
    // What writes without a lock keeps nobody out.
    let (python, said) = Python::open(&path, "r+", Some("FALSE")).unwrap();
    assert_eq!(said, "open");
    File::open(&path).unwrap();
    python.close();
    std::fs::remove_file(path).unwrap();
}

/// The environment belongs to the process: a child runs this with another one.
#[test]
fn the_environment_turns_locks_off_and_on() {
    let (name, value) = ("H5_LOCKS_CHILD", std::env::var("HDF5_USE_FILE_LOCKING"));
    if let Some(path) = std::env::var_os(name) {
        let opened = File::options().locking(Locking::Off).open(&path);
        match value.as_deref() {
            Ok("FALSE") => drop((opened.unwrap(), File::open(&path).unwrap())),
            Ok("TRUE" | "BEST_EFFORT") => is_locked(opened),
            _ => drop((opened.unwrap(), is_locked(File::open(&path)))),
        }
        return;
    }
    let _turn = turn();
    let path = path("environment");
    let file = File::create(&path).unwrap();
    file.flush().unwrap();
    for value in ["FALSE", "TRUE", "BEST_EFFORT", "nonsense"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "the_environment_turns_locks_off_and_on"]);
        let status =
            child.env(name, &path).env("HDF5_USE_FILE_LOCKING", value).stdout(Stdio::null()).status();
        assert!(status.unwrap().success(), "{value}");
    }
    file.close().unwrap();
    std::fs::remove_file(path).unwrap();
}

/// Where a superblock can say that a file is being written, it does on request, and the mark of a writer that was
/// killed is taken back.
#[test]
fn a_mark_in_the_superblock() {
    let path = std::env::temp_dir().join(format!("h5-mark-{}.h5", std::process::id()));
    let options = File::create_options().profile(h5::Profile::Modern).mark_open(true);
    let file = options.create(&path).unwrap();
    file.root().unwrap().create_group("a").unwrap();
    file.flush().unwrap();
    let flags = || std::fs::read(&path).unwrap()[11];
    assert_eq!(flags(), 1);
    file.close().unwrap();
    assert_eq!(flags(), 0);
    let file = File::options().mark_open(true).open_rw(&path).unwrap();
    assert_eq!(flags(), 1);
    file.root().unwrap().create_group("b").unwrap();
    file.flush().unwrap();
    assert_eq!(flags(), 1);
    // Killed: never closed.
    drop(file);
    for error in [File::open(&path).unwrap_err(), File::open_rw(&path).unwrap_err()] {
        assert!(
            matches!(error.kind(), h5::ErrorKind::Locked(_)) && error.to_string().contains("h5 clear"),
            "{error}"
        );
    }
    assert!(File::clear(&path).unwrap());
    assert!(!File::clear(&path).unwrap());
    assert_eq!(File::open(&path).unwrap().root().unwrap().names().unwrap().len(), 2);
    std::fs::remove_file(path).unwrap();
}
