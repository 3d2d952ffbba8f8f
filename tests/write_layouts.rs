//! Datasets whose elements are elsewhere or found in another way: external, virtual, implicit index; and what leads to
//! other objects: committed datatypes and references. `tests/python/check_written.py` lets h5py read them.
//!
//! `H5_WRITTEN_DIR` is a folder in which they are kept for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::PathBuf, sync::Arc};

use h5::{
    AllocationTime, ChunkIndexType, Datatype, ErrorKind, File, Group, HyperslabDim, Layout, ObjectReference,
    Policy, Profile, Reach, Reference, RegionReference, Selection, Values,
    model::selection::UNLIMITED,
    source::{ByteSource, MemoryStore},
};
use ndarray::s;

const PROFILES: [(Profile, &str); 2] = [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")];

fn folder() -> PathBuf {
    let folder = match std::env::var_os("H5_WRITTEN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("h5-written-layouts-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Calls `f` with the root of a new file of each profile, then with that of the file that was closed and opened.
fn each_profile(name: &str, write: impl Fn(&Group, &str), read: impl Fn(&Group)) {
    for (profile, suffix) in PROFILES {
        let path = folder().join(format!("{name}-{suffix}.h5"));
        let file = File::create_options().profile(profile).create(&path).unwrap();
        let root = file.root().unwrap();
        write(&root, suffix);
        // What is not flushed can be read.
        read(&root);
        file.flush().unwrap();
        read(&root);
        file.close().unwrap();
        read(&File::open(&path).unwrap().root().unwrap());
    }
}

fn ints(root: &Group, name: &str) -> Vec<i32> {
    root.dataset(name).unwrap().read_vec().unwrap()
}

#[test]
fn committed_datatypes() {
    each_profile(
        "committed",
        |root, _| {
            let numbers = root.commit_datatype("types/number", Datatype::f64(h5::ByteOrder::Big)).unwrap();
            let texts = root.commit_datatype("types/text", Datatype::var_string()).unwrap();
            root.link_hard("number again", &numbers).unwrap();
            let x = root.new_dataset::<f64>().committed(&numbers).with_data(&[1.5, 2.5]).create("x").unwrap();
            let y = root.new_dataset::<f64>().committed(&numbers).shape(4).chunk(2).deflate(1);
            y.create("y").unwrap().write_slice(&[7.0], 1..2).unwrap();
            let names = ["a".to_owned(), "bc".to_owned()];
            root.new_dataset::<String>().committed(&texts).with_data(&names).create("names").unwrap();
            x.new_attr::<f64>().committed(&numbers).with_scalar(&0.5).create("scale").unwrap();
            x.new_attr::<f64>().committed(&numbers).shape(3).create("zeros").unwrap();
            x.new_attr::<f64>().committed(&numbers).with_scalar(&1.0).create("replaced").unwrap();
            x.set_attr("replaced", 1.0).unwrap();
            // In a heap of attributes.
            let many = root.create_group("many").unwrap();
            for i in 0..12 {
                let value = format!("{i}");
                many.new_attr::<String>().committed(&texts).with_scalar(&value).create(&value).unwrap();
            }
        },
        |root| {
            let numbers = root.named_datatype("types/number").unwrap();
            for name in ["x", "y"] {
                let used = root.dataset(name).unwrap().named_datatype().unwrap().unwrap();
                assert_eq!(used.datatype(), numbers.datatype());
                // Two links, two datasets, two attributes.
                assert_eq!(used.link_count().unwrap(), 6, "{name}");
            }
            assert_eq!(root.named_datatype("types/text").unwrap().link_count().unwrap(), 14);
            let x = root.dataset("x").unwrap();
            assert_eq!(x.read_vec::<f64>().unwrap(), [1.5, 2.5]);
            assert_eq!(root.dataset("y").unwrap().read_vec::<f64>().unwrap(), [0.0, 7.0, 0.0, 0.0]);
            assert_eq!(root.dataset("names").unwrap().read_vec::<String>().unwrap(), ["a", "bc"]);
            assert_eq!(x.attribute("scale").unwrap().read_scalar::<f64>().unwrap(), 0.5);
            assert!(x.attribute("scale").unwrap().named_datatype().unwrap().is_some());
            assert!(x.attribute("replaced").unwrap().named_datatype().unwrap().is_none());
            assert_eq!(x.attribute("zeros").unwrap().read_vec::<f64>().unwrap(), [0.0; 3]);
            let many = root.group("many").unwrap();
            assert_eq!(many.attribute("7").unwrap().read_scalar::<String>().unwrap(), "7");
        },
    );
}

#[test]
fn a_committed_datatype_is_of_the_same_file_and_of_the_data() {
    let new =
        || File::create_options().create_in(std::sync::Arc::new(h5::source::MemoryStore::new())).unwrap();
    let (a, b) = (new(), new());
    let numbers = a.root().unwrap().commit_datatype("t", Datatype::f64(h5::ByteOrder::Little)).unwrap();
    let error = b.root().unwrap().new_dataset::<f64>().committed(&numbers).shape(1).create("x").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let error =
        a.root().unwrap().new_dataset::<i32>().committed(&numbers).with_data(&[1]).create("x").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Type { .. }), "{error}");
    // A failure leaves no use behind.
    assert_eq!(numbers.link_count().unwrap(), 1);
}

#[test]
fn implicit_indexes() {
    each_profile(
        "implicit",
        |root, _| {
            let early = || root.new_dataset::<i32>().allocation_time(AllocationTime::Early);
            let data: Vec<i32> = (0..42).collect();
            let grid = ndarray::ArrayView2::from_shape((6, 7), &data).unwrap();
            early().with_data(&grid).chunk((2, 3)).create("whole").unwrap();
            let part = early().shape((6, 7)).chunk((4, 4)).fill_value(-1).create("part").unwrap();
            part.write_slice(&[1, 2, 3], s![5, 2..5]).unwrap();
            let max = [Some(9), Some(10)];
            let mut grows =
                early().with_data(&grid).chunk((2, 3)).max_shape(max).fill_value(5).create("grows").unwrap();
            grows.resize([4, 4]).unwrap();
            root.file().flush().unwrap();
            // A block that was published moves as a whole.
            grows.write_slice(&[100], s![0, 0..1]).unwrap();
            grows.resize([9, 10]).unwrap();
            early().shape((0, 3)).max_shape([Some(4), Some(3)]).chunk((2, 2)).create("empty").unwrap();
        },
        |root| {
            let expected = if root.file().info().superblock_version == 3 {
                ChunkIndexType::Implicit
            } else {
                ChunkIndexType::BTreeV1
            };
            for name in ["whole", "part", "grows", "empty"] {
                assert_eq!(root.dataset(name).unwrap().chunk_index(), Some(expected), "{name}");
            }
            assert_eq!(ints(root, "whole"), (0..42).collect::<Vec<_>>());
            let part = root.dataset("part").unwrap().read_2d::<i32>().unwrap();
            for ((i, j), &value) in part.indexed_iter() {
                assert_eq!(value, if i == 5 && (2..5).contains(&j) { j as i32 - 1 } else { -1 });
            }
            let grows = root.dataset("grows").unwrap().read_2d::<i32>().unwrap();
            for ((i, j), &value) in grows.indexed_iter() {
                let expected = match (i, j) {
                    (0, 0) => 100,
                    _ if i < 4 && j < 4 => (i * 7 + j) as i32,
                    _ => 5,
                };
                assert_eq!(value, expected, "{i} {j}");
            }
            assert!(ints(root, "empty").is_empty());
        },
    );
}

#[test]
fn external_files() {
    for (_, suffix) in PROFILES {
        for name in ["one", "two", "three", "rows"] {
            let _ = std::fs::remove_file(folder().join(format!("external-{suffix}-{name}.raw")));
        }
    }
    each_profile(
        "external",
        |root, suffix| {
            let name = |n: &str| format!("external-{suffix}-{n}.raw");
            let data: Vec<i32> = (0..30).collect();
            let grid = ndarray::ArrayView2::from_shape((5, 6), &data).unwrap();
            root.new_dataset::<i32>().with_data(&grid).external(name("one"), 16, 120).create("one").unwrap();
            let two = root.new_dataset::<i32>().shape((5, 6));
            let two =
                two.external(name("two"), 0, 50).external(name("three"), 8, None).create("two").unwrap();
            two.write(&grid).unwrap();
            two.write_slice(&[-1, -2], s![2, 1..3]).unwrap();
            let rows = root.new_dataset::<f32>().shape((0, 2)).max_shape([None, Some(2)]);
            let mut rows = rows.external(name("rows"), 0, None).create("rows").unwrap();
            rows.append(&[1.0f32, 2.0]).unwrap();
            rows.append(&[3.0f32, 4.0]).unwrap();
            // The same file again, behind the others.
            let filled = root.new_dataset::<i32>().shape(4).fill_value(9);
            filled.external(name("one"), 1000, 16).create("filled").unwrap();
        },
        |root| {
            let data: Vec<i32> = (0..30).collect();
            assert_eq!(ints(root, "one"), data);
            let mut changed = data;
            (changed[13], changed[14]) = (-1, -2);
            assert_eq!(ints(root, "two"), changed);
            let two = root.dataset("two").unwrap();
            assert_eq!(two.external_files().len(), 2);
            assert!(matches!(two.layout(), Layout::Contiguous { address: None, size: 120 }));
            let rows = root.dataset("rows").unwrap();
            assert_eq!(rows.read_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
            assert_eq!(ints(root, "filled"), [9; 4]);
        },
    );
    let raw = std::fs::read(folder().join("external-modern-two.raw")).unwrap();
    assert_eq!(raw.len(), 50);
    let raw = std::fs::read(folder().join("external-modern-one.raw")).unwrap();
    assert_eq!((raw[..16].to_vec(), raw[20], raw.len()), (vec![0; 16], 1, 1016));
}

#[cfg(unix)]
#[test]
fn external_files_lie_where_the_policy_allows() {
    let folder = std::env::temp_dir().join(format!("h5-external-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("inner/deep")).unwrap();
    let path = folder.join("inner/file.h5");
    let denied = |policy: Option<Policy>, name: &str| {
        let mut options = File::create_options();
        if let Some(policy) = policy {
            options = options.policy(policy);
        }
        let file = options.create(&path).unwrap();
        let made =
            file.root().unwrap().new_dataset::<u8>().with_data(&[1, 2]).external(name, 0, 2).create("x");
        made.err().map(|e| {
            assert!(matches!(e.kind(), ErrorKind::Denied(_)), "{name}: {e}");
        })
    };
    let outside = folder.join("outside.raw");
    std::os::unix::fs::symlink(&outside, folder.join("inner/link.raw")).unwrap();
    for name in ["../outside.raw", outside.to_str().unwrap(), "deep/../../outside.raw", "file.h5", "deep"] {
        assert!(denied(None, name).is_some(), "{name}");
    }
    assert!(!outside.exists());
    std::fs::write(&outside, b"").unwrap();
    assert!(denied(None, "link.raw").is_some());
    assert!(denied(Some(Policy::all(Reach::None)), "a.raw").is_some());
    assert!(denied(None, "deep/a.raw").is_none());
    assert!(denied(Some(Policy::all(Reach::Below(folder.clone()))), "../outside.raw").is_none());
    assert_eq!(std::fs::read(&outside).unwrap(), [1, 2]);
    std::fs::remove_file(&outside).unwrap();
    assert!(denied(Some(Policy::all(Reach::Anywhere)), outside.to_str().unwrap()).is_none());
    let file = File::create(&path).unwrap();
    let root = file.root().unwrap();
    let new = || root.new_dataset::<u8>().shape((2, 2));
    let refused = |result: h5::Result<h5::Dataset>| assert!(result.is_err());
    refused(new().external("a.raw", 0, 3).create("x"));
    refused(new().external("a.raw", 0, None).external("b.raw", 0, 4).create("x"));
    refused(new().external("a.raw", 0, 4).chunk((1, 1)).create("x"));
    refused(new().external("a.raw", 0, 4).compact().create("x"));
    refused(new().external("nowhere/a.raw", 0, 4).create("x"));
    refused(new().max_shape([Some(2), None]).external("a.raw", 0, None).create("x"));
    refused(new().max_shape([None, Some(2)]).external("a.raw", 0, 100).create("x"));
    let mut x = new().max_shape([Some(3), Some(2)]).external("a.raw", 0, 6).create("x").unwrap();
    x.append(&[5u8, 6]).unwrap();
    assert_eq!(x.read_vec::<u8>().unwrap(), [0, 0, 0, 0, 5, 6]);
    drop((root, file));
    std::fs::remove_dir_all(folder).unwrap();
}

fn range(start: u64, len: u64) -> HyperslabDim {
    HyperslabDim::range(start, len)
}

#[test]
fn virtual_datasets() {
    // Sources in another file.
    let sources = folder().join("virtual-sources.h5");
    let file = File::create(&sources).unwrap();
    for block in 0..3i32 {
        let data: Vec<i32> = (0..4).map(|i| block * 100 + i).collect();
        file.root().unwrap().new_dataset::<i32>().with_data(&data).create(format!("block{block}")).unwrap();
    }
    let series: Vec<i32> = (0..10).collect();
    file.root()
        .unwrap()
        .new_dataset::<i32>()
        .with_data(&series)
        .resizable()
        .chunk(4)
        .create("series")
        .unwrap();
    file.close().unwrap();
    each_profile(
        "virtual",
        |root, suffix| {
            let own = format!("virtual-{suffix}.h5");
            let data: Vec<i32> = (0..12).collect();
            let grid = ndarray::ArrayView2::from_shape((3, 4), &data).unwrap();
            root.new_dataset::<i32>().with_data(&grid).create("grid").unwrap();
            let row = |i: u64| Selection::Hyperslab(vec![range(i, 1), range(0, 4)]);
            let columns = |start| {
                Selection::Hyperslab(vec![range(0, 3), HyperslabDim { start, stride: 2, count: 2, block: 1 }])
            };
            let new = || root.new_dataset::<i32>();
            // Rows of three sources, and a row that none has.
            let mut stack = new().shape((4, 4)).fill_value(-7);
            for block in 0..3 {
                stack = stack.virtual_mapping(
                    "virtual-sources.h5",
                    format!("block{block}"),
                    Selection::All,
                    row(block),
                );
            }
            stack.create("stack").unwrap();
            // Odd and even columns change places; the file is named once by its name.
            new()
                .shape((3, 4))
                .virtual_mapping(".", "grid", columns(0), columns(1))
                .virtual_mapping(own, "/grid", columns(1), columns(0))
                .create("swapped")
                .unwrap();
            // Sources by number, as many as there are.
            let blocks = HyperslabDim { start: 0, stride: 4, count: UNLIMITED, block: 4 };
            new()
                .shape(0)
                .resizable()
                .virtual_mapping(
                    "virtual-sources.h5",
                    "block%b",
                    Selection::All,
                    Selection::Hyperslab(vec![blocks]),
                )
                .create("numbered")
                .unwrap();
            // One source without end, between every second element.
            let all = HyperslabDim { start: 0, stride: 1, count: UNLIMITED, block: 1 };
            let second = HyperslabDim { start: 1, stride: 2, count: UNLIMITED, block: 1 };
            new()
                .shape(1)
                .resizable()
                .virtual_mapping(
                    "virtual-sources.h5",
                    "series",
                    Selection::Hyperslab(vec![all]),
                    Selection::Hyperslab(vec![second]),
                )
                .create("spread")
                .unwrap();
            // Of another type than its source, and of one that is missing.
            root.new_dataset::<f64>()
                .shape(6)
                .virtual_mapping(".", "stack", row(1), Selection::Hyperslab(vec![range(1, 4)]))
                .virtual_mapping(
                    "no such file.h5",
                    "x",
                    Selection::All,
                    Selection::Hyperslab(vec![range(5, 1)]),
                )
                .create("doubles")
                .unwrap();
        },
        |root| {
            let stack = root.dataset("stack").unwrap();
            assert_eq!(stack.virtual_mappings().len(), 3);
            assert_eq!(
                stack.read_vec::<i32>().unwrap(),
                [0, 1, 2, 3, 100, 101, 102, 103, 200, 201, 202, 203, -7, -7, -7, -7]
            );
            assert_eq!(ints(root, "swapped"), [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]);
            assert_eq!(ints(root, "numbered"), [0, 1, 2, 3, 100, 101, 102, 103, 200, 201, 202, 203]);
            let spread = root.dataset("spread").unwrap();
            assert_eq!(spread.shape(), [20]);
            let expected: Vec<i32> = (0..20).map(|i| if i % 2 == 1 { i / 2 } else { 0 }).collect();
            assert_eq!(spread.read_vec::<i32>().unwrap(), expected);
            let doubles = root.dataset("doubles").unwrap();
            assert_eq!(doubles.read_vec::<f64>().unwrap(), [0.0, 100.0, 101.0, 102.0, 103.0, 0.0]);
            assert_eq!(doubles.missing_sources().unwrap().len(), 1);
        },
    );
}

#[test]
fn a_virtual_dataset_shows_what_its_sources_become() {
    let file = File::create_options().create_in(std::sync::Arc::new(h5::source::MemoryStore::new())).unwrap();
    let root = file.root().unwrap();
    let mut x = root.new_dataset::<i32>().shape(0).resizable().chunk(4).create("x").unwrap();
    let all = || Selection::Hyperslab(vec![HyperslabDim { start: 0, stride: 1, count: UNLIMITED, block: 1 }]);
    let v = root
        .new_dataset::<i32>()
        .shape(0)
        .resizable()
        .virtual_mapping(".", "x", all(), all())
        .create("v")
        .unwrap();
    for i in 0..5 {
        x.append(&[i]).unwrap();
        assert_eq!(v.read_vec::<i32>().unwrap(), (0..=i).collect::<Vec<_>>());
    }
    assert!(matches!(
        v.write_slice(&[1], 0..1).unwrap_err().kind(),
        ErrorKind::Unsupported(_) | ErrorKind::Shape(_)
    ));
    // Of itself.
    let v = root
        .new_dataset::<i32>()
        .shape(2)
        .virtual_mapping(".", "w", Selection::All, Selection::All)
        .create("w");
    assert!(v.is_err() || v.unwrap().read_vec::<i32>().is_err());
    let new = || root.new_dataset::<i32>().shape(4);
    let part = |start, len| Selection::Hyperslab(vec![range(start, len)]);
    assert!(new().virtual_mapping(".", "x", part(0, 2), part(0, 3)).create("y").is_err());
    assert!(new().virtual_mapping(".", "x", part(0, 2), part(3, 2)).create("y").is_err());
    assert!(new().virtual_mapping(".", "x", all(), part(0, 2)).create("y").is_err());
    assert!(new().virtual_mapping(".", "x%d", part(0, 2), part(0, 2)).create("y").is_err());
    assert!(new().virtual_mapping(".", "x", part(0, 2), part(0, 2)).compact().create("y").is_err());
}

#[test]
fn references_of_the_first_generation() {
    each_profile(
        "regions",
        |root, _| {
            let data: Vec<i32> = (0..20).collect();
            let grid = ndarray::ArrayView2::from_shape((4, 5), &data).unwrap();
            let x = root.new_dataset::<i32>().with_data(&grid).create("x").unwrap();
            let slab = Selection::Hyperslab(vec![
                range(1, 2),
                HyperslabDim { start: 0, stride: 2, count: 3, block: 1 },
            ]);
            let points = Selection::Points(h5::model::selection::Points {
                rank: 2,
                coordinates: vec![3, 4, 0, 0, 1, 2],
            });
            let region = |selection| RegionReference { address: Some(x.address()), selection };
            let regions = [
                region(slab),
                region(points),
                region(Selection::All),
                RegionReference { address: None, selection: Selection::None },
            ];
            let typed = root.new_dataset::<RegionReference>().with_data(&regions).create("regions").unwrap();
            x.new_attr::<RegionReference>().with_data(&regions).create("regions").unwrap();
            // The same as values known at run time.
            let values = typed.values(..).unwrap();
            root.new_dataset_of(Datatype::region_reference()).with_values(&values).create("copied").unwrap();
            root.set_attr("copied", &values).unwrap();
            // An address as a number, before the object has a place.
            let y = root.create_group("y").unwrap();
            let bytes = y.address().to_le_bytes().to_vec();
            let values = Values::new(Datatype::object_reference(), vec![1], bytes).unwrap();
            root.new_dataset_of(Datatype::object_reference()).with_values(&values).create("objects").unwrap();
            root.new_dataset::<Reference>()
                .with_data(&[Reference::Object { address: y.address() }, Reference::Null])
                .create("untyped")
                .unwrap();
        },
        |root| {
            let file = root.file();
            let x = root.dataset("x").unwrap();
            let read = |found: Vec<RegionReference>| {
                assert_eq!(found.len(), 4);
                let at = |i: usize| {
                    let object = file.object_at(found[i].address.unwrap()).unwrap().into_dataset().unwrap();
                    assert_eq!(object.read_vec::<i32>().unwrap().len(), 20);
                    x.read_slice::<i32>(&found[i].selection).unwrap().into_raw_vec_and_offset().0
                };
                assert_eq!(at(0), [5, 7, 9, 10, 12, 14]);
                assert_eq!(at(1), [19, 0, 7]);
                assert_eq!(at(2).len(), 20);
                assert_eq!(found[3].address, None);
            };
            read(root.dataset("regions").unwrap().read_vec().unwrap());
            read(root.dataset("copied").unwrap().read_vec().unwrap());
            read(root.attribute("copied").unwrap().read_vec().unwrap());
            read(x.attribute("regions").unwrap().read_vec().unwrap());
            for name in ["objects", "untyped"] {
                let found = root.dataset(name).unwrap().read_vec::<ObjectReference>().unwrap();
                assert!(file.dereference_object(found[0]).unwrap().into_group().is_ok(), "{name}");
            }
        },
    );
}

#[test]
fn references_of_hdf5_1_12() {
    each_profile(
        "references",
        |root, _| {
            let data: Vec<i32> = (0..20).collect();
            let x = root.new_dataset::<i32>().with_data(&data).create("x").unwrap();
            x.set_attr("units", "K").unwrap();
            let address = x.address();
            let selection =
                Selection::Hyperslab(vec![HyperslabDim { start: 1, stride: 4, count: 3, block: 2 }]);
            let references = [
                Reference::Object { address },
                Reference::Region { address, selection },
                Reference::Attribute { address, name: "units".into() },
                Reference::Null,
            ];
            let std = Datatype::std_reference;
            let typed = root
                .new_dataset::<Reference>()
                .datatype(std())
                .with_data(&references)
                .create("typed")
                .unwrap();
            let values = typed.values(..).unwrap();
            root.new_dataset_of(std()).with_values(&values).create("copied").unwrap();
            root.new_attr::<Reference>().datatype(std()).with_data(&references).create("typed").unwrap();
            root.new_dataset::<ObjectReference>()
                .datatype(std())
                .with_data(&[x.reference()])
                .create("objects")
                .unwrap();
            let wrong = root.new_dataset::<Reference>().with_data(&references).create("wrong").unwrap_err();
            assert!(matches!(wrong.kind(), ErrorKind::Usage(_)), "{wrong}");
        },
        |root| {
            let x = root.dataset("x").unwrap();
            let read = |found: Vec<Reference>| {
                for reference in &found[..3] {
                    let object = root.file().dereference(reference).unwrap().into_dataset().unwrap();
                    assert_eq!(object.read_vec::<i32>().unwrap().len(), 20);
                }
                assert!(matches!(&found[0], Reference::Object { .. }));
                let Reference::Region { selection, .. } = &found[1] else { panic!("{:?}", found[1]) };
                let part = x.read_slice::<i32>(selection).unwrap();
                assert_eq!(part.as_slice().unwrap(), [1, 2, 5, 6, 9, 10]);
                assert!(matches!(&found[2], Reference::Attribute { name, .. } if *name == "units"));
                assert_eq!(found[3], Reference::Null);
            };
            read(root.dataset("typed").unwrap().read_vec().unwrap());
            read(root.dataset("copied").unwrap().read_vec().unwrap());
            read(root.attribute("typed").unwrap().read_vec().unwrap());
            assert!(root.dataset("objects").unwrap().read_scalar::<ObjectReference>().unwrap().0.is_some());
        },
    );
}

#[test]
fn a_chunk_goes_to_the_file_when_as_much_was_written_as_it_holds() {
    const HALF: usize = 16 << 10;
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let new = root.new_dataset::<i32>().shape(0).resizable();
    let mut x = new.chunk(2 * HALF).create("x").unwrap();
    let part = |n: i32| vec![n; HALF];
    let mut sizes = Vec::new();
    for n in 1..=3 {
        x.append(&part(n)).unwrap();
        sizes.push(store.len() / (8 * HALF as u64));
    }
    assert_eq!(sizes, [0, 1, 1]);
    // The same elements twice: it goes too early, and comes back.
    x.write_slice(&part(30), 2 * HALF as u64..3 * HALF as u64).unwrap();
    assert_eq!(store.len() / (8 * HALF as u64), 2);
    x.append(&part(4)).unwrap();
    x.write_slice(&[10], 0..1).unwrap();
    let mut all: Vec<i32> = [1, 2, 30, 4].into_iter().flat_map(part).collect();
    all[0] = 10;
    assert_eq!(x.read_vec::<i32>().unwrap(), all);
    file.close().unwrap();
    assert_eq!(store.len() / (8 * HALF as u64), 2);
    let again = File::from_bytes(store.to_vec()).unwrap();
    assert_eq!(again.dataset("x").unwrap().read_vec::<i32>().unwrap(), all);
}
