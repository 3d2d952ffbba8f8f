#!/usr/bin/env python3
"""Chunks as libhdf5 filters them, and what it reads back: `filters.bin` beside this script.

    make_filters.py                 writes filters.bin
    make_filters.py --verify FILE   FILE holds the same cases with chunks of our encoders; libhdf5 must read them

Needs h5py (tested with 3.16, HDF5 2.0.0) and numpy; to verify what the plugins read, hdf5plugin as well. The format, all numbers u32 little-endian:
"H5FT", then per case: name, element size, filters (count; each: id, optional, client data), mask, stored bytes,
decoded bytes. Names, client data and bytes have their count before them.
"""

import ctypes
import glob
import os
import struct
import sys

import h5py
import numpy as np
from h5py import h5d, h5f, h5p, h5s, h5t, h5z

try:
    import hdf5plugin  # noqa: F401  (its filters become known: for --verify of their cases)
except ImportError:
    pass

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20260101)
cases = []


def u32(*values):
    return struct.pack(f"<{len(values)}I", *values)


def memory_file():
    fapl = h5p.create(h5p.FILE_ACCESS)
    fapl.set_fapl_core(1 << 20, False)
    return h5f.create(b"memory", h5f.ACC_TRUNC, fapl=fapl)


def raw(data, tid):
    """Elements as they are, whatever their type."""
    return np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=f"V{tid.get_size()}")


def case(name, data, *filters, tid=None, chunk=None, fill=None, no_fill=False, mask=None):
    """One dataset; every chunk that differs in mask or size, at most two, becomes a case."""
    data = np.asarray(data)
    tid = tid or h5t.py_create(data.dtype, logical=False)
    elements = raw(data, tid)
    chunk = chunk or data.shape
    shape = data.shape
    dcpl = h5p.create(h5p.DATASET_CREATE)
    dcpl.set_chunk(chunk)
    dcpl.set_fill_time(h5d.FILL_TIME_NEVER if no_fill else h5d.FILL_TIME_IFSET)
    if fill is not None:
        dcpl.set_fill_value(np.asarray(fill, dtype=data.dtype))
    if no_fill:
        set_no_fill(dcpl)
    for add in filters:
        add(dcpl)
    file = memory_file()
    dset = h5d.create(file, b"x", tid, h5s.create_simple(shape), dcpl=dcpl)
    dset.write(h5s.ALL, h5s.ALL, elements.reshape(shape), mtype=tid)
    # Closed and opened again, or it would be read from the chunk cache and never be decoded.
    del dset
    dset = h5d.open(file, b"x")
    back = np.empty(shape, dtype=f"V{tid.get_size()}")
    dset.read(h5s.ALL, h5s.ALL, back, mtype=tid)
    dcpl = dset.get_create_plist()
    for offset in [tuple(0 for _ in chunk), tuple(s - c for s, c in zip(shape, chunk))][: 1 if chunk == shape else 2]:
        skipped, stored = dset.read_direct_chunk(offset)
        part = back[tuple(slice(o, o + c) for o, c in zip(offset, chunk))]
        if mask is not None:
            assert skipped == mask, (name, skipped)
        cases.append(record(name, tid.get_size(), dcpl, skipped, stored, part.tobytes()))


def record(name, size, dcpl, mask, stored, decoded):
    out = u32(len(name)) + name.encode() + u32(size, dcpl.get_nfilters())
    for index in range(dcpl.get_nfilters()):
        code, flags, values, _ = dcpl.get_filter(index)
        out += u32(code, flags & h5z.FLAG_OPTIONAL, len(values), *values)
    return out + u32(mask, len(stored)) + stored + u32(len(decoded)) + decoded


def set_no_fill(dcpl):
    """H5Pset_fill_value with no value: the only way to an undefined one."""
    [path] = glob.glob(os.path.join(os.path.dirname(h5py.__file__), "..", "h5py.libs", "libhdf5-*"))
    function = ctypes.CDLL(path).H5Pset_fill_value
    function.argtypes = [ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    assert function(dcpl.id, h5t.NATIVE_INT32.id, None) >= 0


def deflate(level=6):
    return lambda dcpl: dcpl.set_deflate(level)


def shuffle(dcpl):
    dcpl.set_shuffle()


def fletcher32(dcpl):
    dcpl.set_fletcher32()


def szip(options, pixels):
    return lambda dcpl: dcpl.set_szip(options, pixels)


def nbit(dcpl):
    dcpl.set_filter(5, h5z.FLAG_OPTIONAL)


def digits(factor):
    return lambda dcpl: dcpl.set_scaleoffset(h5z.SO_FLOAT_DSCALE, factor)


def bits(factor):
    return lambda dcpl: dcpl.set_scaleoffset(h5z.SO_INT, factor)


def lzf(dcpl):
    dcpl.set_filter(32000, h5z.FLAG_OPTIONAL)


EC, NN = h5z.SZIP_EC_OPTION_MASK, h5z.SZIP_NN_OPTION_MASK


def smooth(dtype, count, scale=100):
    wave = np.sin(np.arange(count) / 40) * scale + rng.normal(0, scale / 50, count)
    info = np.dtype(dtype)
    if info.kind == "u":
        wave = np.abs(wave)
    return wave.astype(dtype)


def noise(dtype, count):
    return np.frombuffer(rng.bytes(count * np.dtype(dtype).itemsize), dtype=dtype)


def sparse(dtype, count):
    data = np.zeros(count, dtype)
    data[rng.integers(0, count, count // 40 + 1)] = rng.integers(1, 100, count // 40 + 1)
    return data


def integer(base, precision, offset):
    tid = base.copy()
    tid.set_precision(precision)
    tid.set_offset(offset)
    return tid


def compound(size, *members):
    tid = h5t.create(h5t.COMPOUND, size)
    for index, (offset, member) in enumerate(members):
        tid.insert(b"m%d" % index, offset, member)
    return tid


def simple_filters():
    for level in (0, 1, 6, 9):
        case(f"deflate {level}", smooth("<i4", 400), deflate(level))
    case("deflate f8 chunks", smooth("<f8", 300).reshape(15, 20), deflate(4), chunk=(5, 20))
    case("deflate of noise", noise("u1", 300), deflate(9), mask=0)
    for dtype in ("u1", "<i2", "<i4", "<f8", "S3", "S5", "S13", "S16"):
        count = 77
        data = noise(dtype, count) if dtype[0] == "S" else smooth(dtype, count)
        case(f"shuffle {dtype}", data, shuffle)
        case(f"shuffle deflate fletcher32 {dtype}", data, shuffle, deflate(4), fletcher32)
    for count in (1, 2, 3, 359, 360, 361, 719, 720, 721, 1441):
        case(f"fletcher32 of {count}", noise("u1", count), fletcher32)
    case("fletcher32 of ones", np.full(1500, 255, "u1"), fletcher32)
    case("fletcher32 shuffle deflate", smooth("<f4", 200), fletcher32, shuffle, deflate(6))
    for data, name in ((smooth("<i4", 300), "smooth"), (sparse("<i2", 900), "sparse"), (np.zeros(3000, "u1"), "zeros")):
        case(f"lzf {name}", data, lzf)
        case(f"shuffle lzf {name}", data, shuffle, lzf)
    case("lzf of noise, left out", noise("u1", 200), lzf, mask=1)
    case("lzf of noise, left out; shuffle fletcher32", noise("<i4", 50), shuffle, lzf, fletcher32, mask=2)


def szip_cases():
    for dtype in ("u1", "i1", "<u2", ">i2", "<i4", ">u4", "<f4", "<i8", ">f8"):
        for options, name in ((EC, "EC"), (NN, "NN")):
            for pixels in (8, 16, 32):
                case(f"szip {dtype} {name} {pixels}", smooth(dtype, 160).reshape(4, 40), szip(options, pixels))
    for options, name in ((EC, "EC"), (NN, "NN")):
        for shape in ((7, 37), (3, 100), (5, 5, 9), (200,), (10, 9)):
            data = smooth("<i2", int(np.prod(shape))).reshape(shape)
            case(f"szip {name} {shape}", data, szip(options, 10))
            case(f"szip f4 {name} {shape}", data.astype("<f4"), szip(options, 16))
        for pixels in (2, 4, 32):
            case(f"szip sparse {name} {pixels}", sparse("<u2", 800), szip(options, pixels))
            case(f"szip zeros {name} {pixels}", np.zeros(1300, "u1"), szip(options, pixels))
        case(f"szip ramp {name}", np.arange(600, dtype="<u2"), szip(options, 8))
        case(f"szip noise {name}", noise("<u2", 100), szip(options, 8))
        case(f"szip fletcher32 {name}", smooth("<u2", 200), szip(options, 8), fletcher32)
        for precision in (1, 3, 7, 8, 11, 16, 20, 24, 27):
            size = 1 if precision <= 8 else 2 if precision <= 16 else 4
            data = (np.abs(smooth("<i8", 200, 1 << 26)) & ((1 << precision) - 1)).astype(f"<u{size}")
            base = {1: h5t.STD_U8LE, 2: h5t.STD_U16LE, 4: h5t.STD_U32LE}[size]
            case(f"szip {precision} bits {name}", data, szip(options, 8), tid=integer(base, precision, 0))
            if size > 1:
                base = {2: h5t.STD_U16BE, 4: h5t.STD_U32BE}[size]
                data = data.byteswap()
                case(f"szip {precision} bits BE {name}", data, szip(options, 8), tid=integer(base, precision, 0))


def nbit_cases():
    bases = [
        (h5t.STD_I8LE, "u1"), (h5t.STD_I16LE, "<u2"), (h5t.STD_U16BE, "<u2"), (h5t.STD_I32LE, "<u4"),
        (h5t.STD_I32BE, "<u4"), (h5t.STD_U64LE, "<u8"), (h5t.STD_I64BE, "<u8"),
    ]
    for base, dtype in bases:
        width = 8 * base.get_size()
        for precision, offset in ((1, 0), (5, 2), (width - 3, 3), (width // 2, width // 2), (width, 0), (width - 1, 0)):
            name = f"nbit {dtype} order {base.get_order()} {precision} from {offset}"
            case(name, noise(dtype, 23), nbit, tid=integer(base, precision, offset))
    small = integer(h5t.STD_I32LE, 11, 3)
    big = integer(h5t.STD_U16BE, 9, 5)
    wide = integer(h5t.STD_I64LE, 50, 7)
    array = h5t.array_create(small, (2, 3))
    flat = compound(24, (0, small), (4, big), (8, wide), (17, h5t.STD_I8LE))
    string = h5t.C_S1.copy()
    string.set_size(5)
    deep = compound(80, (0, flat), (24, string), (30, h5t.array_create(flat, (2,))))
    # libhdf5 takes the last members for others (see src/filter/nbit.rs).
    grid = h5t.array_create(h5t.array_create(small, (3,)), (2,))
    taken = compound(80, (0, small), (4, grid), (60, small), (70, big))
    odd = compound(40, (1, array), (25, h5t.array_create(h5t.array_create(big, (3,)), (2,))))
    opaque = h5t.create(h5t.OPAQUE, 3)
    mixed = compound(12, (0, opaque), (3, small), (7, h5t.array_create(opaque, (1,))))
    single = h5t.IEEE_F32LE.copy()
    single.set_fields(26, 20, 6, 7, 13)
    single.set_offset(7)
    single.set_precision(20)
    types = [("array", array), ("flat", flat), ("deep", deep), ("odd", odd), ("mixed", mixed), ("taken", taken), ("float", single)]
    for name, tid in types + [("string", string), ("double", h5t.IEEE_F64BE)]:
        case(f"nbit {name}", noise("u1", 9 * tid.get_size()).reshape(9, -1).view(f"V{tid.get_size()}")[:, 0], nbit, tid=tid)
    case("nbit deflate", noise("<u4", 60), nbit, deflate(6), tid=small)
    case("shuffle nbit fletcher32", noise("<u4", 60), nbit, shuffle, fletcher32, tid=small)


def scaleoffset_cases():
    for dtype in ("u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8", ">u8"):
        data = smooth(dtype, 90, 40)
        case(f"scaleoffset {dtype}", data, bits(0))
        case(f"scaleoffset {dtype} fill", np.where(rng.random(90) < 0.2, 7, data).astype(dtype), bits(0), fill=7)
        case(f"scaleoffset {dtype} no fill", data, bits(0), no_fill=True)
        case(f"scaleoffset {dtype} 6 bits", data, bits(6))
        case(f"scaleoffset {dtype} equal", np.full(40, 3, dtype), bits(0))
        case(f"scaleoffset {dtype} equal, no fill", np.full(40, 3, dtype), bits(0), no_fill=True)
        case(f"scaleoffset {dtype} all fill", np.full(40, 5, dtype), bits(0), fill=5)
        case(f"scaleoffset {dtype} full", noise(dtype, 40), bits(0))
        case(f"scaleoffset {dtype} all bits", data, bits(8 * np.dtype(dtype).itemsize))
    limits = np.array([-(1 << 31), (1 << 31) - 1, 0, 5], "<i4")
    case("scaleoffset limits", limits, bits(0))
    case("scaleoffset negative", np.array([-(1 << 62), -(1 << 62) + 9], "<i8"), bits(0))
    case("scaleoffset deflate", smooth("<i4", 200), bits(0), deflate(6))
    for dtype in ("<f4", ">f4", "<f8", ">f8"):
        data = smooth(dtype, 60, 30)
        for factor in (0, 1, 3, 5):
            case(f"scaleoffset {dtype} D {factor}", data, digits(factor))
        case(f"scaleoffset {dtype} no fill", data, digits(2), no_fill=True)
        case(f"scaleoffset {dtype} fill", np.where(rng.random(60) < 0.3, -99.5, data).astype(dtype), digits(2), fill=-99.5)
        case(f"scaleoffset {dtype} all fill", np.full(30, 1.25, dtype), digits(2), fill=1.25)
        case(f"scaleoffset {dtype} equal, no fill", np.full(30, 1.25, dtype), digits(2), no_fill=True)
        case(f"scaleoffset {dtype} wide", data * np.dtype(dtype).type(1e12), digits(9))


def verify(path):
    data = open(path, "rb").read()
    assert data[:4] == b"H5FT"
    at, count = 4, 0

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
        filters = [(number(), number(), [number() for _ in range(number())]) for _ in range(number())]
        mask, stored, decoded = number(), take(number()), take(number())
        # An opaque type has no local parameters to set, and the filter's are taken as they are; but szip, n-bit and
        # scale-offset refuse it, and some plugins put theirs in front of those given, so that the parameters of these
        # are put in behind the back of the library.
        message = bytes(stored)
        tid = h5t.create(h5t.OPAQUE, size)
        tid.set_tag(b"x")
        dcpl = h5p.create(h5p.DATASET_CREATE)
        dcpl.set_chunk((len(decoded) // size,))
        places = []
        for code, _, values in filters:
            if code in LOCAL:
                # A private filter of the same length takes its place until the file is written.
                places.append((code, values))
                dcpl.set_filter(stand_in(code), h5z.FLAG_OPTIONAL, tuple(values))
            else:
                dcpl.set_filter(code, h5z.FLAG_OPTIONAL, tuple(values))
        fapl = h5p.create(h5p.FILE_ACCESS)
        fapl.set_fapl_core(1 << 16, False)
        fapl.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_V18)
        file = h5f.create(b"written %d" % count, h5f.ACC_TRUNC, fapl=fapl)
        dset = h5d.create(file, b"x", tid, h5s.create_simple((len(decoded) // size,)), dcpl=dcpl)
        dset.write_direct_chunk((0,), message, mask)
        h5f.flush(file)
        image = bytearray(file.get_file_image())
        for code, values in places:
            wanted = struct.pack("<H", stand_in(code))
            tail = struct.pack(f"<{len(values)}I", *values)
            where = [i for i in range(len(image)) if image[i : i + 2] == wanted and tail in image[i : i + 60 + len(tail)]]
            assert len(where) == 1, (name, where)
            image[where[0] : where[0] + 2] = struct.pack("<H", code)
        fapl.set_file_image(bytes(image))
        dset = h5d.open(h5f.open(b"read %d" % count, h5f.ACC_RDONLY, fapl=fapl), b"x")
        back = np.empty(len(decoded) // size, dtype=f"V{size}")
        dset.read(h5s.ALL, h5s.ALL, back, mtype=tid)
        assert back.tobytes() == decoded, name
        count += 1
    print(count, "cases read by libhdf5", h5py.version.hdf5_version)


# Filters that compute their client data when a dataset is created.
LOCAL = (4, 5, 6, 32001, 32008, 32013, 32026)


def stand_in(code):
    return 40000 + LOCAL.index(code)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--verify"]:
        verify(sys.argv[2])
    else:
        for make in (simple_filters, szip_cases, nbit_cases, scaleoffset_cases):
            make()
        with open(os.path.join(HERE, "filters.bin"), "wb") as out:
            out.write(b"H5FT" + b"".join(cases))
        print(len(cases), "cases")
