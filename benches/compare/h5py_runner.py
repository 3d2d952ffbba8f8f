#!/usr/bin/env python3
"""Reads and writes with h5py what compare.py asks for; examples/bench_runner.rs says how to ask and what is answered."""

import os
import sys
import time

import h5py
import numpy as np

try:
    import hdf5plugin  # noqa: F401  (its filters become known)
except ImportError:
    pass

MASK = (1 << 64) - 1


def words(array):
    """Sum of the little-endian 64-bit words of the array's bytes, the last one filled up with zeros."""
    data = np.ascontiguousarray(array).reshape(-1).view("u1")
    whole = len(data) // 8 * 8
    total = int(data[:whole].view("<u8").sum(dtype="u8"))
    return total + int.from_bytes(data[whole:].tobytes(), "little")


def texts(strings):
    return sum(len(s) * 1_000_003 + sum(s) for s in strings)


def numbers(path):
    return np.loadtxt(path, dtype="i8", ndmin=1)


class Stopwatch:
    """Milliseconds of wall and of processor time within the block."""

    def __enter__(self):
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.wall = (time.perf_counter() - self.wall) * 1e3
        self.cpu = (time.process_time() - self.cpu) * 1e3


def whole(path, name):
    with Stopwatch() as watch, h5py.File(path) as f:
        values = f[name][()]
    return watch, values


def read_array(path, name):
    watch, values = whole(path, name)
    return watch, words(values)


def read_into(path, name, count):
    buffer = np.ones(int(count))
    with Stopwatch() as watch, h5py.File(path) as f:
        f[name].read_direct(buffer)
    return watch, words(buffer)


def read_windows(path, name, corners):
    corners = numbers(corners).reshape(-1, 2).tolist()
    with Stopwatch() as watch, h5py.File(path) as f:
        dataset = f[name]
        windows = [dataset[i : i + 16, j : j + 16] for i, j in corners]
    return watch, sum(map(words, windows))


def read_rows(path, name, indices):
    indices = numbers(indices).tolist()
    with Stopwatch() as watch, h5py.File(path) as f:
        dataset = f[name]
        rows = [dataset[i : i + 1] for i in indices]
    return watch, sum(map(words, rows))


def walk(path):
    total = 0
    with Stopwatch() as watch, h5py.File(path) as f:
        for group in f.values():
            for dataset in group.values():
                for name, value in dataset.attrs.items():
                    if name == "units":
                        total += len(value)
                    elif name == "scale":
                        total += int(value * 2)
                    else:
                        total += int(value.sum())
    return watch, total


def read_strings(path, name):
    watch, values = whole(path, name)
    return watch, texts(values.tolist())


def read_scalar(path, name):
    with Stopwatch() as watch, h5py.File(path) as f:
        value = f[name][()]
    return watch, int(value)


class New:
    """A new file, closed when the block ends."""

    def __init__(self, path, libver="earliest"):
        if os.path.exists(path):
            os.remove(path)
        self.make = lambda: h5py.File(path, "w", libver=libver)

    def __enter__(self):
        self.file = self.make()
        return self.file

    def __exit__(self, *_):
        self.file.close()


def write_plain(path, count):
    values, new = np.arange(int(count), dtype="f8"), New(path)
    with Stopwatch() as watch, new as f:
        f.create_dataset("x", data=values)
    return watch, 0


def write_deflated(path, source):
    values, new = np.fromfile(source, "<f8").reshape(-1, 1024), New(path)
    with Stopwatch() as watch, new as f:
        f.create_dataset("x", data=values, chunks=(128, 1024), shuffle=True, compression="gzip", compression_opts=4)
    return watch, 0


def append(path, source):
    table = np.fromfile(source, np.dtype([("id", "<i8"), ("t", "<f8"), ("ch", "<i4"), ("q", "<f4")]))
    new = New(path, "latest")
    with Stopwatch() as watch, new as f:
        dataset = f.create_dataset("x", (0,), table.dtype, maxshape=(None,), chunks=(8192,))
        for start in range(0, len(table), 1000):
            end = min(len(table), start + 1000)
            dataset.resize((end,))
            dataset[start:end] = table[start:end]
    return watch, 0


def small_objects(path, count):
    new = New(path)
    with Stopwatch() as watch, new as f:
        for i in range(int(count)):
            dataset = f.create_group(f"g{i:06d}").create_dataset("d", data=np.arange(8, dtype="i4") + i)
            dataset.attrs["units"] = np.bytes_(b"counts")
            dataset.attrs["scale"] = np.float64(i * 0.5)
            dataset.attrs["idx"] = np.arange(3, dtype="i8") + i
    return watch, 0


def write_strings(path, source):
    with open(source) as f:
        lines = f.read().splitlines()
    new = New(path)
    with Stopwatch() as watch, new as f:
        f.create_dataset("x", data=lines, dtype=h5py.string_dtype())
    return watch, 0


WORKLOADS = {
    "W1": write_plain,
    "W2": write_deflated,
    "W3": append,
    "W4": small_objects,
    "W5": write_strings,
    "f64": read_array,
    "f32": read_array,
    "i32": read_array,
    "u16": read_array,
    "u32": read_array,
    "row": read_array,
    "f64p": read_into,
    "win": read_windows,
    "rows": read_rows,
    # It has no call for many selections.
    "winm": read_windows,
    "rowsm": read_rows,
    "walk": walk,
    "vlen": read_strings,
    "scalar": read_scalar,
}


def peak_mib():
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024
    except OSError:
        return 0.0


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
    except OSError:
        pass


def main():
    for line in sys.stdin:
        name, *arguments = line.split()
        reset_peak()
        if name not in WORKLOADS:
            print("NA", flush=True)
            continue
        try:
            watch, checksum = WORKLOADS[name](*arguments)
            print(f"OK {watch.wall:.4f} {checksum & MASK} {peak_mib():.1f} {watch.cpu:.4f}", flush=True)
        except Exception as error:  # the driver reports it
            print("ERR", repr(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
