#!/usr/bin/env python3
"""h5py and this library take turns in editing the same files, and find what the other wrote.

usage: edit_rounds.py PROGRAM [ROUNDS]       PROGRAM is examples/edit_rounds
"""
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np


def make(folder):
    for libver in ["earliest", "v108", "v110", "latest"]:
        yield folder / f"{libver}.h5", dict(libver=libver)
        yield folder / f"{libver}_ordered.h5", dict(libver=libver, track_order=True)
    yield folder / "user_block.h5", dict(userblock_size=1024)
    for strategy in ["fsm", "page", "aggregate", "none"]:
        for persist in [False, True]:
            yield folder / f"{strategy}_{persist}.h5", dict(fs_strategy=strategy, fs_persist=persist, fs_threshold=1)


def python_round(path, r):
    with h5py.File(path, "r+") as f:
        rows = f["rows"]
        rows.resize(rows.shape[0] + 3, axis=0)
        rows[-3:] = r
        rows.attrs[f"python{r}"] = "text"
        f[f"python/{r}/data"] = np.full(500, r)
        if r >= 3:
            del rows.attrs[f"rust{r - 3}"]


def check(path, rounds):
    with h5py.File(path, "r") as f:
        want = [np.full((n, 3), r) for r in range(rounds) for n in (5, 3)]
        np.testing.assert_array_equal(f["rows"][()], np.concatenate(want))
        left = range(max(0, rounds - 3), rounds)
        assert set(f["rows"].attrs) == {f"{who}{r}" for who in ("python", "rust") for r in left}
        assert {int(k) for k in f["python"]} == {0, *range(max(0, rounds - 2), rounds)}, list(f["python"])
        assert {int(k) for k in f["rust"] if "text" not in k} == set(left), list(f["rust"])
        for r in range(rounds):
            assert list(f[f"rust/text{r}"].asstr()) == [f"round {r}"] * 20
        for r in left:
            assert f["rows"].attrs[f"rust{r}"].tolist() == [r] * (r % 7 + 1)
            assert f[f"rust/{r}"].attrs["text"] == "x" * (r * 10 + 1)
        np.testing.assert_array_equal(f["first"][()], np.arange(1000.0))
        assert f[f["reference"][()]] == f["first"]


def main():
    program, rounds = sys.argv[1], int((sys.argv[2:] or [10])[0])
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for path, how in make(Path(folder)):
            with h5py.File(path, "w", **how) as f:
                f["first"] = np.arange(1000.0)
                f["reference"] = f["first"].ref
                f.create_group("python")
                for i in range(30):
                    f[f"old/{i}"] = i
                del f["old"]
            files.append(path)
        for r in range(rounds):
            subprocess.run([program, str(r), *map(str, files)], check=True)
            for path in files:
                try:
                    python_round(path, r)
                    check(path, r + 1)
                except Exception as e:
                    raise RuntimeError(f"{path.name}, round {r}") from e
        print(f"{len(files)} files, {rounds} rounds: equal")


if __name__ == "__main__":
    main()
