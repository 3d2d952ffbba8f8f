//! A kill or a loss of power at any instant leaves the content of the last flush, or of the one in the making.
//!
//! A store records what sessions of edits write. Images of what may be on disk are made from the record: every prefix,
//! and within each stretch between two barriers subsets in several orders, torn at 512 and at 8 bytes. `docs/CRASH.md`
//! has the argument.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/content.rs"]
mod content;
mod export;
mod faults;
mod images;
mod judge;
mod kill;
mod record;
mod sessions;

use std::collections::BTreeMap;

use h5::Durability;
use judge::{Extras, Verdict, image_count, in_parallel, judge, without};
use record::{Kind, Operation, Record, Session};

fn records() -> Vec<Record> {
    in_parallel(&sessions::sessions(), Record::of)
}

#[test]
fn a_crash_leaves_one_flush_or_the_next() {
    let records = records();
    let shares: f64 = records.iter().map(|r| r.share).sum();
    let wanted = image_count() as f64;
    let extras = Extras { edited: 40, recovered: 50 };
    let verdicts =
        in_parallel(&records, |r| judge(r, &r.steps, (wanted * r.share / shares) as usize, extras));
    let mut all = Verdict::default();
    for (record, verdict) in records.iter().zip(verdicts) {
        println!("{:>44}: {:?} {verdict:?}", record.title, record.commits);
        all.add(verdict);
    }
    println!("{} sessions: {all:?}", records.len());
    assert_eq!(all.wrong, 0, "{all:?}");
    // Some images come out the same: they count once.
    assert!(all.images * 5 > image_count() * 2, "{all:?}");
    // Every way of publishing, in all superblocks where there is one.
    let mut kinds = BTreeMap::new();
    for record in &records {
        for kind in &record.commits {
            *kinds.entry((record.version, *kind)).or_insert(0) += 1;
        }
    }
    println!("commits: {kinds:?}");
    for version in 0..=3 {
        for kind in [Kind::Sector, Kind::Journal] {
            assert!(kinds.contains_key(&(version, kind)), "{kind:?} in superblock {version}: {kinds:?}");
        }
        // A file that is there keeps its root: only new ones are published by the superblock.
        assert_eq!(version >= 2, kinds.contains_key(&(version, Kind::Superblock)), "{version}: {kinds:?}");
    }
}

#[test]
fn a_barrier_that_is_missing_is_noticed() {
    let mut records = records();
    if cfg!(debug_assertions) {
        // Every third is enough where all is slow.
        let mut number = 0;
        records.retain(|_| {
            number += 1;
            number % 3 == 1
        });
    }
    for (kind, barriers) in [(Kind::Superblock, 2), (Kind::Sector, 3), (Kind::Journal, 4)] {
        for number in 0..barriers {
            let some: Vec<&Record> =
                records.iter().filter(|r| r.commits.contains(&kind) && r.share == 1.0).collect();
            let wanted = image_count() / 300;
            let extras = Extras { edited: u64::MAX, recovered: u64::MAX };
            let mut all = Verdict::default();
            for verdict in
                in_parallel(&some, |r| judge(r, &without(&r.steps, (kind, number)), wanted, extras))
            {
                all.add(verdict);
            }
            println!("without barrier {number} of {kind:?}: {} of {} wrong", all.wrong, all.images);
            assert!(all.wrong > 0, "without barrier {number} of {kind:?}");
        }
    }
}

/// Without barriers the order of the writes is kept as long as the machine runs: the process may end at any time.
#[test]
fn without_barriers_every_prefix_is_whole() {
    let all = sessions::sessions();
    let some: Vec<Session> = all.into_iter().filter(|s| s.share == 1.0).collect();
    let counts = in_parallel(&some, |session| {
        let record = Record::with(session, Durability::None);
        let (mut image, mut returned) = (record.initial.clone(), 0);
        for step in &record.steps {
            assert_ne!(step.operation, Operation::Sync);
            returned += usize::from(step.operation == Operation::Returned);
            images::apply(&mut image, &step.operation);
            record.find(&image, returned).unwrap_or_else(|e| panic!("{}: {e}", record.title));
        }
        record.steps.len()
    });
    println!("{} prefixes", counts.iter().sum::<usize>());
}
