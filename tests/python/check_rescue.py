#!/usr/bin/env python3
"""Damages files of h5py in the ways that happen, has `h5 rescue` save what is left, and reads that back.

usage: check_rescue.py H5

A file is cut to 90 %, has its superblock zeroed, or is left by a writer that was killed by SIGKILL in the middle. Every
dataset whose header, index and chunks are all there must come back whole, under its path if the links to it are there
too, else in lost+found.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

WRITER = """
import sys, h5py, numpy as np
f = h5py.File(sys.argv[1], "w", libver=eval(sys.argv[2]))
for i in range(20):
    g = f.create_group(f"run{i:02}")
    g.attrs["number"] = i
    g.create_dataset("chunked", data=np.arange(5000) + i, chunks=(500,), compression="gzip", shuffle=True)
    g.create_dataset("contiguous", data=np.linspace(0, i, 700))
f.flush()
print("flushed", flush=True)
i = 20
while True:
    g = f.create_group(f"run{i:02}")
    g.create_dataset("chunked", data=np.arange(5000) + i, chunks=(500,), compression="gzip", shuffle=True)
    g.create_dataset("contiguous", data=np.linspace(0, i, 700))
    print(i, flush=True)
    i += 1
"""

LIBVERS = {"earliest": "'earliest'", "v108": "('v108', 'v108')", "latest": "'latest'"}


def expected(name, i):
    return np.arange(5000) + i if name == "chunked" else np.linspace(0, i, 700)


def write(path, libver):
    with h5py.File(path, "w", libver=eval(libver)) as f:
        for i in range(30):
            g = f.create_group(f"run{i:02}")
            g.attrs["number"] = i
            g.create_dataset("chunked", data=expected("chunked", i), chunks=(500,), compression="gzip", shuffle=True)
            g.create_dataset("contiguous", data=expected("contiguous", i))


def rescue(h5, broken, out):
    if os.path.exists(out):
        os.remove(out)
    done = subprocess.run([h5, "rescue", "-v", broken, out], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def whole(out):
    """(name, number) of the datasets that hold what they should, by path and in lost+found."""
    named, found = set(), set()
    with h5py.File(out) as f:

        def visit(path, node):
            if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "if":
                return
            values = node[...]
            for name in ("chunked", "contiguous"):
                if values.shape == expected(name, 0).shape and values.size:
                    number = int(values[0]) if name == "chunked" else int(round(values[-1]))
                    if np.array_equal(values, expected(name, number)):
                        found.add((name, number))
                        if path == f"run{number:02}/{name}":
                            named.add((name, number))

        f.visititems(visit)
    return named, found


def intact_in(path, cut):
    """The datasets of a whole file whose header and raw data lie before a cut."""
    out = set()
    with h5py.File(path) as f:
        for i in range(30):
            for name in ("chunked", "contiguous"):
                d = f[f"run{i:02}/{name}"]
                if name == "contiguous":
                    ends = [d.id.get_offset() + d.id.get_storage_size()]
                else:
                    chunks = [d.id.get_chunk_info(k) for k in range(d.id.get_num_chunks())]
                    ends = [c.byte_offset + c.size for c in chunks]
                ends.append(h5py.h5o.get_info(d.id).addr)
                if max(ends) <= cut:
                    out.add((name, i))
    return out


def main():
    h5 = os.path.abspath(sys.argv[1])
    everything = {(name, i) for i in range(30) for name in ("chunked", "contiguous")}
    with tempfile.TemporaryDirectory() as folder:
        for label, libver in LIBVERS.items():
            path, broken, out = (os.path.join(folder, n) for n in ("whole.h5", "broken.h5", "out.h5"))
            write(path, libver)
            content = open(path, "rb").read()

            with open(broken, "wb") as f:
                f.write(b"\0" * 48 + content[48:])
            rescue(h5, broken, out)
            named, _ = whole(out)
            assert named == everything, (label, "zeroed superblock", sorted(everything - named))

            cut = len(content) * 9 // 10
            with open(broken, "wb") as f:
                f.write(content[:cut])
            report = rescue(h5, broken, out)
            _, found = whole(out)
            # Indexes may lie behind the cut: these are lost, and said to be no more than partly there.
            intact = {line.split()[-1] for line in report.splitlines() if line.split()[:2] == ["intact", "dataset"]}
            could = intact_in(path, cut)
            print(f"{label}: cut at 90 %: {len(found)} of {len(could)} datasets with all data, {len(intact)} intact")
            assert len(found) >= len(intact) and len(found) >= 0.95 * len(could), (label, sorted(could - found))

            writer = subprocess.Popen([sys.executable, "-c", WRITER, broken, libver], stdout=subprocess.PIPE, text=True)
            try:
                for line in writer.stdout:
                    if line.strip() == "60":
                        break
            finally:
                time.sleep(0.05)
                writer.send_signal(signal.SIGKILL)
                writer.wait()
            rescue(h5, broken, out)
            _, found = whole(out)
            flushed = {(name, i) for i in range(20) for name in ("chunked", "contiguous")}
            print(f"{label}: killed: {len(found)} datasets, {len(flushed)} were flushed")
            assert flushed <= found, (label, "killed", sorted(flushed - found))
    print("rescue: ok")


if __name__ == "__main__":
    main()
