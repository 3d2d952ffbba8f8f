//! Many selections read at once give what each gives by itself: for every layout, in a file that is being edited, in one
//! that is mapped and in one that is not, with one thread and with several.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fmt::Debug, path::Path, sync::Arc};

use h5::{
    ChunkIndexType, Dataset, Datatype, ErrorKind, File, Group, H5Type, HyperslabDim, IntoSelection, Limits,
    Profile, Selection,
    model::selection::{Blocks, Points},
    source::{ByteSource, ByteStore, MemoryStore},
};
use ndarray::{ArrayD, Axis, s};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

const ROWS: u64 = 23;
const COLUMNS: u64 = 19;
const SHAPE: (usize, usize) = (ROWS as usize, COLUMNS as usize);
const CHUNK: (usize, usize) = (4, 5);

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Row {
    id: i64,
    weight: f32,
    flag: u8,
}

fn number(i: u64) -> i32 {
    (i as i32).wrapping_mul(-1_640_531_535)
}

fn numbers() -> ndarray::Array2<i32> {
    ndarray::Array2::from_shape_fn(SHAPE, |(r, c)| number(r as u64 * COLUMNS + c as u64))
}

/// Writes a dataset of each layout.
fn write(root: &Group) {
    let all = numbers();
    let new = || root.new_dataset::<i32>();
    let big = || new().datatype(Datatype::integer(4, true, h5::ByteOrder::Big));
    big().with_data(&all).create("contiguous").unwrap();
    new().compact().with_data(&all).create("compact").unwrap();
    new().shape(SHAPE).fill_value(7).create("nothing").unwrap();
    let external = new().shape(SHAPE).external("slices.raw", 3, 500).external("slices.raw", 900, None);
    external.create("external").unwrap().write(&all).unwrap();
    new().chunk(SHAPE).deflate(1).with_data(&all).create("single").unwrap();
    big().chunk(CHUNK).shuffle().deflate(4).with_data(&all).create("fixed").unwrap();
    big().chunk(CHUNK).max_shape([None, Some(COLUMNS)]).with_data(&all).create("extensible").unwrap();
    new().chunk(CHUNK).resizable().fletcher32().with_data(&all).create("tree").unwrap();
    // A part of it only: the other chunks are missing.
    let sparse = big().shape(SHAPE).chunk(CHUNK).lzf().fill_value(-9).create("sparse").unwrap();
    sparse.write_slice(&all.slice(s![6..15, 3..11]), s![6..15, 3..11]).unwrap();
    let slab = |start, count| {
        Selection::Hyperslab(vec![HyperslabDim::range(start, count), HyperslabDim::range(0, COLUMNS)])
    };
    new()
        .shape(SHAPE)
        .fill_value(5)
        .virtual_mapping(".", "/fixed", slab(0, 10), slab(10, 10))
        .virtual_mapping(".", "/contiguous", slab(12, 9), slab(0, 9))
        .create("virtual")
        .unwrap();
    let text = all.map(|n| "x".repeat(n.unsigned_abs() as usize % 7));
    root.new_dataset::<String>().chunk(CHUNK).deflate(1).with_data(&text).create("texts").unwrap();
    let lists = all.map(|&n| vec![n; n.unsigned_abs() as usize % 4]);
    root.new_dataset::<Vec<i32>>().with_data(&lists).create("lists").unwrap();
    let rows = all.map(|&n| Row { id: n.into(), weight: n as f32, flag: n as u8 });
    root.new_dataset::<Row>().chunk(CHUNK).with_data(&rows).create("rows").unwrap();
}

/// All of them at once are what each is.
fn is_same<T: H5Type + PartialEq + Debug>(dataset: &Dataset, selections: &[Given]) {
    let one_by_one: Vec<ArrayD<T>> =
        selections.iter().map(|given| dataset.read_slice(given.clone()).unwrap()).collect();
    assert_eq!(dataset.read_slices::<T>(selections.iter().cloned()).unwrap(), one_by_one);
}

/// Windows of one shape at different places, which are stacked.
fn is_stacked<T: H5Type + PartialEq + Debug + Clone + Default>(dataset: &Dataset, corners: &[(u64, u64)]) {
    let window = |&(r, c): &(u64, u64)| {
        let (r, c) = (r as usize, c as usize);
        s![r..r + 6, c..c + 7]
    };
    let one_by_one: Vec<ArrayD<T>> =
        corners.iter().map(|corner| dataset.read_slice(window(corner)).unwrap()).collect();
    let views: Vec<_> = one_by_one.iter().map(|a| a.view()).collect();
    let expected = ndarray::stack(Axis(0), &views).unwrap();
    let windows = || corners.iter().map(window);
    assert_eq!(dataset.read_stacked::<T>(windows()).unwrap(), expected);
    let mut buffer = vec![T::default(); corners.len() * 42];
    dataset.read_stacked_into(windows(), &mut buffer).unwrap();
    assert_eq!(buffer, expected.as_slice().unwrap());
}

/// What a user may give.
#[derive(Clone, Debug)]
enum Given {
    Selection(Selection),
    Row(usize),
    Rows(u64, u64),
}

impl IntoSelection for Given {
    fn into_selection(self, dims: &[u64]) -> h5::Result<(Selection, Option<Vec<u64>>)> {
        match self {
            Given::Selection(selection) => selection.into_selection(dims),
            Given::Row(row) => s![row, ..;2].into_selection(dims),
            Given::Rows(from, to) => (from..to).into_selection(dims),
        }
    }
}

/// A regular selection of one dimension.
fn axis(extent: u64) -> impl Strategy<Value = HyperslabDim> {
    (0..extent, 1..5u64, 1..9u64, 0..9u64).prop_map(move |(start, block, more, count)| {
        let (block, stride) = (block.min(extent - start), block + more - 1);
        let most = (extent - start - block) / stride + 1;
        HyperslabDim { start, stride, count: count.min(most), block }
    })
}

fn point() -> impl Strategy<Value = [u64; 2]> {
    (0..ROWS, 0..COLUMNS).prop_map(|(r, c)| [r, c])
}

fn given() -> impl Strategy<Value = Given> {
    let slab =
        [axis(ROWS).boxed(), axis(COLUMNS).boxed()].prop_map(|dims| Selection::Hyperslab(dims.to_vec()));
    let points = vec(point(), 0..20)
        .prop_map(|points| Selection::Points(Points { rank: 2, coordinates: points.concat() }));
    let blocks = vec((point(), point()), 0..4).prop_map(|blocks| {
        let sorted =
            |(a, b): ([u64; 2], [u64; 2])| [a[0].min(b[0]), a[1].min(b[1]), a[0].max(b[0]), a[1].max(b[1])];
        let corners = blocks.into_iter().flat_map(sorted).collect();
        Selection::Blocks(Blocks { rank: 2, corners })
    });
    prop_oneof![
        4 => slab.prop_map(Given::Selection),
        1 => points.prop_map(Given::Selection),
        1 => blocks.prop_map(Given::Selection),
        1 => (0..ROWS as usize).prop_map(Given::Row),
        1 => (0..ROWS, 0..=ROWS).prop_map(|(from, to)| Given::Rows(from, to)),
        1 => prop_oneof![Just(Selection::All), Just(Selection::None)].prop_map(Given::Selection),
    ]
}

const NUMBERS: [&str; 10] = [
    "contiguous",
    "compact",
    "nothing",
    "external",
    "single",
    "fixed",
    "extensible",
    "tree",
    "sparse",
    "virtual",
];

fn check(root: &Group, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let corner = || (0..=ROWS - 6, 0..=COLUMNS - 7);
    TestRunner::new(config)
        .run(&(vec(given(), 0..12), vec(corner(), 1..12)), |(selections, corners)| {
            for name in NUMBERS {
                let dataset = root.dataset(name).unwrap();
                is_same::<i32>(&dataset, &selections);
                is_stacked::<i32>(&dataset, &corners);
            }
            is_same::<String>(&root.dataset("texts").unwrap(), &selections);
            is_stacked::<String>(&root.dataset("texts").unwrap(), &corners);
            is_same::<Vec<i32>>(&root.dataset("lists").unwrap(), &selections);
            is_same::<Row>(&root.dataset("rows").unwrap(), &selections);
            Ok(())
        })
        .unwrap();
}

#[test]
fn as_one_by_one_in_every_layout() {
    let folder = std::env::temp_dir().join(format!("h5-slices-{}", std::process::id()));
    for (profile, name) in [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")] {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("slices.h5");
        let file = File::create_options().profile(profile).create(&path).unwrap();
        let root = file.root().unwrap();
        write(&root);
        check(&root, 24);
        file.close().unwrap();
        for (mmap, threads, cache) in [(true, 2, 0), (false, 1, 600), (true, 1, 64 << 20)] {
            let options = File::options().mmap(mmap).threads(threads).chunk_cache_bytes(cache);
            check(&options.open(&path).unwrap().root().unwrap(), 24);
        }
        has_all_layouts(&path, profile);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The datasets are what their names say.
fn has_all_layouts(path: &Path, profile: Profile) {
    let file = File::open(path).unwrap();
    let index = |name: &str| file.dataset(name).unwrap().chunk_index().unwrap();
    let found = ["single", "fixed", "extensible", "tree"].map(index);
    if profile == Profile::Compatible {
        assert_eq!(found, [ChunkIndexType::BTreeV1; 4]);
        return;
    }
    assert!(
        matches!(
            found,
            [
                ChunkIndexType::Single { .. },
                ChunkIndexType::FixedArray { .. },
                ChunkIndexType::ExtensibleArray { .. },
                ChunkIndexType::BTreeV2 { .. }
            ]
        ),
        "{found:?}"
    );
}

#[test]
fn an_edit_shows_in_the_next_batch() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store).unwrap();
    let root = file.root().unwrap();
    let x = root.new_dataset::<i32>().shape(10).resizable().chunk(3).deflate(1);
    let mut x = x.create("x").unwrap();
    let other = file.dataset("x").unwrap();
    x.write_slice(&[4, 5], 4..6).unwrap();
    assert_eq!(other.read_stacked::<i32>([3..6, 4..7]).unwrap().as_slice().unwrap(), [0, 4, 5, 4, 5, 0]);
    x.append(&[8, 9]).unwrap();
    assert_eq!(other.read_stacked::<i32>(std::iter::once(9..12)).unwrap().as_slice().unwrap(), [0, 8, 9]);
}

/// The bytes of a file in memory.
fn bytes_of(store: &MemoryStore) -> Vec<u8> {
    let mut bytes = vec![0; ByteSource::len(store) as usize];
    store.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn more_chunks_than_can_be_counted() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let extent = 0x1234_5671usize;
    let x = root.new_dataset::<i32>().shape((extent, extent)).chunk((1, 2)).deflate(1).fill_value(3);
    x.create("x").unwrap();
    file.close().unwrap();
    // Such a dataset cannot be made; its extent is changed afterwards.
    let end = 1usize << 40;
    let mut bytes = bytes_of(&store);
    let header = File::from_bytes(bytes.clone()).unwrap().dataset("x").unwrap().address() as usize;
    let places: Vec<usize> =
        (0..bytes.len() - 8).filter(|&at| bytes[at..at + 8] == extent.to_le_bytes()).collect();
    places.into_iter().for_each(|at| bytes[at..at + 8].copy_from_slice(&end.to_le_bytes()));
    // Behind signature, version, flags, times and bounds of attributes: the length, the messages, the checksum.
    let flags = bytes[header + 5];
    let at = header + 6 + 16 * usize::from(flags >> 5 & 1) + 4 * usize::from(flags >> 4 & 1);
    let width = 1 << (flags & 3);
    let len = bytes[at..at + width].iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    let end_of_header = at + width + len;
    let checksum = h5::internals::checksum::lookup3(&bytes[header..end_of_header]);
    bytes[end_of_header..end_of_header + 4].copy_from_slice(&checksum.to_le_bytes());
    let x = File::from_bytes(bytes).unwrap().dataset("x").unwrap();
    assert_eq!(x.shape(), [1 << 40; 2]);
    let windows = [s![end - 3.., end - 5..], s![7..10, 8..13], s![end - 4..end - 1, 0..5]];
    let mut result = vec![0; 45];
    x.read_stacked_into::<i32>(windows, &mut result).unwrap();
    assert_eq!(result, [3; 45]);
}

#[test]
fn errors_name_the_selection() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let data: Vec<i32> = (0..100).map(number).collect();
    let x = root.new_dataset::<i32>().chunk(10).fletcher32().with_data(&data).create("x").unwrap();
    let error = x.read_slices::<i32>([0..5, 5..10, 99..101]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape(_)) && error.selection() == Some(2), "{error}");
    let error = x.read_stacked::<i32>([0..5, 5..9]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape(_)) && error.selection() == Some(1), "{error}");
    let error = x.read_slices::<f64>(std::iter::once(0..5)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Type { .. }), "{error}");
    let error = x.read_stacked_into::<i32>([0..5, 5..10], &mut [0; 9]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Shape(_)) && error.selection().is_none(), "{error}");
    assert!(x.read_slices::<i32>(Vec::<Selection>::new()).unwrap().is_empty());
    assert_eq!(x.read_stacked::<i32>(Vec::<Selection>::new()).unwrap().shape(), [0]);
    // The checksum of the fourth chunk is wrong.
    let damaged = x.chunks().unwrap()[3].address;
    file.close().unwrap();
    store.write_at(damaged, &[1, 2, 3]).unwrap();
    let bytes = bytes_of(&store);
    for threads in [1, 2] {
        let mut limits = Limits::default();
        limits.allocation = 4000;
        let file = File::options().threads(threads).limits(limits).from_bytes(bytes.clone()).unwrap();
        let x = file.dataset("x").unwrap();
        let error = x.read_slices::<i32>([60..70, 0..10, 25..35, 40..41]).unwrap_err();
        assert_eq!((error.selection(), error.chunk()), (Some(2), Some(&[30][..])), "{error}");
        assert_eq!(x.read_slices::<i32>([60..70, 0..10]).unwrap()[1].as_slice().unwrap(), &data[..10]);
        // The limit is that of all results together.
        let error = x.read_slices::<i32>(vec![40..60; 51]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { .. }) && error.selection() == Some(50), "{error}");
        assert_eq!(x.read_stacked::<i32>(vec![40..60; 50]).unwrap().shape(), [50, 20]);
    }
}
