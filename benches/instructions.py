#!/usr/bin/env python3
"""Counts the instructions of five small workloads with callgrind, and compares them with benches/instructions.json.

usage: instructions.py [--check | --store] [--runner FILE] [LABEL...]

Needs valgrind, h5py and numpy (the inputs are those of benches/compare, made with fixed seeds), one thread and no quiet
machine: a count is the same from run to run to one part in a thousand. It is that of examples/bench_runner.rs doing a
workload three times, less that of doing it once, halved: neither start-up nor what is done once counts.

`--check` fails if a count is more than 5 % above the stored one, and says so if one is as much below: then it is time for
`--store`. Other compilers, valgrinds, inputs (by another libhdf5) and processors without AVX2 and BMI2 give other counts:
what differs from the stored table is told, and then nothing fails.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "compare"))

from compare import build_runner, make_data, resolve, target_dir  # noqa: E402
from data import Maker  # noqa: E402

TABLE = HERE / "instructions.json"
LABELS = ["R3", "R5z", "R6l", "R8", "W4"]
SCALE = 0.01
TOLERANCE = 0.05


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def circumstances():
    """What the counts depend on besides our code."""
    flags = Path("/proc/cpuinfo").read_text().split()
    return {
        "rustc": output("rustc", "--version"),
        "valgrind": output("valgrind", "--version"),
        "target": re.search(r"host: (\S+)", output("rustc", "-vV"))[1],
        "kernels": "avx2 bmi2" if {"avx2", "bmi2"} <= set(flags) else "plain",
        "inputs": f"scale {SCALE} by h5py {h5py.__version__} with HDF5 {h5py.version.hdf5_version}",
    }


def instructions(runner, line, times):
    """All instructions of a process that does a workload so many times."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", runner]
    environment = {**os.environ, "H5_BENCH_THREADS": "1"}
    done = subprocess.run(
        command, input=f"{line}\n" * times, capture_output=True, text=True, env=environment, timeout=600
    )
    answers = done.stdout.splitlines()
    count = re.search(r"Collected : (\d+)", done.stderr)
    if len(answers) != times or not all(a.startswith("OK ") for a in answers) or not count:
        sys.exit(f"{line}: {done.stdout}{done.stderr}")
    return int(count[1])


def count(runner, line):
    return (instructions(runner, line, 3) - instructions(runner, line, 1)) // 2


def measure(labels, runner):
    folder = target_dir() / "compare" / f"{SCALE:g}"
    folder.mkdir(parents=True, exist_ok=True)
    maker = Maker(str(folder), SCALE)
    workloads = [w for w in maker.workloads() if w[0] in labels]
    make_data(maker, workloads)
    out = folder / "out_instructions.h5"
    counts = {}
    for label, line, text, *_ in workloads:
        counts[label] = (count(runner, resolve(line.replace("{out}", str(out)))), text)
    out.unlink(missing_ok=True)
    return counts


def compare(counts, stored):
    """Prints a row a workload; the labels of those that are above the tolerance."""
    above = []
    for label, (now, text) in counts.items():
        before = stored.get(label)
        if not before:
            print(f"{label:4} {text:30} {'-':>12} {now:12,}           not in the table")
            above.append(label)
            continue
        change = now / before - 1
        verdict = "ABOVE" if change > TOLERANCE else "below: --store it" if change < -TOLERANCE else "ok"
        print(f"{label:4} {text:30} {before:12,} {now:12,} {change:+8.2%}  {verdict}", flush=True)
        if change > TOLERANCE:
            above.append(label)
    return above


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="*", help=f"of {' '.join(LABELS)} (default: all)")
    parser.add_argument("--check", action="store_true", help="fail if a count has risen")
    parser.add_argument("--store", action="store_true", help="write the counts to instructions.json")
    parser.add_argument("--runner", help="our runner (default: built from examples/bench_runner.rs)")
    options = parser.parse_args()
    unknown = set(options.labels) - set(LABELS)
    if unknown:
        parser.error(f"no such workload: {' '.join(sorted(unknown))}")
    counts = measure(options.labels or LABELS, options.runner or build_runner())
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"with": {}, "counts": {}}
    here = circumstances()
    other = [f"{k}: {table['with'].get(k)}, now {v}" for k, v in here.items() if table["with"].get(k) != v]
    above = compare(counts, table["counts"])
    if options.store:
        if other and set(counts) != set(LABELS):
            sys.exit("the table is of other versions: store all counts")
        table = {"with": here, "counts": table["counts"] | {label: n for label, (n, _) in counts.items()}}
        TABLE.write_text(json.dumps(table, indent=1) + "\n")
        return
    if other:
        print("not comparable, so nothing fails; the table has", *other, sep="\n  ")
    elif options.check and above:
        sys.exit(f"more instructions than before: {' '.join(above)}")


if __name__ == "__main__":
    main()
