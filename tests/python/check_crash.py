#!/usr/bin/env python3
"""h5py judges images of what a crash may leave, which `cargo test --test crash` has made.

usage: H5_CRASH_DIR=DIR cargo test --test crash && check_crash.py DIR

An image holds what the last flush left, or the one in the making. One whose superblock has the flag of a journal is
refused, by h5py and by h5dump; after our recovery it holds the new content.
"""

import collections
import functools
import glob
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np


def plain(value):
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, (np.ndarray, list)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, bytes)) else repr(value)


def content(path):
    """All that a file holds, without addresses."""
    with h5py.File(path, "r") as f:
        numbers, objects = {}, []

        def number(o):
            key = h5py.h5o.get_info(o.id).addr
            if key in numbers:
                return
            numbers[key] = len(objects)
            objects.append(o)
            if isinstance(o, h5py.Group):
                for name in o:
                    if isinstance(o.get(name, getlink=True), h5py.HardLink):
                        number(o[name])

        def at(o):
            return numbers.get(h5py.h5o.get_info(o.id).addr)

        def leads(reference):
            # What a reference led to may have been deleted.
            try:
                return at(f[reference]) if reference else None
            except (KeyError, OSError, RuntimeError, ValueError):
                return None

        number(f["/"])
        out = []
        for o in objects:
            info = h5py.h5o.get_info(o.id)
            attributes = {k: leads(v) if isinstance(v, h5py.Reference) else plain(v) for k, v in o.attrs.items()}
            entry = [type(o).__name__, info.rc, attributes]
            if isinstance(o, h5py.Group):
                for name in o:
                    link = o.get(name, getlink=True)
                    hard = isinstance(link, h5py.HardLink)
                    entry.append((name, at(o[name]) if hard else (type(link).__name__, link.path)))
            elif isinstance(o, h5py.Dataset):
                values = o[...]
                if h5py.check_ref_dtype(o.dtype):
                    entry.append([leads(v) for v in values])
                else:
                    entry += [o.shape, o.maxshape, str(o.dtype), plain(values)]
            out.append(entry)
        return out


def readable(path):
    """The content, or why it cannot be read: libhdf5 2.0 refuses files with a metadata cache image, its own too."""
    try:
        return content(path)
    except (OSError, KeyError, RuntimeError) as e:
        return str(e)


def refused(path):
    """h5py and h5dump refuse a file."""
    try:
        with h5py.File(path, "r"):
            return False
    except OSError:
        pass
    if shutil.which("h5dump"):
        run = subprocess.run(["h5dump", "-H", path], capture_output=True, timeout=60)
        return run.returncode != 0
    return True


def killed(path):
    with open(path, "rb") as f:
        data = f.read(4096)
    at = next(n for n in [0, 512, 1024, 2048] if data[n:].startswith(b"\x89HDF"))
    flags = data[at + 20] if data[at + 8] < 2 else data[at + 11]
    if flags & 0x80:
        assert refused(path), f"{path}: a flag, and not refused"
        return "flagged"
    with h5py.File(path, "r") as f:
        n = f.attrs["n"] - 100 if f.attrs["n"] != 7 else 0
        packed = f["data/packed"][...]
        assert len(packed) == 20 + n and (n == 0 or packed[-1] == n), f"{path}: {n} {packed}"
        rounds = [name for name in f["many"] if name.startswith("round")]
        assert rounds == ([f"round {n}"] if n else []), f"{path}: {rounds}"
    return "plain"


def main():
    folder = sys.argv[1]
    cached = functools.lru_cache(maxsize=64)(readable)
    counts = collections.Counter()
    with open(os.path.join(folder, "images.tsv")) as f:
        for line in f:
            kind, version, name, allowed, title = line.rstrip("\n").split("\t")
            path = os.path.join(folder, name)
            what = f"{title}: {kind} {name}"
            if kind == "flagged":
                assert refused(path), f"{what} is not refused"
            else:
                found = readable(path)
                expected = [cached(os.path.join(folder, a)) for a in allowed.split(",")]
                assert found in expected, f"{what}: neither of {allowed}: {found}"
                assert not isinstance(found, str) or "v3_image" in title, f"{what}: {found}"
            counts[f"{kind}, superblock {version}"] += 1
    for path in glob.glob(os.path.join(folder, "killed", "*.h5")):
        counts["killed, " + killed(path)] += 1
    assert counts and not isinstance(readable(os.path.join(folder, "00000.h5")), str)
    print("images judged by h5py:", "; ".join(f"{n} {what}" for what, n in sorted(counts.items())))


main()
