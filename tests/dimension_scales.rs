//! Dimension scales; `tests/python/check_scales.py` lets h5py, netCDF4, h5netcdf and xarray read what is written here.
//!
//! `H5_WRITTEN_DIR` is a folder in which the files are kept for that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::PathBuf, sync::Arc};

use h5::{ErrorKind, File, Group, Profile, source::MemoryStore};

fn folder() -> PathBuf {
    let folder = match std::env::var_os("H5_WRITTEN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join(format!("h5-written-scales-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes and reads a file of each profile.
fn each_profile(name: &str, write: impl Fn(&Group), read: impl Fn(&Group)) {
    for (profile, suffix) in [(Profile::Compatible, "compatible"), (Profile::Modern, "modern")] {
        let path = folder().join(format!("{name}-{suffix}.h5"));
        let options = File::create_options().profile(profile).track_creation_order(true);
        let file = options.create(&path).unwrap();
        let root = file.root().unwrap();
        write(&root);
        // What is not flushed can be read.
        read(&root);
        file.close().unwrap();
        read(&File::open(&path).unwrap().root().unwrap());
    }
}

#[test]
fn scales_are_attached_and_detached() {
    each_profile(
        "scales",
        |root| {
            let new = |name: &str, len: usize| {
                root.new_dataset::<f64>().with_data(&vec![0.5; len]).create(name).unwrap()
            };
            let (x, y, other) = (new("x", 4), new("y", 3), new("groups/other x", 4));
            x.make_scale("x axis").unwrap();
            y.make_scale("").unwrap();
            other.make_scale("größer").unwrap();
            let data = root.new_dataset::<i32>().shape((4, 3, 2)).create("data").unwrap();
            data.attach_scale(0, &x).unwrap();
            data.attach_scale(0, &other).unwrap();
            data.attach_scale(0, &x).unwrap();
            data.attach_scale(1, &y).unwrap();
            data.set_dimension_label(1, "why").unwrap();
            // One that was no scale.
            let z = new("z", 2);
            data.attach_scale(2, &z).unwrap();
            let square = root.new_dataset::<i32>().shape((4, 4)).create("square").unwrap();
            square.attach_scale(0, &x).unwrap();
            square.attach_scale(1, &x).unwrap();
            square.detach_scale(0, &x).unwrap();
            square.set_dimension_label(0, "höhe").unwrap();
            let gone = root.new_dataset::<i32>().shape(4).create("gone").unwrap();
            let unused = new("unused", 4);
            gone.attach_scale(0, &unused).unwrap();
            gone.detach_scale(0, &unused).unwrap();
        },
        |root| {
            let dataset = |name: &str| root.dataset(name).unwrap();
            let names = |name: &str, axis| -> Vec<Option<String>> {
                dataset(name)
                    .dimension_scales(axis)
                    .unwrap()
                    .iter()
                    .map(|s| s.scale_name().unwrap())
                    .collect()
            };
            let named = |name: &str| Some(name.to_owned());
            assert_eq!(names("data", 0), [named("x axis"), named("größer")]);
            assert_eq!(names("data", 1), [named("")]);
            assert_eq!(names("data", 2), [None]);
            assert!(dataset("z").is_scale().unwrap() && !dataset("data").is_scale().unwrap());
            assert!(names("square", 0).is_empty());
            assert_eq!(names("square", 1), [named("x axis")]);
            let label = |name: &str, axis| dataset(name).dimension_label(axis).unwrap();
            assert_eq!(label("data", 1).as_deref(), Some("why"));
            assert_eq!(label("data", 0), None);
            assert_eq!(label("square", 0).as_deref(), Some("höhe"));
            assert_eq!(label("gone", 0), None);
            let uses = |name: &str| dataset(name).attribute("REFERENCE_LIST").unwrap().shape().to_vec();
            assert_eq!([uses("x"), uses("y"), uses("z")], [[2], [1], [1]]);
            assert!(dataset("gone").attribute_names().unwrap().is_empty());
            assert_eq!(dataset("unused").attribute_names().unwrap(), ["CLASS"]);
        },
    );
}

/// What netCDF-4 has: dimensions with and without a variable, one of them unlimited.
#[test]
fn netcdf() {
    let time = [0.0, 0.5, 1.0, 1.5];
    let place: Vec<i16> = (0..12).collect();
    each_profile(
        "netcdf",
        |root| {
            let scale = |name: &str, dataset: &h5::Dataset, id: i32| {
                dataset.make_scale(name).unwrap();
                dataset.set_attr("_Netcdf4Dimid", id).unwrap();
            };
            let t = root.new_dataset::<f64>().with_data(&time).max_shape([None]).chunk(16);
            let t = t.track_attribute_order(true).create("time").unwrap();
            scale("time", &t, 0);
            t.set_attr("units", "seconds since 2000-01-01").unwrap();
            let x = root.new_dataset::<f32>().with_data(&[1.0f32, 2.0, 4.0]);
            let x = x.track_attribute_order(true).create("x").unwrap();
            scale("x", &x, 1);
            let channel =
                root.new_dataset::<f32>().shape(2).track_attribute_order(true).create("channel").unwrap();
            scale(&format!("This is a netCDF dimension but not a netCDF variable.{:10}", 2), &channel, 2);
            let grid = ndarray::ArrayView2::from_shape((4, 3), &place).unwrap();
            let data = root.new_dataset::<i16>().with_data(&grid).max_shape([None, Some(3)]).chunk((4, 3));
            let data = data.shuffle().deflate(4).track_attribute_order(true).create("place").unwrap();
            data.attach_scale(0, &t).unwrap();
            data.attach_scale(1, &x).unwrap();
            data.set_attr("units", "m").unwrap();
            data.set_attr("scale_factor", 0.5f64).unwrap();
            let image = root.new_dataset::<f32>().shape((2, 3)).fill_value(1.5).track_attribute_order(true);
            let image = image.create("image").unwrap();
            image.attach_scale(0, &channel).unwrap();
            image.attach_scale(1, &x).unwrap();
            // A group sees the dimensions of those above it.
            let group = root.new_group().track_creation_order(true).create("inner").unwrap();
            let inner = group.new_dataset::<i32>().with_data(&[7, 8, 9]).track_attribute_order(true);
            inner.create("along x").unwrap().attach_scale(0, &x).unwrap();
            root.set_attr("title", "made by h5").unwrap();
        },
        |root| {
            let data = root.dataset("place").unwrap();
            assert_eq!(data.dimension_scales(0).unwrap()[0].read_vec::<f64>().unwrap(), time);
            assert_eq!(data.read_vec::<i16>().unwrap(), place);
            let inner = root.dataset("inner/along x").unwrap();
            assert_eq!(inner.dimension_scales(0).unwrap()[0].scale_name().unwrap().as_deref(), Some("x"));
        },
    );
}

#[test]
fn what_cannot_be_attached() {
    let new = || File::create_options().create_in(Arc::new(MemoryStore::new())).unwrap();
    let (file, other) = (new(), new());
    let dataset = |file: &File, name: &str| {
        file.root().unwrap().new_dataset::<i32>().shape((2, 2)).create(name).unwrap()
    };
    let (data, scale, foreign) =
        (dataset(&file, "data"), dataset(&file, "scale"), dataset(&other, "foreign"));
    let usage = |result: h5::Result<()>| {
        let e = result.unwrap_err();
        assert!(matches!(e.kind(), ErrorKind::Usage(_)), "{e}");
    };
    scale.make_scale("s").unwrap();
    assert!(matches!(data.attach_scale(2, &scale).unwrap_err().kind(), ErrorKind::Shape(_)));
    assert!(matches!(data.set_dimension_label(2, "").unwrap_err().kind(), ErrorKind::Shape(_)));
    assert!(matches!(data.detach_scale(0, &scale).unwrap_err().kind(), ErrorKind::NotFound(_)));
    usage(data.attach_scale(0, &foreign));
    usage(data.attach_scale(0, &data));
    usage(scale.attach_scale(0, &data));
    usage(data.make_scale("with a \0"));
    usage(data.set_dimension_label(0, "with a \0"));
    data.attach_scale(0, &scale).unwrap();
    usage(data.make_scale("data"));
    let third = dataset(&file, "third");
    usage(third.attach_scale(0, &data));
    assert!(data.attribute("CLASS").is_err());
}
