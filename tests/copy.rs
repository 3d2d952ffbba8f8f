//! Copies of objects: what is kept, what is shared, and what changes on request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use h5::{
    ByteOrder, CopyOptions, Datatype, DatatypeClass, ErrorKind, File, FilterRequest, Layout, LayoutChange,
    LinkTarget, ObjectReference, Profile, Reference, RegionReference, Selection, Values, source::MemoryStore,
};

fn new() -> (Arc<MemoryStore>, File) {
    new_with(Profile::Compatible)
}

fn new_with(profile: Profile) -> (Arc<MemoryStore>, File) {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().profile(profile).create_in(store.clone()).unwrap();
    (store, file)
}

/// The file as it is on disk.
fn reopened(store: &Arc<MemoryStore>, file: &File) -> File {
    file.clone().close().unwrap();
    File::options().from_source(store.clone()).unwrap()
}

/// Groups that share objects and form a cycle, links of all kinds, references, text.
fn sample() -> File {
    let (store, file) = new();
    let root = file.root().unwrap();
    let a = root.new_group().track_creation_order(true).create("a").unwrap();
    let b = a.create_group("zz").unwrap();
    let numbers: Vec<i32> = (0..1000).collect();
    let data = a.new_dataset::<i32>().chunk(64).shuffle().deflate(4).with_data(&numbers).create("numbers");
    let data = data.unwrap();
    data.set_attr("unit", "m").unwrap();
    b.link_hard("same", data.as_object()).unwrap();
    b.link_hard("up", a.as_object()).unwrap();
    a.link_soft("soft", "/a/numbers").unwrap();
    a.link_soft("broken", "/nowhere").unwrap();
    a.link_external("external", "other.h5", "/x").unwrap();
    let words = ["one", "", "three"].map(str::to_owned);
    a.new_dataset::<String>().with_data(&words).create("words").unwrap();
    let outside = root.new_dataset::<f64>().with_data(&[1.5]).create("outside").unwrap();
    let references = [data.reference(), a.reference(), outside.reference(), ObjectReference(None)];
    a.new_dataset::<ObjectReference>()
        .chunk(2)
        .deflate(1)
        .with_data(&references)
        .create("references")
        .unwrap();
    let region = RegionReference {
        address: Some(data.address()),
        selection: Selection::Hyperslab(vec![h5::HyperslabDim::range(10, 5)]),
    };
    a.new_attr::<RegionReference>().with_scalar(&region).create("region").unwrap();
    a.new_attr::<f32>().null().create("nothing").unwrap();
    a.commit_datatype("type", Datatype::f64(ByteOrder::Little)).unwrap();
    a.new_dataset::<f64>().null().create("null").unwrap();
    let fill = a.new_dataset::<i16>().shape((4, 4)).compact().fill_value(7).create("compact").unwrap();
    fill.set_attr("list", [1u8, 2, 3]).unwrap();
    a.new_dataset::<i16>().shape([3, 5]).fill_value(-1).create("unwritten").unwrap();
    reopened(&store, &file)
}

#[test]
fn a_group_with_all_that_is_below_it() {
    let from = sample();
    let (store, to) = new_with(Profile::Modern);
    to.root().unwrap().copy_from(&from.object("/a").unwrap(), "copy", &CopyOptions::new()).unwrap();
    let to = reopened(&store, &to);
    let group = to.group("/copy").unwrap();
    let order = |g: &h5::Group| {
        g.links_by_creation().unwrap().into_iter().map(|l| l.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(&group), order(&from.group("/a").unwrap()));

    let numbers = to.dataset("/copy/numbers").unwrap();
    assert_eq!(numbers.read_vec::<i32>().unwrap(), (0..1000).collect::<Vec<i32>>());
    assert_eq!(numbers.attribute("unit").unwrap().read_scalar::<String>().unwrap(), "m");
    assert_eq!(numbers.chunk_shape(), Some(&[64][..]));
    assert_eq!(numbers.filters(), from.dataset("/a/numbers").unwrap().filters());

    // Shared objects and cycles stay so.
    assert_eq!(to.object("/copy/zz/same").unwrap().address(), numbers.address());
    assert_eq!(to.object("/copy/zz/up").unwrap().address(), group.address());
    assert_eq!(numbers.link_count().unwrap(), 2);
    assert_eq!(group.link_count().unwrap(), 2);

    let target = |name: &str| group.link(name).unwrap().unwrap().target;
    assert_eq!(target("soft"), LinkTarget::Soft("/a/numbers".into()));
    assert_eq!(target("broken"), LinkTarget::Soft("/nowhere".into()));
    assert_eq!(target("external"), LinkTarget::External { file: "other.h5".into(), path: "/x".into() });

    assert_eq!(to.dataset("/copy/words").unwrap().read_vec::<String>().unwrap(), ["one", "", "three"]);
    let references = to.dataset("/copy/references").unwrap().read_vec::<ObjectReference>().unwrap();
    let expected = [Some(numbers.address()), Some(group.address()), None, None];
    assert_eq!(references.iter().map(|r| r.0).collect::<Vec<_>>(), expected);
    let region: RegionReference = group.attribute("region").unwrap().read_scalar().unwrap();
    assert_eq!(region.address, Some(numbers.address()));
    let part: Vec<i32> = numbers.read_slice(region.selection).unwrap().into_iter().collect();
    assert_eq!(part, [10, 11, 12, 13, 14]);
    assert!(group.attribute("nothing").unwrap().dataspace().is_null());
    assert!(to.dataset("/copy/null").unwrap().dataspace().is_null());
    assert_eq!(to.named_datatype("/copy/type").unwrap().datatype(), &Datatype::f64(ByteOrder::Little));
    let compact = to.dataset("/copy/compact").unwrap();
    assert!(matches!(compact.layout(), Layout::Compact(_)));
    assert_eq!(compact.read_vec::<i16>().unwrap(), [7; 16]);
    let unwritten = to.dataset("/copy/unwritten").unwrap();
    assert!(matches!(unwritten.layout(), Layout::Contiguous { address: None, .. }));
    assert_eq!(unwritten.read_vec::<i16>().unwrap(), [-1; 15]);
}

#[test]
fn within_a_file_references_to_others_are_kept() {
    let from = sample();
    let (store, file) = new();
    let root = file.root().unwrap();
    root.copy_contents_from(&from.root().unwrap(), &CopyOptions::new()).unwrap();
    // A copy of what is being written, before and after a flush.
    root.copy_from(&file.object("/a").unwrap(), "b/c", &CopyOptions::new()).unwrap();
    let error = root.copy_from(&file.object("/a").unwrap(), "b/c", &CopyOptions::new()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    let file = reopened(&store, &file);
    let address = |path: &str| Some(file.object(path).unwrap().address());
    for (group, own) in [("/a", "/a"), ("/b/c", "/b/c")] {
        let references = file.dataset(format!("{group}/references")).unwrap();
        let references = references.read_vec::<ObjectReference>().unwrap();
        let expected = [address(&format!("{own}/numbers")), address(own), address("/outside"), None];
        assert_eq!(references.iter().map(|r| r.0).collect::<Vec<_>>(), expected);
    }
    assert_eq!(file.dataset("/b/c/words").unwrap().read_vec::<String>().unwrap(), ["one", "", "three"]);
}

#[test]
fn links_are_followed_on_request() {
    let from = sample();
    let (store, to) = new();
    let options = CopyOptions::new().follow_soft_links(true).without_attributes(true);
    to.root().unwrap().copy_from(&from.object("/a").unwrap(), "copy", &options).unwrap();
    let options = CopyOptions::new().shallow(true);
    to.root().unwrap().copy_from(from.root().unwrap().as_object(), "shallow", &options).unwrap();
    let to = reopened(&store, &to);
    let group = to.group("/copy").unwrap();
    let address = to.object("/copy/numbers").unwrap().address();
    assert_eq!(group.link("soft").unwrap().unwrap().target, LinkTarget::Hard(address));
    assert_eq!(to.object("/copy/numbers").unwrap().link_count().unwrap(), 3);
    assert_eq!(group.link("broken").unwrap().unwrap().target, LinkTarget::Soft("/nowhere".into()));
    assert!(group.attribute_names().unwrap().is_empty());
    assert_eq!(to.group("/shallow").unwrap().names().unwrap(), ["a", "outside"]);
    assert!(to.group("/shallow/a").unwrap().names().unwrap().is_empty());
    assert_eq!(to.dataset("/shallow/outside").unwrap().read_vec::<f64>().unwrap(), [1.5]);
}

#[test]
fn other_filters_and_layouts() {
    let (source, from) = new();
    let root = from.root().unwrap();
    let data = ndarray::Array2::from_shape_fn((70, 45), |(i, j)| (i * 100 + j) as i64);
    root.new_dataset::<i64>().with_data(&data).create("contiguous").unwrap();
    root.new_dataset::<i64>().chunk((16, 45)).fletcher32().with_data(&data).create("chunked").unwrap();
    root.new_dataset::<i64>().chunk((7, 9)).shape((70, 45)).fill_value(3).create("sparse").unwrap();
    root.dataset("sparse")
        .unwrap()
        .write_slice(&data.slice(ndarray::s![..7, ..9]), ndarray::s![..7, ..9])
        .unwrap();
    root.new_dataset::<i64>().resizable().chunk((7, 9)).with_data(&data).create("growing").unwrap();
    root.new_dataset::<i64>().with_data(&ndarray::arr0(5)).create("scalar").unwrap();
    let from = reopened(&source, &from);
    let names = ["contiguous", "chunked", "sparse", "growing"];
    let filters = vec![FilterRequest::Shuffle, FilterRequest::Deflate(2), FilterRequest::Fletcher32];
    for profile in [Profile::Compatible, Profile::Modern] {
        for (layout, filters) in [
            (None, Some(filters.clone())),
            (None, Some(Vec::new())),
            (Some(LayoutChange::Chunked(vec![20, 100])), None),
            (Some(LayoutChange::Chunked(Vec::new())), Some(filters.clone())),
            (Some(LayoutChange::Contiguous), None),
            (Some(LayoutChange::Compact), None),
        ] {
            let (store, to) = new_with(profile);
            let options = CopyOptions::new().layout(layout.clone()).filters(filters.clone());
            // Those that cannot be changed so are kept.
            let options = options.if_refused(|_, error| matches!(error.kind(), ErrorKind::Usage(_)));
            to.root().unwrap().copy_contents_from(&from.root().unwrap(), &options).unwrap();
            let to = reopened(&store, &to);
            for name in names {
                let (old, new) = (from.dataset(name).unwrap(), to.dataset(name).unwrap());
                assert_eq!(old.read::<i64>().unwrap(), new.read::<i64>().unwrap(), "{name} {layout:?}");
                assert_eq!(old.max_shape(), new.max_shape());
                let chunked = new.chunk_shape().is_some();
                match &layout {
                    Some(LayoutChange::Chunked(c)) if !c.is_empty() => {
                        let wide = if name == "growing" { 100 } else { 45 };
                        assert_eq!(new.chunk_shape(), Some(&[20, wide][..]));
                    }
                    Some(LayoutChange::Chunked(_)) => assert!(chunked),
                    Some(_) => assert_eq!(chunked, name == "growing", "{name}"),
                    None => assert_eq!(chunked, old.chunk_shape().is_some() || filters != Some(Vec::new())),
                }
                if chunked && let Some(filters) = &filters {
                    assert_eq!(new.filters().len(), filters.len());
                }
            }
            let stored = to.dataset("sparse").unwrap();
            if layout.is_none() {
                assert_eq!(stored.chunks().unwrap().len(), 1);
            }
            assert_eq!(to.dataset("scalar").unwrap().read_scalar::<i64>().unwrap(), 5);
        }
    }
    let (_, to) = new();
    let options = CopyOptions::new().layout(Some(LayoutChange::Contiguous));
    let error = to.root().unwrap().copy_from(&from.object("growing").unwrap(), "x", &options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    assert!(to.root().unwrap().names().unwrap().is_empty());
}

#[test]
fn a_failed_copy_leaves_nothing() {
    let from = sample();
    let (store, to) = new();
    let refuse = CopyOptions::new().each_dataset(|dataset| match dataset.path() {
        "/a/words" => Err(h5::Error::new(ErrorKind::Usage("no words".into()))),
        _ => Ok(Default::default()),
    });
    let root = to.root().unwrap();
    let error = root.copy_from(&from.object("/a").unwrap(), "copy", &refuse).unwrap_err();
    assert!(error.to_string().contains("no words"), "{error}");
    assert!(root.names().unwrap().is_empty());
    root.copy_from(&from.object("/outside").unwrap(), "copy", &CopyOptions::new()).unwrap();
    assert_eq!(reopened(&store, &to).dataset("copy").unwrap().read_vec::<f64>().unwrap(), [1.5]);
}

#[test]
fn everything_of_the_fixture() {
    let from = File::open("testdata/basic.h5").unwrap();
    let (store, to) = new();
    to.root().unwrap().copy_contents_from(&from.root().unwrap(), &CopyOptions::new()).unwrap();
    let to = reopened(&store, &to);
    let mut pending = vec!["/".to_owned()];
    let mut seen = std::collections::HashSet::new();
    while let Some(path) = pending.pop() {
        let (old, new) = (from.object(&path).unwrap(), to.object(&path).unwrap());
        if !seen.insert(old.address()) {
            continue;
        }
        assert_eq!(old.kind().unwrap(), new.kind().unwrap());
        for attribute in old.attributes().unwrap() {
            let attribute = attribute.unwrap();
            let copy = new.attribute(attribute.name()).unwrap();
            assert_eq!(copy.datatype(), attribute.datatype());
            assert_eq!(copy.shape(), attribute.shape());
            same(&attribute.values().unwrap(), &copy.values().unwrap());
        }
        if let Ok(group) = old.clone().into_group() {
            for link in group.links().unwrap() {
                let link = link.unwrap();
                if matches!(link.target, LinkTarget::Hard(_)) {
                    pending.push(format!("{path}/{}", link.name));
                }
            }
        } else if let (Ok(old), Ok(new)) = (old.into_dataset(), new.into_dataset()) {
            assert_eq!((old.shape(), old.max_shape()), (new.shape(), new.max_shape()));
            if !old.dataspace().is_null() {
                same(&old.values(Selection::All).unwrap(), &new.values(Selection::All).unwrap());
            }
        }
    }
    assert!(seen.len() > 10);
}

/// Equal elements, wherever what they point to lies.
fn same(a: &Values, b: &Values) {
    assert_eq!(a.datatype(), b.datatype());
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b.iter()) {
        same_element(a, b);
    }
}

fn same_element(a: h5::Element<'_>, b: h5::Element<'_>) {
    match &a.datatype().class {
        DatatypeClass::VarString { .. } => assert_eq!(a.text().unwrap(), b.text().unwrap()),
        DatatypeClass::Compound(_) => a.members().zip(b.members()).for_each(|(a, b)| same_element(a.1, b.1)),
        DatatypeClass::VarLen(_) | DatatypeClass::Array { .. } => {
            let (a, b) = (a.elements().unwrap().unwrap(), b.elements().unwrap().unwrap());
            assert_eq!(a.len(), b.len());
            a.zip(b).for_each(|(a, b)| same_element(a, b));
        }
        DatatypeClass::Reference(_) => {
            let null = |e: h5::Element<'_>| e.reference().unwrap() == Some(Reference::Null);
            assert_eq!(null(a), null(b));
        }
        _ => assert_eq!(a.bytes(), b.bytes()),
    }
}

#[test]
fn raw_chunks() {
    let (store, file) = new();
    let root = file.root().unwrap();
    let plain = root.new_dataset::<u16>().shape([10]).chunk(4).create("plain").unwrap();
    let filtered = root.new_dataset::<u16>().shape([10]).chunk(4).shuffle().fletcher32().create("f").unwrap();
    let is_usage = |result: h5::Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error}");
    };
    is_usage(plain.write_chunk_raw(&[1], &[0; 8], 0));
    is_usage(plain.write_chunk_raw(&[12], &[0; 8], 0));
    is_usage(plain.write_chunk_raw(&[0, 0], &[0; 8], 0));
    is_usage(plain.write_chunk_raw(&[0], &[0; 8], 1));
    assert!(matches!(plain.write_chunk_raw(&[0], &[0; 7], 0).unwrap_err().kind(), ErrorKind::Shape(_)));
    assert!(matches!(filtered.write_chunk_raw(&[0], &[], 0).unwrap_err().kind(), ErrorKind::Limit { .. }));
    // What is kept in memory of the chunk is replaced too.
    plain.write_slice(&[9u16], ndarray::s![1..2]).unwrap();
    plain.write_chunk_raw(&[0], &[1, 0, 2, 0, 3, 0, 4, 0], 0).unwrap();
    plain.write_chunk_raw(&[8], &[5, 0, 6, 0, 7, 0, 8, 0], 0).unwrap();
    assert_eq!(plain.read_vec::<u16>().unwrap(), [1, 2, 3, 4, 0, 0, 0, 0, 5, 6]);
    // Without both of its filters.
    filtered.write_chunk_raw(&[4], &[1, 0, 2, 0, 3, 0, 4, 0], 3).unwrap();
    file.flush().unwrap();
    filtered.write_chunk_raw(&[0], &[9, 0, 9, 0, 9, 0, 9, 0], 3).unwrap();
    filtered.write_chunk_raw(&[4], &[1, 0, 2, 0, 3, 0, 5, 0], 3).unwrap();
    let file = reopened(&store, &file);
    let filtered = file.dataset("f").unwrap();
    assert_eq!(filtered.read_vec::<u16>().unwrap(), [9, 9, 9, 9, 1, 2, 3, 5, 0, 0]);
    assert_eq!(filtered.read_chunk_raw(&[4]).unwrap(), Some((vec![1, 0, 2, 0, 3, 0, 5, 0], 3)));
}
