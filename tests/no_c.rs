//! No C code is compiled into the crate or its command: neither directly nor by a dependency.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Crates that compile, find or bind code that is not Rust, for build scripts.
const BUILDERS: [&str; 12] = [
    "autotools",
    "bindgen",
    "cc",
    "cmake",
    "cpp_build",
    "cxx-build",
    "gcc",
    "meson",
    "nasm-rs",
    "pkg-config",
    "system-deps",
    "vcpkg",
];

/// `-sys` crates that only declare what the operating system has, or are Rust in spite of their name.
const DECLARATIONS: [&str; 7] =
    ["core-foundation-sys", "js-sys", "libbz2-rs-sys", "linux-raw-sys", "wasi-sys", "web-sys", "windows-sys"];

/// The crates of `cargo tree --prefix none --format {p}` that must not be there.
fn offenders(tree: &str) -> BTreeSet<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let is_bad = |name: &&str| {
        BUILDERS.contains(name)
            || name.ends_with("-sys") && !DECLARATIONS.contains(name)
            || *name == "libhdf5"
    };
    names.filter(is_bad).collect()
}

/// The features that a manifest declares.
fn features(manifest: &str) -> BTreeSet<&str> {
    let section = manifest.lines().skip_while(|l| l.trim() != "[features]").skip(1);
    section
        .take_while(|l| !l.starts_with('['))
        .filter_map(|l| l.split_once('=').map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

/// Normal and build dependencies with these features.
fn tree(features: &str) -> String {
    let run = |offline: &[&str]| {
        Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["tree", "--locked", "--package", "h5", "--edges", "normal,build", "--prefix", "none"])
            .args(["--format", "{p}", "--features", features])
            .args(offline)
            .output()
            .expect("cargo runs")
    };
    let mut output = run(&["--offline"]);
    if !output.status.success() {
        output = run(&[]);
    }
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints text")
}

#[test]
fn no_dependency_compiles_c() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("Cargo.toml");
    let declared = features(&manifest);
    assert!(["default", "full"].iter().all(|f| declared.contains(f)), "{declared:?}");
    for features in ["default", "full"] {
        let tree = tree(features);
        assert!(tree.lines().any(|l| l.starts_with("binrw ")), "no dependencies found:\n{tree}");
        let offenders = offenders(&tree);
        assert!(offenders.is_empty(), "with feature {features}: {offenders:?} bring C code");
    }
}

/// All features that a feature turns on.
fn with(manifest: &str, feature: &str) -> BTreeSet<String> {
    let line = manifest.lines().find_map(|l| l.strip_prefix(feature)?.trim_start().strip_prefix("= ["));
    let parts = line.unwrap_or_default().split('"').skip(1).step_by(2).filter(|part| !part.contains(':'));
    parts.flat_map(|part| with(manifest, part)).chain([feature.to_owned()]).collect()
}

#[test]
fn full_is_everything_but_mpi() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("Cargo.toml");
    let (full, mut declared) = (with(&manifest, "full"), features(&manifest));
    assert!(declared.remove("mpi") && !full.contains("mpi"));
    assert_eq!(full.iter().map(String::as_str).collect::<BTreeSet<_>>(), declared);
}

#[test]
fn the_check_can_fail() {
    let tree = "h5 v0.1.0 (/somewhere/h5)\nflate2 v1.1.10\nlibz-sys v1.1.31\ncc v1.4.0\nbinrw v0.15.2 (*)\n\
                linux-raw-sys v0.9.0\nccc v1.0.0\n";
    assert_eq!(offenders(tree), BTreeSet::from(["libz-sys", "cc"]));
    let manifest = "[package]\nname = \"x\"\n[features]\ndefault = [\n    \"a\",\n]\n## Doc = of it.\ncli = []\n[dependencies]\ny = \"1\"\n";
    assert_eq!(features(manifest), BTreeSet::from(["default", "cli"]));
}
