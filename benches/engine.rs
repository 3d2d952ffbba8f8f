//! The hot pieces of the engine without filters: checksum of metadata, byte swap, scatter of chunks, object headers.
//! The files are put together here, in memory.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use h5::internals::checksum::lookup3;
use h5::{File, Group, HyperslabDim, Selection};

const UNDEFINED: u64 = u64::MAX;
const SUPERBLOCK: u64 = 48;
/// Extent of the square datasets.
const EXTENT: u64 = 1024;
const CHUNK: u64 = 64;

/// What follows the superblock of a file, address by address.
struct Builder(Vec<u8>);

impl Builder {
    fn new() -> Self {
        Builder(vec![0; SUPERBLOCK as usize])
    }

    fn put(&mut self, bytes: &[u8]) -> u64 {
        let address = self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        address
    }

    /// An object header of version 2.
    fn object(&mut self, messages: &[(u8, Vec<u8>)]) -> u64 {
        let mut body = Vec::new();
        for (id, message) in messages {
            body.push(*id);
            body.extend_from_slice(&(message.len() as u16).to_le_bytes());
            body.push(0);
            body.extend_from_slice(message);
        }
        let mut header = [b"OHDR".as_slice(), &[2, 2], &(body.len() as u32).to_le_bytes(), &body].concat();
        header.extend_from_slice(&lookup3(&header).to_le_bytes());
        self.put(&header)
    }

    /// A group with these compact links.
    fn group(&mut self, links: &[(String, u64)]) -> u64 {
        let info = [[0; 2].as_slice(), &UNDEFINED.to_le_bytes(), &UNDEFINED.to_le_bytes()].concat();
        let mut messages = vec![(2, info), (10, vec![0, 0])];
        messages.extend(links.iter().map(|(name, address)| {
            let head = [1, 0, name.len() as u8];
            (6, [head.as_slice(), name.as_bytes(), &address.to_le_bytes()].concat())
        }));
        self.object(&messages)
    }

    /// A square dataset of doubles.
    fn dataset(&mut self, big_endian: bool, layout: Vec<u8>) -> u64 {
        let extent = EXTENT.to_le_bytes();
        let dataspace = [[2, 2, 0, 1].as_slice(), &extent, &extent].concat();
        let order = u8::from(big_endian);
        let float = [0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0];
        let datatype = [[0x11, 0x20 | order, 63, 0, 8, 0, 0, 0].as_slice(), &float].concat();
        self.object(&[(1, dataspace), (3, datatype), (5, vec![3, 1]), (8, layout)])
    }

    fn finish(mut self, root: u64) -> Arc<[u8]> {
        let mut superblock = [b"\x89HDF\r\n\x1a\n".as_slice(), &[2, 8, 8, 0]].concat();
        for address in [0, UNDEFINED, self.0.len() as u64, root] {
            superblock.extend_from_slice(&address.to_le_bytes());
        }
        superblock.extend_from_slice(&lookup3(&superblock).to_le_bytes());
        self.0[..SUPERBLOCK as usize].copy_from_slice(&superblock);
        self.0.into()
    }
}

/// `/swapped`, contiguous and big-endian, and `/chunked`, little-endian in chunks that are found by computing.
fn datasets() -> File {
    let mut builder = Builder::new();
    let values: Vec<u8> = (0..EXTENT * EXTENT).flat_map(|i| (i as f64).to_be_bytes()).collect();
    let data = builder.put(&values);
    let size = values.len() as u64;
    let contiguous = [[4, 1].as_slice(), &data.to_le_bytes(), &size.to_le_bytes()].concat();
    let swapped = builder.dataset(true, contiguous);
    let data = builder.put(&values);
    let implicit = [[4, 2, 0, 3, 1, CHUNK as u8, CHUNK as u8, 8, 2].as_slice(), &data.to_le_bytes()].concat();
    let chunked = builder.dataset(false, implicit);
    let root = builder.group(&[("swapped".to_owned(), swapped), ("chunked".to_owned(), chunked)]);
    File::options().threads(1).from_bytes(builder.finish(root)).unwrap()
}

fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup3");
    for len in [64, 512, 1 << 20] {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |b| b.iter(|| lookup3(black_box(&bytes))));
    }
}

fn raw_data(c: &mut Criterion) {
    let file = datasets();
    let mut out = vec![0.0; (EXTENT * EXTENT) as usize];
    let mut group = c.benchmark_group("raw data");
    group.throughput(Throughput::Bytes(EXTENT * EXTENT * 8));
    let swapped = file.dataset("/swapped").unwrap();
    group.bench_function("byte swap", |b| b.iter(|| swapped.read_into(black_box(&mut out)).unwrap()));
    assert_eq!(out[4321], 4321.0);
    let chunked = file.dataset("/chunked").unwrap();
    group.bench_function("chunk scatter", |b| b.iter(|| chunked.read_into(black_box(&mut out)).unwrap()));
    // A window that cuts all chunks at its border.
    let (start, count) = (CHUNK / 2, EXTENT - CHUNK);
    let window = Selection::Hyperslab(vec![HyperslabDim::range(start, count); 2]);
    out.truncate((count * count) as usize);
    group.throughput(Throughput::Bytes(count * count * 8));
    group.bench_function("window of chunks", |b| {
        b.iter(|| chunked.read_slice_into(window.clone(), black_box(&mut out)).unwrap());
    });
}

fn walk(group: &Group) -> usize {
    let members = group.members().unwrap();
    members.into_iter().map(|(_, member)| 1 + walk(&member.unwrap().into_group().unwrap())).sum()
}

fn headers(c: &mut Criterion) {
    const WIDTH: usize = 50;
    let mut builder = Builder::new();
    let name = |i: usize| format!("group {i:03}");
    let mut top = Vec::new();
    for i in 0..WIDTH {
        let inner: Vec<_> = (0..WIDTH).map(|k| (name(k), builder.group(&[]))).collect();
        top.push((name(i), builder.group(&inner)));
    }
    let root = builder.group(&top);
    let bytes = builder.finish(root);
    let count = WIDTH * (WIDTH + 1);
    let mut group = c.benchmark_group("headers");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("open and walk", |b| {
        b.iter(|| {
            let file = File::from_bytes(bytes.clone()).unwrap();
            assert_eq!(walk(&file.root().unwrap()), count);
        });
    });
}

criterion_group!(benches, checksum, raw_data, headers);
criterion_main!(benches);
