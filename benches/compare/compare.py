#!/usr/bin/env python3
"""Compares the speed of reading with h5py, on data that it makes itself.

Needs h5py and numpy. Both readers run in processes of their own and take turns (A, B, A, B, ...); the first round is not
counted. Printed are the medians of wall time, how many times faster we are (in wall and in processor time), and the peak
of resident memory. Both must read the same: a checksum that differs makes the exit status 1.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from data import Maker

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SCALAR_MIB = 16  # What reading one scalar may keep resident.


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="*", help="workloads to run, such as R1 R6e (default: all)")
    parser.add_argument("--scale", type=float, default=0.125, help="size of the data; 1 makes 5 GB (default: 0.125)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of our reader; 0 = all (default: 1)")
    parser.add_argument("--data", type=Path, help="folder for the data (default: target/compare/SCALE)")
    parser.add_argument("--runner", help="our runner (default: built from examples/bench_runner.rs)")
    parser.add_argument("--h5py-only", action="store_true", help="do not run ours")
    parser.add_argument("--check", action="store_true", help="fail if a required ratio is not reached")
    return parser.parse_args()


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
        self.rounds, self.error = [], None

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


def measure(readers, line, rounds):
    """Asks all readers in turn, each in a fresh process."""
    runners = {name: Runner(*command) for name, command in readers.items()}
    results = {name: Measurement() for name in readers}
    for round_ in range(rounds + 1):
        for name, runner in runners.items():
            if results[name].error is None:
                results[name].add(runner.ask(line), counts=round_ > 0)
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
        same = ours.checksum == theirs.checksum
        fast = ratio >= required and not (label == "R9" and ours.peak >= SCALAR_MIB)
        row += f" {ours.wall:10.2f} {ours.peak:8.0f} {ratio:8.2f} {cpu} {required:5}"
        row += "" if fast else "  below"
        row += "" if same else "  READ DIFFERENT VALUES"
    print(row, flush=True)
    return same, fast


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
    verdicts = [
        report(label, text, required, measure(readers, resolve(line), options.rounds))
        for label, line, text, required, _ in workloads
    ]
    if not all(same for same, _ in verdicts):
        sys.exit("not every workload was read, and read alike")
    if options.check and not all(fast for _, fast in verdicts):
        sys.exit("not every goal was reached")


if __name__ == "__main__":
    main()
