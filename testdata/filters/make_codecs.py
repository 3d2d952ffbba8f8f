#!/usr/bin/env python3
"""Chunks as the filters of hdf5plugin write them, and what they read back: `codecs.bin` beside this script.

Needs hdf5plugin (tested with 7.1). The format is that of make_filters.py, which also verifies ours (`--verify`).
"""

import os

import hdf5plugin  # noqa: F401  (its filters become known)
import numpy as np
from h5py import h5t, h5z

from make_filters import HERE, case, cases, compound, deflate, fletcher32, noise, shuffle, smooth, sparse


def plugin(code, *values):
    return lambda dcpl: dcpl.set_filter(code, h5z.FLAG_OPTIONAL, values)


def lz4(*values):
    return plugin(32004, *values)


def zstd(*values):
    return plugin(32015, *values)


def bzip2(*values):
    return plugin(307, *values)


def bitshuffle(block=0, codec=0, *level):
    return plugin(32008, block, codec, *level)


def kinds(count):
    """Arrays of each kind, and the names of these."""
    yield "smooth i2", smooth("<i2", count)
    yield "sparse u4", sparse("<u4", count)
    yield "noise", noise("u1", count)
    yield "zeros f8", np.zeros(count, "<f8")
    yield "smooth f4", smooth(">f4", count)


def strings(dtype):
    size = np.dtype(dtype).itemsize
    return np.frombuffer(bytes(range(size)) * 3 + bytes(size), f"V{size}")


def lz4_cases():
    for name, data in kinds(120):
        case(f"lz4 {name}", data, lz4())
        for block in (0, 64, 100, 1 << 20):
            case(f"lz4 {name} blocks of {block}", data, lz4(block))
    for count in (1, 5, 12, 13, 64, 65):
        case(f"lz4 of {count}", smooth("u1", count), lz4(32))
    case("shuffle lz4 fletcher32", smooth("<i4", 200), shuffle, lz4(512), fletcher32)
    case("lz4 deflate chunks", smooth("<i4", 300).reshape(10, 30), lz4(), deflate(4), chunk=(5, 30))


def zstd_cases():
    for name, data in kinds(100):
        case(f"zstd {name}", data, zstd())
        for level in (1, 3, 9, 22):
            case(f"zstd {name} {level}", data, zstd(level))
    for count in (1, 2, 7, 255, 256, 257):
        case(f"zstd of {count}", smooth("u1", count), zstd(5))
    text = np.frombuffer((b"temperature, pressure; " * 30)[:650], "u1")
    for level in (1, 5, 12, 19):
        case(f"zstd text {level}", text, zstd(level))
    case("shuffle zstd fletcher32", smooth("<f8", 150), shuffle, zstd(3), fletcher32)
    case("zstd chunks", smooth("<i4", 300).reshape(10, 30), zstd(4), chunk=(5, 30))


def bzip2_cases():
    for name, data in kinds(120):
        for level in (1, 9):
            case(f"bzip2 {name} {level}", data, bzip2(level))
    for count in (1, 2, 50):
        case(f"bzip2 of {count}", smooth("u1", count), bzip2(5))
    case("shuffle bzip2 fletcher32", smooth("<i4", 300), shuffle, bzip2(9), fletcher32)


def bitshuffle_cases():
    pair = compound(12, (0, h5t.STD_I32LE), (4, h5t.IEEE_F64LE))
    names = {0: "none", 2: "lz4", 3: "zstd"}
    for codec, name in names.items():
        for dtype in ("u1", "<u2", ">i4", "<f8", "S3", "S5", "S16", "S33", "S70"):
            for count in (77, 144):
                data = smooth(dtype, count) if dtype[0] != "S" else np.resize(strings(dtype), count // 6)
                case(f"bitshuffle {name} {dtype} {count}", data, bitshuffle(0, codec))
        for count in (1, 7, 8, 9, 16, 63, 64, 65, 129):
            case(f"bitshuffle {name} of {count}", smooth("<i2", count), bitshuffle(0, codec))
            case(f"bitshuffle {name} of {count} by 16", smooth("<i4", count), bitshuffle(16, codec))
        for block in (8, 24, 128, 1024):
            case(f"bitshuffle {name} by {block}", sparse("<u4", 301), bitshuffle(block, codec))
        case(f"bitshuffle {name} deflate fletcher32", smooth("<i2", 200), bitshuffle(0, codec), deflate(4), fletcher32)
        case(f"bitshuffle {name} compound", noise("V12", 21), bitshuffle(0, codec), tid=pair)
        case(f"bitshuffle {name} of several blocks", sparse("u1", 8192 + 1024 - 5), bitshuffle(0, codec))
        case(f"bitshuffle {name} zeros", np.zeros(1000, "u1"), bitshuffle(0, codec))
        case(f"bitshuffle {name} chunks", smooth("<i4", 300).reshape(10, 30), bitshuffle(0, codec), chunk=(5, 30))
    for level in (1, 3, 19):
        case(f"bitshuffle zstd level {level}", sparse("<u2", 700), bitshuffle(64, 3, level))


if __name__ == "__main__":
    for make in (lz4_cases, zstd_cases, bzip2_cases, bitshuffle_cases):
        make()
    with open(os.path.join(HERE, "codecs.bin"), "wb") as out:
        out.write(b"H5FT" + b"".join(cases))
    print(len(cases), "cases")
