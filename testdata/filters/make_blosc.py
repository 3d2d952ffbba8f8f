#!/usr/bin/env python3
"""Chunks as the Blosc and Blosc2 filters of hdf5plugin write them, and what it reads back: `blosc.bin` beside this
script, in the format of make_filters.py.

    make_blosc.py                 writes blosc.bin
    make_blosc.py --verify FILE   FILE holds the same cases with chunks of our encoders; hdf5plugin must read them

Needs h5py, numpy, hdf5plugin (tested with 7.1), and for chunks that its filters do not write blosc (1.11) and blosc2
(4.14).
"""

import os
import sys

import h5py
import hdf5plugin
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z

import make_filters as base
from make_filters import HERE, case, noise, smooth, sparse

CODECS = ("blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd")


def blosc(codec, level=5, shuffle=1):
    values = (0, 0, 0, 0, level, shuffle, CODECS.index(codec))
    return lambda dcpl: dcpl.set_filter(32001, h5z.FLAG_OPTIONAL, values)


def blosc2(codec, level=5, filters=1, block=0):
    values = (0, block, 0, 0, level, filters, ("blosclz", "lz4", "lz4hc", "", "zlib", "zstd").index(codec))
    return lambda dcpl: dcpl.set_filter(32026, h5z.FLAG_OPTIONAL, values)


def direct(name, code, data, stored, values):
    """A chunk that another program wrote; the plugin must read it."""
    data = np.ascontiguousarray(data)
    tid = h5t.py_create(data.dtype, logical=False)
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk(data.shape)
    dcpl.set_filter(code, h5z.FLAG_OPTIONAL, values)
    dset = h5d.create(base.memory_file(), b"x", tid, h5s.create_simple(data.shape), dcpl=dcpl)
    dset.write_direct_chunk((0,) * data.ndim, stored)
    back = np.empty_like(data)
    dset.read(h5s.ALL, h5s.ALL, back, mtype=tid)
    if back.tobytes() != data.tobytes():
        print("the plugin differs:", name)
    base.cases.append(base.record(name, data.dtype.itemsize, dset.get_create_plist(), 0, stored, data.tobytes()))


def blosc_cases():
    for codec in CODECS:
        for shuffle in (0, 1, 2):
            case(f"blosc {codec} shuffle {shuffle}", smooth("<i4", 140), blosc(codec, shuffle=shuffle))
        case(f"blosc {codec} f8", smooth("<f8", 129), blosc(codec))
        case(f"blosc {codec} level 9", sparse("<u2", 400), blosc(codec, level=9))
        case(f"blosc {codec} level 1 odd", smooth(">i2", 233), blosc(codec, level=1, shuffle=2))
    for size in (1, 3, 7, 16, 17, 255, 256):
        data = np.tile(smooth("<i2", 37).view("u1"), 60)[: max(3 * size, 390) // size * size]
        tid = h5t.create(h5t.OPAQUE, size)
        tid.set_tag(b"x")
        for shuffle in (1, 2):
            case(f"blosc size {size} shuffle {shuffle}", data.view(f"V{size}"), blosc("lz4", shuffle=shuffle), tid=tid)
    for count in (1, 2, 15, 31, 33, 64, 129):
        case(f"blosc {count} elements", sparse("<i4", count), blosc("blosclz"))
    case("blosc noise", noise("<f4", 200), blosc("lz4"))
    case("blosc zeros", np.zeros(500, "<f4"), blosc("blosclz"))
    case("blosc level 0", smooth("<i4", 60), blosc("lz4", level=0))
    case("blosc behind shuffle", smooth("<i4", 200), base.shuffle, blosc("zstd", shuffle=0), base.fletcher32)

    import blosc as package

    package.set_nthreads(1)
    values = (2, 2, 4, 560, 5, 1, 1)
    data = smooth("<i4", 140)
    for codec in package.compressor_list():
        for shuffle in (0, 1, 2):
            # Several blocks and a shorter last one.
            package.set_blocksize(256 if shuffle else 128)
            stored = package.compress(data.tobytes(), 4, 9, shuffle, codec)
            direct(f"blosc blocks {codec} {shuffle}", 32001, data, stored, values)
    package.set_blocksize(512)
    data = smooth("<i2", 600)
    direct("blosc split blocks", 32001, data, package.compress(data.tobytes(), 2, 5, 1, "blosclz"), values)
    package.set_blocksize(0)
    data = noise("<i4", 60)
    direct("blosc copied", 32001, data, package.compress(data.tobytes(), 4, 0, 1, "lz4"), values)


def blosc2_cases():
    for codec in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for filters in (0, 1, 2, 3):  # without its parameter trunc-prec (4) is refused
            case(f"blosc2 {codec} filter {filters}", smooth("<i4", 140), blosc2(codec, filters=filters))
        case(f"blosc2 {codec} f8", smooth("<f8", 129), blosc2(codec))
        case(f"blosc2 {codec} 2-D", smooth("<i2", 11 * 20).reshape(11, 20), blosc2(codec))
        case(f"blosc2 {codec} level 1 odd", smooth(">i2", 233), blosc2(codec, level=1, filters=2))
    for size in (1, 3, 17, 255, 256):
        data = np.tile(smooth("<i2", 37).view("u1"), 60)[: max(3 * size, 390) // size * size]
        tid = h5t.create(h5t.OPAQUE, size)
        tid.set_tag(b"x")
        for filters in (1, 2):
            case(f"blosc2 size {size} filter {filters}", data.view(f"V{size}"), blosc2("lz4", filters=filters), tid=tid)
    case("blosc2 3-D", smooth("<f4", 4 * 5 * 7).reshape(4, 5, 7), blosc2("zstd"))
    case("blosc2 noise", noise("<f4", 200), blosc2("lz4"))
    case("blosc2 zeros", np.zeros(500, "<f4"), blosc2("blosclz"))
    case("blosc2 equal", np.full(500, 7, "<i4"), blosc2("lz4"))
    case("blosc2 level 0", smooth("<i4", 60), blosc2("lz4", level=0))

    import blosc2 as package

    lz4 = package.Codec.LZ4
    none, shuffle, bits, delta, trunc = (
        getattr(package.Filter, name) for name in ("NOFILTER", "SHUFFLE", "BITSHUFFLE", "DELTA", "TRUNC_PREC")
    )

    def values(data):
        return (1, 0, data.dtype.itemsize, data.nbytes, 5, 1, 1, data.ndim, *data.shape)

    def array(name, data, chunks=None, blocks=None, **cparams):
        made = package.asarray(data, chunks=chunks or data.shape, blocks=blocks, cparams=cparams)
        data = made[...]
        direct(f"blosc2 array {name}", 32026, data, made.to_cframe(), values(data))

    def frame(name, data, **cparams):
        made = package.SChunk(chunksize=data.nbytes, data=data, contiguous=True, cparams={"typesize": data.itemsize, **cparams})
        back = np.frombuffer(made[:], data.dtype).copy()
        direct(f"blosc2 frame {name}", 32026, back, made.to_cframe(), values(data)[:7])

    plane = smooth("<i4", 14 * 19).reshape(14, 19)
    array("blocks", plane, blocks=(8, 8))
    array("rows", plane, blocks=(5, 19), codec=lz4)
    array("columns", plane, blocks=(14, 7), filters=[bits], filters_meta=[0])
    array("chunks", plane[:, :17], chunks=(6, 7), blocks=(4, 5))
    array("cube", smooth("<f4", 5 * 6 * 9).reshape(5, 6, 9), blocks=(2, 4, 5), codec=package.Codec.ZSTD)
    array("delta", plane, blocks=(8, 8), filters=[delta, shuffle], filters_meta=[0, 0])
    array("4-D", smooth("<i2", 3 * 4 * 5 * 7).reshape(3, 4, 5, 7), blocks=(2, 2, 2, 2))
    array("zeros", np.zeros((10, 20), "<i8"), blocks=(8, 8))
    line = smooth("<f4", 300)
    wide = smooth("<f8", 140)
    frame("delta", wide, filters=[delta], filters_meta=[0], blocksize=400)
    frame("delta shuffle", line, filters=[delta, shuffle], filters_meta=[0, 0], blocksize=512)
    frame("trunc shuffle", line, filters=[trunc, shuffle], filters_meta=[10, 0], blocksize=512)
    frame("trunc delta bits", wide, filters=[trunc, delta, bits], filters_meta=[20, 0, 0], blocksize=512)
    frame("shuffle twice", line, filters=[shuffle, bits], filters_meta=[0, 0])
    frame("shuffle of 2", line, filters=[shuffle], filters_meta=[2])
    bytedelta = package.Filter.BYTEDELTA
    frame("byte delta", smooth("<i4", 200), filters=[shuffle, bytedelta], filters_meta=[0, 4], blocksize=512)
    runs = np.repeat(np.array([0, 3, 0x01010101, 0x05000007], "<i4"), 128)
    frame("runs", runs, filters=[shuffle], filters_meta=[0], blocksize=512, codec=lz4)
    split, whole = package.SplitMode.ALWAYS_SPLIT, package.SplitMode.NEVER_SPLIT
    frame("split", line, splitmode=split, blocksize=512, codec=package.Codec.ZSTD)
    frame("not split", line, splitmode=whole, blocksize=512, codec=lz4)
    frame("level 0", line[:60], clevel=0)
    several = package.SChunk(chunksize=400, data=line, contiguous=True, cparams={"typesize": 4})
    base.cases.append(other("blosc2 frame of chunks", line, several.to_cframe(), values(line)[:7]))
    for name, special, data in (
        ("zeros", package.SpecialValue.ZERO, np.zeros(150, "<f4")),
        ("nan", package.SpecialValue.NAN, np.full(150, np.nan, "<f4")),
        ("nan 8", package.SpecialValue.NAN, np.full(100, np.nan, "<f8")),
    ):
        made = package.SChunk(chunksize=data.nbytes, contiguous=True, cparams={"typesize": data.itemsize})
        made.fill_special(data.size, special)
        direct(f"blosc2 special {name}", 32026, data, made.to_cframe(), values(data)[:7])
    for value in (np.int32(77), np.float64(-1.5)):
        data = np.full(100, value)
        made = package.SChunk(chunksize=data.nbytes, contiguous=True, cparams={"typesize": data.itemsize})
        made.fill_special(data.size, package.SpecialValue.VALUE, value)
        direct(f"blosc2 special {value}", 32026, data, made.to_cframe(), values(data)[:7])


def other(name, data, stored, values):
    """A chunk that the plugin does not read."""
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_filter(32026, h5z.FLAG_OPTIONAL, values)
    return base.record(name, data.dtype.itemsize, dcpl, 0, stored, data.tobytes())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--verify"]:
        base.verify(sys.argv[2])
    else:
        for make in (blosc_cases, blosc2_cases):
            make()
        with open(os.path.join(HERE, "blosc.bin"), "wb") as out:
            out.write(b"H5FT" + b"".join(base.cases))
        print(len(base.cases), "cases with hdf5plugin", hdf5plugin.version, "and h5py", h5py.__version__)
