//! h5flow: the recorded cases of the reference, a model, and everything at once.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../fuzz/flow.rs"]
mod flow;
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

/// The body of the fuzz target over its corpus, and over files of the reference that are damaged.
#[test]
fn fuzz_corpus() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = 0;
    for folder in ["fuzz/corpus/flow", "testdata/h5flow"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            flow::flow(&bytes);
            for part in 1..8 {
                flow::flow(&bytes[..bytes.len() * part / 8]);
            }
            for seed in 0..if bytes.starts_with(b"\x89HDF") { 40u64 } else { 0 } {
                let at = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                let at = 512 + at as usize % (bytes.len() - 512);
                let old = std::mem::replace(&mut bytes[at], (seed * 37) as u8);
                flow::flow(&bytes);
                bytes[at] = old;
            }
            inputs += 1;
        }
    }
    assert!(inputs > 10);
}
