//! Rescue of files that were cut, whose superblock is gone, or in which bytes are wrong. `testdata/make_rescue.py` made
//! the files that are damaged here; `tests/python/check_rescue.py` kills writers.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::PathBuf};

use h5::{Condition, File, RescueReport};

const FILES: [&str; 3] = ["earliest", "v108", "latest"];

/// Paths of files that are gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("h5-rescue-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Scratch(folder)
    }

    /// Rescues what is in these bytes.
    fn rescue(&self, bytes: &[u8]) -> (RescueReport, File) {
        let (broken, out) = (self.0.join("broken.h5"), self.0.join("out.h5"));
        fs::write(&broken, bytes).unwrap();
        let _ = fs::remove_file(&out);
        let report = File::rescue(&broken, &out).unwrap();
        assert_eq!(fs::read(&broken).unwrap(), bytes, "the damaged file stays as it is");
        (report, File::open(&out).unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn whole(label: &str) -> Vec<u8> {
    fs::read(format!("testdata/rescue_{label}.h5")).unwrap()
}

/// Checks the elements of a dataset of a run.
fn check(file: &File, path: &str, name: &str, i: i64) {
    let dataset = file.dataset(path).unwrap();
    match name {
        "chunked" => {
            assert_eq!(dataset.read_vec::<i64>().unwrap(), (i..i + 200).collect::<Vec<_>>(), "{path}");
            assert_eq!(dataset.filters().len(), 2);
        }
        "plain" => {
            let expected: Vec<i16> = (0..100).map(|n| n + i as i16).collect();
            assert_eq!(dataset.read_vec::<i16>().unwrap(), expected, "{path}");
            assert_eq!(dataset.max_shape(), [None]);
        }
        "contiguous" => {
            let values = dataset.read_vec::<f64>().unwrap();
            assert_eq!((values.len(), values[0], values[49]), (50, i as f64, i as f64 + 1.0), "{path}");
        }
        "compact" => {
            let i = i as i32;
            assert_eq!(dataset.read_vec::<i32>().unwrap(), [i, i + 1, i + 2, i + 3], "{path}");
        }
        _ => assert_eq!(dataset.read_vec::<String>().unwrap(), ["one", "two", "three"], "{path}"),
    }
}

const DATASETS: [&str; 5] = ["chunked", "plain", "contiguous", "compact", "text"];

fn check_all(file: &File, label: &str) {
    for i in 0..4 {
        let group = file.group(format!("/run{i}")).unwrap();
        assert_eq!(group.attribute("number").unwrap().read_scalar::<i64>().unwrap(), i, "{label}");
        DATASETS.iter().for_each(|name| check(file, &format!("/run{i}/{name}"), name, i));
    }
    let many = file.group("/many").unwrap();
    assert_eq!(many.names().unwrap().len(), 12);
    let compact = file.object("/run0/compact").unwrap();
    assert_eq!(file.object("/many/link7").unwrap().address(), compact.address());
    assert_eq!(compact.link_count().unwrap(), 13);
    let root = file.root().unwrap();
    assert_eq!(root.attribute("title").unwrap().read_scalar::<String>().unwrap(), "to be rescued");
    assert_eq!(root.names().unwrap(), ["many", "run0", "run1", "run2", "run3"], "{label}");
}

#[test]
fn a_whole_file() {
    let scratch = Scratch::new("whole");
    for label in FILES {
        let (report, file) = scratch.rescue(&whole(label));
        check_all(&file, label);
        assert_eq!(report.count(Condition::Intact), report.objects.len(), "{:?}", report.objects);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
    }
}

#[test]
fn without_its_superblock() {
    let scratch = Scratch::new("superblock");
    for label in FILES {
        let mut bytes = whole(label);
        bytes[..48].fill(0);
        let (report, file) = scratch.rescue(&bytes);
        check_all(&file, label);
        assert_eq!(report.count(Condition::Intact), report.objects.len(), "{:?}", report.objects);
        assert_eq!(report.notes.len(), 2, "{:?}", report.notes);
        // Behind a user block too, with garbage in it.
        let mut shifted = vec![b'x'; 1024];
        shifted.extend(&bytes);
        check_all(&scratch.rescue(&shifted).1, label);
    }
}

#[test]
fn cut_at_every_length() {
    let scratch = Scratch::new("cut");
    for label in FILES {
        let bytes = whole(label);
        for tenths in [9, 7, 5, 3, 1] {
            let (report, file) = scratch.rescue(&bytes[..bytes.len() * tenths / 10]);
            assert!(!report.notes.is_empty());
            // What is said to be intact is.
            let mut sound = 0;
            for object in report.objects.iter().filter(|o| o.condition == Condition::Intact) {
                for (i, name) in (0..4).flat_map(|i| DATASETS.map(|name| (i, name))) {
                    if object.path == format!("/run{i}/{name}") {
                        check(&file, &object.path, name, i);
                        sound += 1;
                    }
                }
            }
            if tenths == 9 {
                assert!(
                    sound >= 12,
                    "{label}: {sound} datasets of a file cut at 90 %: {:#?}",
                    report.objects
                );
            }
        }
        for len in [0, 1, 47, 100, 512] {
            scratch.rescue(&bytes[..len]);
        }
    }
}

#[test]
fn a_broken_chunk_is_a_hole() {
    let scratch = Scratch::new("chunk");
    for label in FILES {
        let mut bytes = whole(label);
        let chunks =
            File::from_bytes(bytes.clone()).unwrap().dataset("/run2/chunked").unwrap().chunks().unwrap();
        let at = chunks[1].address as usize;
        bytes[at..at + 8].fill(0xff);
        let (report, file) = scratch.rescue(&bytes);
        let object = report.objects.iter().find(|o| o.path == "/run2/chunked").unwrap();
        assert_eq!(object.condition, Condition::Partial);
        assert!(object.problems[0].contains("chunk [50]"), "{:?}", object.problems);
        let values = file.dataset("/run2/chunked").unwrap().read_vec::<i64>().unwrap();
        assert_eq!(values[..50], (2..52).collect::<Vec<i64>>()[..]);
        assert_eq!(values[50..100], [0; 50]);
        assert_eq!(values[100..], (102..202).collect::<Vec<i64>>()[..]);
        assert_eq!(report.count(Condition::Partial), 1);
        assert_eq!(report.count(Condition::Lost), 0);
    }
}

#[test]
fn what_no_link_leads_to() {
    let scratch = Scratch::new("orphans");
    for label in FILES {
        let mut bytes = whole(label);
        let root = File::from_bytes(bytes.clone()).unwrap().root().unwrap().address() as usize;
        bytes[root..root + 16].fill(0);
        let (report, file) = scratch.rescue(&bytes);
        // The groups of the root are found by themselves; one of them is taken for the root.
        assert!(report.notes.iter().any(|note| note.contains("root")), "{:?}", report.notes);
        let lost = file.group("/lost+found").unwrap();
        let mut found = [0; 4];
        for name in lost.names().unwrap().iter().map(|n| format!("/lost+found/{n}")).chain(["".to_owned()]) {
            let Ok(number) =
                file.object(if name.is_empty() { "/" } else { &name }).unwrap().attribute("number")
            else {
                continue;
            };
            let i = number.read_scalar::<i64>().unwrap();
            DATASETS.iter().for_each(|dataset| check(&file, &format!("{name}/{dataset}"), dataset, i));
            found[i as usize] += 1;
        }
        assert_eq!(found, [1; 4], "{label}: {:?}", report.objects);
    }
}

#[test]
fn bytes_anywhere() {
    let scratch = Scratch::new("bytes");
    let mut seed = 7u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..60 {
        let mut bytes = whole(FILES[round % 3]);
        for _ in 0..1 + random(40) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        scratch.rescue(&bytes);
    }
}
