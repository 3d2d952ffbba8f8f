#!/usr/bin/env python3
"""Repacks files and compares what `h5 digest` says before and after.

usage: repack.py H5 ROOT [--keep DIR] [--only TEXT] [--option=-fGZIP=4 ...]

Every file below ROOT that the MANIFEST.tsv there calls hdf5 (or every one, if there is no such list) is repacked beside
a copy of its folder, so that external data and links are found. Content must be the same; layout, chunks and filters too
unless options ask for other ones. Files that the command cannot open count as unreadable, files that it refuses are
listed with the reason.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile


# What cannot stay as it is: a reference to an object that was deleted becomes null; an index beyond the end of the file.
KNOWN = {
    "made/s1/references.h5": "differs",
    "made/s2/references.h5": "differs",
    "PureHDF/tests/PureHDF.Tests/TestFiles/blosc.h5": "refused",
}


def run(command, timeout=120):
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()
    except subprocess.TimeoutExpired:
        return -1, b"", "timeout"


def simplified(node, changed):
    """Without what may differ: how it is stored, and the wording of errors."""
    if isinstance(node, list):
        return [simplified(n, changed) for n in node]
    if not isinstance(node, dict):
        return node
    out = {}
    for key, value in node.items():
        if key == "info" or (changed and key in ("layout", "chunks", "filters", "external", "virtual")):
            comment = value.get("comment") if key == "info" else None
            if comment:
                out["comment"] = comment
            continue
        if key in ("error", "unsupported"):
            value = ""
        out[key] = simplified(value, changed)
    return out


def digest(h5, path, changed):
    code, out, err = run([h5, "digest", path])
    if code:
        return None, err
    return simplified(json.loads(out)["objects"], changed), None


def difference(a, b, path=""):
    """The first place where two digests differ."""
    if type(a) is not type(b):
        return f"{path}: {str(a)[:80]} / {str(b)[:80]}"
    if isinstance(a, dict):
        for key in sorted(set(a) | set(b)):
            if a.get(key) != b.get(key):
                return difference(a.get(key), b.get(key), f"{path}.{key}")
    if isinstance(a, list):
        if len(a) != len(b):
            return f"{path}: {len(a)} / {len(b)} entries"
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                name = x.get("path") or x.get("name") if isinstance(x, dict) else None
                return difference(x, y, f"{path}[{name or i}]")
    return f"{path}: {str(a)[:80]} / {str(b)[:80]}"


def check(h5, path, options, out):
    before, err = digest(h5, path, bool(options))
    if before is None:
        return "unreadable", err
    code, _, err = run([h5, "repack", *options, path, out])
    if code:
        return ("timeout" if code < 0 else "refused"), err
    after, err = digest(h5, out, bool(options))
    if after is None:
        return "broken", err
    if before != after:
        return "differs", difference(before, after)
    return "same", None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("h5")
    parser.add_argument("root")
    parser.add_argument("--keep")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--option", action="append", default=[])
    args = parser.parse_args()
    manifest = os.path.join(args.root, "MANIFEST.tsv")
    names = []
    if os.path.exists(manifest):
        with open(manifest, encoding="utf-8") as lines:
            rows = [line.rstrip("\n").split("\t") for line in lines][1:]
        names = [row[0] for row in rows if row[1] == "hdf5"]
    else:
        for folder, _, files in os.walk(args.root):
            names += [os.path.relpath(os.path.join(folder, f), args.root) for f in files]
    names = [name for name in sorted(names) if args.only in name]
    counts, listed = collections.Counter(), collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        root = args.keep or os.path.join(scratch, "copy")
        shutil.copytree(args.root, root, dirs_exist_ok=True, copy_function=shutil.copyfile)
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o755)

        def one(name):
            path = os.path.join(root, name)
            return name, *check(args.h5, path, args.option, path + ".repacked")

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for name, outcome, why in pool.map(one, names):
                counts[outcome] += 1
                if KNOWN.get(name) == outcome:
                    counts[outcome] -= 1
                    counts["known"] += 1
                elif why and outcome != "unreadable":
                    reason = why
                    if outcome == "refused":
                        reason = re.sub(r'0x[0-9a-f]+|"[^"]*"', "..", why.split(": ", 1)[-1])
                    listed[outcome].append((name, reason))
    print(" ".join(f"{k}={v}" for k, v in sorted(counts.items()) if v))
    for outcome, entries in sorted(listed.items()):
        for name, why in entries:
            print(f"{outcome}\t{name}\t{why}")
    return 1 if any(listed.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
