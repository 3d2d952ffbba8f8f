#!/usr/bin/env python3
"""Makes testdata/edit/*.h5: small files of libhdf5 of many kinds, which the tests of edits change.

usage: make_edit.py [FOLDER]     needs h5py 3.8 or later
"""

import ctypes
import glob
import os
import sys

import h5py
import numpy as np
from h5py import h5f, h5p

V108, V110 = ("v108", "v108"), ("v110", "v110")
FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "edit")


def library():
    """The libhdf5 of h5py, for what h5py does not wrap."""
    beside = os.path.join(os.path.dirname(h5py.__file__), os.pardir, "h5py.libs", "libhdf5-*")
    lib = ctypes.CDLL(glob.glob(beside)[0])
    return lib


class ImageConfig(ctypes.Structure):
    _fields_ = [("version", ctypes.c_int), ("generate", ctypes.c_bool), ("resize", ctypes.c_bool),
                ("ageout", ctypes.c_int)]


def fill(f, order=False):
    """What the sessions of the tests expect in every file."""
    f.attrs["title"] = "a file to edit"
    f.attrs["n"] = np.int64(7)
    data = f.create_group("data", track_order=order)
    plain = data.create_dataset("plain", data=np.arange(40, dtype="<i4"), track_order=order)
    plain.attrs["units"] = "m"
    space = h5py.h5s.create_simple((6,))
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_layout(h5py.h5d.COMPACT)
    compact = h5py.h5d.create(data.id, b"compact", h5py.h5t.STD_I32LE, space, dcpl)
    compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(6, dtype="<i4"))
    data.create_dataset("chunked", data=np.arange(20, dtype="<i4"), maxshape=(None,), chunks=(8,))
    data.create_dataset("packed", data=np.arange(20, dtype="<i4"), maxshape=(None,), chunks=(8,), compression=1,
                        shuffle=True, fletcher32=True)
    data.create_dataset("grid", data=np.arange(30, dtype="<i4").reshape(5, 6), maxshape=(None, None), chunks=(2, 3))
    data.create_dataset("fixed", data=np.arange(12, dtype="<i4").reshape(3, 4), chunks=(2, 2))
    data.create_dataset("unset", shape=(9,), dtype="<i4", fillvalue=3)
    text = data.create_dataset("text", data=["a", "bb", "", "dddd"], dtype=h5py.string_dtype())
    text.attrs["words"] = np.array(["x", "yy"], dtype=h5py.string_dtype())
    f["type"] = np.dtype("<i4")
    data.create_dataset("typed", data=np.arange(3), dtype=f["type"])
    f.create_dataset("references", data=[plain.ref, data.ref], dtype=h5py.ref_dtype)
    # Many links, few objects.
    many = f.create_group("many", track_order=order)
    for i in range(110):
        if i % 10 == 0:
            many[f"soft {i}"] = h5py.SoftLink("/data/plain")
        else:
            many[f"link {i}"] = plain
    few = f.create_group("few", track_order=order)
    few["again"] = plain
    few["soft"] = h5py.SoftLink("/data/compact")
    few.create_group("below").create_group("deeper").attrs["depth"] = 2
    labels = f.create_group("labels", track_order=order)
    for i in range(20 if f.libver[0] != "earliest" else 6):
        labels.attrs[f"a{i}"] = np.arange(i % 5, dtype="<i2")


def make(name, libver="earliest", order=False, fcpl=None, fapl=None, **options):
    path = os.path.join(FOLDER, name + ".h5")
    if os.path.exists(path):
        os.remove(path)
    if fcpl is None and fapl is None:
        with h5py.File(path, "w", libver=libver, track_order=order, **options) as f:
            fill(f, order)
    else:
        low, high = {"earliest": (h5f.LIBVER_EARLIEST, h5f.LIBVER_V110), "v108": (h5f.LIBVER_V18, h5f.LIBVER_V18),
                     "v110": (h5f.LIBVER_V110, h5f.LIBVER_V110)}[libver]
        fapl = fapl or h5p.create(h5p.FILE_ACCESS)
        fapl.set_libver_bounds(low, high)
        fcpl = fcpl or h5p.create(h5p.FILE_CREATE)
        with h5py.File(h5f.create(path.encode(), h5f.ACC_TRUNC, fcpl, fapl)) as f:
            fill(f, order)
    print(f"{name:12} {os.path.getsize(path):7}")


def created(**calls):
    fcpl = h5p.create(h5p.FILE_CREATE)
    for name, arguments in calls.items():
        getattr(fcpl, name)(*arguments)
    return fcpl


def main():
    os.makedirs(FOLDER, exist_ok=True)
    lib = library()
    make("v0")
    make("v2", V108)
    make("v3", V110)
    make("v0_user", userblock_size=512)
    make("v3_user", V110, userblock_size=1024)
    make("v2_order", V108, order=True)
    make("v3_order", V110, order=True)
    make("v3_persist", V110, fs_strategy="fsm", fs_persist=True, fs_threshold=1)
    make("v3_aggr", V110, fs_strategy="aggregate")
    make("v3_page", V110, fs_strategy="page", fs_persist=True, fs_page_size=1024)
    fcpl = created(set_sizes=(4, 4))
    assert lib.H5Pset_sym_k(ctypes.c_int64(fcpl.id), 2, 2) >= 0
    make("v0_small", fcpl=fcpl)
    fcpl = created()
    assert lib.H5Pset_istore_k(ctypes.c_int64(fcpl.id), 2) >= 0
    make("v1", fcpl=fcpl)
    make("v2_small", "v108", fcpl=created(set_sizes=(4, 4)))
    fcpl = created()
    assert lib.H5Pset_shared_mesg_nindexes(ctypes.c_int64(fcpl.id), 2) >= 0
    # Attributes in one index; dataspaces, datatypes, fill values and pipelines in the other.
    assert lib.H5Pset_shared_mesg_index(ctypes.c_int64(fcpl.id), 0, 0x1000, 20) >= 0
    assert lib.H5Pset_shared_mesg_index(ctypes.c_int64(fcpl.id), 1, 0x082A, 20) >= 0
    make("v2_shared", "v108", fcpl=fcpl)
    fapl = h5p.create(h5p.FILE_ACCESS)
    config = ImageConfig(1, True, False, -1)
    assert lib.H5Pset_mdc_image_config(ctypes.c_int64(fapl.id), ctypes.byref(config)) >= 0
    make("v3_image", "v110", fapl=fapl)


main()
