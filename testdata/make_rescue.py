#!/usr/bin/env python3
"""Makes rescue_*.h5: small files of every age of the format, which tests/rescue.rs damages."""
import os

import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
for label, libver in {"earliest": "earliest", "v108": ("v108", "v108"), "latest": "latest"}.items():
    with h5py.File(os.path.join(here, f"rescue_{label}.h5"), "w", libver=libver) as f:
        f.attrs["title"] = "to be rescued"
        for i in range(4):
            group = f.create_group(f"run{i}")
            group.attrs["number"] = i
            group.create_dataset("chunked", data=np.arange(200) + i, chunks=(50,), compression="gzip", shuffle=True)
            group.create_dataset("plain", data=np.arange(100, dtype="<i2") + i, chunks=(30,), maxshape=(None,))
            group.create_dataset("contiguous", data=np.linspace(0, 1, 50) + i)
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.COMPACT)
            compact = h5py.h5d.create(group.id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((4,)), plist)
            compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([i, i + 1, i + 2, i + 3], dtype="i4"))
            group["text"] = ["one", "two", "three"]
        # A group of many links.
        many = f.create_group("many")
        for i in range(12):
            many[f"link{i}"] = f["run0/compact"]
