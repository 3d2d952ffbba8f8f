#!/usr/bin/env python3
"""Chunks as the zfp filter of hdf5plugin encodes them, and what it decodes: `zfp.bin` beside this script.

    make_zfp.py                 writes zfp.bin
    make_zfp.py --many N FILE   writes N random cases
    make_zfp.py --verify FILE   FILE holds cases with chunks of our encoder; hdf5plugin must decode them the same

Needs h5py, hdf5plugin (tested with 7.1) and numpy. The format is that of make_filters.py; cases without filter hold what
the cases after them were encoded from.
"""

import os
import struct
import sys

import h5py
import hdf5plugin
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t, h5z

HERE = os.path.dirname(os.path.abspath(__file__))
ZFP, STAND_IN = 32013, 40013
rng = np.random.default_rng(20260102)
cases = []
count = 0


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def stored_with(client_data, stored, size, length):
    """What libhdf5 decodes if these are the client data, whatever the filter would set for itself."""
    global count
    count += 1
    tid = h5t.create(h5t.OPAQUE, size)
    tid.set_tag(b"x")
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk((length // size,))
    # Another filter takes its place until the file is written.
    dcpl.set_filter(STAND_IN, h5z.FLAG_OPTIONAL, tuple(client_data))
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_fapl_core(1 << 16, False)
    fapl.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_V18)
    file = h5f.create(b"written %d" % count, h5f.ACC_TRUNC, fapl=fapl)
    dset = h5d.create(file, b"x", tid, h5s.create_simple((length // size,)), dcpl=dcpl)
    dset.write_direct_chunk((0,), stored, 0)
    h5f.flush(file)
    image = bytearray(file.get_file_image())
    wanted, tail = struct.pack("<H", STAND_IN), u32(*client_data)
    where = [i for i in range(len(image)) if image[i : i + 2] == wanted and tail in image[i : i + 60 + len(tail)]]
    assert len(where) == 1, where
    image[where[0] : where[0] + 2] = struct.pack("<H", ZFP)
    fapl.set_file_image(bytes(image))
    dset = h5d.open(h5f.open(b"read %d" % count, h5f.ACC_RDONLY, fapl=fapl), b"x")
    back = np.empty(length // size, dtype=f"V{size}")
    dset.read(h5s.ALL, h5s.ALL, back, mtype=tid)
    return back.tobytes()


def record(name, size, values, stored, decoded):
    out = u32(len(name)) + name.encode() + u32(size, 1, ZFP, 0, len(values), *values)
    cases.append(out + u32(0, len(stored)) + stored + u32(len(decoded)) + decoded)


def case(name, data, *modes, swapped=False):
    cases.append(u32(0, data.dtype.itemsize, 0, 0, data.nbytes) + data.tobytes() + u32(0))
    for mode in modes:
        add(name, data, swapped, mode)


def add(name, data, swapped, mode):
    name += "".join(f", {key} {value}" for key, value in mode.items())
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_fapl_core(1 << 16, False)
    file = h5py.File(h5f.create(b"memory", h5f.ACC_TRUNC, fapl=fapl))
    filters = hdf5plugin.Zfp(**mode)
    dset = file.create_dataset("x", data=data, chunks=data.shape, **filters)
    _, _, values, _ = dset.id.get_create_plist().get_filter(0)
    mask, stored = dset.id.read_direct_chunk((0,) * data.ndim)
    assert mask == 0 and len(values) > 3, (name, mask, values)
    size = data.dtype.itemsize
    if swapped:
        values = [values[0]] + [int.from_bytes(u32(value), "big") for value in values[1:]]
    record(name, size, values, stored, stored_with(values, stored, size, data.nbytes))


def smooth(dtype, shape, scale):
    grids = np.meshgrid(*[np.arange(extent) for extent in shape], indexing="ij")
    wave = sum(np.sin(grid * 0.4 + axis) for axis, grid in enumerate(grids)) + rng.normal(0, 0.01, shape)
    return (wave * scale).astype(dtype)


def special(dtype, shape):
    """Name and values of fields that are hard to store."""
    kind = np.dtype(dtype).kind
    size = int(np.prod(shape))
    noise = np.frombuffer(rng.bytes(size * np.dtype(dtype).itemsize), dtype).reshape(shape).copy()
    yield "zeros", np.zeros(shape, dtype)
    yield "constant", np.full(shape, 42, dtype)
    if kind == "i":
        yield "noise", noise
        yield "limits", rng.choice(np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, 0, -1], dtype), shape)
        yield "sparse", np.where(rng.random(shape) < 0.1, 1000, 0).astype(dtype)
        return
    info = np.finfo(dtype)
    noise[~np.isfinite(noise)] = 1
    signs = rng.choice([-1, 1], shape).astype(dtype)
    yield "noise", noise
    yield "huge", (rng.random(shape).astype(dtype) * info.max) * signs
    yield "small", rng.random(shape).astype(dtype) * info.tiny * 64 * signs
    yield "subnormal", rng.random(shape).astype(dtype) * info.tiny * signs
    yield "least", np.where(rng.random(shape) < 0.3, info.smallest_subnormal, 0).astype(dtype)
    yield "tiny", np.ldexp(rng.random(shape).astype(dtype), rng.integers(info.minexp - 25, 0, shape)) * signs
    yield "negative zeros", np.zeros(shape, dtype) * signs
    yield "exponents", (10.0 ** rng.uniform(-30, 30, shape)).astype(dtype) * signs
    yield "sparse", np.where(rng.random(shape) < 0.1, 3.7, 0).astype(dtype) * signs


def exact(dtype, shape):
    """For the reversible mode only: floats that are no numbers."""
    data = smooth(dtype, shape, 10)
    data[rng.random(shape) < 0.2] = np.nan
    data[rng.random(shape) < 0.1] = -np.inf
    return data


SHAPES = {1: [(19,), (4,)], 2: [(7, 9), (8, 4)], 3: [(5, 6, 3), (4, 1, 4, 4)], 4: [(5, 2, 3, 2), (4, 4, 4, 4)]}
MODES = [
    dict(rate=4.3), dict(rate=16), dict(precision=11), dict(precision=27), dict(accuracy=1e-3), dict(reversible=True),
    dict(), dict(minbits=40, maxbits=300, maxprec=30, minexp=-20),
]


def fixed_cases():
    for dtype in ("<i4", "<i8", "<f4", "<f8"):
        for dims, (odd, even) in SHAPES.items():
            case(f"{dtype} {odd} smooth", smooth(dtype, odd, 1000), *MODES)
            case(f"{dtype} {even} smooth", smooth(dtype, even, 1), dict(accuracy=0.5))
        for name, data in special(dtype, (5, 3)):
            case(f"{dtype} (5, 3) {name}", data, MODES[0], MODES[3], MODES[4], MODES[5])
        if dtype[1] == "f":
            case(f"{dtype} (7, 5) not finite", exact(dtype, (7, 5)), dict(reversible=True))
        case(f"{dtype} collapsed", smooth(dtype, (1, 3, 1, 5, 1, 2), 100), dict(precision=20))
        case(f"{dtype} of a big-endian machine", smooth(dtype, (6, 5), 100), MODES[4], MODES[7], swapped=True)
        starved = dict(minbits=1, maxbits=13, maxprec=64, minexp=-1074)
        exact_within = dict(minbits=90, maxbits=140, maxprec=20, minexp=-1075)
        case(f"{dtype} within bounds", smooth(dtype, (5, 5), 100), starved, exact_within)


def random_mode():
    which = rng.integers(6)
    if which == 0:
        return dict(rate=float(np.exp(rng.uniform(-2, 4.2))))
    if which == 1:
        return dict(precision=int(rng.integers(1, 65)))
    if which == 2:
        return dict(accuracy=float(10 ** rng.uniform(-12, 4)))
    if which == 3:
        return dict(reversible=True)
    # In the reversible mode with a minimum, libzfp does not find the blocks behind an empty one.
    low = int(rng.integers(1, 600)) if which == 4 else 1
    high = low + int(rng.integers(0, 3000))
    return dict(minbits=low, maxbits=high, maxprec=int(rng.integers(1, 65)), minexp=int(rng.integers(-1100 if low == 1 else -1074, 100)))


def many(number):
    while len(cases) < number:
        dims = int(rng.integers(1, 5))
        shape = tuple(int(extent) for extent in rng.integers(1, [200, 30, 11, 9][dims - 1], dims))
        if np.prod(shape) == 1:
            continue
        dtype = str(rng.choice(["<i4", "<i8", "<f4", "<f8"]))
        fields = [("smooth", smooth(dtype, shape, float(np.exp(rng.uniform(-3, 18))))), *special(dtype, shape)]
        mode = random_mode()
        if "reversible" in mode and dtype[1] == "f":
            fields.append(("not finite", exact(dtype, shape)))
        for name, data in fields:
            case(f"{dtype} {shape} {name}", data, mode)


def verify(path):
    data = open(path, "rb").read()
    assert data[:4] == b"H5FT"
    at, wrong = 4, 0

    def number():
        nonlocal at
        at += 4
        return struct.unpack_from("<I", data, at - 4)[0]

    def take(length):
        nonlocal at
        at += length
        return data[at - length : at]

    while at < len(data):
        name, size = take(number()).decode(), number()
        assert number() == 1, "one filter"
        _, _ = number(), number()
        values = [number() for _ in range(number())]
        _, stored, decoded = number(), take(number()), take(number())
        if stored_with(values, stored, size, len(decoded)) != decoded:
            wrong += 1
            print(name, "differs")
    print(count, "cases read by hdf5plugin", hdf5plugin.version, "with", wrong, "differences")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--verify"]:
        verify(sys.argv[2])
    elif sys.argv[1:2] == ["--many"]:
        rng = np.random.default_rng()
        many(int(sys.argv[2]))
        path = sys.argv[3]
    else:
        fixed_cases()
        path = os.path.join(HERE, "zfp.bin")
    with open(path, "wb") as out:
        out.write(b"H5FT" + b"".join(cases))
    print(len(cases), "cases")
