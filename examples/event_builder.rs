//! Builds events of a detector: four workers append hits and events and write the references between them; then the
//! hits of each event are loaded. `cargo run --release --features cli --example event_builder -- out.h5`
#![allow(clippy::cast_possible_truncation, reason = "an example with small numbers")]

use std::time::Instant;

use h5::{
    H5Type, Result,
    h5flow::{Compression, H5FlowDataManager, dereference},
};
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Clone, H5Type)]
struct Event {
    id: u64,
    time: f64,
    hits: u32,
    worker: u32,
}

#[derive(Clone, H5Type)]
struct Hit {
    channel: u32,
    charge: f32,
    time: f64,
}

const WORKERS: u32 = 4;
const BATCHES: u32 = 50;
const EVENTS: u64 = 200;

/// One worker: events of some hits each, batch after batch.
fn work(dm: &H5FlowDataManager, worker: u32, bar: &ProgressBar) -> Result<()> {
    let mut random = u64::from(worker) + 1;
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    for _ in 0..BATCHES {
        let events = dm.reserve_data("events", EVENTS)?;
        let sizes: Vec<u32> = events.clone().map(|_| (next() % 20) as u32).collect();
        let rows: Vec<Event> = events
            .clone()
            .zip(&sizes)
            .map(|(id, &hits)| Event { id, time: id as f64 * 1e-3, hits, worker })
            .collect();
        dm.write_data("events", events.clone(), &rows)?;
        let hits = dm.reserve_data("hits", sizes.iter().map(|&n| u64::from(n)).sum::<u64>())?;
        let mut data = Vec::new();
        let mut refs = Vec::new();
        for event in &rows {
            for _ in 0..event.hits {
                refs.push([event.id, hits.start + data.len() as u64]);
                let (channel, charge) = ((next() % 4096) as u32, (next() % 1000) as f32 / 10.0);
                data.push(Hit { channel, charge, time: event.time });
            }
        }
        dm.write_data("hits", hits, &data)?;
        dm.write_ref("events", "hits", &refs)?;
        bar.inc(EVENTS);
    }
    Ok(())
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "events.h5".to_owned());
    let start = Instant::now();
    let dm = H5FlowDataManager::options().compression(Compression::Gzip(4)).open(&path, "w")?;
    dm.create_dset::<Event>("events")?;
    dm.create_dset::<Hit>("hits")?;
    dm.create_ref("events", "hits")?;
    dm.set_attrs("events", &[("detector", &"example"), ("workers", &WORKERS)])?;
    let total = u64::from(WORKERS) * u64::from(BATCHES) * EVENTS;
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} events, {per_sec}");
    let bar = ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|w| {
                scope.spawn({
                    let (dm, bar) = (&dm, &bar);
                    move || work(dm, w, bar)
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    bar.finish();
    let built = start.elapsed();

    let start = Instant::now();
    let (refs, direction) = dm.get_ref("events", "hits")?;
    let (region, hits) = (dm.get_ref_region("events", "hits")?, dm.get_dset("hits")?);
    let request = dereference(0..total, &refs).ref_direction(direction).region(&region).data(&hits);
    let found = request.ragged::<Hit>()?;
    let charge: f64 = found.values().iter().map(|hit| f64::from(hit.charge)).sum();
    let most = found.iter().map(<[Hit]>::len).max().unwrap_or(0);
    println!("{total} events, {} hits, at most {most} in one, charge {charge:.1}", found.values().len());
    println!("built in {built:.2?}, loaded in {:.2?}; see: h5 flow ls {path}", start.elapsed());
    drop((refs, region, hits));
    dm.finish()
}
