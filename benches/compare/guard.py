"""The guard against regressions: how many times less processor time than h5py we took when ratios.json was written.

A ratio is that of the best rounds of both, in processor time with one thread of ours: other programs on the machine
change it far less than the wall's time, and h5py beside us takes most of the machine out of it.
"""

import json
import platform
from pathlib import Path

import h5py
import numpy as np

TABLE = Path(__file__).resolve().parent / "ratios.json"
# The size of the data and the rounds that count: half a minute for all, most of it h5py's. A table is good for one size
# only: small arrays come out of warm memory, which favours h5py.
SCALE, ROUNDS = 0.05, 9
# What part of its stored ratio a row must reach. Of six runs in a row on two cores under a load of 4 to 6, all stayed
# within 0.96 and 1.09 of their median, those in NOISY apart (0.81 to 1.15); of single runs later one steady row came to
# 0.82. The rest of the margin is for other processors and other h5py.
MARGIN = 0.6
NOISY = dict.fromkeys(
    # Copies of tens of MB: caches, bandwidth of the memory and the kernel's page faults decide, and neighbours share them.
    ["R1", "R1p", "R2", "R10", "W1", "W3"]
    # A tenth of a millisecond of ours, of which opening the file and reading the clock are a large part.
    + ["R7b", "R7e", "R7f", "R9", "R9e"],
    0.45,
)


def ratio(results):
    """Of the best rounds, in processor time; None if it is unknown."""
    theirs, ours = results["h5py"], results["h5"]
    if theirs.error or ours.error or ours.least_cpu <= 0:
        return None
    return theirs.least_cpu / ours.least_cpu


def versions():
    return {
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def load():
    return json.loads(TABLE.read_text())


def store(measured, scale):
    """Writes the table; rows that were not measured stay as they are, if their data had the same size."""
    rows = {}
    if TABLE.exists():
        old = load()
        rows = old["ratios"] if old["scale"] == scale else {}
    rows |= {label: round(value, 2) for label, value in measured.items()}
    table = {"scale": scale, "versions": versions(), "ratios": rows}
    TABLE.write_text(json.dumps(table, indent=1) + "\n")


def least(label, stored):
    """What the row must reach."""
    return stored * NOISY.get(label, MARGIN)


def print_verdicts(stored, measured):
    """A row for each workload; True if none is below."""
    print(f"{'':5} {'stored':>8} {'least':>8} {'measured':>8} {'part':>6}")
    good = True
    for label, value in measured.items():
        if label not in stored:
            print(f"{label:5} {'-':>8} {'-':>8} {value:8.2f} {'':6}  not in the table: --store {label}")
            good = False
            continue
        before, needed = stored[label], least(label, stored[label])
        verdict = "ok" if value >= needed else "BELOW"
        good &= value >= needed
        print(f"{label:5} {before:8.2f} {needed:8.2f} {value:8.2f} {value / before:6.2f}  {verdict}")
    return good
