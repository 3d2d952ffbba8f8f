#!/usr/bin/env python3
"""The table of docs/PERFORMANCE.md from two result files of the shared driver, with one and with two threads of ours.

usage: table.py ONE.json TWO.json [--many ONE.json [TWO.json]] [--by ratio|min_ratio|cpu_ratio] [--into docs/PERFORMANCE.md]

A result file is {workload: {peer: {ms, min, cpu, ratio, min_ratio, cpu_ratio, ...}}}, where a ratio is the time of libhdf5
divided by that of the peer, and a peer that failed has `err` instead. Ours is `new`. Ratios with one thread are those of
`--by`; with two threads processor time says nothing, so then it is that of the best rounds. `--many` is for results that
our runner gave with H5_BENCH_MANY set: the rows R5am, R5bm, R5zm (all selections at once) and R8f (strings as bytes and
offsets), beside what libhdf5 does for R5a, R5b, R5z and R8. `--into` puts the table
between the two comments that mark its place, otherwise it is printed. The exit status is 0 also if goals are missed.
"""

import argparse
import json
import sys
from pathlib import Path

# Issue 7: the ratio to libhdf5 with one thread, and with two where that is another.
GOALS = {
    "R1": (2.8, 2.8), "R1p": (1.0,), "R2": (2.5, 3.5), "R3": (4.0, 7.5), "R3f": (2.8, 5.2), "R4": (2.0, 3.8),
    "R5a": (2.0, 3.8), "R5am": (2.0, 3.8), "R5b": (30,), "R5bm": (30,), "R5z": (50,), "R5zm": (50,), "R6e": (20,), "R6l": (30,), "R7b": (25,), "R7e": (25,),
    "R7f": (25,), "R8": (3,), "R8f": (6,), "R9": (4,), "R10": (3,), "W1": (1.0,), "W2": (1.6, 3.1), "W2s": (1.6, 3.1),
    "W3": (1.0,), "W4": (15,), "W4l": (15,), "W5": (2.5,),
}  # fmt: skip
# Four times the data may cost so many times as much: by the larger workload.
FOURFOLD, FOURFOLD_COST = {"R6ex4": "R6e", "R6lx4": "R6l", "R7bx4": "R7b", "R7ex4": "R7e", "W4x4": "W4"}, 4.3
# What a row is called that was run with H5_BENCH_MANY.
MANY = {"R5a": "R5am", "R5b": "R5bm", "R5z": "R5zm", "R8": "R8f"}
# Who is ahead by less is not ahead.
NOISE = 1.02
OURS, BASE = "new", "libhdf5"
BEGIN, END = "<!-- table.py: begin -->", "<!-- table.py: end -->"


def value(results, workload, peer, column):
    """None if it was not measured."""
    return results.get(workload, {}).get(peer, {}).get(column) or None


def best_peer(results, workload, column):
    """(ratio, name) of the fastest of all but us, libhdf5 itself included."""
    peers = [(value(results, workload, p, column), p) for p in results.get(workload, {}) if p != OURS]
    return max(((ratio, peer) for ratio, peer in peers if ratio), default=(None, None))


def show(number):
    return "" if number is None else f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def order(workload):
    names = list(GOALS)
    near = FOURFOLD.get(workload, workload)
    return (names.index(near) if near in names else len(names), workload)


def rows(one, two, by):
    """The lines of the table, and sentences about what misses its goal or is behind a peer."""
    two_by = "min_ratio" if by == "cpu_ratio" else by
    lines = [
        "| workload | libhdf5, ms | goal, 1 thread | 1 thread | goal, 2 threads | 2 threads | best peer, 1 | best peer, 2 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    remarks = []
    for workload in sorted(one.keys() | two.keys(), key=order):
        cells = [workload, show(value(one, workload, BASE, "ms") or value(two, workload, BASE, "ms"))]
        goals, peers = GOALS.get(workload, ()), []
        for at, (results, column) in enumerate([(one, by), (two, two_by)]):
            threads = f"{at + 1} thread{'s' * at}"
            goal = goals[at] if at < len(goals) else None
            ours = value(results, workload, OURS, column)
            peer_ratio, peer = best_peer(results, workload, column)
            cells += [show(goal), show(ours)]
            peers.append(f"{peer} {show(peer_ratio)}" if peer else "")
            different = [p for p, r in results.get(workload, {}).items() if r.get("ok") is False]
            if different:
                remarks.append(f"{workload}, {threads}: other values than libhdf5: {', '.join(different)}.")
            if workload in results and ours is None and (goal or workload in FOURFOLD):
                remarks.append(f"{workload}, {threads}: not measured.")
            elif goal and ours and ours < goal:
                remarks.append(f"{workload}, {threads}: {show(ours)} of {show(goal)}.")
            if ours and peer_ratio and peer_ratio > ours * NOISE and peer != BASE:
                remarks.append(f"{workload}, {threads}: {peer} is ahead, {show(peer_ratio)} to {show(ours)}.")
        lines.append("| " + " | ".join(cells + peers) + " |")
    for large, small in FOURFOLD.items():
        column = "cpu" if by == "cpu_ratio" else "min" if by == "min_ratio" else "ms"
        costs = [value(one, workload, OURS, column) for workload in (large, small)]
        if None not in costs:
            cost = costs[0] / costs[1]
            lines.append(f"| {large} / {small} | | at most {FOURFOLD_COST} times | {cost:.2g} times | | | | |")
            if cost > FOURFOLD_COST:
                remarks.append(f"{large}: {cost:.2g} times the cost of {small}.")
    return lines, remarks


def text(one, two, by):
    lines, remarks = rows(one, two, by)
    if remarks:
        lines += ["", "Missed, or behind a peer:", "", *(f"- {r}" for r in remarks)]
    else:
        lines += ["", "No goal is missed, and no peer is ahead."]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path, help="results with one thread")
    parser.add_argument("two", type=Path, help="results with two threads")
    parser.add_argument("--many", type=Path, nargs="+", default=[], help="results with H5_BENCH_MANY")
    parser.add_argument("--by", default="ratio", choices=["ratio", "min_ratio", "cpu_ratio"])
    parser.add_argument("--into", type=Path, help="the document to put it into")
    options = parser.parse_args()
    results = [json.loads(p.read_text()) for p in (options.one, options.two)]
    for into, path in zip(results, options.many):
        many = json.loads(path.read_text())
        into.update({name: many[row] for row, name in MANY.items() if row in many})
    table = text(*results, options.by)
    if options.into is None:
        print(table)
        return
    document = options.into.read_text()
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        sys.exit(f"{options.into} has no place for it: {BEGIN} ... {END}")
    before, rest = document.split(BEGIN)
    options.into.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
