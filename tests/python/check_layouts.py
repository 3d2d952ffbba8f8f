#!/usr/bin/env python3
"""h5py reads what `cargo test --test write_layouts` has written, edits it, and finds it equal.

usage: H5_WRITTEN_DIR=DIR cargo test --test write_layouts && check_layouts.py DIR
"""

import ctypes
import glob
import os
import shutil
import sys

# External files lie beside the file that names them.
os.environ["HDF5_EXTFILE_PREFIX"] = "${ORIGIN}"

import h5py
import numpy as np

checks = 0


def same(found, expected, what):
    global checks
    checks += 1
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or not np.array_equal(found, expected):
        raise SystemExit(f"{what}: {found!r} is not {expected!r}")


def committed(f):
    number, text = f["types/number"], f["types/text"]
    for name in "x", "y":
        used = f[name].id.get_type()
        assert used.committed() and used == number.id, name
    info = h5py.h5o.get_info(number.id)
    assert info.rc == 6 and h5py.h5o.get_info(text.id).rc == 14, info.rc
    same(f["x"][...], [1.5, 2.5], "x")
    assert f["x"].dtype == ">f8"
    same(f["y"][...], [0, 7, 0, 0], "y")
    same(f["names"].asstr()[...], np.array(["a", "bc"], object), "names")
    attribute = h5py.h5a.open(f["x"].id, b"scale")
    assert attribute.get_type().committed() and f["x"].attrs["scale"] == 0.5
    assert not h5py.h5a.open(f["x"].id, b"replaced").get_type().committed()
    same(f["x"].attrs["zeros"], np.zeros(3), "zeros")
    assert len(f["many"].attrs) == 12
    for name in f["many"].attrs:
        assert f["many"].attrs[name] == name
        assert h5py.h5a.open(f["many"].id, name.encode()).get_type().committed()


def implicit(f):
    grid = np.arange(42, dtype="i4").reshape(6, 7)
    same(f["whole"][...], grid, "whole")
    part = np.full((6, 7), -1, "i4")
    part[5, 2:5] = 1, 2, 3
    same(f["part"][...], part, "part")
    grows = np.full((9, 10), 5, "i4")
    grows[:4, :4] = grid[:4, :4]
    grows[0, 0] = 100
    same(f["grows"][...], grows, "grows")
    assert f["empty"].shape == (0, 3) and f["empty"].maxshape == (4, 3)
    assert f["grows"].id.get_create_plist().get_alloc_time() == h5py.h5d.ALLOC_TIME_EARLY


def external(f):
    grid = np.arange(30, dtype="i4").reshape(5, 6)
    same(f["one"][...], grid, "one")
    grid[2, 1:3] = -1, -2
    same(f["two"][...], grid, "two")
    names = [name.rsplit("-", 1)[1] for name, _, _ in f["two"].external]
    assert names == ["two.raw", "three.raw"], names
    assert f["two"].external[1][1:] == (8, h5py.h5f.UNLIMITED), f["two"].external
    same(f["rows"][...], np.array([[1, 2], [3, 4]], "f4"), "rows")
    assert f["rows"].maxshape == (None, 2)
    same(f["filled"][...], np.full(4, 9), "filled")


def virtual(f):
    stack = np.arange(4) + 100 * np.arange(3)[:, None]
    same(f["stack"][...], np.vstack([stack, np.full((1, 4), -7)]), "stack")
    assert f["stack"].is_virtual and len(f["stack"].virtual_sources()) == 3
    swapped = np.arange(12).reshape(3, 2, 2)[:, :, ::-1].reshape(3, 4)
    same(f["swapped"][...], swapped, "swapped")
    same(f["numbered"][...], stack.ravel(), "numbered")
    spread = np.zeros(20, "i4")
    spread[1::2] = range(10)
    same(f["spread"][...], spread, "spread")
    same(f["doubles"][...], [0, 100, 101, 102, 103, 0], "doubles")


def regions(f):
    x = f["x"]
    slab = np.zeros((4, 5), bool)
    slab[1:3, ::2] = True
    for values in f["regions"][...], f["copied"][...], f.attrs["copied"], x.attrs["regions"]:
        assert f[values[0]] == x and f[values[1]] == x and f[values[2]] == x and not values[3]
        same(x[values[0]].ravel(), x[...][slab], "slab")
        space = h5py.h5r.get_region(values[1], x.id)
        same(space.get_select_elem_pointlist(), [[3, 4], [0, 0], [1, 2]], "points")
        same(x[values[2]].ravel(), np.arange(20), "all")
    for name in "objects", "untyped":
        assert f[f[name][0]] == f["y"], name
    assert not f["untyped"][1]


class Library:
    """libhdf5 itself: h5py has no references of HDF5 1.12."""

    def __init__(self):
        folder = os.path.join(os.path.dirname(os.path.dirname(h5py.__file__)), "h5py.libs")
        names = [n for n in glob.glob(os.path.join(folder, "libhdf5*")) if "_hl" not in os.path.basename(n)]
        self.lib = ctypes.CDLL(names[0]) if names else None

    def __getattr__(self, name):
        function = getattr(self.lib, name)
        function.restype = ctypes.c_int64
        return function


def references(f):
    library = Library()
    if library.lib is None:
        print("skipped: the library of h5py is not to be found")
        return
    std = ctypes.c_int64.in_dll(library.lib, "H5T_STD_REF_g").value
    hid = ctypes.c_int64
    for name, of in ("typed", f["typed"].id), ("copied", f["copied"].id), ("attribute", None):
        buffer = ctypes.create_string_buffer(4 * 64)
        if of is None:
            attribute = h5py.h5a.open(f.id, b"typed")
            status = library.H5Aread(hid(attribute.id), hid(std), buffer)
        else:
            status = library.H5Dread(hid(of.id), hid(std), hid(0), hid(0), hid(0), buffer)
        assert ctypes.c_int32(status).value >= 0, name
        at = [ctypes.byref(buffer, 64 * i) for i in range(4)]
        kinds = [ctypes.c_int32(library.H5Rget_type(a)).value for a in at]
        assert kinds[:3] == [2, 3, 4], kinds
        assert not any(buffer.raw[192:]) or kinds[3] in (-1, 0), kinds
        text = ctypes.create_string_buffer(64)
        for a in at[:3]:
            library.H5Rget_obj_name(a, hid(0), text, ctypes.c_size_t(64))
            assert text.value == b"/x", text.value
        library.H5Rget_attr_name(at[2], text, ctypes.c_size_t(64))
        assert text.value == b"units", text.value
        region = h5py.h5s.SpaceID(library.H5Ropen_region(at[1], hid(0), hid(0)))
        assert region.get_select_npoints() == 6, region.get_select_npoints()
        same(region.get_regular_hyperslab(), [(1,), (4,), (3,), (2,)], "region")


def edit(path):
    """libhdf5 goes on where we have stopped."""
    with h5py.File(path, "r+") as f:
        if "types/number" in f:
            del f["y"]
            assert h5py.h5o.get_info(f["types/number"].id).rc == 5
            f.create_dataset("z", data=[1.0], dtype=f["types/number"])
            assert h5py.h5o.get_info(f["types/number"].id).rc == 6
        if "grows" in f:
            f["grows"].resize((5, 5))
            f["grows"][4, 4] = -3
            f["whole"][1, 1] = -3
        if "rows" in f:
            f["rows"].id.set_extent((3, 2))
            f["rows"][2] = 5, 6
        f.create_dataset("by h5py", data=np.arange(10), chunks=(3,), compression="gzip")
    with h5py.File(path, "r") as f:
        if "types/number" in f:
            same(f["z"][...], [1.0], "z")
        if "grows" in f:
            assert f["grows"][4, 4] == -3 and f["grows"][1, 1] == 8 and f["whole"][1, 1] == -3
        if "rows" in f:
            same(f["rows"][...], [[1, 2], [3, 4], [5, 6]], "rows edited")
        same(f["by h5py"][...], np.arange(10), "by h5py")


def main(folder):
    copies = os.path.join(folder, "edited")
    for check in committed, implicit, external, virtual, regions, references:
        for profile in "compatible", "modern":
            name = f"{check.__name__}-{profile}"
            with h5py.File(os.path.join(folder, name + ".h5"), "r") as f:
                check(f)
            # With the files that it leads to.
            os.makedirs(copies)
            for part in glob.glob(os.path.join(folder, check.__name__ + "-*")):
                shutil.copy(part, copies)
            edit(os.path.join(copies, name + ".h5"))
            shutil.rmtree(copies)
            print("ok", name)
    print(checks, "arrays equal, with h5py", h5py.__version__, "and HDF5", h5py.version.hdf5_version)


if __name__ == "__main__":
    main(sys.argv[1])
