#!/usr/bin/env python3
"""h5py reads what `cargo test --test write` has written, and finds it equal.

usage: H5_WRITTEN_DIR=DIR cargo test --test write && check_written.py DIR
"""

import os
import sys

import h5py
import numpy as np

ROW = np.dtype([("id", "<i8"), ("t", "<f8"), ("ch", "<i4"), ("q", "<f4")])
checks = 0


def same(found, expected, what):
    global checks
    checks += 1
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape or not np.array_equal(found, expected):
        raise SystemExit(f"{what}: {found!r} is not {expected!r}")


def ramp(shape):
    return (np.arange(np.prod(shape), dtype="f8") * 0.5 - 3.0).reshape(shape)


def rows(n):
    i = np.arange(n)
    out = np.zeros(n, ROW)
    out["id"], out["t"], out["ch"], out["q"] = i * 3 - 7, i * 0.25, -i, i * 1.5
    return out


def layouts(f):
    indexes = {"single": "", "fixed": "", "one_unlimited": "", "unlimited": ""}
    for shape in [(1000,), (37, 41), (7, 8, 9)]:
        group = f[f"rank{len(shape)}"]
        assert len(group) == 17, list(group)
        for name, dataset in group.items():
            same(dataset[...], ramp(shape), dataset.name)
            assert dataset.shape == shape
        assert group["unlimited"].maxshape == (None,) * len(shape)
        assert group["contiguous"].chunks is None
        assert group["guessed"].chunks == h5py._hl.filters.guess_chunk(shape, None, 8)
        assert group["all"].fletcher32 and group["all"].shuffle and group["all"].compression == "gzip"
        assert group["lzf"].compression == "lzf" and group["szip"].compression == "szip"
    del indexes


def mixed(i):
    return i % 2 == 0, i / 3.0, ("n" * i).encode(), list(range(i)), [i, 1]


def datatypes(f):
    plain = {
        "u8": np.array([0, 1, 255], "u1"), "i8": np.array([0, -1, 127], "i1"),
        "u16": np.array([0, 1, 65535], "u2"), "i16": np.array([0, -1, 32767], "i2"),
        "u32": np.array([0, 1, 2**32 - 1], "u4"), "i32": np.array([0, -1, 2**31 - 1], "i4"),
        "u64": np.array([0, 1, 2**64 - 1], "u8"), "i64": np.array([0, -1, -2**63], "i8"),
        "f32": np.array([0, -1.5, np.finfo("f4").max], "f4"), "f64": np.array([0, -1.5, np.finfo("f8").min]),
        "bool": np.array([True, False, True]), "complex": np.array([1j, 2 - 3j, 0]),
        "array": np.arange(1, 10, dtype="u2").reshape(3, 3), "row": rows(3),
        "string": np.array([b"a", b"", "grün".encode()], object),
    }
    for name, expected in plain.items():
        for dataset in f[name], f[name + "_chunked"]:
            same(dataset[...], expected, dataset.name)
            if name not in ("array", "string"):
                assert dataset.dtype == expected.dtype, (name, dataset.dtype)
        found = f.attrs[name]
        if name == "string":
            found = [s.encode() for s in found]
        same(found, expected, "attribute " + name)
    for name in "vlen", "vlen_chunked":
        found = [list(v) for v in f[name][...]]
        assert found == [[1, 2, 3], [], [4]], found
    for name in "mixed", "mixed_chunked":
        for i, found in enumerate(f[name][...]):
            flag, value, text, items, pair = found
            found = bool(flag), float(value), bytes(text), list(items), list(pair)
            assert found == mixed(i), (found, mixed(i))
    same(f["fixed"][...], np.array([b"counts", b"ab"], "S6"), "fixed")


def spaces(f):
    same(f["scalar"][()], 2.5, "scalar")
    assert f["text"][()] == b"t"
    assert f["null"].shape is None and isinstance(f.attrs["null"], h5py.Empty)
    same(f["empty"][...], np.zeros((4, 0), "i4"), "empty")
    same(f["unwritten"][...], np.zeros((4, 3), "i4"), "unwritten")
    sevens = np.full((4, 3), 7, "i4")
    same(f["filled"][...], sevens, "filled")
    same(f["early"][...], sevens, "early")
    assert f["filled"].fillvalue == 7 and f["early"].id.get_num_chunks() == 4
    sevens[2] = 1, 2, 3
    same(f["part"][...], sevens, "part")
    same(f["chunks"][...], sevens, "chunks")


def appends(f):
    same(f["rows"][...], rows(5000), "rows")
    one = np.tile([0.0, 1.0, 2.0], (10, 1))
    one[:, 0] = range(10)
    same(f["one"][...], one, "one")
    cut = np.zeros((9, 9))
    cut[:6, :7] = ramp((10, 12))[:6, :7]
    cut[8, 1], cut[8, 3] = -1, -2
    same(f["cut"][...], cut, "cut")


def many_chunks(f):
    data = np.arange(40000, dtype="i4")
    for name in "fixed", "extensible", "extensible_deflate":
        same(f[name][...], data, name)
    same(f["btree"][...], data.reshape(200, 200), "btree")
    for name in "sparse", "sparse_fixed":
        expected = np.zeros(1_000_000, "i4")
        expected[700_000] = 5
        same(f[name][...], expected, name)


def links(f):
    for path in "a/b/c/x", "again", "soft":
        same(f[path][...], [1, 2, 3], path)
    assert f["again"] == f["a/b/c/x"] and h5py.h5o.get_info(f["again"].id).rc == 2
    link = f.get("external", getlink=True)
    assert (link.filename, link.path) == ("other.h5", "/x")
    assert f.get("dangling", getlink=True).path == "/nowhere"
    assert f["type"].dtype == ROW
    many = f["many"]
    assert len(many) == 1000 and len(many.attrs) == 1001
    assert list(many)[0] == "link 999 " + "y" * 49, "creation order"
    for i in range(1000):
        assert many.get(f"link {i} " + "y" * (i % 50), getlink=True).path == "/a"
        assert many.attrs[f"attribute {i}"] == i
    few = f["few"]
    assert list(few) == ["z", "a", "m"] and list(few.attrs) == ["z", "a", "m"]
    for holder in many, f["again"]:
        same(holder.attrs["large"], np.full(100_000, 7, "u1"), "large")
    assert f["again"].attrs["long"] == b"x" * 5000
    same(f["again"].attrs["replaced"], [1.5, 2.5], "replaced")
    references = f["references"][...]
    same(f[references[0]][...], [1, 2, 3], "reference")
    assert f[references[1]].name == "/" and not references[2]
    assert list(f[f["again"].attrs["back"]]) == ["x"]


def links100k(f):
    assert f.userblock_size == 1024
    group = f["g"]
    assert len(group) == 100_000 and "77777" in group and "100000" not in group
    assert sorted(group, key=int)[-1] == "99999"


def values(f):
    for name, order in ("from", [3, 0, 5]), ("to", [3, 0, 3]):
        for i, (flag, value, text, items, pair) in zip(order, f[name][...]):
            assert (bool(flag), float(value), bytes(text), list(items), list(pair)) == mixed(i), name


def edit(path):
    """libhdf5 goes on where we have stopped."""
    with h5py.File(path, "r+") as f:
        for name in [n for n in ("many", "g") if n in f]:
            for i in range(50):
                f[name][f"new {i}"] = h5py.SoftLink("/x")
                f[name].attrs[f"new {i}"] = i
            for key in [k for k in list(f[name]) if not k.startswith("new")][:20]:
                del f[name][key]
        for name in [n for n in ("rows", "extensible", "extensible_deflate", "btree") if n in f]:
            dataset = f[name]
            before = dataset[...]
            dataset.resize(dataset.shape[0] + 100, axis=0)
            dataset[-100:] = before[:100]
        f.create_dataset("by h5py", data=np.arange(10), chunks=(3,), compression="gzip")
        f.attrs["by h5py"] = "text"
    with h5py.File(path, "r") as f:
        for name in [n for n in ("rows", "extensible", "extensible_deflate", "btree") if n in f]:
            same(f[name][-100:], f[name][:100], name + " edited")
        for name in [n for n in ("many", "g") if n in f]:
            assert "new 49" in f[name] and f[name].attrs["new 49"] == 49
        same(f["by h5py"][...], np.arange(10), "by h5py")


def main(folder):
    for name, check in [
        ("layouts", layouts), ("datatypes", datatypes), ("spaces", spaces), ("appends", appends),
        ("many_chunks", many_chunks), ("links", links), ("links100k", links100k), ("values", values),
    ]:
        profiles = [""] if name in ("links100k", "values") else ["-compatible", "-modern"]
        for profile in profiles:
            path = os.path.join(folder, name + profile + ".h5")
            with h5py.File(path, "r") as f:
                check(f)
            with open(path, "rb") as source, open(path + ".edited", "wb") as copy:
                copy.write(source.read())
            edit(path + ".edited")
            os.remove(path + ".edited")
            print("ok", name + profile)
    print(checks, "arrays equal, with h5py", h5py.__version__, "and HDF5", h5py.version.hdf5_version)


if __name__ == "__main__":
    main(sys.argv[1])
