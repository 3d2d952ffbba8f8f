//! Lists the files of the viewer, so that the server can embed them. Does nothing else, and nothing without them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn files(folder: &Path, root: &Path, out: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files(&path, root, out);
        } else if let Ok(name) = path.strip_prefix(root) {
            out.push((name.to_string_lossy().replace('\\', "/"), path));
        }
    }
}

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_SERVER").is_none() {
        return Ok(());
    }
    let folder = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let viewer = folder("CARGO_MANIFEST_DIR").join("viewer");
    let dist = viewer.join("dist");
    // A folder that is not there is looked for each time; one that holds it tells when it comes.
    println!("cargo::rerun-if-changed={}", if dist.is_dir() { &dist } else { &viewer }.display());
    let mut found = Vec::new();
    files(&dist, &dist, &mut found);
    found.sort();
    let mut text = String::from("&[\n");
    for (name, path) in found {
        text.push_str(&format!("    ({name:?}, include_bytes!({:?})),\n", path.display().to_string()));
    }
    text.push_str("]\n");
    fs::write(folder("OUT_DIR").join("viewer.rs"), text)
}
