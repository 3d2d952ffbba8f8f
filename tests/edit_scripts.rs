//! Scripts of random edits, on new files and on those of libhdf5: what the reopened file holds must be what a simple
//! model holds. The fuzz target `edit_scripts` does the same with scripts that it finds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/model.rs"]
mod model;
#[path = "common/scripts.rs"]
mod scripts;

use std::path::Path;

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/edit");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut out: Vec<_> = files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    out.sort();
    out
}

fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Runs scripts; some of the files stay in the folder of `H5_SCRIPTS_DIR`, for h5py.
fn run(name: &str, fixture: Option<&[u8]>, rounds: u64) {
    let asked = std::env::var("H5_SCRIPTS").ok().and_then(|n| n.parse().ok());
    let folder = std::env::var_os("H5_SCRIPTS_DIR");
    for seed in 0..asked.unwrap_or(rounds) {
        let script = random_bytes(seed, 100 + seed as usize % 7 * 150);
        let done = std::panic::catch_unwind(|| scripts::run(fixture, &script));
        let (file, model) = done.unwrap_or_else(|_| panic!("{name}, seed {seed}"));
        if let Some(folder) = folder.as_ref().filter(|_| seed < 12) {
            std::fs::create_dir_all(folder).unwrap();
            let path = Path::new(folder).join(format!("{name}-{seed}.h5"));
            std::fs::write(path.with_extension("json"), model.to_json()).unwrap();
            std::fs::write(path, file).unwrap();
        }
    }
}

#[test]
fn new_files() {
    run("new", None, 60);
}

#[test]
fn files_of_libhdf5() {
    for (name, bytes) in fixtures() {
        run(&name, Some(&bytes), 12);
    }
}
