#!/usr/bin/env python3
"""h5flow in Python and `h5::h5flow` on the same files: each reads what the other wrote, and both append in turn.

usage: H5FLOW_REFERENCE=CHECKOUT check_flow.py FLOW_STEPS [FOLDER]

FLOW_STEPS is the example flow_steps. Without H5FLOW_REFERENCE only h5py looks at our files.
"""

import json
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

STEPS = sys.argv[1]
REFERENCE = os.environ.get("H5FLOW_REFERENCE")
if REFERENCE:
    os.environ["H5FLOW_NOMPI"] = "1"
    sys.path.insert(0, REFERENCE)
    from h5flow.data import H5FlowDataManager, dereference, dereference_chain

NAMES = ("A", "B", "deep/C")


def ours(path, mode, *calls, compression=""):
    """What our manager gives for calls."""
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    done = subprocess.run([STEPS, path, mode, compression], input=lines, capture_output=True, text=True, check=True)
    out = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(out) == len(calls), (calls, done)
    return out


def good(path, mode, *calls, compression=""):
    out = ours(path, mode, *calls, compression=compression)
    assert not any(isinstance(value, dict) and "error" in value for value in out), out
    return out


def same(masked, found, what):
    """A masked array of the reference, and what we gave for it."""
    assert list(masked.shape) == found["shape"], (what, masked.shape, found["shape"])
    mask = np.ma.getmaskarray(masked).ravel()
    for i, (value, out) in enumerate(zip(found["data"], mask)):
        assert (value is None) == bool(out), (what, i)
        assert out or value == masked.data.ravel()[i], (what, i)


def hulls(refs, column, rows):
    """The tight hull of each row."""
    out = np.zeros((rows, 2), int)
    for row in np.unique(refs[:, column]):
        at = np.flatnonzero(refs[:, column] == row)
        out[row] = at[0], at[-1] + 1
    return out


def check_by_h5py(path, tight):
    """The structure of the file; its regions hold all references, and are the hull if we made them."""
    with h5py.File(path) as f:
        found = []
        f.visititems(lambda name, d: found.append(d) if name.endswith("/ref") and isinstance(d, h5py.Dataset) else None)
        assert found
        for refs in found:
            assert refs.dtype == "u4" and refs.shape[1:] == (2,)
            for column in (0, 1):
                dset, region = f[refs.attrs[f"dset{column}"]], f[refs.attrs[f"ref_region{column}"]]
                assert len(region) == len(dset) and region.dtype == np.dtype([("start", "i4"), ("stop", "i4")])
                assert f[region.attrs["ref"]] == refs
                want = hulls(refs[:], column, len(dset))
                have = np.stack([region["start"], region["stop"]], 1)
                some = want[:, 0] < want[:, 1]
                assert (have[some, 0] <= want[some, 0]).all() and (have[some, 1] >= want[some, 1]).all()
                assert not tight or (have == want).all(), refs.name


def compare(path):
    """Both readers on all pairs and chains, in both directions, with all kinds of selections."""
    dm = H5FlowDataManager(path, mode="r", mpi=False)
    checks, expected = [], []
    for names in (("A", "B"), ("B", "A"), ("B", "deep/C"), ("A", "B", "deep/C"), ("deep/C", "B", "A")):
        pairs = list(zip(names[:-1], names[1:]))
        refs, directions = zip(*[dm.get_ref(*pair) for pair in pairs])
        tables = [dm.get_ref_region(*pair) for pair in pairs]
        data, n = dm.get_dset(names[-1]), len(dm.get_dset(names[0]))
        for sel in (slice(0, n), slice(n // 3, n // 2), [n - 1, 0, n // 2, 0], n // 2):
            as_json = {"start": sel.start, "stop": sel.stop} if isinstance(sel, slice) else sel
            for with_regions in (False, True):
                for only in (False, True):
                    regions = tables if with_regions else None
                    if len(names) == 2:
                        found = dereference(sel, refs[0], data, region=regions and regions[0],
                                            ref_direction=directions[0], indices_only=only)
                    else:
                        found = dereference_chain(sel, refs, data, regions=regions, ref_directions=directions,
                                                  indices_only=only)
                    checks.append(["dereference", names, as_json, with_regions, only, False])
                    expected.append(found)
        if len(names) == 2:
            found = dereference(slice(0, n), refs[0], data, region=tables[0], ref_direction=directions[0], as_masked=False)
            checks.append(["dereference", names, {"start": 0, "stop": n}, True, False, True])
            expected.append(found)
    for name in NAMES:
        checks.append(["rows", name])
        expected.append(dm.get_dset(name)[:].tolist())
    dm.close_file()
    for check, want, have in zip(checks, expected, good(path, "r", *checks)):
        if isinstance(want, np.ma.MaskedArray):
            same(want, have, check)
        else:
            want = [np.asarray(row).tolist() for row in want] if check[0] == "dereference" else want
            assert want == have, (check, want, have)
    return len(checks)


class Reference:
    """The reference, called as `ours` is."""

    def run(self, path, mode, calls, compression):
        dm = H5FlowDataManager(path, mode=mode, mpi=False, compression=compression or None)
        out = [self.call(dm, *call) for call in calls]
        dm.finish()
        return out

    def call(self, dm, what, *a):
        if what == "create_dset":
            dm.create_dset(a[0], int)
        elif what == "create_ref":
            dm.create_ref(*a)
        elif what == "set_attr":
            dm.set_attrs(a[0], **{a[1]: a[2]})
        elif what == "reserve":
            sl = dm.reserve_data(a[0], slice(a[1]["start"], a[1]["stop"]) if isinstance(a[1], dict) else a[1])
            return [sl.start, sl.stop]
        elif what == "write":
            dm.write_data(a[0], slice(a[1], a[1] + len(a[2])), np.array(a[2]))
        elif what == "write_ref":
            dm.write_ref(a[0], a[1], np.array(a[2]).reshape(-1, 2))
        return None


class Ours:
    def run(self, path, mode, calls, compression):
        return good(path, mode, *calls, compression=compression)


def start(writer, path, compression):
    """What the tests of the reference do: a hundred rows each, every row of A to ten of B, ten of C to each of B."""
    calls = [["create_dset", name] for name in NAMES] + [["create_ref", "A", "B"], ["create_ref", "deep/C", "B"]]
    calls += [["set_attr", "A", "test", 123]]
    for name, n in zip(NAMES, (10, 100, 1000)):
        calls += [["reserve", name, n], ["write", name, 0, list(range(n))]]
    calls += [["write_ref", "A", "B", [[i // 10, i] for i in range(100)]]]
    calls += [["write_ref", "deep/C", "B", [[i, i // 10] for i in range(1000)]]]
    # The other way round: the reference flips the pairs as we do.
    calls += [["write_ref", "B", "A", [[20 + i, i] for i in range(10)]]]
    # A slice that makes a dataset longer.
    calls += [["reserve", "A", {"start": 5, "stop": 14}], ["write", "A", 10, [-1, -2, -3, -4]]]
    writer.run(path, "w", calls, compression)


def turn(writer, path, rng, compression):
    """Appends rows and references, either way round."""
    lens = {}
    with h5py.File(path) as f:
        lens = {name: len(f[name + "/data"]) for name in NAMES}
    calls = []
    for name in NAMES:
        n = int(rng.integers(0, 30))
        values = rng.integers(-1000, 1000, n).tolist()
        calls += [["reserve", name, n], ["write", name, lens[name], values]] if n else []
        lens[name] += n
    for a, b in (("A", "B"), ("B", "A"), ("deep/C", "B"), ("B", "deep/C")):
        n = int(rng.integers(0, 40))
        if n:
            refs = np.stack([rng.integers(0, lens[a], n), rng.integers(0, lens[b], n)], 1)
            calls += [["write_ref", a, b, refs.tolist()]]
    writer.run(path, "a", calls, compression)


def refusals(path):
    """What makes no sense is an error, and changes nothing."""
    with open(path, "rb") as f:
        before = f.read()
    for call in (
        ["write_ref", "A", "B", [[0, 0], [10**6, 0]]],
        ["write_ref", "A", "deep/C", [[0, 0]]],
        ["create_ref", "B", "A"],
        ["write", "A", 10**6, [1]],
        ["reserve", "none", 1],
    ):
        (out,) = ours(path, "a", call)
        assert "error" in out, call
    def content(path):
        out = {}
        with h5py.File(path) as f:
            f.visititems(lambda name, d: out.update({name: d[:].tolist() if isinstance(d, h5py.Dataset) else None}))
        return out
    after = content(path)
    with open(path + ".before", "wb") as f:
        f.write(before)
    assert content(path + ".before") == after
    os.remove(path + ".before")


def main():
    folder = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()
    checks = files = 0
    writers = [Ours()] + ([Reference()] if REFERENCE else [])
    for first in writers:
        for compression in ("", "gzip", "lzf"):
            path = os.path.join(folder, f"{type(first).__name__}-{compression or 'plain'}.h5")
            rng = np.random.default_rng(7)
            start(first, path, compression)
            alone = len(writers) == 1
            check_by_h5py(path, tight=isinstance(first, Ours))
            for i in range(12):
                if REFERENCE:
                    checks += compare(path)
                writer = writers[i % len(writers)]
                turn(writer, path, rng, compression)
                check_by_h5py(path, tight=alone)
            refusals(path)
            files += 1
    print(f"h5flow: {files} files, {checks} requests equal, " + ("with" if REFERENCE else "without") + " the reference")


main()
