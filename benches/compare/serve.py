#!/usr/bin/env python3
"""Compares `h5 serve` with the reference, h5grove 4.0.0 behind uvicorn, one worker each, in one run.

usage: benches/compare/serve.py --h5 target/release/h5 [--seconds 5] [--scale 1.0]
needs: pip install "h5grove[fastapi]==4.0.0" uvicorn h5py numpy, and wrk for requests a second

What is printed: medians of the time of an answer on a connection of its own, and the greatest resident memory of
our server beyond that at its start. Times are for people; the program fails only when an answer is not the same.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

REFERENCE = """
import sys, uvicorn
from fastapi import FastAPI
from h5grove.fastapi_utils import router, settings
settings.base_dir = sys.argv[1]
app = FastAPI()
app.include_router(router)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="critical")
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command, environment=None):
        self.port = free_port()
        command = [word.replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)

    def get(self, url):
        """The body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", url)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (url, answer.status, body[:200])
        return body

    def time(self, url):
        """Seconds from the request to the last byte of the answer, which is thrown away."""
        buffer = bytearray(4 << 20)
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.settimeout(600)
            begin = time.perf_counter()
            s.sendall(f"GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            while s.recv_into(buffer):
                pass
            return time.perf_counter() - begin

    def memory(self, what):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+)", text).group(1)) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def make(folder, scale):
    rng = np.random.default_rng(5)
    with h5py.File(folder / "bench.h5", "w") as f:
        f["slice"] = rng.standard_normal((1000, 1000))
        side = max(64, int(8192 * scale**0.5))
        large = f.create_dataset("large", (side, side), "f4", chunks=(min(side, 512), min(side, 512)))
        for row in range(0, side, 512):
            large[row:row + 512] = rng.standard_normal(large[row:row + 512].shape).astype("f4")
        group = f.create_group("group")
        for i in range(20):
            group.create_dataset(f"d{i}", data=np.arange(10.0)).attrs["units"] = "m"


def wrk(server, url, seconds):
    address = f"http://127.0.0.1:{server.port}{url}"
    out = subprocess.run(["wrk", "-t1", "-c8", f"-d{seconds}s", "--latency", address], capture_output=True, text=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    p99, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    return rate, float(p99) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--h5", default="target/release/h5")
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--repeats", type=int, default=9)
    p.add_argument("--scale", type=float, default=1.0, help="1.0 takes statistics of 256 MiB")
    a = p.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="h5-serve-bench-"))
    servers = []
    try:
        make(folder, a.scale)
        ours = [a.h5, "serve", str(folder), "--port", "PORT", "--log", "off"]
        reference = Server([sys.executable, "-c", REFERENCE, str(folder), "PORT"])
        one = Server(ours, {"RAYON_NUM_THREADS": "1"})
        two = Server(ours, {"RAYON_NUM_THREADS": "2"})
        servers = [reference, one, two]
        print(f"{'what':34} {'reference':>11} {'1 thread':>11} {'2 threads':>11} {'ratio 1':>8} {'ratio 2':>8}")
        for name, url in (
            ("JSON of 1000x1000 f64", "/data?file=bench.h5&path=/slice"),
            ("npy of it", "/data?file=bench.h5&path=/slice&format=npy"),
            ("bin of it", "/data?file=bench.h5&path=/slice&format=bin"),
            ("statistics of chunked f32", "/stats?file=bench.h5&path=/large"),
        ):
            wanted = reference.get(url)
            is_same = [server.get(url) == wanted for server in (one, two)]
            assert all(is_same), f"{name}: another answer than the reference's"
            repeats = 3 if "stat" in url else a.repeats
            # In turn, so that a disturbance meets all; another spelling each time, since answers are kept.
            rounds = [[server.time(f"{url}&x={i}") for server in (reference, one, two)] for i in range(repeats)]
            r, t1, t2 = (statistics.median(times) for times in zip(*rounds))
            print(f"{name:34} {r * 1e3:9.1f}ms {t1 * 1e3:9.1f}ms {t2 * 1e3:9.1f}ms {r / t1:7.1f}x {r / t2:7.1f}x", flush=True)
        fresh = Server(ours)
        servers.append(fresh)
        before = fresh.memory("VmRSS")
        fresh.get("/stats?file=bench.h5&path=/large")
        print(f"memory of the statistics: {fresh.memory('VmHWM') - before:.0f} MiB above the {before:.0f} MiB at the start")
        if shutil.which("wrk"):
            for name, url in (("/meta of a group of 20", "/meta?file=bench.h5&path=/group"), ("/meta of a dataset", "/meta?file=bench.h5&path=/slice")):
                assert json.loads(reference.get(url)) == json.loads(two.get(url))
                (r, rp), (o, op) = wrk(reference, url, a.seconds), wrk(two, url, a.seconds)
                print(f"{name:34} {r:9.0f}/s {'':11} {o:9.0f}/s {o / r:8.1f}x   p99 {rp:.1f} ms, {op:.2f} ms", flush=True)
        else:
            print("wrk is not installed: no requests a second")
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
