#!/usr/bin/env python3
"""Compares the speed of reading and writing with h5py, on data that it makes itself.

Needs h5py and numpy. Both readers run in processes of their own and take turns (A, B, A, B, ...); the first round is not
counted. Printed are the medians of wall time, how many times faster we are (in wall and in processor time), and the peak
of resident memory. Both must read the same: a checksum that differs makes the exit status 1. What both write is read
with h5py and must be the same, too.

`--check` compares the ratios of processor time with those of ratios.json (see guard.py) and fails if one is far below;
`--store` writes them there, for a change that pays or another machine.
"""

import argparse
import os
import statistics
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np

import guard
from data import Maker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCALAR_MIB = 16  # What reading one scalar may keep resident.


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="*", help="workloads to run, such as R1 R6e (default: all)")
    parser.add_argument("--scale", type=float, help="size of the data; 1 makes 5 GB (default: 0.125; that of the table)")
    parser.add_argument("--rounds", type=int, help=f"rounds that count (default: 5; {guard.ROUNDS} for the table)")
    parser.add_argument("--threads", type=int, default=1, help="threads of our reader; 0 = all (default: 1)")
    parser.add_argument("--data", type=Path, help="folder for the data (default: target/compare/SCALE)")
    parser.add_argument("--runner", help="our runner (default: built from examples/bench_runner.rs)")
    parser.add_argument("--h5py-only", action="store_true", help="do not run ours")
    parser.add_argument("--goals", action="store_true", help="fail if a required ratio is not reached")
    parser.add_argument("--check", action="store_true", help="fail if a ratio is far below that of ratios.json")
    parser.add_argument("--store", action="store_true", help="write the ratios to ratios.json")
    options = parser.parse_args()
    guarded = options.check or options.store
    if guarded and (options.threads != 1 or options.h5py_only):
        parser.error("the table is of our reader with one thread")
    if options.check and options.scale is not None and options.scale != guard.load()["scale"]:
        parser.error("the table is of another --scale")
    if options.scale is None:
        options.scale = guard.load()["scale"] if options.check else guard.SCALE if options.store else 0.125
    if options.rounds is None:
        options.rounds = guard.ROUNDS if guarded else 5
    return options


def target_dir():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build_runner():
    command = ["cargo", "build", "--release", "--locked", "--features", "filters", "--example", "bench_runner"]
    subprocess.run(command, cwd=ROOT, check=True)
    return str(target_dir() / "release" / "examples" / "bench_runner")


class Runner:
    """A process that reads on request."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, line):
        """(wall ms, checksum, MiB, cpu ms), or the text of an error."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
        except BrokenPipeError:
            answer = []
        if len(answer) >= 5 and answer[0] == "OK":
            return float(answer[1]), int(answer[2]), float(answer[3]), float(answer[4])
        return " ".join(answer) or "the runner died"

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Measurement:
    """All rounds of one reader on one workload."""

    def __init__(self):
        self.rounds, self.error, self.written = [], None, None

    def add(self, answer, counts):
        if isinstance(answer, str):
            self.error = answer
        elif counts:
            self.rounds.append(answer)

    def median(self, column):
        return statistics.median(r[column] for r in self.rounds)

    wall = property(lambda self: self.median(0))
    checksum = property(lambda self: self.rounds[0][1])
    peak = property(lambda self: max(r[2] for r in self.rounds))
    cpu = property(lambda self: self.median(3))
    least_wall = property(lambda self: min(r[0] for r in self.rounds))
    least_cpu = property(lambda self: min(r[3] for r in self.rounds))


def content(path):
    """A checksum of what a file holds that was written."""
    total = 0

    def add(name, value):
        nonlocal total
        bytes_ = value.tobytes() if value.dtype.kind != "O" else b"\0".join(value.ravel().tolist())
        total = zlib.crc32(name.encode() + bytes_, total)

    def visit(name, object_):
        if isinstance(object_, h5py.Dataset):
            add(name, object_[()])
        for key, value in sorted(object_.attrs.items()):
            add(key, np.asarray(value))

    with h5py.File(path) as f:
        f.visititems(visit)
    return total


def measure(readers, line, rounds, folder):
    """Asks all readers in turn, each in a fresh process. Each has its own file to write to."""
    out = {name: folder / f"out_{name}.h5" for name in readers}
    results = ask_all(readers, line, rounds, out)
    if "{out}" in line:
        for name, result in results.items():
            result.written = content(out[name]) if result.error is None else None
            out[name].unlink(missing_ok=True)
    return results


def ask_all(readers, line, rounds, out):
    runners = {name: Runner(*command) for name, command in readers.items()}
    results = {name: Measurement() for name in readers}
    for round_ in range(rounds + 1):
        for name, runner in runners.items():
            if results[name].error is None:
                results[name].add(runner.ask(line.replace("{out}", str(out[name]))), counts=round_ > 0)
    for runner in runners.values():
        runner.close()
    return results


def make_data(maker, workloads):
    """Makes what is missing; a file named after each step says that it is complete."""
    maker_steps = {make.__name__: make for *_, make in workloads}
    for name, make in maker_steps.items():
        done = Path(maker.path(f".{name}.done"))
        if not done.exists():
            print(f"making {name} ...", file=sys.stderr, flush=True)
            make()
            done.touch()


def resolve(line):
    """`@file` stands for the text in the file."""
    return " ".join(Path(w[1:]).read_text().strip() if w.startswith("@") else w for w in line.split())


def report(label, text, required, results):
    """Prints a row of the table. Returns (read the same, fast enough)."""
    theirs, ours = results["h5py"], results.get("h5")
    for name, result in results.items():
        if result.error:
            print(f"{label:4} {text:28} {name}: {result.error}", flush=True)
    if any(r.error for r in results.values()):
        return False, False
    row = f"{label:4} {text:28} {theirs.wall:10.2f} {theirs.peak:8.0f}"
    same = fast = True
    if ours:
        ratio = theirs.wall / ours.wall
        cpu = f"{theirs.cpu / ours.cpu:8.2f}" if ours.cpu > 0 else f"{'-':>8}"
        same = ours.checksum == theirs.checksum and ours.written == theirs.written
        fast = ratio >= required and not (label == "R9" and ours.peak >= SCALAR_MIB)
        row += f" {ours.wall:10.2f} {ours.peak:8.0f} {ratio:8.2f} {cpu} {required:5}"
        row += "" if fast else "  below"
        row += "" if same else "  DIFFERENT VALUES"
    print(row, flush=True)
    return same, fast


def check(measured, again):
    """Compares with the table. What is below it is measured once more, and the better of the two counts."""
    table = guard.load()
    stored = table["ratios"]
    then, now = table["versions"], guard.versions()
    changed = [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]
    if changed:
        print(f"the table is of other versions: {'; '.join(changed)}")
    for label, value in measured.items():
        if label in stored and value < guard.least(label, stored[label]):
            print(f"{label}: {value:.2f} is below, once more", flush=True)
            measured[label] = max(value, again(label) or 0)
    if not guard.print_verdicts(stored, measured):
        sys.exit("slower than the table allows")


def main():
    options = arguments()
    folder = options.data or target_dir() / "compare" / f"{options.scale:g}"
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(str(folder), options.scale)
    workloads = [w for w in maker.workloads() if not options.labels or w[0] in options.labels]
    unknown = set(options.labels) - {w[0] for w in workloads}
    if unknown:
        sys.exit(f"no such workload: {' '.join(sorted(unknown))}")
    make_data(maker, workloads)

    readers = {"h5py": ([sys.executable, str(HERE / "h5py_runner.py")],)}
    if not options.h5py_only:
        runner = options.runner or build_runner()
        readers["h5"] = ([runner], {"H5_BENCH_THREADS": str(options.threads)})

    head = f"{'':33} {'h5py ms':>10} {'MiB':>8}"
    if not options.h5py_only:
        head += f" {'h5 ms':>10} {'MiB':>8} {'faster':>8} {'in CPU':>8} {'goal':>5}"
    print(head, flush=True)
    by_label = {label: line for label, line, *_ in workloads}

    def measured(label):
        return measure(readers, resolve(by_label[label]), options.rounds, folder)

    verdicts, ratios = [], {}
    for label, _, text, required, _ in workloads:
        results = measured(label)
        verdicts.append(report(label, text, required, results))
        if options.check or options.store:
            ratios[label] = guard.ratio(results)
    if not all(same for same, _ in verdicts):
        sys.exit("not every workload was done, and done alike")
    if None in ratios.values():
        sys.exit("this system does not tell the processor time of a thread")
    if options.store:
        guard.store(ratios, options.scale)
    if options.check:
        check(ratios, lambda label: guard.ratio(measured(label)))
    if options.goals and not all(fast for _, fast in verdicts):
        sys.exit("not every goal was reached")


if __name__ == "__main__":
    main()
