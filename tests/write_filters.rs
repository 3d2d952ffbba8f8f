//! Files with the filters of plugins: what is written is read back, by this crate here and by hdf5plugin in
//! `tests/python/check_filters.py`.
//!
//! `H5_FILTERED_FILE` is the file that is kept for that.
#![cfg(feature = "filters")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use h5::{File, FilterSpec, Group, H5Type, zfp};

fn spec(id: u16, client_data: &[u32]) -> FilterSpec {
    FilterSpec { id, optional: false, name: None, client_data: client_data.to_vec() }
}

/// Name, and client data for elements of `size` bytes in chunks of `bytes`.
fn filters(size: u32, bytes: u32) -> Vec<(String, FilterSpec)> {
    let mut out = vec![
        ("bzip2".to_owned(), spec(307, &[5])),
        ("lz4".to_owned(), spec(32004, &[0])),
        ("lz4_blocks".to_owned(), spec(32004, &[4096])),
        ("zstd".to_owned(), spec(32015, &[3])),
        ("bitshuffle".to_owned(), spec(32008, &[0, 5, size, 0])),
        ("bitshuffle_lz4".to_owned(), spec(32008, &[0, 5, size, 0, 2])),
        ("bitshuffle_zstd".to_owned(), spec(32008, &[0, 5, size, 0, 3, 3])),
    ];
    for (codec, name) in ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"].into_iter().enumerate() {
        for shuffle in 0..3 {
            let parameters = [2, 2, size, bytes, 5, shuffle, codec as u32];
            out.push((format!("blosc_{name}_{shuffle}"), spec(32001, &parameters)));
        }
    }
    out
}

/// Writes the data plainly and through every filter, and reads them back.
fn write<T: H5Type + Copy + PartialEq + std::fmt::Debug>(
    root: &Group,
    name: &str,
    value: impl Fn(usize) -> T,
    zfp_modes: &[(&str, zfp::Mode)],
) {
    for (shape, chunk) in
        [(vec![1000u64], vec![301u64]), (vec![37, 41], vec![16, 41]), (vec![7, 8, 9], vec![4, 5, 9])]
    {
        let count: u64 = shape.iter().product();
        let data: Vec<T> = (0..count as usize).map(&value).collect();
        let array =
            ndarray::ArrayD::from_shape_vec(shape.iter().map(|&d| d as usize).collect::<Vec<_>>(), data);
        let array = array.unwrap();
        let group = root.create_group(format!("{name}/rank{}", shape.len())).unwrap();
        group.new_dataset::<T>().chunk(chunk.clone()).with_data(&array).create("plain").unwrap();
        let size = size_of::<T>() as u32;
        let bytes = chunk.iter().product::<u64>() as u32 * size;
        let mut all = filters(size, bytes);
        for (mode_name, mode) in zfp_modes {
            let client_data = zfp::client_data(*mode, &T::datatype(), &chunk).unwrap();
            all.push((format!("zfp_{mode_name}"), spec(32013, &client_data)));
        }
        for (filter_name, filter) in all {
            let builder = group.new_dataset::<T>().chunk(chunk.clone()).filter(filter);
            let dataset = builder.with_data(&array).create(&filter_name).unwrap();
            assert_eq!(dataset.read::<T>().unwrap(), array, "{name} {filter_name}");
        }
    }
}

#[test]
fn filters_of_plugins_are_written_and_read() {
    let path = match std::env::var_os("H5_FILTERED_FILE") {
        Some(path) => PathBuf::from(path),
        None => std::env::temp_dir().join(format!("h5-filtered-{}.h5", std::process::id())),
    };
    let file = File::create(&path).unwrap();
    let root = file.root().unwrap();
    let exact = [("reversible", zfp::Mode::Reversible)];
    let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_761) >> 20;
    write(&root, "u8", |i| noise(i) as u8, &[]);
    write(&root, "u16", |i| noise(i) as u16 % 50, &[]);
    write(&root, "i32", |i| noise(i) as i32 - 2000, &exact);
    write(&root, "i64", |i| i64::from(noise(i)) << 20, &exact);
    write(&root, "f32", |i| (i as f32 * 0.01).sin(), &exact);
    write(&root, "f64", |i| (i as f64 * 0.01).cos() * 1e6, &exact);
    file.close().unwrap();

    let again = File::open(&path).unwrap();
    let group = again.group("f64/rank2").unwrap();
    let plain = group.dataset("plain").unwrap().read::<f64>().unwrap();
    for name in group.names().unwrap() {
        assert_eq!(group.dataset(&name).unwrap().read::<f64>().unwrap(), plain, "{name}");
    }
    if std::env::var_os("H5_FILTERED_FILE").is_none() {
        std::fs::remove_file(path).unwrap();
    }
}
