//! Files that are written are read back equal, by this crate; `tests/python/check_written.py` lets h5py read them.
//!
//! `H5_WRITTEN_DIR` is a folder in which they are kept for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use h5::{CreateOptions, File, Profile};
use ndarray::{ArrayD, IxDyn};

const PROFILES: [(Profile, &str); 2] = [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")];

fn folder() -> PathBuf {
    let folder = match std::env::var_os("H5_WRITTEN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("h5-written-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn create(name: &str, options: CreateOptions) -> (File, PathBuf) {
    let path = folder().join(format!("{name}.h5"));
    (options.create(&path).unwrap(), path)
}

fn ramp(shape: &[usize]) -> ArrayD<f64> {
    let n: usize = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|i| i as f64 * 0.5 - 3.0).collect()).unwrap()
}

#[test]
fn one_contiguous_dataset() {
    for (profile, name) in PROFILES {
        let (file, path) = create(&format!("contiguous-{name}"), File::create_options().profile(profile));
        let data = ramp(&[3, 4]);
        let root = file.root().unwrap();
        let x = root.new_dataset::<f64>().with_data(&data).create("x").unwrap();
        assert_eq!(x.read::<f64>().unwrap(), data);
        x.set_attr("units", "m/s").unwrap();
        file.close().unwrap();
        let file = File::open(&path).unwrap();
        let x = file.dataset("x").unwrap();
        assert_eq!(x.read::<f64>().unwrap(), data);
        assert_eq!(x.attribute("units").unwrap().read_scalar::<String>().unwrap(), "m/s");
    }
}
