"""Compares h5flow in Python with `h5::h5flow` on the same files: python flow.py RUNNER FOLDER

RUNNER is the example flow_runner, built with --release --features h5flow. Needs h5flow on the path and H5FLOW_NOMPI=1.
"""
import os
import subprocess
import sys
import time

import numpy as np
from h5flow.data import dereference_chain
from h5flow.data.h5flow_data_manager import H5FlowDataManager

RUNNER, FOLDER = sys.argv[1:3]
EVENT = np.dtype([("id", "i8"), ("ts", "i8"), ("q", "f8")])


def spread(count, below):
    return ((np.arange(count, dtype="u8") * np.uint64(2654435761)) % np.uint64(below)).astype(int)


def make(path):
    rng = np.random.default_rng(1)
    dm = H5FlowDataManager(path, mode="w", mpi=False)
    for name, n in (("a", 100_000), ("b", 1_000_000), ("c", 100_000), ("big", 1_000_000)):
        dm.create_dset(name, EVENT)
        rows = np.zeros(n, EVENT)
        rows["id"] = np.arange(n)
        dm.write_data(name, dm.reserve_data(name, n), rows)
    for pair in (("a", "b"), ("b", "c"), ("big", "b")):
        dm.create_ref(*pair)
    children = np.arange(1_000_000)
    dm.write_ref("a", "b", np.stack([children // 10, children], 1))
    mixed = rng.permutation(1_000_000)
    dm.write_ref("b", "c", np.stack([mixed, rng.integers(0, 100_000, 1_000_000)], 1))
    many = np.arange(10_000_000)
    dm.write_ref("big", "b", np.stack([many // 10, many % 1_000_000], 1))
    dm.finish()


def append(path):
    dm = H5FlowDataManager(path, mode="w", mpi=False, compression="gzip")
    dm.create_dset("ev", np.dtype("u8"), (3,))
    dm.create_dset("hit", np.dtype("u8"))
    dm.create_ref("ev", "hit")
    for batch in range(1000):
        s = dm.reserve_data("ev", 1000)
        i = np.r_[s]
        dm.write_data("ev", s, np.stack([i, i // 4, i % 7], 1))
        h = dm.reserve_data("hit", 1000)
        dm.write_data("hit", h, np.r_[h])
        k = np.arange(1000)
        dm.write_ref("ev", "hit", np.stack([batch * 1000 + k // 2, h.start + k], 1))
    dm.finish()
    return 1_000_000


def load(path, names, sel, regions):
    dm = H5FlowDataManager(path, mode="r", mpi=False)
    pairs = list(zip(names[:-1], names[1:]))
    refs, directions = zip(*[dm.get_ref(*p) for p in pairs])
    tables = [dm.get_ref_region(*p) for p in pairs] if regions else None
    out = dereference_chain(sel, list(refs), dm.get_dset(names[-1]), regions=tables, ref_directions=directions)
    dm.close_file()
    return int((~out.mask["id"]).sum())


def main():
    path = os.path.join(FOLDER, "flow_bench.h5")
    if not os.path.exists(path):
        make(path)
    cases = {
        "masked": (["a", "b"], slice(0, 100_000), True),
        "random": (["a", "b"], spread(100_000, 100_000), True),
        "slice": (["a", "b"], slice(40_000, 50_000), True),
        "unsorted": (["c", "b"], slice(0, 100_000), False),
        "chain": (["a", "b", "c"], slice(0, 100_000), True),
        "spread": (["big", "b"], np.arange(10) * 99_999, True),
    }
    out = os.path.join(FOLDER, "flow_append.h5")
    for name in [*cases, "append"]:
        best, count = 1e9, None
        for _ in range(1 if name == "append" else 3):
            start = time.perf_counter()
            count = append(out) if name == "append" else load(path, *cases[name])
            best = min(best, time.perf_counter() - start)
        words = subprocess.run([RUNNER, name, out if name == "append" else path], capture_output=True, text=True, check=True)
        own, found = words.stdout.split()
        assert int(found) == count, (name, found, count)
        print(f"{name:10} {best * 1e3:10.1f} ms  {float(own) * 1e3:10.1f} ms  {best / float(own):6.1f}x", flush=True)


main()
