//! Files that were closed are opened again and changed: external, virtual and implicit layouts, committed datatypes,
//! references, dimension scales.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::PathBuf, sync::Arc};

use h5::{
    AllocationTime, ByteOrder, Datatype, ErrorKind, File, Group, HyperslabDim, ObjectReference, Profile,
    RegionReference, Selection, model::selection::UNLIMITED,
};
use ndarray::s;

/// A folder of its own for a test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("h5-edit-layouts-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a file of each profile, opens it again, changes it, and checks it before a flush, after it, and when it is
/// opened once more.
fn each_profile(name: &str, make: impl Fn(&Group), edit: impl Fn(&Group), check: impl Fn(&Group)) {
    for (profile, suffix) in [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")] {
        let folder = Folder::new(&format!("{name}-{suffix}"));
        let path = folder.0.join("file.h5");
        let file = File::create_options().profile(profile).create(&path).unwrap();
        make(&file.root().unwrap());
        file.close().unwrap();
        let file = File::open_rw(&path).unwrap();
        let error = File::open(&path).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Locked(_)), "{error}");
        let root = file.root().unwrap();
        edit(&root);
        check(&root);
        file.flush().unwrap();
        check(&root);
        file.close().unwrap();
        check(&File::open(&path).unwrap().root().unwrap());
    }
}

fn ints(root: &Group, name: &str) -> Vec<i32> {
    root.dataset(name).unwrap().read_vec().unwrap()
}

#[test]
fn a_committed_datatype_counts_what_comes_and_goes() {
    each_profile(
        "committed",
        |root| {
            let numbers = root.commit_datatype("number", Datatype::f64(ByteOrder::Little)).unwrap();
            for name in ["a", "b"] {
                let x = root.new_dataset::<f64>().committed(&numbers).with_data(&[1.0]).create(name).unwrap();
                x.new_attr::<f64>().committed(&numbers).with_scalar(&2.0).create("of it").unwrap();
            }
        },
        |root| {
            let numbers = root.named_datatype("number").unwrap();
            assert_eq!(numbers.link_count().unwrap(), 5);
            root.unlink("a").unwrap();
            assert_eq!(numbers.link_count().unwrap(), 3);
            root.dataset("b").unwrap().delete_attr("of it").unwrap();
            assert_eq!(numbers.link_count().unwrap(), 2);
            root.new_dataset::<f64>().committed(&numbers).with_data(&[3.0]).create("c").unwrap();
            root.file().flush().unwrap();
            root.new_attr::<f64>().committed(&numbers).with_scalar(&4.0).create("of the root").unwrap();
        },
        |root| {
            assert_eq!(root.named_datatype("number").unwrap().link_count().unwrap(), 4);
            for (name, value) in [("b", 1.0), ("c", 3.0)] {
                let dataset = root.dataset(name).unwrap();
                assert!(dataset.named_datatype().unwrap().is_some(), "{name}");
                assert_eq!(dataset.read_scalar::<f64>().unwrap(), value);
            }
            let attribute = root.attribute("of the root").unwrap();
            assert!(attribute.named_datatype().unwrap().is_some());
            assert_eq!(attribute.read_scalar::<f64>().unwrap(), 4.0);
        },
    );
}

#[test]
fn an_implicit_index_is_changed_in_its_place() {
    each_profile(
        "implicit",
        |root| {
            let early = root.new_dataset::<i32>().allocation_time(AllocationTime::Early).fill_value(-1);
            early.shape((3, 4)).max_shape([Some(6), Some(6)]).chunk((2, 3)).create("x").unwrap();
        },
        |root| {
            let mut x = root.dataset("x").unwrap();
            x.write_slice(&[1, 2], s![1, 2..4]).unwrap();
            x.resize([6, 5]).unwrap();
            x.write_slice(&[9], s![5, 4..5]).unwrap();
        },
        |root| {
            let x = root.dataset("x").unwrap().read_2d::<i32>().unwrap();
            for ((i, j), &value) in x.indexed_iter() {
                let expected = match (i, j) {
                    (1, 2) => 1,
                    (1, 3) => 2,
                    (5, 4) => 9,
                    _ => -1,
                };
                assert_eq!(value, expected, "{i} {j}");
            }
        },
    );
}

#[test]
fn external_files_are_written_again() {
    each_profile(
        "external",
        |root| {
            let x = root.new_dataset::<i32>().with_data(&[1, 2, 3, 4]).max_shape([Some(6)]);
            x.external("a.raw", 4, 10).external("b.raw", 0, None).create("x").unwrap();
        },
        |root| {
            let mut x = root.dataset("x").unwrap();
            x.write_slice(&[20, 30], 1..3).unwrap();
            x.append(&[5, 6]).unwrap();
            root.new_dataset::<i32>().with_data(&[7]).external("a.raw", 100, 4).create("y").unwrap();
        },
        |root| {
            assert_eq!(ints(root, "x"), [1, 20, 30, 4, 5, 6]);
            assert_eq!(ints(root, "y"), [7]);
        },
    );
}

#[test]
fn virtual_datasets_show_what_is_written_to_their_sources() {
    let endless =
        || Selection::Hyperslab(vec![HyperslabDim { start: 0, stride: 1, count: UNLIMITED, block: 1 }]);
    each_profile(
        "virtual",
        |root| {
            root.new_dataset::<i32>().with_data(&[1, 2]).resizable().chunk(2).create("x").unwrap();
            let v = || root.new_dataset::<i32>().shape(0).resizable();
            v().virtual_mapping(".", "x", endless(), endless()).create("v").unwrap();
            v().virtual_mapping("file.h5", "/x", endless(), endless()).create("by name").unwrap();
        },
        |root| {
            let mut x = root.dataset("x").unwrap();
            let v = root.dataset("v").unwrap();
            x.append(&[3]).unwrap();
            assert_eq!(v.read_vec::<i32>().unwrap(), [1, 2, 3]);
            x.write_slice(&[10], 0..1).unwrap();
            assert_eq!(v.read_vec::<i32>().unwrap(), [10, 2, 3]);
            let all = || Selection::All;
            root.new_dataset::<i32>().shape(3).virtual_mapping(".", "x", all(), all()).create("new").unwrap();
            root.dataset("v").unwrap().set_attr("units", "m").unwrap();
        },
        |root| {
            for name in ["x", "v", "by name", "new"] {
                assert_eq!(ints(root, name), [10, 2, 3], "{name}");
            }
            assert!(root.dataset("v").unwrap().attribute("units").is_ok());
        },
    );
}

#[test]
fn references_to_what_was_there() {
    each_profile(
        "references",
        |root| {
            root.new_dataset::<i32>().with_data(&[1, 2, 3]).create("group/x").unwrap();
        },
        |root| {
            let x = root.dataset("group/x").unwrap();
            root.set_attr("object", x.reference()).unwrap();
            let selection = Selection::Hyperslab(vec![HyperslabDim::range(1, 2)]);
            let region = RegionReference { address: Some(x.address()), selection };
            root.new_dataset::<RegionReference>().with_data(&[region]).create("region").unwrap();
            // It can still be changed, and the references lead to it.
            root.file().flush().unwrap();
            for i in 0..20 {
                x.set_attr(format!("attribute {i}"), "some text").unwrap();
            }
            x.write(&[4, 5, 6]).unwrap();
        },
        |root| {
            let file = root.file();
            let object = root.attribute("object").unwrap().read_scalar::<ObjectReference>().unwrap();
            let x = file.dereference_object(object).unwrap().into_dataset().unwrap();
            assert_eq!(x.attribute_names().unwrap().len(), 20);
            let region = root.dataset("region").unwrap().read_scalar::<RegionReference>().unwrap();
            let x = file.object_at(region.address.unwrap()).unwrap().into_dataset().unwrap();
            assert_eq!(x.read_slice::<i32>(&region.selection).unwrap().as_slice().unwrap(), [5, 6]);
        },
    );
}

#[test]
fn scales_come_and_go_in_a_file_that_was_closed() {
    each_profile(
        "scales",
        |root| {
            let new = |name: &str| root.new_dataset::<f64>().with_data(&[0.0, 1.0]).create(name).unwrap();
            let (x, y, data) = (new("x"), new("y"), new("data"));
            x.make_scale("x").unwrap();
            data.attach_scale(0, &x).unwrap();
            data.attach_scale(0, &y).unwrap();
            data.set_dimension_label(0, "old").unwrap();
        },
        |root| {
            let dataset = |name: &str| root.dataset(name).unwrap();
            let (x, data) = (dataset("x"), dataset("data"));
            data.detach_scale(0, &x).unwrap();
            assert!(data.detach_scale(0, &x).is_err());
            data.attach_scale(0, &dataset("y")).unwrap();
            root.file().flush().unwrap();
            let z = root.new_dataset::<f64>().with_data(&[0.0, 1.0]).create("z").unwrap();
            z.make_scale("z").unwrap();
            data.attach_scale(0, &z).unwrap();
            root.file().flush().unwrap();
            let more = root.new_dataset::<f64>().with_data(&[0.0, 1.0]).create("more").unwrap();
            more.attach_scale(0, &x).unwrap();
            more.attach_scale(0, &z).unwrap();
            data.set_dimension_label(0, "new").unwrap();
        },
        |root| {
            let scales = |name: &str| -> Vec<u64> {
                let scales = root.dataset(name).unwrap().dimension_scales(0).unwrap();
                scales.iter().map(|scale| scale.address()).collect()
            };
            let at = |name: &str| root.dataset(name).unwrap().address();
            // A handle by its path and one by a reference are of the same object, whatever they are called.
            let same = |a: Vec<u64>, b: Vec<u64>| {
                let names = |list: Vec<u64>| -> Vec<u64> {
                    list.into_iter().map(|a| root.file().object_at(a).unwrap().address()).collect()
                };
                assert_eq!(names(a), names(b));
            };
            same(scales("data"), vec![at("y"), at("z")]);
            same(scales("more"), vec![at("x"), at("z")]);
            let uses = |name: &str| {
                let list = root.dataset(name).unwrap().attribute("REFERENCE_LIST").unwrap();
                list.shape().to_vec()
            };
            assert_eq!([uses("x"), uses("y"), uses("z")], [[1], [1], [2]]);
            let label = root.dataset("data").unwrap().dimension_label(0).unwrap();
            assert_eq!(label.as_deref(), Some("new"));
        },
    );
}

#[test]
fn scales_are_attached_after_a_flush() {
    let file = File::create_options().create_in(Arc::new(h5::source::MemoryStore::new())).unwrap();
    let root = file.root().unwrap();
    let new = |name: &str| root.new_dataset::<i32>().with_data(&[1, 2]).create(name).unwrap();
    let (x, data) = (new("x"), new("data"));
    for round in 0..3 {
        file.flush().unwrap();
        data.attach_scale(0, &x).unwrap();
        file.flush().unwrap();
        assert_eq!(data.dimension_scales(0).unwrap().len(), 1, "{round}");
        data.detach_scale(0, &x).unwrap();
        assert!(data.attribute("DIMENSION_LIST").is_err() && x.attribute("REFERENCE_LIST").is_err());
    }
}
