//! The fuzz targets' bodies over their committed corpus (`fuzz/corpus/<target>/`) and over the files in `testdata/`.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Runs a body on every file of its corpus and of `testdata/`, and on every such file cut short.
fn replay(corpus: &str, body: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = 0;
    for folder in [root.join("fuzz/corpus").join(corpus), root.join("testdata")] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let mut paths: Vec<_> = entries.map(|e| e.expect("a readable folder").path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.is_file()) {
            let bytes = fs::read(path).expect("a readable file");
            body(&bytes);
            for part in 1..8 {
                body(&bytes[..bytes.len() * part / 8]);
            }
            inputs += 1;
        }
    }
    assert!(inputs > 0, "no input in {corpus}");
}

#[test]
fn open_and_walk() {
    replay("open_and_walk", bodies::open_and_walk);
}

#[test]
fn sources() {
    replay("open_and_walk", bodies::sources);
}

#[test]
fn structures() {
    replay("structures", bodies::structures);
}

#[test]
fn messages() {
    replay("messages", bodies::messages);
}

#[test]
fn filters() {
    replay("filters", bodies::filters);
}
