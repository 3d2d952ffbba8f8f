//! Files that are written are read back equal, by this crate; `tests/python/check_written.py` lets h5py read them.
//!
//! `H5_WRITTEN_DIR` is a folder in which they are kept for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use h5::{
    AllocationTime, ByteOrder, Charset, CreateOptions, Datatype, ErrorKind, File, Group, H5Type, LinkTarget,
    Profile,
};
use ndarray::{Array1, ArrayD, IxDyn, arr0, s};

const PROFILES: [(Profile, &str); 2] = [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")];

fn folder() -> PathBuf {
    let folder = match std::env::var_os("H5_WRITTEN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("h5-written-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Calls `f` with the root of a new file of each profile, then with that of the file that was closed and opened.
fn each_profile(name: &str, write: impl Fn(&Group), read: impl Fn(&Group)) {
    for (profile, suffix) in PROFILES {
        let path = folder().join(format!("{name}-{suffix}.h5"));
        let file = File::create_options().profile(profile).create(&path).unwrap();
        let root = file.root().unwrap();
        write(&root);
        // What is not flushed can be read.
        read(&root);
        file.flush().unwrap();
        read(&root);
        file.close().unwrap();
        let expected = if profile == Profile::Modern { 3 } else { 2 };
        let file = File::open(&path).unwrap();
        assert_eq!(file.info().superblock_version, expected);
        read(&file.root().unwrap());
    }
}

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Row {
    id: i64,
    t: f64,
    ch: i32,
    q: f32,
}

fn row(i: usize) -> Row {
    Row { id: i as i64 * 3 - 7, t: i as f64 * 0.25, ch: -(i as i32), q: i as f32 * 1.5 }
}

/// Padded in memory: written member by member.
#[derive(H5Type, Clone, Debug, PartialEq)]
#[repr(C)]
struct Mixed {
    flag: bool,
    value: f64,
    name: String,
    list: Vec<i16>,
    pair: [u8; 2],
}

fn mixed(i: usize) -> Mixed {
    Mixed {
        flag: i.is_multiple_of(2),
        value: i as f64 / 3.0,
        name: "n".repeat(i),
        list: (0..i as i16).collect(),
        pair: [i as u8, 1],
    }
}

fn ramp(shape: &[usize]) -> ArrayD<f64> {
    let n: usize = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|i| i as f64 * 0.5 - 3.0).collect()).unwrap()
}

#[test]
fn layouts_and_filters() {
    let shapes: [&[usize]; 3] = [&[1000], &[37, 41], &[7, 8, 9]];
    each_profile(
        "layouts",
        |root| {
            for shape in shapes {
                let data = ramp(shape);
                let rank = shape.len();
                let group = root.create_group(format!("rank{rank}")).unwrap();
                let new = || group.new_dataset::<f64>().with_data(&data);
                new().create("contiguous").unwrap();
                new().compact().create("compact").unwrap();
                new().chunk(vec![5; rank]).create("chunked").unwrap();
                new().chunked().create("guessed").unwrap();
                let whole: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
                new().chunk(whole.clone()).create("single").unwrap();
                new().chunk(whole).deflate(6).create("single_deflate").unwrap();
                let mut max: Vec<Option<u64>> = shape.iter().map(|&d| Some(d as u64 + 20)).collect();
                new().chunk(vec![4; rank]).max_shape(max.clone()).create("fixed").unwrap();
                max[rank - 1] = None;
                new().chunk(vec![3; rank]).max_shape(max).create("one_unlimited").unwrap();
                new().chunk(vec![4; rank]).resizable().create("unlimited").unwrap();
                new()
                    .chunk(vec![4; rank])
                    .resizable()
                    .shuffle()
                    .deflate(4)
                    .create("unlimited_deflate")
                    .unwrap();
                new().chunk(vec![6; rank]).shuffle().deflate(4).fletcher32().create("all").unwrap();
                new().chunk(vec![6; rank]).fletcher32().create("fletcher").unwrap();
                new().chunk(vec![6; rank]).lzf().create("lzf").unwrap();
                new().chunk(vec![6; rank]).szip(true, 4).create("szip").unwrap();
                new().chunk(vec![6; rank]).nbit().create("nbit").unwrap();
                new().chunk(vec![6; rank]).scale_offset(3).create("scaleoffset").unwrap();
                new().datatype(Datatype::f64(ByteOrder::Big)).chunk(vec![6; rank]).create("big").unwrap();
            }
        },
        |root| {
            for shape in shapes {
                let data = ramp(shape);
                let group = root.group(format!("rank{}", shape.len())).unwrap();
                let names = group.names().unwrap();
                assert_eq!(names.len(), 17);
                for name in names {
                    let dataset = group.dataset(&name).unwrap();
                    assert_eq!(dataset.read::<f64>().unwrap(), data, "{name}");
                }
            }
        },
    );
}

#[test]
fn datatypes() {
    fn one<T: H5Type + Clone + PartialEq + std::fmt::Debug>(
        root: &Group,
        name: &str,
        data: &[T],
        write: bool,
    ) {
        if write {
            root.new_dataset::<T>().with_data(data).create(name).unwrap();
            root.new_dataset::<T>()
                .with_data(data)
                .chunk(2)
                .deflate(1)
                .create(format!("{name}_chunked"))
                .unwrap();
            root.new_attr::<T>().with_data(data).create(name).unwrap();
        } else {
            assert_eq!(root.dataset(name).unwrap().read_vec::<T>().unwrap(), data, "{name}");
            let chunked = root.dataset(format!("{name}_chunked")).unwrap();
            assert_eq!(chunked.read_vec::<T>().unwrap(), data, "{name}");
            assert_eq!(root.attribute(name).unwrap().read_vec::<T>().unwrap(), data, "{name}");
        }
    }
    let all = |root: &Group, write: bool| {
        one(root, "u8", &[0u8, 1, 255], write);
        one(root, "i8", &[0i8, -1, 127], write);
        one(root, "u16", &[0u16, 1, 65535], write);
        one(root, "i16", &[0i16, -1, 32767], write);
        one(root, "u32", &[0u32, 1, u32::MAX], write);
        one(root, "i32", &[0i32, -1, i32::MAX], write);
        one(root, "u64", &[0u64, 1, u64::MAX], write);
        one(root, "i64", &[0i64, -1, i64::MIN], write);
        one(root, "f32", &[0f32, -1.5, f32::MAX], write);
        one(root, "f64", &[0f64, -1.5, f64::MIN], write);
        one(root, "bool", &[true, false, true], write);
        let c = |re, im| num_complex::Complex { re, im };
        one(root, "complex", &[c(0.0f64, 1.0), c(2.0, -3.0), c(0.0, 0.0)], write);
        one(root, "string", &["a".to_owned(), String::new(), "grün".to_owned()], write);
        one(root, "vlen", &[vec![1i32, 2, 3], vec![], vec![4]], write);
        one(root, "nested", &[vec![vec![1u8], vec![]], vec![], vec![vec![2, 3]]], write);
        one(root, "array", &[[1u16, 2, 3], [4, 5, 6], [7, 8, 9]], write);
        one(root, "row", &[row(0), row(1), row(2)], write);
        one(root, "mixed", &[mixed(0), mixed(1), mixed(2)], write);
        let fixed = Datatype::fixed_string(6, Charset::Ascii);
        let texts = ["counts".to_owned(), "ab".to_owned()];
        if write {
            root.new_dataset::<String>().datatype(fixed).with_data(&texts).create("fixed").unwrap();
        } else {
            assert_eq!(root.dataset("fixed").unwrap().read_vec::<String>().unwrap(), texts);
        }
    };
    each_profile("datatypes", |root| all(root, true), |root| all(root, false));
}

#[test]
fn scalars_nulls_and_fills() {
    each_profile(
        "spaces",
        |root| {
            root.new_dataset::<f64>().with_data(&arr0(2.5)).create("scalar").unwrap();
            root.new_dataset::<String>()
                .shape(vec![])
                .create("text")
                .unwrap()
                .write_scalar(&"t".to_owned())
                .unwrap();
            root.new_dataset::<f64>().null().create("null").unwrap();
            root.new_attr::<f64>().null().create("null").unwrap();
            root.new_dataset::<i32>().shape((4, 0)).create("empty").unwrap();
            root.new_dataset::<i32>().shape((4, 3)).create("unwritten").unwrap();
            root.new_dataset::<i32>().shape((4, 3)).fill_value(7).create("filled").unwrap();
            let part = root.new_dataset::<i32>().shape((4, 3)).fill_value(7).create("part").unwrap();
            part.write_slice(&[1, 2, 3], s![2, ..]).unwrap();
            let part =
                root.new_dataset::<i32>().shape((4, 3)).chunk((2, 2)).fill_value(7).create("chunks").unwrap();
            part.write_slice(&[1, 2, 3], s![2, ..]).unwrap();
            let early = root.new_dataset::<i32>().shape((4, 3)).fill_value(7);
            early.chunk((2, 2)).allocation_time(AllocationTime::Early).create("early").unwrap();
        },
        |root| {
            assert_eq!(root.dataset("scalar").unwrap().read_scalar::<f64>().unwrap(), 2.5);
            assert_eq!(root.dataset("text").unwrap().read_scalar::<String>().unwrap(), "t");
            assert!(root.dataset("null").unwrap().dataspace().is_null());
            assert!(root.attribute("null").unwrap().dataspace().is_null());
            let ints = |name| root.dataset(name).unwrap().read_vec::<i32>().unwrap();
            assert!(ints("empty").is_empty());
            assert_eq!(ints("unwritten"), [0; 12]);
            assert_eq!(ints("filled"), [7; 12]);
            assert_eq!(ints("early"), [7; 12]);
            for name in ["part", "chunks"] {
                assert_eq!(ints(name), [7, 7, 7, 7, 7, 7, 1, 2, 3, 7, 7, 7], "{name}");
            }
        },
    );
}

#[test]
fn appends_slices_and_resizes() {
    each_profile(
        "appends",
        |root| {
            let rows: Vec<Row> = (0..5000).map(row).collect();
            let mut x =
                root.new_dataset::<Row>().shape(0).resizable().chunk(64).deflate(1).create("rows").unwrap();
            for part in rows.chunks(37) {
                x.append(part).unwrap();
            }
            assert_eq!(x.shape(), [5000]);
            let mut one =
                root.new_dataset::<f64>().shape((0, 3)).resizable().chunk((4, 2)).create("one").unwrap();
            for i in 0..10 {
                one.append(&[i as f64, 1.0, 2.0]).unwrap();
            }
            let data = ramp(&[10, 12]);
            let mut cut =
                root.new_dataset::<f64>().with_data(&data).resizable().chunk((4, 5)).create("cut").unwrap();
            cut.resize([6, 7]).unwrap();
            cut.resize([9, 9]).unwrap();
            cut.write_slice(&[-1.0, -2.0], s![8, 1..4;2]).unwrap();
            assert!(matches!(one.append(&[1.0]).unwrap_err().kind(), ErrorKind::Shape(_)));
            assert_eq!(one.shape(), [10, 3]);
        },
        |root| {
            let rows: Vec<Row> = (0..5000).map(row).collect();
            assert_eq!(root.dataset("rows").unwrap().read_vec::<Row>().unwrap(), rows);
            let one = root.dataset("one").unwrap().read_2d::<f64>().unwrap();
            assert_eq!(one.column(0), Array1::from_iter((0..10).map(f64::from)));
            let data = ramp(&[10, 12]);
            let cut = root.dataset("cut").unwrap().read_2d::<f64>().unwrap();
            for ((i, j), &value) in cut.indexed_iter() {
                let expected = match (i, j) {
                    (8, 1) => -1.0,
                    (8, 3) => -2.0,
                    _ if i < 6 && j < 7 => data[[i, j]],
                    _ => 0.0,
                };
                assert_eq!(value, expected, "{i} {j}");
            }
        },
    );
}

#[test]
fn many_chunks_in_every_index() {
    const N: usize = 40_000;
    each_profile(
        "many_chunks",
        |root| {
            let data: Vec<i32> = (0..N as i32).collect();
            let new = || root.new_dataset::<i32>().with_data(&data).chunk(3);
            new().create("fixed").unwrap();
            new().resizable().create("extensible").unwrap();
            new().resizable().deflate(1).create("extensible_deflate").unwrap();
            let square = ndarray::ArrayView2::from_shape((200, 200), &data).unwrap();
            root.new_dataset::<i32>().with_data(&square).chunk((2, 3)).resizable().create("btree").unwrap();
            let mut sparse =
                root.new_dataset::<i32>().shape(0).chunk(3).resizable().create("sparse").unwrap();
            sparse.resize([1_000_000]).unwrap();
            sparse.write_slice(&[5], 700_000..700_001).unwrap();
            let sparse = root.new_dataset::<i32>().shape(1_000_000).chunk(3).create("sparse_fixed").unwrap();
            sparse.write_slice(&[5], 700_000..700_001).unwrap();
        },
        |root| {
            let data: Vec<i32> = (0..N as i32).collect();
            for name in ["fixed", "extensible", "extensible_deflate", "btree"] {
                assert_eq!(root.dataset(name).unwrap().read_vec::<i32>().unwrap(), data, "{name}");
            }
            for name in ["sparse", "sparse_fixed"] {
                let part = root.dataset(name).unwrap().read_slice::<i32>(699_998..700_003).unwrap();
                assert_eq!(part.as_slice().unwrap(), [0, 0, 5, 0, 0], "{name}");
            }
        },
    );
}

#[test]
fn links_and_attributes() {
    let text = "x".repeat(5000);
    each_profile(
        "links",
        |root| {
            let a = root.create_group("a/b/c").unwrap();
            let x = a.new_dataset::<i32>().with_data(&[1, 2, 3]).create("x").unwrap();
            root.link_hard("again", &x).unwrap();
            root.link_soft("soft", "/a/b/c/x").unwrap();
            root.link_soft("dangling", "/nowhere").unwrap();
            root.link_external("external", "other.h5", "/x").unwrap();
            root.commit_datatype("type", Row::datatype()).unwrap();
            let many = root
                .new_group()
                .track_creation_order(true)
                .track_attribute_order(true)
                .create("many")
                .unwrap();
            for i in (0..1000).rev() {
                many.link_soft(format!("link {i} {}", "y".repeat(i % 50)), "/a").unwrap();
                many.set_attr(format!("attribute {i}"), i as i32).unwrap();
            }
            let few = root
                .new_group()
                .track_creation_order(true)
                .track_attribute_order(true)
                .create("few")
                .unwrap();
            for name in ["z", "a", "m"] {
                few.create_group(name).unwrap();
                few.set_attr(name, name).unwrap();
            }
            many.new_attr::<u8>().with_data(&vec![7; 100_000]).create("large").unwrap();
            x.new_attr::<u8>().with_data(&vec![7; 100_000]).create("large").unwrap();
            x.new_attr::<String>()
                .datatype(Datatype::fixed_string(5000, Charset::Ascii))
                .with_scalar(&text)
                .create("long")
                .unwrap();
            x.set_attr("replaced", 1).unwrap();
            x.set_attr("replaced", [1.5, 2.5]).unwrap();
            let references = [x.reference(), root.reference(), h5::ObjectReference(None)];
            root.new_dataset::<h5::ObjectReference>().with_data(&references).create("references").unwrap();
            x.set_attr("back", a.reference()).unwrap();
        },
        |root| {
            for path in ["a/b/c/x", "again", "soft"] {
                assert_eq!(root.dataset(path).unwrap().read_vec::<i32>().unwrap(), [1, 2, 3], "{path}");
            }
            let x = root.dataset("again").unwrap();
            assert_eq!(x.link_count().unwrap(), 2);
            assert_eq!(root.dataset("soft").unwrap().address(), x.address());
            let external = root.link("external").unwrap().unwrap().target;
            assert!(matches!(external, LinkTarget::External { file, .. } if file == "other.h5"));
            assert_eq!(*root.named_datatype("type").unwrap().datatype(), Row::datatype());
            let many = root.group("many").unwrap();
            assert_eq!(many.names().unwrap().len(), 1000);
            assert_eq!(
                many.links_by_creation().unwrap()[0].name.to_string(),
                format!("link 999 {}", "y".repeat(49))
            );
            assert!(many.link("link 77 yyyyyyyyyyyyyyyyyyyyyyyyyyy").unwrap().is_some());
            assert_eq!(many.attribute("attribute 500").unwrap().read_scalar::<i32>().unwrap(), 500);
            assert_eq!(many.attribute_names().unwrap().len(), 1001);
            assert_eq!(many.attribute("large").unwrap().read_vec::<u8>().unwrap(), vec![7; 100_000]);
            let few = root.group("few").unwrap();
            let order: Vec<String> =
                few.links_by_creation().unwrap().iter().map(|l| l.name.to_string()).collect();
            assert_eq!(order, ["z", "a", "m"]);
            assert_eq!(few.attribute("m").unwrap().creation_order(), Some(2));
            assert_eq!(x.attribute("large").unwrap().read_vec::<u8>().unwrap(), vec![7; 100_000]);
            assert_eq!(x.attribute("long").unwrap().read_scalar::<String>().unwrap(), text);
            assert_eq!(x.attribute("replaced").unwrap().read_vec::<f64>().unwrap(), [1.5, 2.5]);
            let file = root.file();
            let references = root.dataset("references").unwrap().read_vec::<h5::ObjectReference>().unwrap();
            let found = file.dereference_object(references[0]).unwrap().into_dataset().unwrap();
            assert_eq!(found.read_vec::<i32>().unwrap(), [1, 2, 3]);
            assert!(file.dereference_object(references[1]).unwrap().into_group().is_ok());
            assert_eq!(references[2].0, None);
            let back = x.attribute("back").unwrap().read_scalar::<h5::ObjectReference>().unwrap();
            assert_eq!(file.dereference_object(back).unwrap().into_group().unwrap().names().unwrap(), ["x"]);
        },
    );
}

#[test]
fn a_hundred_thousand_links_and_a_user_block() {
    let path = folder().join("links100k.h5");
    let file = File::create_options().user_block(1024).create(&path).unwrap();
    let group = file.root().unwrap().create_group("g").unwrap();
    for i in 0..100_000 {
        group.link_soft(format!("{i}"), "/").unwrap();
    }
    file.close().unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(file.info().base, 1024);
    let group = file.group("g").unwrap();
    assert_eq!(group.link_storage(), "dense");
    assert_eq!(group.names().unwrap().len(), 100_000);
    assert!(group.link("77777").unwrap().is_some() && group.link("100000").unwrap().is_none());
}

#[test]
fn values_are_copied_with_what_they_point_to() {
    let path = folder().join("values.h5");
    let file = File::create(&path).unwrap();
    let root = file.root().unwrap();
    let data = [mixed(3), mixed(0), mixed(5)];
    let from = root.new_dataset::<Mixed>().with_data(&data).create("from").unwrap();
    let values = from.values(..).unwrap();
    let to = root.new_dataset_of(values.datatype().clone()).with_values(&values).create("to").unwrap();
    root.set_attr("attribute", &values).unwrap();
    assert_eq!(to.read_vec::<Mixed>().unwrap(), data);
    to.write_values(&from.values(0..1).unwrap(), 2..3).unwrap();
    file.close().unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(file.dataset("to").unwrap().read_vec::<Mixed>().unwrap(), [mixed(3), mixed(0), mixed(3)]);
    assert_eq!(file.root().unwrap().attribute("attribute").unwrap().read_vec::<Mixed>().unwrap(), data);
}

#[test]
fn errors_leave_everything_as_it_was() {
    let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    let file = CreateOptions::default().create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let x = root.new_dataset::<i32>().with_data(&[1, 2, 3]).create("x").unwrap();
    let usage = |e: h5::Error| assert!(matches!(e.kind(), ErrorKind::Usage(_)), "{e}");
    usage(root.create_group("x").unwrap_err());
    usage(root.create_group("").unwrap_err());
    usage(root.new_dataset::<i32>().create("y").unwrap_err());
    usage(root.new_dataset::<i32>().shape(4).deflate(10).create("y").unwrap_err());
    usage(root.new_dataset::<i32>().shape(vec![]).chunked().create("y").unwrap_err());
    assert!(matches!(
        root.new_dataset::<i32>().shape(2).chunk(3).create("y").unwrap_err().kind(),
        ErrorKind::Shape(_)
    ));
    assert!(matches!(x.write(&[1, 2]).unwrap_err().kind(), ErrorKind::Shape(_)));
    assert!(matches!(x.write(&[1.0, 2.0, 3.0]).unwrap_err().kind(), ErrorKind::Type { .. }));
    let wrong = root.new_dataset::<i32>().datatype(Datatype::var_string()).with_data(&[1]);
    assert!(matches!(wrong.create("y").unwrap_err().kind(), ErrorKind::Type { .. }));
    usage(x.create_attr_twice());
    assert_eq!(root.names().unwrap(), ["x"]);
    assert_eq!(x.read_vec::<i32>().unwrap(), [1, 2, 3]);
    file.clone().close().unwrap();
    usage(root.create_group("z").unwrap_err());
    let file = File::from_bytes(store.to_vec()).unwrap();
    usage(file.root().unwrap().create_group("z").unwrap_err());
    assert_eq!(file.dataset("x").unwrap().read_vec::<i32>().unwrap(), [1, 2, 3]);
}

trait Twice {
    fn create_attr_twice(&self) -> h5::Error;
}

impl Twice for h5::Dataset {
    fn create_attr_twice(&self) -> h5::Error {
        self.new_attr::<i32>().with_scalar(&1).create("once").unwrap();
        self.new_attr::<i32>().with_scalar(&2).create("once").unwrap_err()
    }
}

#[test]
fn every_flush_is_a_whole_file() {
    let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    let file = CreateOptions::default().profile(Profile::Modern).create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let mut x = root.new_dataset::<i32>().shape(0).chunk(4).resizable().deflate(1).create("x").unwrap();
    let y = root.new_dataset::<i32>().shape(8).create("y").unwrap();
    let group = root.create_group("group").unwrap();
    let mut sizes = Vec::new();
    for round in 0..50 {
        x.append(&[round, round]).unwrap();
        y.write_slice(&[round], s![round as usize % 8..round as usize % 8 + 1]).unwrap();
        y.set_attr("round", round).unwrap();
        group.create_group(format!("{round}")).unwrap();
        file.flush().unwrap();
        let bytes = store.to_vec();
        sizes.push(bytes.len());
        let read = File::from_bytes(bytes).unwrap();
        let expected: Vec<i32> = (0..=round).flat_map(|r| [r, r]).collect();
        assert_eq!(read.dataset("x").unwrap().read_vec::<i32>().unwrap(), expected);
        assert_eq!(
            read.dataset("y").unwrap().attribute("round").unwrap().read_scalar::<i32>().unwrap(),
            round
        );
        assert_eq!(read.dataset("y").unwrap().read_vec::<i32>().unwrap()[round as usize % 8], round);
        assert_eq!(read.group("group").unwrap().names().unwrap().len(), round as usize + 1);
    }
    // What a flush supersedes is used again.
    assert!(sizes[49] < 2 * sizes[24], "{sizes:?}");
    // A reference pins an object: it keeps its place from then on, whatever is changed.
    y.set_attr("more", 0).unwrap();
    let reference =
        root.new_dataset::<h5::ObjectReference>().with_data(&[y.reference()]).create("ref").unwrap();
    for i in 0..40 {
        y.set_attr(if i % 2 == 0 { "more" } else { "a long one, for a continuation of the header" }, 1)
            .unwrap();
        y.set_attr(format!("{}", i % 6), "text").unwrap();
    }
    file.flush().unwrap();
    y.set_attr("more", 2).unwrap();
    y.set_attr("a long one, for a continuation of the header", vec![3; 500]).unwrap();
    x.append(&[1]).unwrap();
    file.flush().unwrap();
    let read = File::from_bytes(store.to_vec()).unwrap();
    let found = reference.read_scalar::<h5::ObjectReference>().unwrap();
    let y = read.dereference_object(found).unwrap();
    assert_eq!(y.attribute("more").unwrap().read_scalar::<i32>().unwrap(), 2);
    assert_eq!(read.dataset("x").unwrap().len().unwrap(), 101);
}
