#!/usr/bin/env python3
"""h5py reads what `cargo test --test edit_scripts` has written, finds what the model has, and can go on editing.

usage: H5_SCRIPTS_DIR=DIR cargo test --test edit_scripts && check_scripts.py DIR
"""

import glob
import json
import os
import sys

import h5py
import numpy as np


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def check(path, model):
    with h5py.File(path, "r") as f:
        for name, item in model.items():
            here = f"{path}: {name}"
            if "links" not in item and "shape" not in item and "texts" not in item:
                f[name]
                continue
            found = f[name]
            if "links" in item:
                names = set(found)
                assert names - {"by h5py"} == set(item["links"]), f"{here}: links {names}"
            for key, value in item["attributes"].items():
                try:
                    stored = found.attrs[key]
                except OSError as e:
                    raise AssertionError(f"{here}: attribute {key}: {e}") from None
                if value is None:
                    continue
                if isinstance(value, list):
                    same = isinstance(stored, np.ndarray) and list(stored) == value
                else:
                    same = text(stored) == value
                assert same, f"{here}: attribute {key}: {stored!r} is not {value!r}"
            extra = {"by h5py"} if name == "/" else set()
            assert set(found.attrs) - extra == set(item["attributes"]), f"{here}: attributes {set(found.attrs)}"
            if "shape" in item:
                assert found.shape == tuple(item["shape"]), f"{here}: {found.shape}"
                assert list(found[...].flatten()) == item["ints"], f"{here}: values"
            if "texts" in item:
                assert [text(t) for t in found[...]] == item["texts"], f"{here}: texts"


def main():
    paths = sorted(glob.glob(os.path.join(sys.argv[1], "*.h5")))
    for path in paths:
        with open(path[:-3] + ".json") as f:
            model = json.load(f)
        check(path, model)
        # An edit by libhdf5, which uses the free space that it finds.
        with h5py.File(path, "r+") as f:
            if "by h5py" in f:
                continue
            f.attrs["by h5py"] = np.arange(100)
            f.create_group("by h5py")["data"] = np.arange(1000)
        check(path, model)
    assert paths
    print(f"{len(paths)} files that scripts made hold what their models hold, before and after an edit by h5py")


main()
