"""Makes testdata/h5flow: files that h5flow wrote, the calls that made them, and what its calls give on them.

Run with h5flow on the path and H5FLOW_NOMPI=1: python testdata/make_h5flow.py testdata/h5flow
"""
import contextlib
import io
import json
import os
import sys

import h5py
import numpy as np
from h5flow.data import dereference, dereference_chain, lib
from h5flow.data.h5flow_data_manager import H5FlowDataManager

TYPES = {
    "i8": np.dtype("i8"),
    "f4": np.dtype("f4"),
    "event": np.dtype([("id", "i8"), ("ts", "u4"), ("q", "f4"), ("flags", "u1", (2,))]),
    "hit": np.dtype([("id", "u8"), ("x", "f8"), ("name", "S6")]),
}


def rows(kind, first, n):
    i = np.arange(first, first + n)
    out = np.zeros(n, TYPES[kind])
    if kind in ("i8", "f4"):
        out[:] = i if kind == "i8" else i / 2
    elif kind == "event":
        out["id"], out["ts"], out["q"] = i, 7 * i, i / 4
        out["flags"] = np.stack([i % 256, (i + 1) % 256], 1)
    else:
        out["id"], out["x"], out["name"] = i, 1.25 * i, [b"h%d" % (k % 9999) for k in i]
    return out


def plain(x):
    if isinstance(x, np.void):
        return {n: plain(x[n]) for n in x.dtype.names}
    if isinstance(x, (list, np.ndarray)):
        return [plain(v) for v in x]
    return x.decode() if isinstance(x, bytes) else x.item()


def shown(a):
    if isinstance(a, list):
        return {"list": [[plain(v) for v in row] for row in a]}
    out = {"shape": list(a.shape), "dtype": str(a.dtype)}
    flat = a.ravel()
    if isinstance(a, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(flat)
        if mask.dtype.kind == "V":
            mask = np.array([bool(np.any([np.any(m[n]) for n in m.dtype.names])) for m in mask], bool)
        out["mask"] = [bool(m) for m in mask]
        out["data"] = [None if m else plain(v) for m, v in zip(mask, flat.data)]
    else:
        out["data"] = [plain(v) for v in flat]
    return out


def make(path, seed, compression, kinds):
    rng = np.random.default_rng(seed)
    script = []
    dm = H5FlowDataManager(path, mode="w", mpi=False, compression=compression)
    kinds = dict(zip(["ev/A", "ev/B", "C"], kinds))
    for name, kind in kinds.items():
        dm.create_dset(name, TYPES[kind])
        script.append(dict(call="create_dset", name=name, type=kind))
    for name, attrs in (("ev", dict(version="1.2", run=11, scale=0.5)), ("meta/config", dict(depth=3))):
        dm.set_attrs(name, **attrs)
        script.append(dict(call="set_attrs", name=name, attrs=attrs))
    for parent, child in (("ev/A", "ev/B"), ("C", "ev/B")):
        dm.create_ref(parent, child)
        script.append(dict(call="create_ref", parent=parent, child=child))
    done = dict.fromkeys(kinds, 0)
    for _ in range(3):
        for name, kind in kinds.items():
            n = int(rng.integers(5, 14))
            s = dm.reserve_data(name, n)
            dm.write_data(name, s, rows(kind, done[name], n))
            script.append(dict(call="append", name=name, rows=n, first=done[name], slice=[s.start, s.stop]))
            done[name] += n
        for parent, child in (("ev/A", "ev/B"), ("ev/B", "C")):
            n = int(rng.integers(0, 30))
            refs = np.stack([rng.integers(0, done[parent], n), rng.integers(0, done[child], n)], 1)
            dm.write_ref(parent, child, refs)
            script.append(dict(call="write_ref", parent=parent, child=child, refs=refs.tolist()))
    dm.finish()
    return dict(compression=compression, script=script), done, rng


def printed(f, call):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        getattr(lib, call)(f)
    return out.getvalue()


def selections(n, rng):
    yield {"slice": [0, n]}, np.s_[0:n]
    yield {"slice": [n // 3, n // 2]}, np.s_[n // 3 : n // 2]
    yield {"index": n // 4}, n // 4
    some = rng.integers(0, n, 6).tolist()
    yield {"list": some}, some


def main(folder):
    os.makedirs(folder, exist_ok=True)
    files, cases = {}, []
    for seed, (name, compression, kinds) in enumerate(
        [("plain.h5", None, ("i8", "f4", "event")), ("gzip.h5", "gzip", ("event", "hit", "i8")), ("lzf.h5", "lzf", ("hit", "i8", "f4"))]
    ):
        path = os.path.join(folder, name)
        files[name], done, rng = make(path, seed, compression, kinds)
        with h5py.File(path) as f:
            for call in ("print_ref", "print_data", "print_attr"):
                cases.append(dict(file=name, call=call, output=printed(f, call)))
            for ref, parent, data, direction in (
                ("ev/A/ref/ev/B", "ev/A", "ev/B", (0, 1)),
                ("ev/A/ref/ev/B", "ev/B", "ev/A", (1, 0)),
                ("C/ref/ev/B", "ev/B", "C", (1, 0)),
            ):
                for desc, sel in selections(done[parent], rng):
                    for region in (None, f"{parent}/ref/{data}/ref_region"):
                        for masked in (False, True):
                            for only in (False, True):
                                for as_masked in (False, True):
                                    if masked and ("index" in desc or region and not as_masked and "slice" in desc):
                                        continue
                                    mask = (np.r_[sel] % 3 == 0) if masked else None
                                    got = dereference(
                                        sel, f[ref + "/ref"], None if only else f[data + "/data"],
                                        region=f[region] if region else None, mask=mask, ref_direction=direction,
                                        indices_only=only, as_masked=as_masked)
                                    cases.append(dict(
                                        file=name, call="dereference", sel=desc, ref=ref + "/ref",
                                        data=None if only else data + "/data", region=region,
                                        mask=None if mask is None else mask.tolist(), ref_direction=list(direction),
                                        indices_only=only, as_masked=as_masked, result=shown(got)))
            for desc, sel in selections(done["ev/A"], rng):
                for region in (False, True):
                    refs = ["ev/A/ref/ev/B/ref", "C/ref/ev/B/ref"]
                    regions = ["ev/A/ref/ev/B/ref_region", "ev/B/ref/C/ref_region"] if region else None
                    got = dereference_chain(
                        sel, [f[r] for r in refs], f["C/data"], regions=[f[r] for r in regions] if region else None,
                        ref_directions=[(0, 1), (1, 0)])
                    cases.append(dict(
                        file=name, call="dereference_chain", sel=desc, refs=refs, data="C/data", regions=regions,
                        mask=None, ref_directions=[[0, 1], [1, 0]], indices_only=False, result=shown(got)))
        dm = H5FlowDataManager(path, mode="r", mpi=False)
        cases.append(dict(file=name, call="get_refs", name="ev/B", result=[r.name for r in dm.get_refs("ev/B")]))
        for args, key in (
            (["ev/A", {"slice": [0, 5]}], ("ev/A", np.s_[0:5])),
            (["ev/A", "ev/B", {"list": [0, 1]}], ("ev/A", "ev/B", [0, 1])),
            (["ev/A", "ev/B", "C", {"index": 1}], ("ev/A", "ev/B", "C", 1)),
        ):
            cases.append(dict(file=name, call="getitem", args=args, result=shown(dm[key])))
        dm.close_file()
    with open(os.path.join(folder, "cases.json"), "w") as out:
        json.dump(dict(files=files, cases=cases), out, separators=(",", ":"))


main(sys.argv[1])
