//! `h5 repack`, `h5 cp` and `h5 rescue`, from outside.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use std::{
    fs,
    path::{Path, PathBuf},
};

use h5::{Dataset, File};

#[path = "common/command.rs"]
mod command;
use command::{complaint, h5};

/// A folder that is gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("h5-cli-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }
    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The digest of a file, without the line of its superblock.
fn digest(path: &str) -> serde_json::Value {
    let out = h5(&["digest", path]);
    assert_eq!(out.status.code(), Some(0));
    let mut digest: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    digest["file"].take();
    for object in digest["objects"].as_array_mut().unwrap() {
        object["info"].take();
    }
    digest
}

/// Floats by their bits: one of them is not a number.
fn bits(dataset: &Dataset) -> Vec<u64> {
    dataset.read_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect()
}

const BASIC: &str = "testdata/basic.h5";

#[test]
fn repacked_content_is_the_same() {
    let scratch = Scratch::new("repack");
    for file in [BASIC, "testdata/humidity.nc", "testdata/rescue_latest.h5"] {
        for profile in ["compatible", "modern"] {
            let out = scratch.path("out.h5");
            assert_eq!(complaint(&["repack", "--profile", profile, file, &out], 0), "");
            assert_eq!(digest(file), digest(&out), "{file}");
            assert_eq!(scratch.names(), ["out.h5"]);
            let version = File::open(&out).unwrap().info().superblock_version;
            assert_eq!(version, if profile == "modern" { 3 } else { 2 });
        }
    }
}

#[test]
fn repack_changes_filters_and_layouts() {
    let scratch = Scratch::new("filters");
    let out = scratch.path("out.h5");
    let temperature = "/measurements/temperature";
    complaint(
        &["repack", "-f", "SHUF", "-f", "GZIP=4", "-l", "measurements/temperature:CHUNK=2x3", BASIC, &out],
        0,
    );
    let old = File::open(BASIC).unwrap().dataset(temperature).unwrap();
    let dataset = File::open(&out).unwrap().dataset(temperature).unwrap();
    assert_eq!(bits(&dataset), bits(&old));
    assert_eq!(dataset.chunk_shape(), Some(&[2, 3][..]));
    assert_eq!(dataset.filters().iter().map(|f| f.id).collect::<Vec<_>>(), [2, 1]);

    complaint(&["repack", "-f", "measurements/temperature:blosc=zstd,3", &out, &scratch.path("b.h5")], 0);
    let dataset = File::open(scratch.path("b.h5")).unwrap().dataset(temperature).unwrap();
    assert_eq!(dataset.filters()[0].client_data, [2, 2, 8, 48, 3, 1, 5]);
    assert_eq!(bits(&dataset), bits(&old));

    // What does not suit a dataset is no error unless it was named.
    let message = complaint(&["repack", "-f", "SOFF=3,DS", BASIC, &out], 0);
    assert!(message.contains("is copied as it is"), "{message}");
    let message = complaint(&["repack", "-f", "measurements/counts:SOFF=3,DS", BASIC, &out], 1);
    assert!(message.contains("/measurements/counts"), "{message}");
    complaint(&["repack", "-f", "nowhere:GZIP=1", BASIC, &out], 1);
    complaint(&["repack", "-f", "GZIP=x", BASIC, &out], 2);
    complaint(&["repack", "-l", "CHUNK", BASIC, &out], 2);
    assert_eq!(scratch.names(), ["b.h5", "out.h5"]);
}

#[test]
fn repack_keeps_the_user_block_and_the_source() {
    let scratch = Scratch::new("block");
    let (source, out) = (scratch.path("in.h5"), scratch.path("out.h5"));
    let file = File::create_options().user_block(1024).create(&source).unwrap();
    file.root().unwrap().new_dataset::<i32>().with_data(&[1, 2, 3]).create("x").unwrap();
    file.close().unwrap();
    let mut bytes = fs::read(&source).unwrap();
    bytes[..4].copy_from_slice(b"mine");
    fs::write(&source, &bytes).unwrap();
    complaint(&["repack", &source, &out], 0);
    let made = fs::read(&out).unwrap();
    assert_eq!((&made[..4], made[4..1024].iter().all(|&b| b == 0)), (&b"mine"[..], true));
    assert_eq!(digest(&source), digest(&out));
    // Onto itself, by whatever name.
    let message = complaint(&["repack", &source, &format!("{}/./in.h5", scratch.0.display())], 2);
    assert!(message.contains("is the file that is read"), "{message}");
    assert_eq!(fs::read(&source).unwrap(), bytes);
}

#[test]
fn cp_into_new_and_old_files() {
    let scratch = Scratch::new("cp");
    let out = scratch.path("out.h5");
    let at = |path: &str| format!("{out}:{path}");
    complaint(&["cp", &format!("{BASIC}:/measurements"), &at("/run/m")], 0);
    complaint(&["cp", "-f", "GZIP=1", &format!("{BASIC}/measurements/temperature"), &at("/run/")], 0);
    let file = File::open(&out).unwrap();
    let same = |path: &str| {
        let old = File::open(BASIC).unwrap().dataset("/measurements/temperature").unwrap();
        assert_eq!(bits(&file.dataset(path).unwrap()), bits(&old));
    };
    same("/run/m/temperature");
    same("/run/temperature");
    assert_eq!(file.dataset("/run/temperature").unwrap().filters().len(), 1);
    drop(file);
    complaint(&["cp", &format!("{BASIC}:/measurements"), &at("/run/m/temperature")], 1);
    complaint(&["cp", &format!("{BASIC}:/nowhere"), &at("/x")], 1);
    let all = scratch.path("all.h5");
    complaint(&["cp", &format!("{BASIC}:/"), &format!("{all}:/")], 0);
    assert_eq!(digest(BASIC), digest(&all));
    complaint(
        &["cp", "--without-attributes", "--shallow", &format!("{BASIC}:/"), &format!("{all}:/again")],
        0,
    );
    assert!(File::open(&all).unwrap().group("/again/measurements").unwrap().names().unwrap().is_empty());
}

#[test]
fn rescue_reports() {
    let scratch = Scratch::new("rescue");
    let (broken, out) = (scratch.path("broken.h5"), scratch.path("out.h5"));
    let mut bytes = fs::read("testdata/rescue_v108.h5").unwrap();
    bytes[..48].fill(0);
    fs::write(&broken, bytes).unwrap();
    let shown = h5(&["rescue", &broken, &out]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.status.code(), Some(0), "{text}");
    assert!(
        text.contains("no superblock") && text.ends_with(" objects intact, 0 partly, 0 lost\n"),
        "{text}"
    );
    assert_eq!(digest("testdata/rescue_v108.h5"), digest(&out));
    // The new file must not exist.
    complaint(&["rescue", &broken, &out], 1);
    complaint(&["rescue", &scratch.path("absent.h5"), &scratch.path("new.h5")], 1);
    assert!(!Path::new(&scratch.path("new.h5")).exists());
}
