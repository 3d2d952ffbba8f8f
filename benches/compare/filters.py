#!/usr/bin/env python3
"""Compares the speed of undoing filters with that of h5py and hdf5plugin, on 128 MiB of what a detector gives.

Needs h5py, hdf5plugin and numpy. Measured as compare.py does, with one and with two threads of ours (h5py always has
one, and blosc2 is told so). `faster` and `two` are medians of the wall's time, `in CPU` is the ratio of processor time of
one thread each, in the best rounds: that is what a busy machine disturbs least, and what the goal is about. `scaling` is
how many times two threads are faster than one, in the best rounds too; it says something only if two cores are free.
`missed` names the goals that are not reached: one core, two cores.
"""

import argparse
import os
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from compare import HERE, build_runner, measure, target_dir

MIB = 1 << 20
GOALS = {"bitshuffle-lz4": 1, "blosc-zstd": 1, "blosc-lz4": 1, "zstd": 0.8, "zfp": 0.7}
SCALING = 1.8

# Name, element type, and how h5py is told to filter. The goal is that of the longest name in GOALS which begins it.
FILTERS = [
    ("none u16", "u16", {}),
    ("bitshuffle u16", "u16", hdf5plugin.Bitshuffle(cname="none")),
    ("bitshuffle-lz4 u16", "u16", hdf5plugin.Bitshuffle(cname="lz4")),
    ("bitshuffle-lz4 u32", "u32", hdf5plugin.Bitshuffle(cname="lz4")),
    ("bitshuffle-zstd u32", "u32", hdf5plugin.Bitshuffle(cname="zstd")),
    ("lz4 u16", "u16", hdf5plugin.LZ4()),
    ("lz4 u32", "u32", hdf5plugin.LZ4()),
    ("zstd u16", "u16", hdf5plugin.Zstd()),
    ("zstd u32", "u32", hdf5plugin.Zstd()),
    ("zstd f32", "f32", hdf5plugin.Zstd()),
    ("zstd shuffle f32", "f32", {**hdf5plugin.Zstd(), "shuffle": True}),
    ("blosc-lz4 u16", "u16", hdf5plugin.Blosc(cname="lz4")),
    ("blosc-lz4 u32", "u32", hdf5plugin.Blosc(cname="lz4")),
    ("blosc-lz4 bits u32", "u32", hdf5plugin.Blosc(cname="lz4", shuffle=2)),
    ("blosc-zstd u16", "u16", hdf5plugin.Blosc(cname="zstd")),
    ("blosc-zstd u32", "u32", hdf5plugin.Blosc(cname="zstd")),
    ("blosc-zstd bits u32", "u32", hdf5plugin.Blosc(cname="zstd", shuffle=2)),
    ("blosc-zstd f32", "f32", hdf5plugin.Blosc(cname="zstd")),
    ("blosc u32", "u32", hdf5plugin.Blosc(cname="blosclz")),
    ("blosc2-lz4 u32", "u32", hdf5plugin.Blosc2(cname="lz4")),
    ("blosc2-zstd u32", "u32", hdf5plugin.Blosc2(cname="zstd")),
    ("zfp accuracy f32", "f32", hdf5plugin.Zfp(accuracy=0.01)),
    ("zfp precision f32", "f32", hdf5plugin.Zfp(precision=16)),
    ("zfp rate f32", "f32", hdf5plugin.Zfp(rate=8)),
    ("zfp reversible f32", "f32", hdf5plugin.Zfp(reversible=True)),
    ("zfp rate i32", "i32", hdf5plugin.Zfp(rate=8)),
    ("zfp reversible i32", "i32", hdf5plugin.Zfp(reversible=True)),
    ("bzip2 u16", "u16", hdf5plugin.BZip2()),
]

TYPES = {"u16": "<u2", "u32": "<u4", "i32": "<i4", "f32": "<f4", "f64": "<f8"}


def detector(dtype, mib, seed=1):
    """Frames of 1024 x 1024: counts of a weak background with rings and peaks, and dead pixels; or these corrected."""
    random = np.random.Generator(np.random.PCG64(seed))
    side = 1024
    count = max(1, mib * MIB // (side * side * np.dtype(dtype).itemsize))
    y, x = np.mgrid[:side, :side] - (side / 2 - 0.5)
    radius = np.hypot(x, y)
    mean = 3 * np.exp(-radius / 300) + 0.15
    for ring, width, height in [(150, 4, 4), (260, 6, 2.5), (390, 5, 1.5)]:
        mean += height * np.exp(-(((radius - ring) / width) ** 2))
    dead = random.random((side, side)) < 5e-4
    dead[:, 340:344] = dead[680:684] = True
    frames = np.empty((count, side, side), dtype)
    for frame in frames:
        counts = random.poisson(mean).astype("i8")
        for row, column in random.integers(8, side - 8, (60, 2)):
            spot = 10 ** random.uniform(1, 4) * np.exp(-(np.mgrid[-3:4, -3:4] ** 2).sum(0) / 2)
            counts[row - 3 : row + 4, column - 3 : column + 4] += random.poisson(spot)
        if np.dtype(dtype).kind == "f":
            frame[:] = (counts / (0.9 + 0.1 * np.cos(radius / 400))).round(3)
            frame[dead] = np.nan
        else:
            frame[:] = np.minimum(counts, np.iinfo(dtype).max)
            frame[dead] = np.iinfo(dtype).max
    return frames


def make(path, dtype, mib, options, cache={}):
    if path.exists():
        return
    if dtype not in cache:
        cache.clear()
        cache[dtype] = detector(TYPES[dtype], mib)
    partial = path.with_suffix(".part")
    # ZFP has no NaN, and cannot hold the largest integers: dead pixels are 0 for it.
    frames = cache[dtype]
    if path.name.startswith("zfp"):
        frames = frames.copy()
        frames[np.isnan(frames) if frames.dtype.kind == "f" else frames == np.iinfo(frames.dtype).max] = 0
    with h5py.File(partial, "w") as f:
        f.create_dataset("x", data=frames, chunks=(1, 1024, 1024), **options)
    partial.rename(path)


def goal_of(name):
    names = [n for n in GOALS if name.split()[0] == n]
    return GOALS[max(names, key=len)] if names else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="what the names of the filters begin with (default: all)")
    parser.add_argument("--mib", type=int, default=128, help="size of the data (default: 128)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--data", type=Path, help="folder for the data (default: target/compare/filters-MIB)")
    parser.add_argument("--runner", help="our runner (default: built from examples/bench_runner.rs)")
    parser.add_argument("--goals", action="store_true", help="only those filters that have a goal")
    parser.add_argument("--check", action="store_true", help="fail if a required ratio is not reached")
    options = parser.parse_args()
    folder = options.data or target_dir() / "compare" / f"filters-{options.mib}"
    folder.mkdir(parents=True, exist_ok=True)
    runner = options.runner or build_runner()

    readers = {"h5py": ([sys.executable, str(HERE / "h5py_runner.py")], {"BLOSC_NTHREADS": "1"})}
    for threads in (1, 2):
        readers[threads] = ([runner], {"H5_BENCH_THREADS": str(threads)})
    print(
        f"{'':22} {'stored':>7} {'h5py ms':>9} {'h5 ms':>9} {'two':>9} {'faster':>7} {'two':>7}"
        f" {'in CPU':>7} {'goal':>5} {'scaling':>7} {'goal':>5}  missed"
    )
    failed = False
    for name, dtype, filters in FILTERS:
        if options.names and not name.startswith(tuple(options.names)):
            continue
        if options.goals and goal_of(name) is None:
            continue
        path = folder / (name.replace(" ", "-") + ".h5")
        make(path, dtype, options.mib, filters)
        results = measure(readers, f"{dtype} {path} x", options.rounds, folder)
        errors = [f"{reader}: {r.error}" for reader, r in results.items() if r.error]
        if errors:
            print(f"{name:22} {'; '.join(errors)}", flush=True)
            failed = True
            continue
        theirs, one, two = (results[key] for key in ("h5py", 1, 2))
        cpu = theirs.least_cpu / one.least_cpu if one.least_cpu > 0 else theirs.wall / one.wall
        scaling, goal = one.least_wall / two.least_wall, goal_of(name)
        row = f"{name:22} {os.path.getsize(path) / MIB:7.1f} {theirs.wall:9.1f} {one.wall:9.1f} {two.wall:9.1f}"
        row += f" {theirs.wall / one.wall:7.2f} {theirs.wall / two.wall:7.2f} {cpu:7.2f} {goal or '':>5}"
        row += f" {scaling:7.2f} {SCALING if goal else '':>5}"
        missed = [what for what, short in (("one", cpu < (goal or 0)), ("two", scaling < SCALING)) if goal and short]
        row += "  " + ", ".join(missed)
        failed |= options.check and bool(missed)
        if len({r.checksum for r in results.values()}) > 1:
            row += "  READ DIFFERENT VALUES"
            failed = True
        print(row.rstrip(), flush=True)
    if failed:
        sys.exit("not every filter was undone alike, or fast enough")


if __name__ == "__main__":
    main()
