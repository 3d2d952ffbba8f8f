//! What benches/compare/flow.py times: `flow_runner CASE FILE` prints the seconds of the best of three runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use h5::h5flow::{Compression, H5FlowDataManager, Sel, dereference_chain};

fn timed(f: &mut dyn FnMut() -> usize) {
    let mut best = f64::MAX;
    let mut count = 0;
    for _ in 0..3 {
        let start = Instant::now();
        count = f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{best:.6} {count}");
}

/// Numbers that the Python side makes as well.
fn spread(count: u64, below: u64) -> Vec<u64> {
    (0..count).map(|i| (i * 2_654_435_761) % below).collect()
}

fn append(path: &str) -> usize {
    let dm = H5FlowDataManager::options().compression(Compression::Gzip(4)).open(path, "w").unwrap();
    dm.create_dset::<[u64; 3]>("ev").unwrap();
    dm.create_dset::<u64>("hit").unwrap();
    dm.create_ref("ev", "hit").unwrap();
    for batch in 0..1000u64 {
        let rows = dm.reserve_data("ev", 1000).unwrap();
        let data: Vec<[u64; 3]> = rows.clone().map(|i| [i, i / 4, i % 7]).collect();
        dm.write_data("ev", rows.clone(), &data).unwrap();
        let hits = dm.reserve_data("hit", 1000).unwrap();
        dm.write_data("hit", hits.clone(), &hits.clone().collect::<Vec<u64>>()).unwrap();
        let refs: Vec<[u64; 2]> = (0..1000).map(|i| [batch * 1000 + i / 2, hits.start + i]).collect();
        dm.write_ref("ev", "hit", &refs).unwrap();
    }
    dm.finish().unwrap();
    1_000_000
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (case, path) = (arguments[1].as_str(), arguments[2].as_str());
    if case == "append" {
        return timed(&mut || append(path));
    }
    let (names, sel, regions): (&[&str], Sel, bool) = match case {
        "masked" => (&["a", "b"], (0..100_000).into(), true),
        "random" => (&["a", "b"], spread(100_000, 100_000).into(), true),
        "slice" => (&["a", "b"], (40_000..50_000).into(), true),
        "unsorted" => (&["c", "b"], (0..100_000).into(), false),
        "chain" => (&["a", "b", "c"], (0..100_000).into(), true),
        "spread" => (&["big", "b"], (0..10).map(|i| i * 99_999).collect::<Vec<u64>>().into(), true),
        other => panic!("no case {other}"),
    };
    timed(&mut || {
        let dm = H5FlowDataManager::open(path, "r").unwrap();
        let refs: Vec<_> = names.windows(2).map(|w| dm.get_ref(w[0], w[1]).unwrap()).collect();
        let tables: Vec<_> = names.windows(2).map(|w| dm.get_ref_region(w[0], w[1]).unwrap()).collect();
        let data = dm.get_dset(names[names.len() - 1]).unwrap();
        let mut request = dereference_chain(sel.clone(), refs.iter().map(|r| &r.0))
            .ref_directions(refs.iter().map(|r| r.1))
            .data(&data);
        if regions {
            request = request.regions(&tables);
        }
        request.masked_values().unwrap().mask.iter().filter(|masked| !**masked).count()
    });
}
