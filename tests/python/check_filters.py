#!/usr/bin/env python3
"""h5py and hdf5plugin read the file that `cargo test --test write_filters` has written, and find all its datasets equal.

usage: H5_FILTERED_FILE=FILE cargo test --features full --test write_filters && check_filters.py FILE
"""

import sys

import h5py
import hdf5plugin  # noqa: F401  (registers the filters)
import numpy as np

checks = 0
with h5py.File(sys.argv[1], "r") as f:
    for dtype in f.values():
        for group in dtype.values():
            plain = group["plain"][()]
            for name, dataset in group.items():
                checks += 1
                if not np.array_equal(dataset[()], plain):
                    raise SystemExit(f"{dataset.name}: not equal to {group.name}/plain")
                if name != "plain" and dataset.id.get_create_plist().get_nfilters() != 1:
                    raise SystemExit(f"{dataset.name}: not filtered")
print(f"{checks} datasets equal, read by HDF5 {h5py.version.hdf5_version} and hdf5plugin {hdf5plugin.version}")
if checks < 450:
    raise SystemExit("too few")
