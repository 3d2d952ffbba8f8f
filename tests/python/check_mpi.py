#!/usr/bin/env python3
"""What the ranks of the example mpi_append wrote, read by h5py, and by h5flow if H5FLOW_REFERENCE names its sources.

usage: mpirun -n 4 mpi_append FILE && check_mpi.py FILE
"""

import os
import sys

import h5py
import numpy as np

path, reference = sys.argv[1], os.environ.get("H5FLOW_REFERENCE")

with h5py.File(path) as f:
    ranks = int(f["events"].attrs["ranks"])
    events, hits, refs = (f[name][:] for name in ("events/data", "hits/data", "events/ref/hits/ref"))
    assert (events["id"] == np.arange(len(events))).all() and (events["hits"] == events["id"] % 5).all()
    assert (hits["id"] == np.arange(len(hits))).all() and (hits["charge"] == (hits["id"] / 2).astype("f4")).all()
    assert events["hits"].sum() == len(hits) == len(refs)
    counts = np.bincount(events["rank"], minlength=ranks)
    assert len(counts) == ranks and counts.max() - counts.min() <= 1, counts
    # Every hit once, of an event that has as many, and of the same rank.
    assert (np.sort(refs[:, 1]) == np.arange(len(hits))).all()
    assert (np.bincount(refs[:, 0], minlength=len(events)) == events["hits"]).all()
    assert (events["rank"][refs[:, 0]] == hits["rank"][refs[:, 1]]).all()
    for column, name in ((0, "events/ref/hits/ref_region"), (1, "hits/ref/events/ref_region")):
        region, rows = f[name][:], np.arange(len(refs))
        assert (region["start"][refs[:, column]] <= rows).all() and (rows < region["stop"][refs[:, column]]).all()
        # As tight as can be: here the references of a row lie side by side.
        assert ((region["stop"] - region["start"]) == np.bincount(refs[:, column], minlength=len(region))).all()

if reference:
    os.environ["H5FLOW_NOMPI"] = "1"
    sys.path.insert(0, reference)
    from h5flow.data import H5FlowDataManager

    dm = H5FlowDataManager(path, mode="r", mpi=False)
    found = dm["events", "hits", slice(0, len(events))]
    mask = np.ma.getmaskarray(found["id"])
    assert ((~mask).sum(axis=1) == events["hits"]).all()
    assert (np.where(mask, 0, found["rank"].data) == np.where(mask, 0, events["rank"][:, None])).all()
    back = dm["hits", "events", slice(0, len(hits))]
    assert back.shape == (len(hits), 1) and (back["id"].data[refs[:, 1], 0] == refs[:, 0]).all()
    dm.close_file()
print(f"{ranks} ranks, {len(events)} events, {len(hits)} hits: as they should be" + (", the reference too" if reference else ""))
