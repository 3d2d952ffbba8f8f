#!/usr/bin/env python3
"""Writes basic.h5 and, beside it, what `h5 cat` must print of it (basic/*.npy, *.csv, *.json), made with numpy.

usage: python3 testdata/make_basic.py      needs h5py and numpy
"""

import csv
import json
import os

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "basic")
os.makedirs(OUT, exist_ok=True)


def npy(name, array):
    np.save(os.path.join(OUT, name + ".npy"), array)


def js(name, value):
    with open(os.path.join(OUT, name + ".json"), "w") as f:
        json.dump(value, f, indent=None)
        f.write("\n")


def rows(name, table):
    with open(os.path.join(OUT, name + ".csv"), "w", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(table)


with h5py.File(os.path.join(HERE, "basic.h5"), "w", libver=("earliest", "latest")) as f:
    f.attrs["title"] = "basic"
    f.attrs["version"] = np.int32(3)

    # Plain numbers, chunked, and links to them.
    m = f.create_group("measurements")
    temperature = np.array([[20.5, 21.25, -3.0], [0.1, 1e300, 5e-324], [1.0, 2.0, 3.0], [np.nan, np.inf, -np.inf]])
    d = m.create_dataset("temperature", data=temperature)
    d.attrs["units"] = "degree_Celsius"
    d.attrs["range"] = np.array([-40.0, 60.0], "f4")
    counts = (np.arange(1000).reshape(100, 10) * 7 - 99).astype(">i4")
    m.create_dataset("counts", data=counts, chunks=(16, 4), maxshape=(None, 20), compression=6, shuffle=True,
                     fletcher32=True, fillvalue=-1)
    m["again"] = m["temperature"]
    cube = np.arange(24, dtype="u2").reshape(2, 3, 4)
    m.create_dataset("cube", data=cube)
    npy("temperature", temperature)
    npy("counts", counts)
    npy("counts_part", counts[3:50:7, -1])
    npy("cube", cube)
    rows("temperature", [[20.5, 21.25, "-3.0"], [0.1, "1e300", "5e-324"], ["1.0", "2.0", "3.0"], ["nan", "inf", "-inf"]])
    rows("cube", [["dim0", "dim1", 0, 1, 2, 3]] + [[i, j, *cube[i, j]] for i in range(2) for j in range(3)])
    js("temperature", [[x if np.isfinite(x) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(x)]
                        for x in row] for row in temperature.tolist()])
    js("counts", counts.tolist())
    js("cube", cube.tolist())

    # Types.
    t = f.create_group("types")
    point = np.dtype({"names": ["x", "id", "tag"], "formats": ["<f4", ">u8", "S3"], "offsets": [0, 8, 16], "itemsize": 24})
    table = np.zeros(3, point)
    table["x"], table["id"], table["tag"] = [0.1, 2, -3], [0, 1, 2**64 - 1], [b"a", b"b,c", b"\"q"]
    t.create_dataset("table", data=table)
    npy("table", table)
    rows("table", [["x", "id", "tag"], [0.1, 0, "a"], ["2.0", 1, "b,c"], ["-3.0", 2**64 - 1, '"q']])
    js("table", [{"x": 0.1, "id": 0, "tag": "a"}, {"x": 2.0, "id": 1, "tag": "b,c"},
                 {"x": -3.0, "id": 2**64 - 1, "tag": '"q'}])
    nested = np.array([((1, 2.5), [1, 2, 3]), ((3, -1.5), [4, 5, 6])], [("p", [("a", "i1"), ("b", "<f8")]), ("v", "<i2", (3,))])
    t.create_dataset("nested", data=nested)
    npy("nested", nested)
    js("nested", [{"p": {"a": 1, "b": 2.5}, "v": [1, 2, 3]}, {"p": {"a": 3, "b": -1.5}, "v": [4, 5, 6]}])
    rows("nested", [["p.a", "p.b", "v"], [1, 2.5, "[1, 2, 3]"], [3, -1.5, "[4, 5, 6]"]])
    flags = np.array([True, False, True])
    t.create_dataset("flags", data=flags)
    npy("flags", flags)
    js("flags", flags.tolist())
    colours = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 42}, basetype="i2")
    t.create_dataset("colours", data=np.array([42, 0, 7], "i2"), dtype=colours)
    npy("colours", np.array([42, 0, 7], "i2"))
    js("colours", ["BLUE", "RED", 7])
    waves = np.array([1 + 2j, -0.5j], "c8")
    t.create_dataset("waves", data=waves)
    npy("waves", waves)
    js("waves", [[1.0, 2.0], [0.0, -0.5]] if str(waves[1].real) != "-0.0" else [[1.0, 2.0], [-0.0, -0.5]])
    halves = np.array([0.1, 65504, 6e-8, -2], "f2")
    t.create_dataset("halves", data=halves)
    npy("halves", halves)
    js("halves", [float(str(x)) for x in halves])
    words = ["plain", "gr\u00fcn", "", "two\nlines \x1b[31m"]
    t.create_dataset("words", data=words, dtype=h5py.string_dtype())
    js("words", words)
    t.create_dataset("bytes", data=np.array([b"abc", b"\xff\xfe", b"z"], "S4"))
    npy("bytes", np.array([b"abc", b"\xff\xfe", b"z"], "S4"))
    js("bytes", ["abc", "\\xff\\xfe", "z"])
    ragged = t.create_dataset("ragged", (3,), h5py.vlen_dtype("<i4"))
    ragged[0], ragged[2] = [1, 2, 3], [-1]
    js("ragged", [[1, 2, 3], [], [-1]])
    refs = t.create_dataset("references", (3,), h5py.ref_dtype)
    refs[0], refs[1] = m["temperature"].ref, f.ref
    js("references", ["/measurements/again", "/", None])
    regions = t.create_dataset("regions", (2,), h5py.regionref_dtype)
    regions[0] = m["counts"].regionref[2:8:2, 3]
    js("regions", ["/measurements/counts[2, 3 | 4, 3 | 6, 3]", None])
    opaque = np.array([b"\x01\x02\x03", b"\xff\x00\xfe"], "V3")
    t.create_dataset("opaque", data=opaque)
    npy("opaque", opaque)
    js("opaque", ["010203", "ff00fe"])
    dates = np.array(["2024-02-29T12:00:00", "1969-12-31T23:59:59"], "M8[s]")
    t.create_dataset("dates", data=dates.astype(h5py.opaque_dtype(dates.dtype)))
    npy("dates", dates)
    bits = h5py.h5t.STD_B16LE.copy()
    space = h5py.h5s.create_simple((2,))
    b = h5py.h5d.create(t.id, b"bits", bits, space)
    b.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([0x0F, 0xBEEF], "<u2"), bits)
    js("bits", ["0x000f", "0xbeef"])
    t["committed"] = np.dtype("<f8")
    t.create_dataset("null", data=h5py.Empty("f4"))
    t.create_dataset("scalar", data=42)
    t.create_dataset("empty", (0, 3), "i4", maxshape=(None, 3))

    # Layouts.
    s = f.create_group("storage")
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    c = h5py.h5d.create(s.id, b"compact", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((5,)), compact)
    c.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(5, dtype="i4"))
    s.create_dataset("never_written", (1000, 1000), "f4")

    # Links, good and bad, and names that want to harm a terminal.
    g = f.create_group("links")
    g["soft"] = h5py.SoftLink("/measurements/temperature")
    g["broken"] = h5py.SoftLink("/nowhere/at/all")
    g["loop"] = h5py.SoftLink("/links/loop")
    g["external"] = h5py.ExternalLink("absent.h5", "/x")
    g["outside"] = h5py.ExternalLink("../../etc/passwd", "/x")
    g["up"] = f["/"]
    g["at@sign"] = 5
    g["esc\x1b[31m\nname"] = 6
    g["at@sign"].attrs["esc\x1b]0;title\x07"] = "val\x1b[2Jue"
    deep = f.create_group("deep")
    for _ in range(3):
        deep = deep.create_group("d")
