//! Several processes append to one file, and are killed; ranks do it together.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use h5::{
    Durability, File, Result,
    h5flow::{Communicator, Compression, H5FlowDataManager},
};

use super::scratch;

/// What a round does: rows of all workers, and in how many batches each worker appends its share.
#[derive(Clone, Copy)]
struct Work {
    rows: u64,
    batches: u64,
}

const WORKERS: u64 = 4;

impl Work {
    /// Rows of a batch.
    fn batch(self) -> u64 {
        self.rows / (WORKERS * self.batches)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |n| n.parse().unwrap())
}

fn manager(path: &Path) -> H5FlowDataManager {
    let options = H5FlowDataManager::options().compression(Compression::Gzip(1)).durability(Durability::None);
    options.shared(true).open(path, "a").unwrap()
}

/// What a process of the test below does: appends rows that are its own, and tells which it has published.
#[test]
fn worker() {
    let Some(path) = std::env::var_os("H5FLOW_WORKER_FILE") else { return };
    let (worker, batches) = (number("H5FLOW_WORKER", 0), number("H5FLOW_BATCHES", 0));
    let size = number("H5FLOW_BATCH", 0);
    let dm = manager(Path::new(&path));
    for batch in 0..batches {
        let first = 1 + (worker << 40) + batch * size;
        let ids: Vec<u64> = (first..first + size).collect();
        let rows = dm.reserve_data("rows", size).unwrap();
        dm.write_data("rows", rows.clone(), &ids).unwrap();
        let refs: Vec<[u64; 2]> = rows.clone().map(|row| [row, row]).collect();
        dm.write_ref("rows", "rows2", &refs[..1]).unwrap();
        println!("published {first} {}", rows.start);
    }
}

/// Collects what a worker says that it has published: the first number, and the row, of each batch.
fn listen(worker: &mut Child) -> (Arc<AtomicU64>, JoinHandle<Vec<(u64, u64)>>) {
    let count = Arc::new(AtomicU64::new(0));
    let (out, said) = (worker.stdout.take().unwrap(), count.clone());
    let thread = std::thread::spawn(move || {
        let mut published = Vec::new();
        for line in BufReader::new(out).lines() {
            let line = line.unwrap();
            if let Some(numbers) = line.find("published ").map(|at| &line[at + 10..]) {
                let numbers: Vec<u64> = numbers.split(' ').filter_map(|n| n.parse().ok()).collect();
                if let [first, row] = numbers[..] {
                    published.push((first, row));
                    said.store(published.len() as u64, Ordering::Relaxed);
                }
            }
        }
        published
    });
    (count, thread)
}

/// Starts workers, kills one of them, and checks what is in the file.
/// True if all of them came to their end.
fn round(path: &Path, seed: u64, work: Work, kill: bool) -> bool {
    let (batches, size) = (work.batches, work.batch());
    let dm = manager(path);
    dm.create_dset::<u64>("rows").unwrap();
    dm.create_dset::<u64>("rows2").unwrap();
    dm.reserve_data("rows2", 0..work.rows).unwrap();
    dm.create_ref("rows", "rows2").unwrap();
    drop(dm);
    let exe = std::env::current_exe().unwrap();
    let start = |worker: u64| {
        let mut command = Command::new(&exe);
        command.args(["processes::worker", "--exact", "--nocapture", "--test-threads=1"]);
        command.env("H5FLOW_WORKER_FILE", path).env("H5FLOW_WORKER", worker.to_string());
        command.env("H5FLOW_BATCH", size.to_string());
        command.env("H5FLOW_BATCHES", batches.to_string()).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut workers: Vec<_> = (0..WORKERS).map(start).collect();
    let said: Vec<_> = workers.iter_mut().map(listen).collect();
    if kill {
        // Anywhere in what a worker does: after some of its batches, and then within the time of about one more.
        let begin = Instant::now();
        let hash = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
        let victim = (hash % WORKERS) as usize;
        let after = (hash >> 8) % batches;
        while said[victim].0.load(Ordering::Relaxed) < after && !said[victim].1.is_finished() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let batch = begin.elapsed().max(Duration::from_millis(5)) / (after as u32 + 1);
        std::thread::sleep(batch.mul_f64((hash >> 16) as f64 % 1024.0 / 1024.0));
        workers[victim].kill().unwrap();
    }
    let (mut published, mut done_all) = (Vec::new(), true);
    for (i, (mut worker, (_, said))) in workers.into_iter().zip(said).enumerate() {
        published.extend(said.join().unwrap());
        let done = worker.wait().unwrap();
        assert!(done.success() || kill, "worker {i}");
        done_all &= done.success();
    }
    let file = File::open(path).unwrap();
    let rows = file.dataset("rows/data").unwrap().read_vec::<u64>().unwrap();
    for (first, row) in &published {
        let part = &rows[*row as usize..(row + size) as usize];
        assert!(part.iter().zip(*first..).all(|(have, want)| *have == want), "row {row}");
    }
    let mut seen: Vec<u64> = rows.iter().copied().filter(|id| *id != 0).collect();
    seen.sort_unstable();
    assert!(seen.is_sorted_by(|a, b| a < b), "a row is there twice");
    // What was killed may have published once more than it could tell.
    assert!(seen.len() as u64 >= published.len() as u64 * size);
    assert!(seen.len() as u64 <= (published.len() as u64 + u64::from(kill)) * size);
    let refs = file.dataset("rows/ref/rows2/ref").unwrap().shape()[0];
    assert!(refs >= published.len() as u64 && refs <= published.len() as u64 + 1);
    if !kill {
        assert_eq!(seen.len() as u64, WORKERS * batches * size);
    }
    done_all
}

#[test]
fn processes_append_to_one_file_and_one_is_killed() {
    let rounds = number("H5FLOW_ROUNDS", 3);
    let work =
        Work { rows: number("H5FLOW_ROUND_ROWS", 30_000), batches: number("H5FLOW_ROUND_BATCHES", 15) };
    let mut killed = 0;
    for seed in 0..rounds {
        let path = scratch(&format!("kill-{seed}"));
        killed += u64::from(!round(&path, seed, work, true));
        std::fs::remove_file(&path).unwrap();
    }
    println!("{rounds} rounds of {} rows, in {killed} a worker was killed at work", work.rows);
    let path = scratch("all");
    assert!(round(&path, 0, work, false));
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
                dm.create_dset::<u64>("a").unwrap();
                dm.create_dset::<u64>("b").unwrap();
                dm.create_ref("a", "b").unwrap();
                dm.set_attrs("a", &[("rank", &(rank as u64))]).unwrap();
                // All ranks learn that one could not do it.
                assert!(dm.create_dset::<f64>("a").is_err() && dm.create_ref("b", "a").is_err());
                let many = if rank == 2 { u64::MAX } else { 1 };
                assert!(dm.reserve_data("a", many).is_err() && dm.reserve_data("none", 1).is_err());
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
    assert_eq!(file.object("a").unwrap().attribute("rank").unwrap().read_scalar::<u64>().unwrap(), 0);
    assert_eq!(file.dataset("a/data").unwrap().read_vec::<u64>().unwrap(), (0..30).collect::<Vec<u64>>());
    let refs = file.dataset("a/ref/b/ref").unwrap().read_2d::<u32>().unwrap();
    assert!(refs.column(0).iter().copied().eq(0..30), "in the order of the ranks");
    std::fs::remove_file(path).unwrap();
}
