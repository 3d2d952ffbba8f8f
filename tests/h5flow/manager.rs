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
