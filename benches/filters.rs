//! Throughput of the filters, in bytes of decoded data.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use h5::internals::{ChunkContext, FilterPipeline, FilterSpec, Scratch, kernels, lookup};

const LEN: usize = 1 << 20;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 ^ self.0 >> 29
    }
}

/// A smooth field with noise in a few digits, as simulations store it.
fn field_f64() -> Vec<u8> {
    let mut random = Random(1);
    (0..LEN / 8)
        .flat_map(|i| {
            let noise = (random.next() >> 54) as f64 / 4096.0;
            (((i as f64 / 512.0).sin() * 100.0 + noise) * 4096.0).round().to_le_bytes()
        })
        .collect()
}

/// Counts of a detector: mostly small, some peaks.
fn counts_i32() -> Vec<u8> {
    let mut random = Random(2);
    (0..LEN / 4)
        .flat_map(|_| {
            let r = random.next();
            let count = if r >> 56 == 0 { (r >> 40 & 0xfff) as i32 } else { (r >> 33 & r >> 37 & 7) as i32 };
            count.to_le_bytes()
        })
        .collect()
}

fn spec(id: u16, client_data: &[u32]) -> FilterSpec {
    FilterSpec { id, optional: false, name: None, client_data: client_data.to_vec() }
}

fn scaleoffset(scale: u32, factor: u32, class: u32, size: u32) -> Vec<u32> {
    let mut client_data = vec![scale, factor, LEN as u32 / size, class, size, 1, 0, 1];
    client_data.resize(20, 0);
    client_data
}

fn context(element_size: usize) -> ChunkContext {
    ChunkContext { chunk_bytes: LEN, element_size }
}

fn encoded(spec: &FilterSpec, element_size: usize, raw: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    lookup(spec.id).unwrap().encode(spec, &context(element_size), raw, &mut stored).unwrap();
    stored
}

fn codecs(c: &mut Criterion) {
    let (field, counts) = (field_f64(), counts_i32());
    let shuffled = encoded(&spec(2, &[8]), 8, &field);
    let shuffled4 = encoded(&spec(2, &[4]), 4, &counts);
    let deflate = spec(1, &[4]);
    let words: Vec<u8> =
        (0..LEN / 2).flat_map(|i| (((i as f64 / 90.0).sin() * 2000.0) as i16 + 2047).to_le_bytes()).collect();
    let nbit_compound = [14, 0, (LEN / 8) as u32, 3, 8, 2, 0, 1, 4, 0, 20, 0, 4, 4, 4];
    let words_u16: Vec<u8> =
        counts.as_chunks::<4>().0.iter().flat_map(|count| [count[0], count[1]]).cycle().take(LEN).collect();
    let mut cases = vec![
        ("deflate shuffled f64", deflate.clone(), 8, &shuffled),
        ("deflate f64", deflate.clone(), 8, &field),
        ("deflate shuffled i32", deflate.clone(), 4, &shuffled4),
        ("deflate i32", deflate, 4, &counts),
        ("lzf shuffled f64", spec(32000, &[]), 8, &shuffled),
        ("lzf i32", spec(32000, &[]), 4, &counts),
        ("szip NN i32", spec(4, &[32 | 8 | 128, 16, 32, 1024]), 4, &counts),
        ("szip NN u16", spec(4, &[32 | 8 | 128, 16, 16, 1024]), 2, &words),
        ("nbit 12 of u16", spec(5, &[8, 0, (LEN / 2) as u32, 1, 2, 0, 12, 0]), 2, &words),
        ("nbit compound", spec(5, &nbit_compound), 8, &counts),
        #[cfg(feature = "filter-blosc")]
        ("blosc lz4 i32", spec(32001, &[2, 2, 4, LEN as u32, 5, 1, 1]), 4, &counts),
        #[cfg(feature = "filter-blosc")]
        ("blosc lz4 bits i32", spec(32001, &[2, 2, 4, LEN as u32, 5, 2, 1]), 4, &counts),
        #[cfg(feature = "filter-blosc")]
        ("blosc zstd i32", spec(32001, &[2, 2, 4, LEN as u32, 5, 1, 5]), 4, &counts),
        #[cfg(feature = "filter-blosc")]
        ("blosc blosclz f64", spec(32001, &[2, 2, 8, LEN as u32, 5, 1, 0]), 8, &field),
        ("scaleoffset i32", spec(6, &scaleoffset(2, 0, 0, 4)), 4, &counts),
        ("scaleoffset f64", spec(6, &scaleoffset(0, 2, 1, 8)), 8, &field),
    ];
    // Those of features.
    cases.extend([
        ("lz4 i32", spec(32004, &[0]), 4, &counts),
        ("lz4 shuffled f64", spec(32004, &[0]), 8, &shuffled),
        ("bitshuffle u16", spec(32008, &[0, 4, 2, 0, 0]), 2, &words_u16),
        ("bitshuffle i32", spec(32008, &[0, 4, 4, 0, 0]), 4, &counts),
        ("bitshuffle f64", spec(32008, &[0, 4, 8, 0, 0]), 8, &field),
        ("bitshuffle lz4 u16", spec(32008, &[0, 4, 2, 0, 2]), 2, &words_u16),
        ("bitshuffle lz4 i32", spec(32008, &[0, 4, 4, 0, 2]), 4, &counts),
        ("bitshuffle zstd i32", spec(32008, &[0, 4, 4, 0, 3, 3]), 4, &counts),
        ("zstd i32", spec(32015, &[3]), 4, &counts),
        ("zstd shuffled f64", spec(32015, &[3]), 8, &shuffled),
        ("bzip2 i32", spec(307, &[9]), 4, &counts),
    ]);
    cases.retain(|(_, spec, ..)| lookup(spec.id).is_some());
    for direction in ["decode", "encode"] {
        let mut group = c.benchmark_group(direction);
        group.throughput(Throughput::Bytes(LEN as u64)).sample_size(20);
        for (name, spec, element_size, raw) in &cases {
            let filter = lookup(spec.id).unwrap();
            let context = context(*element_size);
            let stored = encoded(spec, *element_size, raw);
            let mut output = vec![0; LEN];
            let id = BenchmarkId::new(*name, stored.len());
            group.bench_function(id, |b| {
                b.iter(|| {
                    if direction == "decode" {
                        filter.decode(spec, &context, black_box(&stored), &mut output).unwrap();
                    } else {
                        output.clear();
                        filter.encode(spec, &context, black_box(raw), &mut output).unwrap();
                    }
                });
            });
        }
    }
}

/// A field in three dimensions, as simulations store it.
#[cfg(feature = "filter-zfp")]
fn zfp(c: &mut Criterion) {
    use h5::zfp::{Mode, client_data};
    use h5::{ByteOrder, Datatype};

    let mut random = Random(3);
    let shape = [64_u64, 64, 64];
    let field: Vec<u8> = (0..64 * 64 * 64)
        .flat_map(|i: u32| {
            let [x, y, z] = [i & 63, i >> 6 & 63, i >> 12].map(|i| f64::from(i) * 0.1);
            let noise = (random.next() >> 54) as f64 * 1e-5;
            ((x.sin() * y.cos() + (z * 0.5).sin() + noise) as f32).to_le_bytes()
        })
        .collect();
    let modes = [
        ("rate 8", Mode::Rate(8.0)),
        ("precision 20", Mode::Precision(20)),
        ("accuracy 1e-3", Mode::Accuracy(1e-3)),
        ("reversible", Mode::Reversible),
    ];
    let filter = lookup(32013).unwrap();
    let mut group = c.benchmark_group("zfp");
    group.throughput(Throughput::Bytes(LEN as u64)).sample_size(20);
    for (name, mode) in modes {
        let client_data = client_data(mode, &Datatype::f32(ByteOrder::Little), &shape).unwrap();
        let spec = spec(32013, &client_data);
        let stored = encoded(&spec, 4, &field);
        let mut output = vec![0; LEN];
        group.bench_function(BenchmarkId::new(format!("{name} decode"), stored.len()), |b| {
            b.iter(|| filter.decode(&spec, &context(4), black_box(&stored), &mut output).unwrap());
        });
        group.bench_function(BenchmarkId::new(format!("{name} encode"), stored.len()), |b| {
            b.iter(|| {
                output.clear();
                filter.encode(&spec, &context(4), black_box(&field), &mut output).unwrap();
            });
        });
    }
}

#[cfg(not(feature = "filter-zfp"))]
fn zfp(_: &mut Criterion) {}

fn byte_kernels(c: &mut Criterion) {
    let field = field_f64();
    let mut output = vec![0; LEN];
    let mut group = c.benchmark_group("kernel");
    group.throughput(Throughput::Bytes(LEN as u64)).sample_size(20);
    for size in [2, 4, 8, 3, 16] {
        group.bench_function(BenchmarkId::new("unshuffle", size), |b| {
            b.iter(|| kernels::unshuffle(size, black_box(&field), &mut output));
        });
        group.bench_function(BenchmarkId::new("shuffle", size), |b| {
            b.iter(|| kernels::shuffle(size, black_box(&field), &mut output));
        });
    }
    group.bench_function("copy", |b| b.iter(|| output.copy_from_slice(black_box(&field))));
    group.bench_function("fletcher32", |b| b.iter(|| kernels::fletcher32(black_box(&field))));
}

fn pipelines(c: &mut Criterion) {
    let field = field_f64();
    let mut group = c.benchmark_group("pipeline");
    let (shuffle, deflate, fletcher32) = (spec(2, &[8]), spec(1, &[4]), spec(3, &[]));
    let cases = [
        ("shuffle deflate", vec![shuffle.clone(), deflate.clone()]),
        ("shuffle deflate fletcher32", vec![shuffle, deflate, fletcher32]),
    ];
    for (name, filters) in cases {
        let pipeline = FilterPipeline { filters, ..FilterPipeline::default() };
        for len in [1 << 12, 1 << 16, LEN] {
            let context = ChunkContext { chunk_bytes: len, element_size: 8 };
            let mut scratch = Scratch::default();
            let (stored, mask) = pipeline.encode_chunk(&context, &field[..len], &mut scratch).unwrap();
            let stored = stored.to_vec();
            let mut output = vec![0; len];
            group.throughput(Throughput::Bytes(len as u64)).sample_size(20);
            group.bench_function(BenchmarkId::new(name, len), |b| {
                b.iter(|| {
                    pipeline
                        .decode_chunk_into(&context, mask, black_box(&stored), &mut scratch, &mut output)
                        .unwrap();
                });
            });
        }
    }
}

criterion_group!(benches, codecs, zfp, byte_kernels, pipelines);
criterion_main!(benches);
