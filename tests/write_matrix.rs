//! Every datatype in every layout with every filter, for both profiles. `tests/python/check_matrix.py` lets h5py read
//! them, `.ci/hdf5_tools.sh` the tools of HDF5.
//!
//! `H5_WRITTEN_DIR` is a folder in which they are kept for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fmt::Debug, path::PathBuf};

use h5::{
    AllocationTime, ByteOrder, Charset, ChunkIndexType, Dataset, DatasetBuilder, Datatype, DatatypeClass,
    File, Group, H5Type, HyperslabDim, ObjectReference, Profile, RegionReference, Selection, Values,
    model::{
        datatype::{IntegerType, StringPadding},
        link::Name,
    },
};
use ndarray::Array2;
use num_complex::Complex;

const ROWS: usize = 4;
const COLUMNS: usize = 6;
const LEN: usize = ROWS * COLUMNS;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Compact,
    Contiguous,
    External,
    Virtual,
    Single,
    Implicit,
    Fixed,
    Extensible,
    BTree,
}

const PLAIN: [Layout; 4] = [Layout::Compact, Layout::Contiguous, Layout::External, Layout::Virtual];
const CHUNKED: [Layout; 4] = [Layout::Single, Layout::Fixed, Layout::Extensible, Layout::BTree];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Filter {
    Nothing,
    Deflate,
    ShuffleDeflate,
    Fletcher,
    Everything,
    Szip,
    Nbit,
    ScaleOffset,
    Lzf,
}

const FILTERS: [Filter; 8] = [
    Filter::Nothing,
    Filter::Deflate,
    Filter::ShuffleDeflate,
    Filter::Fletcher,
    Filter::Everything,
    Filter::Szip,
    Filter::Nbit,
    Filter::ScaleOffset,
];

struct Case {
    layout: Layout,
    filter: Filter,
    /// Of the external file.
    suffix: &'static str,
    kind: &'static str,
}

impl Case {
    fn name(&self) -> String {
        format!("{:?} {:?}", self.layout, self.filter)
    }

    fn apply<'d, T>(&self, new: DatasetBuilder<'d, T>) -> DatasetBuilder<'d, T> {
        let fixed = Some(COLUMNS as u64);
        let new = match self.layout {
            Layout::Compact => new.compact(),
            Layout::Contiguous => new,
            Layout::External => new.external(format!("matrix-{}-{}.raw", self.suffix, self.kind), 8, None),
            Layout::Virtual => {
                let rows = |start, len| {
                    let dims = [HyperslabDim::range(start, len), HyperslabDim::range(0, COLUMNS as u64)];
                    Selection::Hyperslab(dims.to_vec())
                };
                let source = format!("/{}/Contiguous Nothing", self.kind);
                let top = new.virtual_mapping(".", &source, rows(0, 1), rows(0, 1));
                top.virtual_mapping(".", source, rows(1, 3), rows(1, 3))
            }
            Layout::Single => new.chunk((ROWS, COLUMNS)),
            Layout::Implicit => new.chunk((2, 4)).allocation_time(AllocationTime::Early),
            Layout::Fixed => new.chunk((2, 4)),
            Layout::Extensible => new.chunk((2, 4)).max_shape([None, fixed]),
            Layout::BTree => new.chunk((2, 4)).resizable(),
        };
        match self.filter {
            Filter::Nothing => new,
            Filter::Deflate => new.deflate(6),
            Filter::ShuffleDeflate => new.shuffle().deflate(1),
            Filter::Fletcher => new.fletcher32(),
            Filter::Everything => new.shuffle().deflate(9).fletcher32(),
            Filter::Szip => new.szip(true, 4),
            Filter::Nbit => new.nbit(),
            Filter::ScaleOffset => new.scale_offset(if self.kind.contains('f') { 2 } else { 0 }),
            Filter::Lzf => new.lzf(),
        }
    }

    fn index(&self, profile: Profile) -> Option<&'static str> {
        match self.layout {
            Layout::Compact | Layout::Contiguous | Layout::External | Layout::Virtual => None,
            _ if profile == Profile::Compatible => Some("btree1"),
            Layout::Single => Some("single"),
            Layout::Implicit => Some("implicit"),
            Layout::Fixed => Some("farray"),
            Layout::Extensible => Some("earray"),
            Layout::BTree => Some("btree2"),
        }
    }
}

/// Which filters can be put on a datatype, and what else goes.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    /// Integers and floats of whole bytes.
    Number,
    /// Of one number, but not one.
    Coded,
    /// Of several parts.
    Fixed,
    /// With parts in the heap.
    Variable,
}

fn cases(kind: &'static str, sort: Sort, suffix: &'static str) -> Vec<Case> {
    let case = |layout, filter| Case { layout, filter, suffix, kind };
    let mut cases = vec![case(Layout::Implicit, Filter::Nothing)];
    // What is in a heap is in the file; and h5repack writes references of the copy into the files of the original.
    let external = sort != Sort::Variable && kind != "object";
    let plain = PLAIN.into_iter().filter(|&layout| external || layout != Layout::External);
    cases.extend(plain.map(|layout| case(layout, Filter::Nothing)));
    for filter in FILTERS {
        let applies = match filter {
            Filter::Szip => matches!(sort, Sort::Number | Sort::Coded),
            Filter::ScaleOffset => sort == Sort::Number,
            Filter::Nbit => sort != Sort::Variable,
            _ => true,
        };
        cases.extend(CHUNKED.into_iter().filter(|_| applies).map(|layout| case(layout, filter)));
    }
    cases
}

/// What is in a file. The tools of HDF5 do not have LZF, and libhdf5 crashes when it copies what is of variable length
/// and has several filters (its own too).
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Fixed,
    Variable,
    Lzf,
}

/// Writes a case in a group, or checks and gives the dataset of that name.
type Visit<'a> = dyn Fn(&Group, Option<&Case>, &str) -> Option<Dataset> + 'a;

/// Writes or checks all cases of a datatype.
struct Matrix<'a> {
    root: &'a Group,
    profile: Profile,
    suffix: &'static str,
    part: Part,
    write: bool,
    count: usize,
}

impl Matrix<'_> {
    fn each(&mut self, kind: &'static str, sort: Sort, f: &Visit<'_>) {
        // Regions are variable, but no tool minds.
        if self.part != Part::Lzf
            && (self.part == Part::Variable) != (sort == Sort::Variable && kind != "region")
        {
            return;
        }
        let cases = match self.part {
            Part::Lzf => {
                CHUNKED.map(|layout| Case { layout, filter: Filter::Lzf, suffix: self.suffix, kind }).into()
            }
            _ => cases(kind, sort, self.suffix),
        };
        let group =
            if self.write { self.root.create_group(kind).unwrap() } else { self.root.group(kind).unwrap() };
        for case in cases {
            let name = case.name();
            if self.write {
                f(&group, Some(&case), &name);
                continue;
            }
            let dataset = f(&group, None, &name).unwrap();
            let index = dataset.chunk_index().as_ref().map(ChunkIndexType::name);
            assert_eq!(index, case.index(self.profile), "{kind} {name}");
            self.count += 1;
        }
    }

    fn typed<T: H5Type + Clone + PartialEq + Debug>(
        &mut self,
        kind: &'static str,
        sort: Sort,
        datatype: Option<Datatype>,
        element: impl Fn(usize) -> T,
    ) {
        let data = Array2::from_shape_fn((ROWS, COLUMNS), |(i, j)| element(i * COLUMNS + j));
        self.each(kind, sort, &|group, case, name| match case {
            Some(case) => {
                let mut new = case.apply(group.new_dataset::<T>().shape((ROWS, COLUMNS)));
                if let Some(datatype) = &datatype {
                    new = new.datatype(datatype.clone());
                }
                if case.layout != Layout::Virtual {
                    new = new.with_data(&data);
                }
                new.create(name).unwrap_or_else(|e| panic!("{kind} {name}: {e}"));
                None
            }
            None => {
                let dataset = group.dataset(name).unwrap();
                assert_eq!(dataset.read_2d::<T>().unwrap(), data, "{kind} {name}");
                Some(dataset)
            }
        });
    }

    /// A datatype that no Rust type has.
    fn values(
        &mut self,
        kind: &'static str,
        sort: Sort,
        datatype: Datatype,
        element: impl Fn(usize) -> Vec<u8>,
    ) {
        let bytes: Vec<u8> = (0..LEN).flat_map(element).collect();
        let values = Values::new(datatype.clone(), vec![ROWS as u64, COLUMNS as u64], bytes).unwrap();
        self.each(kind, sort, &|group, case, name| match case {
            Some(case) => {
                let mut new = case.apply(group.new_dataset_of(datatype.clone()).shape((ROWS, COLUMNS)));
                if case.layout != Layout::Virtual {
                    new = new.with_values(&values);
                }
                new.create(name).unwrap_or_else(|e| panic!("{kind} {name}: {e}"));
                None
            }
            None => {
                let dataset = group.dataset(name).unwrap();
                assert_eq!(dataset.values(..).unwrap().bytes(), values.bytes(), "{kind} {name}");
                Some(dataset)
            }
        });
    }

    fn all(&mut self) {
        use ByteOrder::{Big, Little};
        let (number, coded, fixed, variable) = (Sort::Number, Sort::Coded, Sort::Fixed, Sort::Variable);
        let signed = |i: usize| i as i64 * 5 - 60;
        let real = |i: usize| i as f64 * 0.5 - 3.0;
        self.typed("i8", number, None, |i| signed(i) as i8);
        self.typed("u8", number, None, |i| i as u8 * 10);
        self.typed("i16", number, None, |i| signed(i) as i16 * 100);
        self.typed("u16", number, None, |i| i as u16 * 1000);
        self.typed("i32", number, None, |i| signed(i) as i32 * 100_000);
        self.typed("u32", number, None, |i| i as u32 * 100_000_000);
        self.typed("i64", number, None, |i| signed(i) << 40);
        self.typed("u64", number, None, |i| (i as u64) << 50);
        self.typed("i32be", number, Some(Datatype::integer(4, true, Big)), |i| signed(i) as i32 * 100_000);
        self.typed("f32", number, None, |i| real(i) as f32);
        self.typed("f64", number, None, real);
        self.typed("f64be", number, Some(Datatype::f64(Big)), real);
        self.typed("f16", coded, None, |i| half::f16::from_f64(real(i)));
        self.typed("bool", coded, None, |i| i % 3 == 0);
        self.typed("enum", coded, None, |i| [Colour::Red, Colour::Green, Colour::Blue][i % 3]);
        self.typed("complex64", fixed, None, |i| Complex::new(real(i) as f32, -(i as f32)));
        self.typed("complex128", fixed, None, |i| Complex::new(real(i), -(i as f64)));
        let text = |padding, charset, size| Datatype {
            size,
            class: DatatypeClass::FixedString { padding, charset },
        };
        let ascii = text(StringPadding::NullPadded, Charset::Ascii, 4);
        self.typed("ascii", fixed, Some(ascii), |i| format!("s{i}"));
        let utf8 = text(StringPadding::NullTerminated, Charset::Utf8, 7);
        self.typed("utf8", fixed, Some(utf8), |i| format!("ü{i}"));
        let fortran = text(StringPadding::SpacePadded, Charset::Ascii, 5);
        self.typed("fortran", fixed, Some(fortran), |i| format!("f{i}"));
        self.typed("array", fixed, None, |i| [i as u16, 1, 2 * i as u16]);
        self.typed("matrix", fixed, None, |i| [[i as f32, 0.5], [1.5, -(i as f32)]]);
        self.typed("row", fixed, None, |i| Row {
            id: signed(i),
            t: real(i),
            ch: i as i32,
            q: real(i) as f32,
        });
        let words = |i: usize| if i == 5 { String::new() } else { format!("{}ü{i}", "text ".repeat(i % 4)) };
        self.typed("string", variable, None, words);
        self.typed("vlen", variable, None, |i| (0..i as i32 % 5).collect::<Vec<_>>());
        self.typed("texts", variable, None, |i| (0..i % 3).map(|j| format!("{i} {j}")).collect::<Vec<_>>());
        self.typed("mixed", variable, None, |i| Mixed {
            flag: i % 2 == 0,
            name: words(i),
            list: vec![i as i16; i % 3],
        });
        let opaque = Datatype { size: 5, class: DatatypeClass::Opaque { tag: Name::from("five bytes") } };
        self.values("opaque", fixed, opaque, |i| vec![i as u8, 1, 2, 3, 4]);
        let bits = Datatype { size: 2, class: DatatypeClass::Bitfield(IntegerType::full(2, false, Little)) };
        self.values("bitfield", coded, bits, |i| (i as u16 * 257).to_le_bytes().to_vec());
        let narrow = IntegerType { precision: 12, ..IntegerType::full(2, true, Little) };
        let narrow = Datatype { size: 2, class: DatatypeClass::Integer(narrow) };
        self.values("i12", coded, narrow, |i| (signed(i) as u16 & 0xfff).to_le_bytes().to_vec());
        let target = self.root.dataset("target").unwrap();
        let same = |address: u64| target.file().object_at(address).unwrap().address();
        if self.write {
            self.typed("object", fixed, None, |i| ObjectReference((i % 4 != 0).then_some(target.address())));
            let part = |i: usize| {
                Selection::Hyperslab(vec![HyperslabDim::range(i as u64 % 3, 1), HyperslabDim::range(1, 2)])
            };
            self.typed("region", variable, None, |i| RegionReference {
                address: (i % 4 != 0).then_some(target.address()),
                selection: if i % 4 == 0 { Selection::None } else { part(i) },
            });
        } else if self.part != Part::Variable {
            for kind in ["object", "region"] {
                let group = self.root.group(kind).unwrap();
                for name in group.names().unwrap() {
                    let dataset = group.dataset(&name).unwrap();
                    let addresses: Vec<Option<u64>> = match kind {
                        "object" => {
                            dataset.read_vec::<ObjectReference>().unwrap().iter().map(|r| r.0).collect()
                        }
                        _ => {
                            dataset.read_vec::<RegionReference>().unwrap().iter().map(|r| r.address).collect()
                        }
                    };
                    assert_eq!(addresses.len(), LEN);
                    for (i, address) in addresses.into_iter().enumerate() {
                        assert_eq!(
                            address.map(same),
                            (i % 4 != 0).then_some(target.address()),
                            "{kind} {name} {i}"
                        );
                    }
                    self.count += 1;
                }
            }
        }
    }
}

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Colour {
    Red,
    Green = 7,
    Blue,
}

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Row {
    id: i64,
    t: f64,
    ch: i32,
    q: f32,
}

#[derive(H5Type, Clone, Debug, PartialEq)]
#[repr(C)]
struct Mixed {
    flag: bool,
    name: String,
    list: Vec<i16>,
}

fn folder() -> PathBuf {
    let folder = match std::env::var_os("H5_WRITTEN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("h5-written-matrix-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn matrix(name: &str, part: Part, at_least: usize) {
    for (profile, suffix) in [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")] {
        let path = folder().join(format!("{name}-{suffix}.h5"));
        let file = File::create_options().profile(profile).create(&path).unwrap();
        let root = file.root().unwrap();
        // What references lead to.
        let target = Array2::from_elem((ROWS, COLUMNS), 7);
        root.new_dataset::<i32>().with_data(&target).create("target").unwrap();
        let mut matrix = Matrix { root: &root, profile, suffix, part, write: true, count: 0 };
        matrix.all();
        matrix.write = false;
        matrix.all();
        let count = matrix.count;
        assert!(count >= at_least, "{count} datasets");
        file.close().unwrap();
        let file = File::open(&path).unwrap();
        let root = file.root().unwrap();
        let mut matrix = Matrix { root: &root, profile, suffix, part, write: false, count: 0 };
        matrix.all();
        assert_eq!(matrix.count, count);
    }
}

#[test]
fn every_datatype_in_every_layout_with_every_filter() {
    matrix("matrix", Part::Fixed, 900);
}

#[test]
fn every_variable_datatype_in_every_layout_with_every_filter() {
    matrix("matrix_variable", Part::Variable, 90);
}

#[test]
fn every_datatype_with_lzf() {
    matrix("matrix_lzf", Part::Lzf, 120);
}
