#!/usr/bin/env python3
"""Writes the folder that the browser tests look at.

usage: viewer/test/make_files.py FOLDER      needs h5py and numpy
"""

import sys
from pathlib import Path

import h5py
import numpy as np

folder = Path(sys.argv[1])
(folder / "sub").mkdir(parents=True, exist_ok=True)
y, x = np.mgrid[-3:3:120j, -4:4:160j]

with h5py.File(folder / "tour.h5", "w") as f:
    f.attrs["title"] = "A tour of everything"
    f.attrs["version"] = np.int32(3)
    f.create_dataset("image", data=np.exp(-(x**2 + y**2) / 4).astype("f4"), chunks=(32, 32), compression=4, shuffle=True)
    f["image"].attrs["units"] = "counts"
    f["image"].attrs["offset"] = np.array([0.5, 1.5])
    f["line"] = np.sin(np.linspace(0, 12, 500))
    f["cube"] = np.arange(4 * 30 * 40, dtype="<i4").reshape(4, 30, 40)
    f["half"] = np.linspace(-1, 1, 50).astype("f2")
    f["big_endian"] = np.arange(20, dtype=">i4")
    f["int64"] = np.array([2**53 + 1, -(2**62)], "<i8")
    table = np.zeros(3, [("name", "S8"), ("count", "<i4"), ("ratio", "<f8")])
    table["name"], table["count"], table["ratio"] = [b"first", b"second", b"third"], [10, 20, 30], [0.5, 1.25, -2.75]
    f["table"] = table
    f["complex"] = np.array([1 + 2j, 3 - 4j, -0.5j])
    f["flags"] = np.array([True, False, True, True])
    f["text"] = "Grüße from a string"
    f["texts"] = np.array(["alpha", "beta", "gamma"], h5py.string_dtype())
    f["scalar"] = 42.125
    f["empty"] = h5py.Empty("f8")
    f.create_dataset("colours", data=np.array([0, 2, 0], "u1"), dtype=h5py.enum_dtype({"RED": 0, "BLUE": 2}))
    group = f.create_group("deep/deeper/deepest")
    group["number"] = np.int64(7)
    f["soft"] = h5py.SoftLink("/line")
    f["external"] = h5py.ExternalLink("sub/other.h5", "/remote")
    f["broken"] = h5py.SoftLink("/nowhere")

with h5py.File(folder / "sub" / "other.h5", "w") as f:
    f["remote"] = np.arange(12.0).reshape(3, 4)
