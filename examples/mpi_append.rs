//! Ranks append to one file together: `mpirun -n 4 mpi_append FILE [ROWS]`. Each makes hits and events, and the
//! references between them, in batches; then rank 0 reads what all have written, and fails if it is not that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Instant};

use h5::{
    Durability, H5Type, Result,
    h5flow::{Communicator, Compression, H5FlowDataManager, MpiCommunicator, dereference},
};

#[derive(Clone, Debug, PartialEq, H5Type)]
struct Hit {
    id: u64,
    rank: u32,
    charge: f32,
}

#[derive(Clone, Debug, PartialEq, H5Type)]
struct Event {
    id: u64,
    hits: u32,
    rank: u32,
}

/// Events that a rank appends at once.
const BATCH: u64 = 1000;

/// Hits of an event.
fn hits_of(event: u64) -> u64 {
    event % 5
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let path = arguments.get(1).expect("the name of a file");
    let rows: u64 = arguments.get(2).map_or(1_000_000, |n| n.parse().expect("a number of rows"));
    let ranks = Arc::new(MpiCommunicator::world()?);
    let (rank, size) = (ranks.rank() as u32, ranks.size() as u64);
    let own = rows / 3 / size + u64::from(u64::from(rank) < rows / 3 % size);

    let start = Instant::now();
    let options = H5FlowDataManager::options().compression(Compression::Gzip(4));
    let dm = options.durability(Durability::None).communicator(ranks.clone()).open(path, "w")?;
    dm.create_dset::<Event>("events")?;
    dm.create_dset::<Hit>("hits")?;
    dm.create_ref("events", "hits")?;
    dm.set_attrs("events", &[("ranks", &size)])?;
    // The calls below are collective: all ranks make as many.
    let batches = rows.div_ceil(3).div_ceil(size).div_ceil(BATCH);
    for batch in 0..batches {
        let many = own.saturating_sub(batch * BATCH).min(BATCH);
        let events = dm.reserve_data("events", many)?;
        let hits = dm.reserve_data("hits", events.clone().map(hits_of).sum::<u64>())?;
        let rows: Vec<Event> =
            events.clone().map(|id| Event { id, hits: hits_of(id) as u32, rank }).collect();
        dm.write_data("events", events.clone(), &rows)?;
        let rows: Vec<Hit> = hits.clone().map(|id| Hit { id, rank, charge: id as f32 / 2.0 }).collect();
        dm.write_data("hits", hits.clone(), &rows)?;
        let parents = events.flat_map(|event| (0..hits_of(event)).map(move |_| event));
        let refs: Vec<[u64; 2]> = parents.zip(hits).map(|(event, hit)| [event, hit]).collect();
        dm.write_ref("events", "hits", &refs)?;
    }
    dm.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    if rank == 0 {
        let dm = H5FlowDataManager::open(path, "r")?;
        let events = dm.get_dset("events")?.read_vec::<Event>()?;
        assert_eq!(events.len() as u64, rows / 3);
        assert!((0u64..).zip(&events).all(|(i, e)| e.id == i && u64::from(e.hits) == hits_of(i)));
        let hits = dm.get_dset("hits")?;
        let (refs, direction) = dm.get_ref("events", "hits")?;
        let regions = dm.get_ref_region("events", "hits")?;
        let request = dereference(0..events.len() as u64, &refs).region(&regions).data(&hits);
        let found = request.ref_direction(direction).ragged::<Hit>()?;
        for (event, hits) in events.iter().zip(found.iter()) {
            assert!(hits.len() == event.hits as usize && hits.iter().all(|hit| hit.rank == event.rank));
        }
        let all = events.len() + found.values().len();
        println!("{size} ranks: {all} rows and {} references in {seconds:.2} s", found.values().len());
    }
    ranks.barrier()
}
