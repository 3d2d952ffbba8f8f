//! The fuzz targets' bodies over their committed corpus (`fuzz/corpus/<target>/`) and over the files in `testdata/`.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

#[path = "../fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Runs a body on every file of these corpora and of `testdata/`, and on every such file cut short.
fn replay(corpora: &[&str], body: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for corpus in corpora {
        let inputs = replay_folder(&root.join("fuzz/corpus").join(corpus), body);
        assert!(inputs > 0, "no input in the corpus {corpus}");
    }
    assert!(replay_folder(&root.join("testdata"), body) > 0);
}

/// The number of files in the folder, which must exist.
fn replay_folder(folder: &Path, body: fn(&[u8])) -> usize {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|e| e.expect("a readable folder").path()).collect();
    paths.retain(|p| p.is_file());
    paths.sort();
    for path in &paths {
        let bytes = fs::read(path).expect("a readable file");
        body(&bytes);
        for part in 1..8 {
            body(&bytes[..bytes.len() * part / 8]);
        }
    }
    paths.len()
}

#[test]
fn open_and_walk() {
    replay(&["open_and_walk"], bodies::open_and_walk);
}

#[test]
fn sources() {
    replay(&["sources", "open_and_walk"], bodies::sources);
}

#[test]
fn structures() {
    replay(&["structures"], bodies::structures);
}

#[test]
fn messages() {
    replay(&["messages"], bodies::messages);
}

#[test]
fn filters() {
    replay(&["filters"], bodies::filters);
}

#[test]
fn inflate() {
    replay(&["inflate"], bodies::inflate);
}
