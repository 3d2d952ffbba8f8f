#!/usr/bin/env python3
"""Writes basic.h5 beside this script: the file of the examples in the documentation. Needs h5py and numpy."""

from pathlib import Path

import h5py
import numpy as np

ROW = np.dtype([("id", "<i8"), ("time [s]", "<f8"), ("detector", h5py.string_dtype())])

with h5py.File(Path(__file__).with_name("basic.h5"), "w") as f:
    f.attrs["title"] = "Examples"
    measurements = f.create_group("measurements")
    temperature = measurements.create_dataset(
        "temperature",
        data=np.arange(12.0).reshape(4, 3) / 2 + 280,
        chunks=(2, 3),
        maxshape=(None, 3),
        compression="gzip",
        shuffle=True,
    )
    temperature.attrs["units"] = "K"
    temperature.attrs["valid_range"] = [200.0, 350.0]
    measurements["valid"] = np.array([True, True, False, True])
    measurements["station"] = ["Aachen", "Zürich", "Kiruna", "Nuuk"]
    events = np.array([(1, 0.25, "front"), (2, 0.5, "rear"), (7, 4.0, "front")], ROW)
    f.create_dataset("events", data=events, chunks=(2,))
    colour = h5py.enum_dtype({"RED": 0, "GREEN": 1, "BLUE": 2}, "u1")
    f["colours"] = np.array([2, 0, 1], colour)
    f["latest"] = h5py.SoftLink("/measurements/temperature")
