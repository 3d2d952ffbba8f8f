#!/usr/bin/env python3
"""Mixed load on `h5 serve`: many connections, files that are replaced and cut meanwhile, broken requests.

usage: benches/load.py --h5 target/release/h5 [--minutes 10] [--connections 64]
needs: h5py, numpy

It fails if the server stops, if a request gets no end within 90 s, if an intact file gives another answer than it
should, or if memory grows: the mean of the last fifth of the run may be a tenth, or 16 MiB, above that of the second.
"""

import argparse
import asyncio
import collections
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

STABLE = [
    "/meta?file=stable.h5&path=/", "/meta?file=stable.h5&path=/group", "/attr?file=stable.h5&path=/", "/paths?file=stable.h5",
    "/data?file=stable.h5&path=/image", "/data?file=stable.h5&path=/image&format=npy", "/data?file=stable.h5&path=/image&format=tiff",
    "/data?file=stable.h5&path=/image&format=bin&selection=::7,3:", "/data?file=stable.h5&path=/image&format=csv&selection=:20",
    "/stats?file=stable.h5&path=/image", "/data?file=stable.h5&path=/packed&selection=5", "/stats?file=stable.h5&path=/packed",
    "/data?file=stable.h5&path=/text", "/data?file=stable.h5&path=/linked",
]
MOVING = [
    "/meta?file=moving.h5&path=/", "/data?file=moving.h5&path=/large&format=bin", "/data?file=moving.h5&path=/large&selection=:1000",
    "/stats?file=moving.h5&path=/large", "/data?file=moving.h5&path=/packed&format=npy", "/files", "/attr?file=moving.h5",
]
BROKEN = [
    b"GET /data?file=../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nHost",
    b"GET /data?file=stable.h5&path=/image&selection=::::: HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\xff" * 500 + b"\r\n\r\n",
    b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n", b"POST /data HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12",
]


def make(path, seed):
    rng = np.random.default_rng(seed)
    temporary = path.with_suffix(".next")
    with h5py.File(temporary, "w") as f:
        f.attrs["seed"] = seed
        f["large"] = rng.integers(0, 1000, 4_000_000, "i4")
        f.create_dataset("packed", data=rng.integers(0, 50, (300, 400), "i2"), chunks=(50, 60), compression=4, shuffle=True)
    os.replace(temporary, path)


def make_stable(folder):
    rng = np.random.default_rng(1)
    with h5py.File(folder / "stable.h5", "w") as f:
        f.attrs["title"] = "stable"
        f["image"] = rng.standard_normal((300, 400))
        f.create_dataset("packed", data=rng.standard_normal((600, 500)).astype("f4"), chunks=(64, 64), compression=4)
        f["text"] = np.array(["a", "b"], h5py.string_dtype())
        for i in range(50):
            f[f"group/d{i}"] = i
        f["linked"] = h5py.ExternalLink("other.h5", "/x")
    with h5py.File(folder / "other.h5", "w") as f:
        f["x"] = np.arange(100)


class Load:
    def __init__(self, port, until):
        self.port, self.until = port, until
        self.statuses, self.times, self.wrong, self.known = collections.Counter(), [], [], {}

    async def ask(self, reader, writer, target):
        writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        status = int(head.split(" ", 2)[1])
        length = re.search(r"\r\ncontent-length: (\d+)", head, re.I)
        if length:
            return status, await reader.readexactly(int(length.group(1)))
        body = bytearray()
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            part = await reader.readexactly(size + 2)
            if size == 0:
                return status, bytes(body)
            body += part[:-2]

    async def client(self, number):
        rng = random.Random(number)
        reader = writer = None
        while time.monotonic() < self.until:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
                kind = rng.random()
                if kind < 0.01:
                    writer.write(rng.choice(BROKEN))
                    await asyncio.wait_for(writer.drain(), 90)
                    await asyncio.sleep(rng.random() * 0.05)
                    self.statuses["broken request"] += 1
                    writer.close()
                    writer = None
                    continue
                stable = kind < 0.6
                target = rng.choice(STABLE if stable else MOVING)
                if kind > 0.98:
                    # A client that goes away in the middle.
                    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    await writer.drain()
                    await asyncio.sleep(rng.random() * 0.02)
                    self.statuses["went away"] += 1
                    writer.close()
                    writer = None
                    continue
                begin = time.monotonic()
                status, body = await asyncio.wait_for(self.ask(reader, writer, target), 90)
                self.times.append(time.monotonic() - begin)
                self.statuses[status] += 1
                if stable and status == 200 and self.known.setdefault(target, body) != body:
                    self.wrong.append(f"{target}: another answer")
                if stable and status not in (200, 503) or status == 500:
                    self.wrong.append(f"{target}: {status} {body[:200]}")
            except asyncio.TimeoutError:
                self.wrong.append("a request is stuck")
                writer = None
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
                self.statuses["broken off"] += 1
                if writer is not None:
                    writer.close()
                writer = None


async def disturb(folder, until):
    rng = random.Random(0)
    seed = 0
    while time.monotonic() < until:
        await asyncio.sleep(rng.random() * 2)
        path = folder / "moving.h5"
        if rng.random() < 0.5:
            seed += 1
            await asyncio.to_thread(make, path, seed)
        else:
            os.truncate(path, rng.randrange(path.stat().st_size))
    return seed


async def watch(process, until, samples):
    while time.monotonic() < until:
        text = Path(f"/proc/{process.pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
        anonymous, resident = (int(re.search(rf"{what}:\s+(\d+)", text).group(1)) / 1024 for what in ("RssAnon", "VmRSS"))
        samples.append((anonymous, descriptors, resident))
        await asyncio.sleep(1)


async def run(a, folder, process, port):
    until = time.monotonic() + a.minutes * 60
    load, samples = Load(port, until), []
    clients = [load.client(i) for i in range(a.connections)]
    *_, replaced, _ = await asyncio.gather(*clients, disturb(folder, until), watch(process, until, samples))
    return load, samples, replaced


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--h5", default="target/release/h5")
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--connections", type=int, default=64)
    a = p.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="h5-load-"))
    make_stable(folder)
    make(folder / "moving.h5", 0)
    process = subprocess.Popen([a.h5, "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True)
    port = int(re.search(r":(\d+)/", process.stdout.readline()).group(1))
    try:
        load, samples, replaced = asyncio.run(run(a, folder, process, port))
        alive = process.poll() is None
        times = sorted(load.times)
        at = lambda q: times[min(len(times) - 1, int(q * len(times)))] * 1e3
        fifth = max(1, len(samples) // 5)
        mean = lambda part: sum(s[0] for s in part) / len(part)
        early, late = mean(samples[fifth:2 * fifth] or samples), mean(samples[-fifth:])
        print(f"{len(times)} answers in {a.minutes} min on {a.connections} connections: {dict(load.statuses)}")
        print(f"times: median {at(0.5):.1f} ms, 99 % {at(0.99):.0f} ms, longest {times[-1] * 1e3:.0f} ms; file replaced {replaced} times")
        print(f"memory: {early:.0f} MiB in the second fifth, {late:.0f} MiB in the last, {max(s[0] for s in samples):.0f} MiB at most; "
              f"{max(s[1] for s in samples)} descriptors at most, {samples[-1][1]} at the end")
        grown = late > max(early * 1.1, early + 16)
        for text in load.wrong[:20]:
            print("WRONG", text)
        if not alive:
            print(f"THE SERVER STOPPED with status {process.poll()}")
        if grown:
            print("MEMORY GROWS")
        return 1 if load.wrong or not alive or grown else 0
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
