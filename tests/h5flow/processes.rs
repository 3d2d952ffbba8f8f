//! Several processes append to one file, and are killed; ranks do it together.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Barrier, Mutex},
    time::Duration,
};

use h5::{
    Durability, File, Result,
    h5flow::{Communicator, Compression, H5FlowDataManager},
};

use super::scratch;

const BATCH: u64 = 500;

fn manager(path: &Path) -> H5FlowDataManager {
    let options = H5FlowDataManager::options().compression(Compression::Gzip(1)).durability(Durability::None);
    options.shared(true).open(path, "a").unwrap()
}

/// What a process of the test below does: appends rows that are its own, and tells which it has published.
#[test]
fn worker() {
    let Some(path) = std::env::var_os("H5FLOW_WORKER_FILE") else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (worker, batches) = (number("H5FLOW_WORKER"), number("H5FLOW_BATCHES"));
    let dm = manager(Path::new(&path));
    for batch in 0..batches {
        let first = 1 + (worker << 40) + batch * BATCH;
        let ids: Vec<u64> = (first..first + BATCH).collect();
        let rows = dm.reserve_data("rows", BATCH).unwrap();
        dm.write_data("rows", rows.clone(), &ids).unwrap();
        let refs: Vec<[u64; 2]> = rows.clone().map(|row| [row, row]).collect();
        dm.write_ref("rows", "rows2", &refs[..1]).unwrap();
        println!("published {first} {}", rows.start);
    }
}

/// Starts workers, kills one of them, and checks what is in the file.
fn round(path: &Path, seed: u64, batches: u64, kill: bool) {
    let dm = manager(path);
    dm.create_dset::<u64>("rows").unwrap();
    dm.create_dset::<u64>("rows2").unwrap();
    dm.reserve_data("rows2", 0..1 << 20).unwrap();
    dm.create_ref("rows", "rows2").unwrap();
    drop(dm);
    let exe = std::env::current_exe().unwrap();
    let start = |worker: u64| {
        let mut command = Command::new(&exe);
        command.args(["processes::worker", "--exact", "--nocapture", "--test-threads=1"]);
        command.env("H5FLOW_WORKER_FILE", path).env("H5FLOW_WORKER", worker.to_string());
        command.env("H5FLOW_BATCHES", batches.to_string()).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut workers: Vec<_> = (0..4).map(start).collect();
    if kill {
        // Anywhere in what a worker does.
        let hash = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        std::thread::sleep(Duration::from_micros(20_000 + hash % 150_000));
        workers[(hash % 4) as usize].kill().unwrap();
    }
    let mut published = Vec::new();
    for (i, mut worker) in workers.into_iter().enumerate() {
        for line in BufReader::new(worker.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(numbers) = line.find("published ").map(|at| &line[at + 10..]) {
                let numbers: Vec<u64> = numbers.split(' ').filter_map(|n| n.parse().ok()).collect();
                if let [first, row] = numbers[..] {
                    published.push((first, row));
                }
            }
        }
        let done = worker.wait().unwrap();
        assert!(done.success() || kill, "worker {i}");
    }
    let file = File::open(path).unwrap();
    let rows = file.dataset("rows/data").unwrap().read_vec::<u64>().unwrap();
    for (first, row) in &published {
        let part = &rows[*row as usize..(row + BATCH) as usize];
        assert!(part.iter().zip(*first..).all(|(have, want)| *have == want), "row {row}");
    }
    let mut seen: Vec<u64> = rows.iter().copied().filter(|id| *id != 0).collect();
    seen.sort_unstable();
    assert!(seen.is_sorted_by(|a, b| a < b), "a row is there twice");
    // What was killed may have published once more than it could tell.
    assert!(seen.len() as u64 >= published.len() as u64 * BATCH);
    assert!(seen.len() as u64 <= (published.len() as u64 + u64::from(kill)) * BATCH);
    let refs = file.dataset("rows/ref/rows2/ref").unwrap().shape()[0];
    assert!(refs >= published.len() as u64 && refs <= published.len() as u64 + 1);
    if !kill {
        assert_eq!(seen.len() as u64, 4 * batches * BATCH);
    }
}

#[test]
fn processes_append_to_one_file_and_one_is_killed() {
    let rounds = std::env::var("H5FLOW_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let batches = std::env::var("H5FLOW_ROUND_BATCHES").ok().and_then(|n| n.parse().ok()).unwrap_or(15);
    for seed in 0..rounds {
        let path = scratch(&format!("kill-{seed}"));
        round(&path, seed, batches, true);
        std::fs::remove_file(&path).unwrap();
    }
    let path = scratch("all");
    round(&path, 0, 10, false);
    std::fs::remove_file(&path).unwrap();
}

/// Threads as ranks.
#[derive(Debug)]
struct Rank {
    rank: usize,
    board: Arc<(Barrier, Mutex<Vec<u64>>)>,
}

impl Communicator for Rank {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.board.1.lock().unwrap().len()
    }
    fn allgather(&self, value: u64) -> Result<Vec<u64>> {
        self.board.1.lock().unwrap()[self.rank] = value;
        self.board.0.wait();
        let all = self.board.1.lock().unwrap().clone();
        self.board.0.wait();
        Ok(all)
    }
}

#[test]
fn ranks_get_rows_in_their_order() {
    let path = scratch("ranks");
    let size = 4;
    let board = Arc::new((Barrier::new(size), Mutex::new(vec![0; size])));
    std::thread::scope(|scope| {
        for rank in 0..size {
            let (board, path) = (board.clone(), &path);
            scope.spawn(move || {
                let communicator = Arc::new(Rank { rank, board });
                let options = H5FlowDataManager::options()
                    .durability(Durability::None)
                    .communicator(communicator.clone());
                let dm = options.open(path, "w").unwrap();
                if rank == 0 {
                    dm.create_dset::<u64>("a").unwrap();
                    dm.create_dset::<u64>("b").unwrap();
                    dm.create_ref("a", "b").unwrap();
                }
                communicator.barrier().unwrap();
                for round in 0..3u64 {
                    let many = rank as u64 + 1;
                    let rows = dm.reserve_data("a", many).unwrap();
                    let before: u64 = (0..rank as u64).map(|r| r + 1).sum();
                    assert_eq!(rows, round * 10 + before..round * 10 + before + many);
                    dm.write_data("a", rows.clone(), &rows.clone().collect::<Vec<u64>>()).unwrap();
                    dm.reserve_data("b", 0..(round + 1) * 10).unwrap();
                    let refs: Vec<[u64; 2]> = rows.map(|row| [row, row % 10]).collect();
                    dm.write_ref("a", "b", &refs).unwrap();
                }
                dm.finish().unwrap();
            });
        }
    });
    let file = File::open(&path).unwrap();
    assert_eq!(file.dataset("a/data").unwrap().read_vec::<u64>().unwrap(), (0..30).collect::<Vec<u64>>());
    let refs = file.dataset("a/ref/b/ref").unwrap().read_2d::<u32>().unwrap();
    assert!(refs.column(0).iter().copied().eq(0..30), "in the order of the ranks");
    std::fs::remove_file(path).unwrap();
}
