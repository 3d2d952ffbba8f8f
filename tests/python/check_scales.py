#!/usr/bin/env python3
"""h5py, netCDF4, h5netcdf and xarray read what `cargo test --test dimension_scales` has written.

usage: H5_WRITTEN_DIR=DIR cargo test --test dimension_scales && check_scales.py DIR

netCDF4, h5netcdf and xarray are asked if they are installed, and must be with `--all`.
"""

import os
import shutil
import sys
import tempfile

import h5py
import numpy as np


def same_attributes(found, expected, what):
    """Names, types and extents of all attributes, down to the bytes of the type."""
    assert sorted(found.attrs) == sorted(expected.attrs), (what, list(found.attrs), list(expected.attrs))
    for name in found.attrs:
        a, b = (h5py.h5a.open(o.id, name.encode()) for o in (found, expected))
        assert a.get_space().shape == b.get_space().shape, (what, name)
        ta, tb = a.get_type(), b.get_type()
        if name == "REFERENCE_LIST":
            # The dimension is signed in HDF5 1.x, and in what we write; unsigned in 2.x.
            fields = [
                [(t.get_member_name(i), t.get_member_offset(i), t.get_member_type(i).get_size()) for i in range(2)]
                for t in (ta, tb)
            ]
            assert fields[0] == fields[1] and ta.get_size() == tb.get_size() == 16, (what, fields)
            assert ta.get_member_type(0) == tb.get_member_type(0), what
            assert ta.get_member_type(1) == h5py.h5t.STD_I32LE, what
            continue
        assert ta == tb and ta.get_size() == tb.get_size(), (what, name, ta.encode(), tb.encode())


def scales(f):
    """As libhdf5's own calls leave it."""
    with tempfile.TemporaryDirectory() as folder, h5py.File(os.path.join(folder, "f.h5"), "w") as g:
        for name in f:
            if isinstance(f[name], h5py.Dataset):
                g.create_dataset(name, data=f[name][...])
        other = g.create_dataset("groups/other x", data=f["groups/other x"][...])
        g["x"].make_scale("x axis")
        g["y"].make_scale("")
        other.make_scale("größer")
        for axis, scale in (0, g["x"]), (0, other), (1, g["y"]), (2, g["z"]):
            g["data"].dims[axis].attach_scale(scale)
        g["data"].dims[1].label = "why"
        for axis in 0, 1:
            g["square"].dims[axis].attach_scale(g["x"])
        g["square"].dims[0].detach_scale(g["x"])
        g["square"].dims[0].label = "höhe"
        g["gone"].dims[0].attach_scale(g["unused"])
        g["gone"].dims[0].detach_scale(g["unused"])
        for name in "x", "y", "z", "data", "gone", "unused":
            same_attributes(f[name], g[name], name)
        for name in "data", "square":
            for mine, theirs in zip(f[name].dims, g[name].dims, strict=True):
                assert mine.label == theirs.label, (name, mine.label, theirs.label)
                assert [s.name for s in mine.values()] == [s.name for s in theirs.values()], name
                assert list(mine.keys()) == list(theirs.keys()), (name, list(mine.keys()))
    assert all(h5py.h5ds.is_scale(f[name].id) for name in ("x", "y", "z", "groups/other x", "unused"))
    assert h5py.h5ds.is_attached(f["square"].id, f["x"].id, 1) and not h5py.h5ds.is_attached(f["square"].id, f["x"].id, 0)


def edit_scales(path):
    """libhdf5 goes on where we have stopped."""
    with h5py.File(path, "r+") as f:
        f["square"].dims[0].attach_scale(f["groups/other x"])
        f["square"].dims[1].detach_scale(f["x"])
        f["data"].dims[0].detach_scale(f["x"])
        f["data"].dims[2].label = "zed"
    with h5py.File(path, "r") as f:
        assert "REFERENCE_LIST" not in f["x"].attrs
        assert [s.name for s in f["square"].dims[0].values()] == ["/groups/other x"]
        assert [d.label for d in f["data"].dims] == ["", "why", "zed"]


def netcdf_h5py(f):
    assert [s.name for d in f["place"].dims for s in d.values()] == ["/time", "/x"]
    assert list(f) == ["time", "x", "channel", "place", "image", "inner"], "order of creation"


def netcdf_netcdf4(path):
    import netCDF4

    with netCDF4.Dataset(path) as d:
        assert {name: (len(x), x.isunlimited()) for name, x in d.dimensions.items()} == {
            "time": (4, True), "x": (3, False), "channel": (2, False)}, d.dimensions
        assert list(d.variables) == ["time", "x", "place", "image"], list(d.variables)
        place = d["place"]
        assert place.dimensions == ("time", "x") and place.units == "m" and place.scale_factor == 0.5
        assert np.array_equal(place[...], np.arange(12).reshape(4, 3) * 0.5)
        assert d["image"].dimensions == ("channel", "x") and np.all(d["image"][...] == 1.5)
        assert d["inner/along x"].dimensions == ("x",) and list(d["inner/along x"][...]) == [7, 8, 9]
        assert d.title == "made by h5"
        assert np.array_equal(netCDF4.num2date(d["time"][...], d["time"].units)[1].second, 0)
    with netCDF4.Dataset(path, "a") as d:
        d["place"][4:6] = np.ones((2, 3))
        d["time"][4:6] = 2.0, 2.5
        d.createDimension("more", 5)
        d.createVariable("new", "f8", ("time", "more"), zlib=True)[...] = 3.0
    with netCDF4.Dataset(path) as d:
        assert len(d.dimensions["time"]) == 6 and d["new"].shape == (6, 5)
        assert np.array_equal(d["place"][3:], [[4.5, 5, 5.5], [1, 1, 1], [1, 1, 1]])
    return f"netCDF4 {netCDF4.__version__} with netCDF-C {netCDF4.__netcdf4libversion__}"


def netcdf_h5netcdf(path):
    import h5netcdf

    with h5netcdf.File(path, "r") as d:
        assert {n: (x.size, x.isunlimited()) for n, x in d.dimensions.items()} == {
            "time": (4, True), "x": (3, False), "channel": (2, False)}, dict(d.dimensions)
        assert d.variables["place"].dimensions == ("time", "x")
        assert np.array_equal(d.variables["place"][...], np.arange(12).reshape(4, 3))
        assert d.groups["inner"].variables["along x"].dimensions == ("x",)
    with h5netcdf.File(path, "a") as d:
        d.create_variable("new", ("x",), "i4", data=[1, 2, 3])
    with h5netcdf.File(path, "r") as d:
        assert list(d.variables["new"][...]) == [1, 2, 3]
    return f"h5netcdf {h5netcdf.__version__}"


def netcdf_xarray(path):
    import xarray

    for engine in "netcdf4", "h5netcdf":
        with xarray.open_dataset(path, engine=engine) as d:
            assert d["place"].dims == ("time", "x") and d.sizes == {"time": 4, "x": 3, "channel": 2}
            assert np.array_equal(d["place"].sel(x=2.0), [0.5, 2, 3.5, 5])
            assert str(d["time"].values[2]).startswith("2000-01-01T00:00:01"), d["time"].values
    return f"xarray {xarray.__version__}"


def main(folder, everything):
    for profile in "compatible", "modern":
        path = os.path.join(folder, f"scales-{profile}.h5")
        with h5py.File(path, "r") as f:
            scales(f)
        shutil.copy(path, path + ".edited")
        edit_scales(path + ".edited")
        os.remove(path + ".edited")
        print("ok", os.path.basename(path))
        path = os.path.join(folder, f"netcdf-{profile}.h5")
        with h5py.File(path, "r") as f:
            netcdf_h5py(f)
        for check in netcdf_netcdf4, netcdf_h5netcdf, netcdf_xarray:
            shutil.copy(path, path + ".edited.nc")
            try:
                print("ok", os.path.basename(path), "with", check(path + ".edited.nc"))
            except ModuleNotFoundError as e:
                if everything:
                    raise
                print("skipped:", e)
            os.remove(path + ".edited.nc")


if __name__ == "__main__":
    main(sys.argv[1], "--all" in sys.argv)
