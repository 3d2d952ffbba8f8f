//! Runs of the `h5` command, and what is expected of them.
#![allow(dead_code)] // each test file uses a part

use std::process::{Command, Output};

/// A run in the folder of the repository.
pub fn h5(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_h5"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .expect("the command runs")
}

/// Standard output of a run that succeeds and has nothing to complain about.
pub fn bytes(arguments: &[&str]) -> Vec<u8> {
    let out = h5(arguments);
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{arguments:?}");
    assert_eq!(out.status.code(), Some(0), "{arguments:?}");
    out.stdout
}

/// The same as text.
pub fn text(arguments: &[&str]) -> String {
    String::from_utf8(bytes(arguments)).expect("text")
}

/// What a run says on standard error that ends with this status.
pub fn complaint(arguments: &[&str], status: i32) -> String {
    ended(arguments, status).0
}

/// The message of a run that fails with this status, and prints nothing else.
pub fn failure(arguments: &[&str], status: i32) -> String {
    let (message, printed) = ended(arguments, status);
    assert!(printed.is_empty(), "{arguments:?}");
    message
}

fn ended(arguments: &[&str], status: i32) -> (String, Vec<u8>) {
    let out = h5(arguments);
    let message = String::from_utf8(out.stderr).expect("text");
    assert_eq!(out.status.code(), Some(status), "{arguments:?}: {message}");
    (message, out.stdout)
}
