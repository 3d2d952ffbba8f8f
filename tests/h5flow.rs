//! h5flow: the recorded cases of the reference, a model, and everything at once.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "h5flow/golden.rs"]
mod golden;
#[path = "h5flow/manager.rs"]
mod manager;
#[path = "h5flow/model.rs"]
mod model;
#[path = "h5flow/processes.rs"]
mod processes;

use std::path::PathBuf;

/// A path for a file of a test; nothing is there.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("h5flow-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}
