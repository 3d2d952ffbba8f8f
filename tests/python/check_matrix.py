#!/usr/bin/env python3
"""h5py reads every dataset that `cargo test --test write_matrix` has written, and finds it equal.

usage: H5_WRITTEN_DIR=DIR cargo test --test write_matrix && check_matrix.py DIR
"""

import os
import sys

# External files lie beside the file that names them.
os.environ["HDF5_EXTFILE_PREFIX"] = "${ORIGIN}"

import h5py
import numpy as np

ROWS, COLUMNS = 4, 6
LEN = ROWS * COLUMNS
I = np.arange(LEN)
LAYOUTS = {
    "Compact": h5py.h5d.COMPACT, "Contiguous": h5py.h5d.CONTIGUOUS, "External": h5py.h5d.CONTIGUOUS,
    "Virtual": h5py.h5d.VIRTUAL,
}
FILTERS = {
    "Nothing": [], "Deflate": [1], "ShuffleDeflate": [2, 1], "Fletcher": [3], "Everything": [2, 1, 3], "Szip": [4],
    "Nbit": [5], "ScaleOffset": [6], "Lzf": [32000],
}


def text(i):
    return "" if i == 5 else "text " * (i % 4) + f"ü{i}"


def objects(values):
    out = np.empty(LEN, object)
    out[:] = values
    return out


def expected():
    signed, real = I * 5 - 60, I * 0.5 - 3.0
    row = np.zeros(LEN, [("id", "i8"), ("t", "f8"), ("ch", "i4"), ("q", "f4")])
    row["id"], row["t"], row["ch"], row["q"] = signed, real, I, real
    return {
        "i8": signed.astype("i1"), "u8": (I * 10).astype("u1"), "i16": (signed * 100).astype("i2"),
        "u16": (I * 1000).astype("u2"), "i32": (signed * 100_000).astype("i4"),
        "u32": (I * 100_000_000).astype("u4"), "i64": signed.astype("i8") << 40, "u64": I.astype("u8") << 50,
        "i32be": (signed * 100_000).astype(">i4"), "f32": real.astype("f4"), "f64": real, "f64be": real.astype(">f8"),
        "f16": real.astype("f2"), "bool": I % 3 == 0, "enum": np.array([0, 7, 8], "u1")[I % 3],
        "complex64": (real - 1j * I).astype("c8"), "complex128": real - 1j * I,
        "ascii": np.array([b"s%d" % i for i in I], "S4"), "utf8": np.array([f"ü{i}".encode() for i in I], "S7"),
        "fortran": np.array([b"f%d" % i for i in I], "S5"),
        "array": np.stack([I, np.ones_like(I), 2 * I], 1).astype("u2"),
        "matrix": np.stack([I, np.full(LEN, 0.5), np.full(LEN, 1.5), -I], 1).astype("f4").reshape(LEN, 2, 2),
        "row": row, "string": objects([text(i).encode() for i in I]),
        "vlen": objects([list(range(i % 5)) for i in I]),
        "texts": objects([[f"{i} {j}".encode() for j in range(i % 3)] for i in I]),
        "mixed": objects([(i % 2 == 0, text(i).encode(), [i] * (i % 3)) for i in I]),
        "opaque": np.array([bytes([i, 1, 2, 3, 4]) for i in I], "V5"),
        "bitfield": (I * 257).astype("u2"), "i12": signed.astype("i2"),
    }


def plain(element):
    """Sequences as lists, so that they can be compared."""
    if isinstance(element, (np.ndarray, list)):
        return [plain(e) for e in element]
    if isinstance(element, (np.void, tuple)):
        return tuple(plain(e) for e in element)
    return element.item() if isinstance(element, np.generic) else element


def check_values(dataset, want):
    if dataset.name.startswith("/opaque"):
        # h5py does not know tags: libhdf5 converts a type with one to nothing but itself.
        found = np.zeros(LEN, "V5")
        assert dataset.id.get_type().get_tag() == b"five bytes"
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, found, dataset.id.get_type())
    else:
        found = dataset[...].reshape(LEN, *want.shape[1:])
    if want.dtype == object:
        found = [plain(e) for e in found]
        assert found == list(want), (dataset.name, found)
        return
    if dataset.name.startswith("/fortran"):
        found = np.array([e.rstrip() for e in found], found.dtype)
    if found.dtype.names is None and want.dtype.kind not in "SV":
        assert found.dtype == want.dtype, (dataset.name, found.dtype, want.dtype)
    assert np.array_equal(found, want), (dataset.name, found)


def check_references(f, dataset):
    target = f["target"]
    for i, reference in enumerate(dataset[...].ravel()):
        assert bool(reference) == (i % 4 != 0), (dataset.name, i)
        if not reference:
            continue
        assert f[reference] == target
        if dataset.name.startswith("/region"):
            space = h5py.h5r.get_region(reference, dataset.id)
            assert space.get_select_bounds() == ((i % 3, 1), (i % 3, 2)), (dataset.name, i)


def check_storage(dataset, name):
    layout, filters = name.split()
    properties = dataset.id.get_create_plist()
    assert properties.get_layout() == LAYOUTS.get(layout, h5py.h5d.CHUNKED), name
    found = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    assert found == FILTERS[filters], (name, found)
    assert bool(properties.get_external_count()) == (layout == "External"), name
    unlimited = {"Extensible": (None, COLUMNS), "BTree": (None, None)}
    assert dataset.maxshape == unlimited.get(layout, (ROWS, COLUMNS)), name


def check(f):
    count, wanted = 0, expected()
    assert set(f) <= {*wanted, "object", "region", "target"}, set(f)
    for kind in f:
        for name, dataset in f[kind].items() if kind != "target" else ():
            assert dataset.shape == (ROWS, COLUMNS)
            check_storage(dataset, name)
            if kind in wanted:
                check_values(dataset, wanted[kind])
            else:
                check_references(f, dataset)
            count += 1
    return len(f) - 1, count


def main(folder):
    everything = len(expected()) + 2
    for name, kinds in ("matrix", everything - 4), ("matrix_variable", 4), ("matrix_lzf", everything):
        for profile in "compatible", "modern":
            with h5py.File(os.path.join(folder, f"{name}-{profile}.h5"), "r") as f:
                found, count = check(f)
                assert found == kinds, (name, found)
                print("ok", name, profile, count, "datasets of", kinds, "datatypes")


if __name__ == "__main__":
    main(sys.argv[1])
