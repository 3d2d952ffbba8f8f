//! The manager: its calls, what they refuse, and threads.

use h5::{
    ErrorKind, File, H5Type,
    h5flow::{Compression, H5FlowDataManager, RefLayout},
};

use super::scratch;

fn kind<T: std::fmt::Debug>(result: h5::Result<T>) -> &'static str {
    match result.unwrap_err().kind() {
        ErrorKind::Shape(_) => "shape",
        ErrorKind::Type { .. } => "type",
        ErrorKind::Usage(_) => "usage",
        ErrorKind::NotFound(_) => "not found",
        ErrorKind::Limit { .. } => "limit",
        _ => "other",
    }
}

#[test]
fn what_makes_no_sense_is_an_error_that_changes_nothing() {
    let path = scratch("errors");
    let dm = H5FlowDataManager::open(&path, "w").unwrap();
    dm.create_dset::<i32>("a").unwrap();
    dm.create_dset::<i32>("b").unwrap();
    assert_eq!(kind(dm.create_ref("a", "none")), "not found");
    assert!(!dm.exists("a/ref").unwrap());
    dm.create_ref("a", "b").unwrap();
    assert_eq!(kind(dm.create_ref("b", "a")), "usage");
    dm.create_ref("a", "b").unwrap();
    assert_eq!(kind(dm.create_dset::<f64>("a")), "type");
    dm.create_dset::<i32>("a").unwrap();
    let rows = dm.reserve_data("a", 3).unwrap();
    dm.reserve_data("b", 2).unwrap();
    assert_eq!(kind(dm.write_data("a", rows.clone(), &[1i32, 2])), "shape");
    assert_eq!(kind(dm.write_data("a", rows.clone(), &[1i64, 2, 3])), "type");
    assert_eq!(kind(dm.write_data("a", 2..5, &[1i32, 2, 3])), "shape");
    assert_eq!(kind(dm.write_data("none", 0..1, &[1i32])), "not found");
    assert_eq!(kind(dm.write_ref("a", "b", &[[0u64, 0], [3, 0]])), "shape");
    assert_eq!(kind(dm.write_ref("a", "none", &[[0u64, 0]])), "not found");
    assert_eq!(dm.get_ref("a", "b").unwrap().0.shape(), [0, 2]);
    assert_eq!(kind(dm.get(&["a", "none"], Some(0.into()))), "not found");
    dm.write_data("a", rows, &[1i32, 2, 3]).unwrap();
    dm.finish().unwrap();
    let dm = H5FlowDataManager::open(&path, "r").unwrap();
    assert_eq!(kind(dm.reserve_data("a", 3)), "usage");
    assert_eq!(kind(H5FlowDataManager::open(&path, "q")), "usage");
    assert!(H5FlowDataManager::open(&path, "x").is_err());
    assert_eq!(dm.get_dset("a").unwrap().read_vec::<i32>().unwrap(), [1, 2, 3]);
    drop(dm);
    std::fs::remove_file(path).unwrap();
}

/// Everything that is in a file: paths, extents, bytes, and attributes.
fn content(dm: &H5FlowDataManager) -> Vec<String> {
    let mut out = Vec::new();
    let mut groups = vec![(String::new(), dm.fh().unwrap().root().unwrap())];
    while let Some((path, group)) = groups.pop() {
        for link in group.links().unwrap() {
            let path = format!("{path}/{}", link.unwrap().name);
            let object = dm.fh().unwrap().object(&path).unwrap();
            let mut attributes: Vec<String> = object
                .attributes()
                .unwrap()
                .into_iter()
                .map(|a| a.unwrap())
                .map(|a| format!("{}={:?}", a.name(), a.values().unwrap().bytes()))
                .collect();
            attributes.sort();
            let data = match object.kind().unwrap() {
                h5::ObjectKind::Group => {
                    groups.push((path.clone(), object.into_group().unwrap()));
                    String::new()
                }
                _ => {
                    let dataset = object.into_dataset().unwrap();
                    let values = dataset.values(h5::Selection::All).unwrap();
                    format!("{} {:?} {:?}", dataset.datatype(), dataset.shape(), values.bytes())
                }
            };
            out.push(format!("{path} {attributes:?} {data}"));
        }
    }
    out.sort();
    out
}

#[test]
fn what_is_refused_leaves_the_file_as_it_is() {
    let path = scratch("refused");
    let dm = H5FlowDataManager::open(&path, "w").unwrap();
    for name in ["a", "b", "c"] {
        dm.create_dset::<i32>(name).unwrap();
        let rows = dm.reserve_data(name, 10).unwrap();
        dm.write_data(name, rows, &[7i32; 10]).unwrap();
    }
    dm.create_ref("a", "b").unwrap();
    dm.create_ref("c", "b").unwrap();
    dm.write_ref("a", "b", &[[1u64, 2], [3, 4], [1, 9]]).unwrap();
    dm.set_attrs("a", &[("note", &5i64)]).unwrap();
    let before = content(&dm);
    assert!(before.len() > 10);
    let wide = h5::Values::of(&[1i64, 2]).unwrap();
    type Call<'a> = (&'a str, Box<dyn Fn(&H5FlowDataManager) -> h5::Result<()> + 'a>);
    let calls: Vec<Call<'_>> = vec![
        ("a parent that there is not", Box::new(|dm| dm.write_ref("a", "b", &[[0u64, 0], [10, 0]]))),
        ("a child that there is not", Box::new(|dm| dm.write_ref("a", "b", &[[0u64, 0], [0, 10]]))),
        ("the same backwards", Box::new(|dm| dm.write_ref("b", "a", &[[0u64, 0], [u64::MAX, 0]]))),
        ("no such references", Box::new(|dm| dm.write_ref("a", "c", &[[0u64, 0]]))),
        ("no such dataset", Box::new(|dm| dm.write_ref("a", "none", &[[0u64, 0]]))),
        ("references the other way round", Box::new(|dm| dm.create_ref("b", "a"))),
        ("references to nothing", Box::new(|dm| dm.create_ref("a", "none"))),
        ("references from nothing", Box::new(|dm| dm.create_ref("none", "a"))),
        ("another type", Box::new(|dm| dm.create_dset::<f64>("a"))),
        (
            "another shape",
            Box::new(|dm| {
                dm.create_dset_of("a", h5::Datatype::integer(4, true, h5::ByteOrder::Little), &[2])
            }),
        ),
        ("rows of another type", Box::new(|dm| dm.write_data("a", 0..2, &[1i64, 2]))),
        ("rows of another type, known late", Box::new(|dm| dm.write_values("a", 0..2, &wide))),
        ("rows of another shape", Box::new(|dm| dm.write_data("a", 0..1, &[[1i32, 2]]))),
        ("too few rows", Box::new(|dm| dm.write_data("a", 0..3, &[1i32, 2]))),
        ("rows beyond the end", Box::new(|dm| dm.write_data("a", 9..11, &[1i32, 2]))),
        #[expect(clippy::reversed_empty_ranges)]
        ("rows that end before they begin", Box::new(|dm| dm.write_data("a", 3..1, &[1i32, 2]))),
        ("rows of nothing", Box::new(|dm| dm.write_data("none", 0..1, &[1i32]))),
        ("more rows than there can be", Box::new(|dm| dm.reserve_data("a", u64::MAX).map(drop))),
        ("rows reserved of nothing", Box::new(|dm| dm.reserve_data("none", 1).map(drop))),
        ("an attribute of what cannot be", Box::new(|dm| dm.set_attrs("a/data/x", &[("note", &1i64)]))),
    ];
    for (what, call) in &calls {
        assert!(call(&dm).is_err(), "{what}");
        assert!(content(&dm) == before, "{what}");
    }
    dm.finish().unwrap();
    let dm = H5FlowDataManager::open(&path, "a").unwrap();
    for (what, call) in &calls {
        assert!(call(&dm).is_err(), "{what}, opened again");
    }
    dm.finish().unwrap();
    let dm = H5FlowDataManager::open(&path, "r").unwrap();
    assert!(content(&dm) == before);
    drop(dm);
    // Processes that share the file are refused the same.
    let dm = H5FlowDataManager::options().shared(true).open(&path, "a").unwrap();
    for (what, call) in &calls {
        assert!(call(&dm).is_err(), "{what}, shared");
    }
    dm.finish().unwrap();
    let dm = H5FlowDataManager::open(&path, "r").unwrap();
    assert!(content(&dm) == before);
    drop(dm);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn rows_that_need_more_bits_are_refused_or_wide() {
    let path = scratch("wide");
    for (layout, many) in [(RefLayout::Compatible, 1u64 << 32), (RefLayout::Wide, 1 << 32)] {
        let dm = H5FlowDataManager::options().ref_layout(layout).open(&path, "w").unwrap();
        dm.create_dset::<u8>("a").unwrap();
        dm.create_dset::<u8>("b").unwrap();
        dm.create_ref("a", "b").unwrap();
        dm.reserve_data("a", 1).unwrap();
        dm.reserve_data("b", many + 5).unwrap();
        let written = dm.write_ref("a", "b", &[[0, many + 1]]);
        let count = dm.get_ref("a", "b").unwrap().0.shape()[0];
        match layout {
            RefLayout::Wide => {
                written.unwrap();
                let (refs, _) = dm.get_ref("a", "b").unwrap();
                assert_eq!(refs.read_vec::<u64>().unwrap(), [0, many + 1]);
                let found = h5::h5flow::dereference(0, &refs).ragged_indices().unwrap();
                assert_eq!(found.row(0), [many + 1]);
            }
            _ => assert_eq!((kind(written), count), ("limit", 0)),
        }
        // More references than 31 bits count: a file as if there were as many. They are not looked through at any cost.
        let mut refs = dm.fh().unwrap().dataset("a/ref/b/ref").unwrap();
        refs.resize([i32::MAX as u64, 2]).unwrap();
        let few = h5::h5flow::dereference(5, &refs).max_bytes(1 << 30).ragged_indices();
        assert_eq!(kind(few), "limit");
        drop(refs);
        let written = dm.write_ref("a", "b", &[[0u64, 1]]);
        let count = dm.get_ref("a", "b").unwrap().0.shape()[0];
        match layout {
            RefLayout::Wide => {
                written.unwrap();
                let region = dm.get_ref_region("a", "b").unwrap().values(0..1u64).unwrap();
                let stop = region.get(0).unwrap().members().last().unwrap().1.integer().unwrap();
                assert_eq!((count, stop), (1 << 31, 1 << 31));
            }
            _ => assert_eq!((kind(written), count), ("limit", i32::MAX as u64)),
        }
        dm.close_file().unwrap();
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn what_is_dropped_is_gone() {
    let path = scratch("drop");
    let options = || H5FlowDataManager::options().drop_list(["stage/tmp"]);
    let dm = options().open(&path, "w").unwrap();
    for name in ["stage/tmp", "stage/tmp2", "keep"] {
        dm.create_dset::<i64>(name).unwrap();
        let rows = dm.reserve_data(name, 4).unwrap();
        dm.write_data(name, rows, &[1i64, 2, 3, 4]).unwrap();
    }
    dm.create_ref("keep", "stage/tmp").unwrap();
    dm.create_ref("keep", "stage/tmp2").unwrap();
    for child in ["stage/tmp", "stage/tmp2"] {
        dm.write_ref("keep", child, &[[0u64, 3], [2, 1]]).unwrap();
        let found = dm.dereference(&["keep", child], 0..3).unwrap();
        assert_eq!(found.data.to_vec::<i64>().unwrap(), [4, 0, 2]);
        let found = dm.dereference(&[child, "keep"], 3..4).unwrap();
        assert_eq!(found.data.to_vec::<i64>().unwrap(), [1]);
    }
    dm.set_attrs("keep", &[("note", &"text"), ("run", &11)]).unwrap();
    assert!(dm.attr_exists("keep", "note").unwrap() && !dm.attr_exists("keep", "none").unwrap());
    assert!(!dm.attr_exists("none", "note").unwrap());
    assert_eq!(dm.get_attrs("keep").unwrap().len(), 2);
    dm.finish().unwrap();
    let file = File::open(&path).unwrap();
    assert!(file.object("stage/tmp2/data").is_ok() && file.object("keep/ref/stage/tmp2/ref").is_ok());
    for gone in ["stage/tmp", "keep/ref/stage/tmp"] {
        assert!(file.object(gone).is_err(), "{gone}");
    }
    drop(file);
    // Of what is in the file already.
    let dm = H5FlowDataManager::options().drop_list(["stage/tmp2"]).open(&path, "a").unwrap();
    assert!(
        dm.ref_exists("stage/tmp2", "keep").unwrap() && dm.ref_region_exists("keep", "stage/tmp2").unwrap()
    );
    dm.finish().unwrap();
    let dm = H5FlowDataManager::open(&path, "r").unwrap();
    assert!(!dm.dset_exists("stage/tmp2").unwrap() && !dm.ref_exists("keep", "stage/tmp2").unwrap());
    assert!(dm.get_refs("keep").unwrap().is_empty());
    drop(dm);
    let folder = path.parent().unwrap();
    let left = std::fs::read_dir(folder).unwrap().filter(|e| {
        let name = e.as_ref().unwrap().file_name().into_string().unwrap_or_default();
        name.starts_with("tmp-h5flow-") && name.contains(&format!("{:08x}", std::process::id()))
    });
    assert_eq!(left.count(), 0);
    std::fs::remove_file(path).unwrap();
}

#[derive(Clone, Debug, PartialEq, H5Type)]
struct Hit {
    id: u64,
    worker: u32,
    charge: f32,
}

#[test]
fn threads_get_rows_of_their_own() {
    let path = scratch("threads");
    let dm = H5FlowDataManager::options().compression(Compression::Gzip(1)).open(&path, "w").unwrap();
    dm.create_dset::<Hit>("hits").unwrap();
    dm.create_dset::<u64>("events").unwrap();
    dm.create_ref("events", "hits").unwrap();
    let (workers, rounds) = (8u32, 25u64);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let dm = &dm;
            scope.spawn(move || {
                for round in 0..rounds {
                    let many = 100 + 400 * (round % 7);
                    let hits = dm.reserve_data("hits", many).unwrap();
                    let rows: Vec<Hit> =
                        hits.clone().map(|id| Hit { id, worker, charge: id as f32 / 2.0 }).collect();
                    dm.write_data("hits", hits.clone(), &rows).unwrap();
                    let event = dm.reserve_data("events", 1).unwrap();
                    dm.write_data("events", event.clone(), &[many]).unwrap();
                    let refs: Vec<[u64; 2]> = hits.map(|hit| [event.start, hit]).collect();
                    dm.write_ref("events", "hits", &refs).unwrap();
                }
            });
        }
    });
    let events = u64::from(workers) * rounds;
    let hits = dm.get_dset("hits").unwrap().read_vec::<Hit>().unwrap();
    assert!(hits.iter().enumerate().all(|(i, hit)| hit.id == i as u64 && hit.charge == i as f32 / 2.0));
    let sizes = dm.get_dset("events").unwrap().read_vec::<u64>().unwrap();
    assert_eq!(sizes.iter().sum::<u64>(), hits.len() as u64);
    let (refs, direction) = dm.get_ref("events", "hits").unwrap();
    let (region, data) = (dm.get_ref_region("events", "hits").unwrap(), dm.get_dset("hits").unwrap());
    let found =
        h5::h5flow::dereference(0..events, &refs).ref_direction(direction).region(&region).data(&data);
    let rows = found.ragged::<Hit>().unwrap();
    for (i, size) in sizes.iter().enumerate() {
        let row = rows.row(i);
        assert!(row.len() as u64 == *size && row.iter().all(|hit| hit.worker == row[0].worker));
    }
    dm.finish().unwrap();
    std::fs::remove_file(path).unwrap();
}
