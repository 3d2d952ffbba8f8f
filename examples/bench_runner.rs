//! Reads and writes what `benches/compare/compare.py` asks for, and says how long it took.
//!
//! A request is a line on standard input: a workload and its arguments (or the arguments of the command after `--once`,
//! for a process that does one thing). The answer is a line on standard output:
//! `OK <wall ms> <checksum> <peak resident MiB> <cpu ms>`, `ERR <text>`, or `NA` for an unknown workload.
//!
//! The checksum is the wrapping sum of the data's little-endian 64-bit words (the last one filled up with zeros); for
//! strings that of length * 1,000,003 and of all bytes. It is taken outside the measured time.
//!
//! `winm` and `rowsm` read at once what `win` and `rows` read one by one, and `vlenf` reads what `vlen` reads as bytes and
//! offsets. With `H5_BENCH_MANY` set, the shorter names mean the longer ones, for drivers that do not know these.
//!
//! `H5_BENCH_THREADS` is the number of threads that decode chunks, and open the groups of `walk`: 1 if it is not set, all
//! for 0.

use std::fs;
use std::io::{BufRead, Write};
use std::time::Instant;

use h5::{Durability, File, H5Type, Object, Profile, model::link::Link};
use ndarray::s;
use rayon::{ThreadPoolBuilder, prelude::*};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A row of the tables.
#[derive(H5Type, Clone, Copy)]
#[repr(C)]
struct Row {
    id: i64,
    t: f64,
    ch: i32,
    q: f32,
}

/// What has a sum of 64-bit words.
trait Words: Sized {
    fn words(values: &[Self]) -> u64;
}

fn sum(words: impl Iterator<Item = u64>) -> u64 {
    words.fold(0, u64::wrapping_add)
}
fn halves(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

impl Words for f64 {
    fn words(values: &[Self]) -> u64 {
        sum(values.iter().map(|v| v.to_bits()))
    }
}
impl Words for f32 {
    fn words(values: &[Self]) -> u64 {
        sum(values.chunks(2).map(|v| halves(v[0].to_bits(), v.get(1).map_or(0, |v| v.to_bits()))))
    }
}
impl Words for i32 {
    fn words(values: &[Self]) -> u64 {
        sum(values.chunks(2).map(|v| halves(v[0] as u32, v.get(1).map_or(0, |v| *v as u32))))
    }
}
impl Words for u32 {
    fn words(values: &[Self]) -> u64 {
        sum(values.chunks(2).map(|v| halves(v[0], v.get(1).copied().unwrap_or(0))))
    }
}
impl Words for u16 {
    fn words(values: &[Self]) -> u64 {
        sum(values.chunks(4).map(|v| v.iter().rev().fold(0, |word, &v| word << 16 | u64::from(v))))
    }
}
impl Words for Row {
    fn words(values: &[Self]) -> u64 {
        let row = |r: &Row| {
            (r.id as u64).wrapping_add(r.t.to_bits()).wrapping_add(halves(r.ch as u32, r.q.to_bits()))
        };
        sum(values.iter().map(row))
    }
}

fn text_sum<'a>(texts: impl Iterator<Item = &'a String>) -> u64 {
    sum(texts.map(|t| t.len() as u64 * 1_000_003 + t.bytes().map(u64::from).sum::<u64>()))
}

/// Wall and processor time since it was started.
struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

impl Stopwatch {
    fn start() -> Self {
        Stopwatch { cpu: cpu_ms(), wall: Instant::now() }
    }
    /// The times so far; the clock of the wall is read first.
    fn stop(&self) -> Times {
        let wall = self.wall.elapsed().as_secs_f64() * 1e3;
        Times { wall, cpu: cpu_ms() - self.cpu }
    }
}

struct Times {
    wall: f64,
    cpu: f64,
}

/// Processor time of all threads, where `/proc` tells it; milliseconds.
fn cpu_ms() -> f64 {
    // The kernel brings the account of a running thread up to date when it gives way.
    std::thread::yield_now();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    let of_task = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.flatten().filter_map(of_task).sum::<f64>() * 1e-6
}

/// The largest resident memory since `reset_peak`, in MiB.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn reset_peak() {
    // Not every kernel allows it; then the peak is that of the process.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn numbers(path: &str) -> Result<Vec<usize>> {
    fs::read_to_string(path)?.split_whitespace().map(|n| Ok(n.parse()?)).collect()
}

fn threads() -> Result<usize> {
    Ok(std::env::var("H5_BENCH_THREADS").map_or(Ok(1), |n| n.parse())?)
}

fn open(path: &str) -> Result<File> {
    Ok(File::options().threads(threads()?).open(path)?)
}

type Answer = Result<(Times, u64)>;

fn whole<T: H5Type + Words>(path: &str, name: &str) -> Answer {
    let watch = Stopwatch::start();
    let values = open(path)?.dataset(name)?.read::<T>()?;
    let times = watch.stop();
    Ok((times, T::words(values.as_slice().ok_or("the array has gaps")?)))
}

fn into_buffer(path: &str, name: &str, count: &str) -> Answer {
    let mut buffer = vec![1.0f64; count.parse()?];
    let watch = Stopwatch::start();
    open(path)?.dataset(name)?.read_into(&mut buffer)?;
    let times = watch.stop();
    Ok((times, f64::words(&buffer)))
}

fn windows(path: &str, name: &str, corners: &str) -> Answer {
    let corners = numbers(corners)?;
    let watch = Stopwatch::start();
    let dataset = open(path)?.dataset(name)?;
    let read = |at: &[usize]| dataset.read_slice::<f32>(s![at[0]..at[0] + 16, at[1]..at[1] + 16]);
    let windows = corners.chunks_exact(2).map(read).collect::<h5::Result<Vec<_>>>()?;
    let times = watch.stop();
    Ok((times, sum(windows.iter().map(|w| f32::words(w.as_slice().unwrap_or_default())))))
}

fn rows(path: &str, name: &str, indices: &str) -> Answer {
    let indices = numbers(indices)?;
    let watch = Stopwatch::start();
    let dataset = open(path)?.dataset(name)?;
    let read = |&at: &usize| dataset.read_slice::<Row>(s![at..at + 1]);
    let rows = indices.iter().map(read).collect::<h5::Result<Vec<_>>>()?;
    let times = watch.stop();
    Ok((times, sum(rows.iter().map(|r| Row::words(r.as_slice().unwrap_or_default())))))
}

/// The windows as one batch.
fn window_batch(path: &str, name: &str, corners: &str) -> Answer {
    let corners = numbers(corners)?;
    let watch = Stopwatch::start();
    let dataset = open(path)?.dataset(name)?;
    let window = |at: &[usize]| s![at[0]..at[0] + 16, at[1]..at[1] + 16];
    let windows = dataset.read_stacked::<f32>(corners.chunks_exact(2).map(window))?;
    let times = watch.stop();
    Ok((times, f32::words(windows.as_slice().unwrap_or_default())))
}

/// The rows as one batch.
fn row_batch(path: &str, name: &str, indices: &str) -> Answer {
    let indices = numbers(indices)?;
    let watch = Stopwatch::start();
    let dataset = open(path)?.dataset(name)?;
    let rows = dataset.read_stacked::<Row>(indices.iter().map(|&at| s![at..at + 1]))?;
    let times = watch.stop();
    Ok((times, Row::words(rows.as_slice().unwrap_or_default())))
}

/// What the attributes of the datasets of a group say.
fn attributes_of(group: Object) -> h5::Result<u64> {
    let mut sum = 0u64;
    for (_, dataset) in group.into_group()?.members()? {
        for attribute in dataset?.into_dataset()?.attributes()? {
            let attribute = attribute?;
            let value = match attribute.name().to_str() {
                Some("units") => attribute.read_scalar::<String>()?.len() as u64,
                Some("scale") => (attribute.read_scalar::<f64>()? * 2.0) as u64,
                _ => attribute.read_vec::<i64>()?.iter().sum::<i64>() as u64,
            };
            sum = sum.wrapping_add(value);
        }
    }
    Ok(sum)
}

/// Every group of the root, its datasets, and the values of their attributes.
fn walk(path: &str) -> Answer {
    // A program has its threads before it opens a file.
    let pool = match threads()? {
        1 => None,
        threads => Some(ThreadPoolBuilder::new().num_threads(threads).build()?),
    };
    let watch = Stopwatch::start();
    let root = open(path)?.root()?;
    let add = |a: u64, b: u64| Ok::<_, h5::Error>(a.wrapping_add(b));
    let sum = match pool {
        None => root.members()?.try_fold(0, |sum, (_, group)| add(sum, attributes_of(group?)?))?,
        Some(pool) => {
            let links = root.links()?;
            let of_link = |link: h5::Result<Link>| attributes_of(root.follow(&link?)?);
            pool.install(|| links.into_par_iter().map(of_link).try_reduce(|| 0, add))?
        }
    };
    Ok((watch.stop(), sum))
}

fn strings(path: &str, name: &str) -> Answer {
    let watch = Stopwatch::start();
    let texts = open(path)?.dataset(name)?.read::<String>()?;
    let times = watch.stop();
    Ok((times, text_sum(texts.iter())))
}

/// The same strings as one piece of bytes with offsets.
fn flat_strings(path: &str, name: &str) -> Answer {
    let watch = Stopwatch::start();
    let texts = open(path)?.dataset(name)?.read_texts(..)?;
    let times = watch.stop();
    Ok((
        times,
        sum(texts.iter().map(|t| t.len() as u64 * 1_000_003 + t.iter().map(|&b| u64::from(b)).sum::<u64>())),
    ))
}

fn scalar(path: &str, name: &str) -> Answer {
    let watch = Stopwatch::start();
    let value = open(path)?.dataset(name)?.read_scalar::<f64>()?;
    Ok((watch.stop(), value as u64))
}

/// A new file, which is synced to disk only if `H5_BENCH_SYNC` is set: libhdf5 never does it.
fn create(path: &str, profile: Profile) -> Result<File> {
    let _ = fs::remove_file(path);
    let sync = std::env::var_os("H5_BENCH_SYNC").is_some();
    let durability = if sync { Durability::Full } else { Durability::None };
    Ok(File::create_options().profile(profile).threads(threads()?).durability(durability).create(path)?)
}

fn doubles(path: &str) -> Result<Vec<f64>> {
    Ok(fs::read(path)?.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
}

fn write_plain(path: &str, count: &str) -> Answer {
    let values: Vec<f64> = (0..count.parse::<usize>()?).map(|i| i as f64).collect();
    let _ = fs::remove_file(path);
    let watch = Stopwatch::start();
    let file = create(path, Profile::Compatible)?;
    file.root()?.new_dataset::<f64>().with_data(&values).create("x")?;
    file.close()?;
    Ok((watch.stop(), 0))
}

fn write_deflated(path: &str, input: &str) -> Answer {
    let values = doubles(input)?;
    let values = ndarray::Array2::from_shape_vec((values.len() / 1024, 1024), values)?;
    let watch = Stopwatch::start();
    let file = create(path, Profile::Compatible)?;
    let new = file.root()?;
    new.new_dataset::<f64>().chunk((128, 1024)).shuffle().deflate(4).with_data(&values).create("x")?;
    file.close()?;
    Ok((watch.stop(), 0))
}

/// Rows that are appended a thousand at a time.
fn append(path: &str, input: &str, profile: Profile) -> Answer {
    let word = |b: &[u8], at: usize| b.get(at..at + 8).and_then(|b| b.try_into().ok()).unwrap_or([0; 8]);
    let half = |b: &[u8], at: usize| b.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or([0; 4]);
    let row = |b: &[u8]| Row {
        id: i64::from_le_bytes(word(b, 0)),
        t: f64::from_le_bytes(word(b, 8)),
        ch: i32::from_le_bytes(half(b, 16)),
        q: f32::from_le_bytes(half(b, 20)),
    };
    let rows: Vec<Row> = fs::read(input)?.chunks_exact(24).map(row).collect();
    let watch = Stopwatch::start();
    let file = create(path, profile)?;
    let mut dataset = file.root()?.new_dataset::<Row>().shape(0).resizable().chunk(8192).create("x")?;
    for part in rows.chunks(1000) {
        dataset.append(part)?;
    }
    file.close()?;
    Ok((watch.stop(), 0))
}

/// Many groups, each with a small dataset and its attributes.
fn small_objects(path: &str, count: &str, profile: Profile) -> Answer {
    let count: usize = count.parse()?;
    let watch = Stopwatch::start();
    let file = create(path, profile)?;
    let root = file.root()?;
    let text = h5::Datatype::fixed_string(6, h5::Charset::Ascii);
    let counts = "counts".to_owned();
    for i in 0..count {
        let group = root.create_group(format!("g{i:06}"))?;
        let first = i as i32;
        let values: [i32; 8] = std::array::from_fn(|k| first + k as i32);
        let dataset = group.new_dataset::<i32>().with_data(&values).create("d")?;
        dataset.new_attr::<String>().datatype(text.clone()).with_scalar(&counts).create("units")?;
        dataset.set_attr("scale", i as f64 * 0.5)?;
        dataset.set_attr("idx", [i as i64, i as i64 + 1, i as i64 + 2])?;
    }
    file.close()?;
    Ok((watch.stop(), 0))
}

fn write_strings(path: &str, input: &str) -> Answer {
    let texts: Vec<String> = fs::read_to_string(input)?.lines().map(str::to_owned).collect();
    let watch = Stopwatch::start();
    let file = create(path, Profile::Compatible)?;
    file.root()?.new_dataset::<String>().with_data(&texts).create("x")?;
    file.close()?;
    Ok((watch.stop(), 0))
}

/// Runs a request; `None` for an unknown one.
fn run(request: &[&str]) -> Option<Answer> {
    let mut request = request.to_vec();
    if let Some(name) = request.first_mut().filter(|_| std::env::var_os("H5_BENCH_MANY").is_some()) {
        *name = match *name {
            "win" => "winm",
            "rows" => "rowsm",
            "vlen" => "vlenf",
            other => other,
        };
    }
    Some(match *request {
        ["f64", path, name] => whole::<f64>(path, name),
        ["f32", path, name] => whole::<f32>(path, name),
        ["i32", path, name] => whole::<i32>(path, name),
        ["u16", path, name] => whole::<u16>(path, name),
        ["u32", path, name] => whole::<u32>(path, name),
        ["row", path, name] => whole::<Row>(path, name),
        ["f64p", path, name, count] => into_buffer(path, name, count),
        ["win", path, name, corners] => windows(path, name, corners),
        ["rows", path, name, indices] => rows(path, name, indices),
        ["winm", path, name, corners] => window_batch(path, name, corners),
        ["rowsm", path, name, indices] => row_batch(path, name, indices),
        ["walk", path] => walk(path),
        ["vlen", path, name] => strings(path, name),
        ["vlenf", path, name] => flat_strings(path, name),
        ["scalar", path, name] => scalar(path, name),
        ["W1", path, count] => write_plain(path, count),
        ["W2", path, input] => write_deflated(path, input),
        ["W3", path, input] => append(path, input, Profile::Modern),
        ["W3u", path, input] => append(path, input, Profile::Compatible),
        ["W4", path, count] => small_objects(path, count, Profile::Compatible),
        ["W4l", path, count] => small_objects(path, count, Profile::Modern),
        ["W5", path, input] => write_strings(path, input),
        _ => return None,
    })
}

/// What is answered to a request.
fn answer(request: &[&str]) -> String {
    reset_peak();
    match run(request) {
        Some(Ok((times, sum))) => format!("OK {:.4} {sum} {:.1} {:.4}", times.wall, peak_mib(), times.cpu),
        Some(Err(error)) => format!("ERR {}", error.to_string().replace('\n', " ")),
        None => "NA".to_owned(),
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--once", request @ ..] = &arguments[..] {
        println!("{}", answer(request));
        return Ok(());
    }
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        writeln!(output, "{}", answer(&line?.split_whitespace().collect::<Vec<_>>()))?;
        output.flush()?;
    }
    Ok(())
}
