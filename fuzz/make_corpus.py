#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets with h5py: one small file for each way in which HDF5 stores something.

usage: fuzz/make_corpus.py          (needs h5py and numpy; the files are committed)
"""

import re
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np

CORPUS = Path(__file__).resolve().parent / "corpus"
SIGNATURES = rb"SNOD|TREE|HEAP|GCOL|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|BTIN|FAHD|FADB|EAHD|EAIB|EASB|EADB|SMTB|SMLI"


def attributes(f):
    f.attrs["text"] = "variable"
    f.attrs["fixed"] = np.bytes_("fixed")
    f.attrs["numbers"] = np.arange(3.0)
    f.attrs["nothing"] = h5py.Empty("f4")


def groups(f, count):
    for i in range(count):
        f.create_group(f"group_{i:02d}")
    f["soft"] = h5py.SoftLink("/group_00")
    f["dangling"] = h5py.SoftLink("/nowhere")
    f["external"] = h5py.ExternalLink("other.h5", "/x")
    f["loop"] = h5py.SoftLink("/loop")
    f["group_00/back"] = f["/"]


def many_attributes(f):
    for i in range(12):
        f.attrs[f"attribute {i}"] = i
    f.attrs["large"] = np.zeros(9000, "u1")


def chunked(f, values, **options):
    f.create_dataset("x", data=values, **options)


def types(f):
    row = np.dtype([("a", "<i2"), ("b", ">f8", (2,)), ("c", [("re", "<f4"), ("im", "<f4")]), ("s", "S5")])
    f["compound"] = np.zeros(3, row)
    f["named"] = row
    f.create_dataset("of_named", (2,), f["named"])
    f["bool"] = np.array([True, False])
    f["enum"] = np.array([1, 7], h5py.enum_dtype({"ONE": 1, "SEVEN": 7}, "i2"))
    f["complex"] = np.array([1 + 2j])
    f["half"] = np.array([1.5, 2.5], "f2")
    f["opaque"] = np.array([b"abc", b"def"], "V3")
    f["times"] = np.array([1, 2], "M8[s]").astype(h5py.opaque_dtype("M8[s]"))
    f["strings"] = ["one", "", "drei"]
    sequences = f.create_dataset("sequences", (3,), h5py.vlen_dtype("i4"))
    sequences[0], sequences[2] = [1, 2, 3], [4]
    f["object"] = np.array([f["bool"].ref, f["/"].ref], h5py.ref_dtype)
    f["region"] = np.array([f["compound"].regionref[1:3]], h5py.regionref_dtype)


def layouts(f):
    f["scalar"] = 1.0
    f["null"] = h5py.Empty("i4")
    f["contiguous"] = np.arange(6).reshape(2, 3)
    f.create_dataset("unwritten", (5,), "i2", fillvalue=-1)
    f.create_dataset("external", (4,), "u1", external=[("data.raw", 0, 4)])
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    compact = h5py.h5d.create(f.id, b"compact", h5py.h5t.STD_I32BE, space, properties)
    compact.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype="i4"))
    virtual = h5py.VirtualLayout((2, 3), "i8", maxshape=(None, 3))
    virtual[0] = h5py.VirtualSource(f["contiguous"])[1]
    virtual[1] = h5py.VirtualSource("elsewhere.h5", "x", (3,))
    f.create_virtual_dataset("virtual", virtual, fillvalue=9)


NUMBERS = np.arange(60, dtype="i4").reshape(10, 6)
SEEDS = {
    "attributes_v0": ({}, attributes),
    "attributes_v3": ({"libver": "latest"}, attributes),
    "attributes_dense": ({"libver": "latest"}, many_attributes),
    "groups_symbol_table": ({}, lambda f: groups(f, 12)),
    "groups_compact": ({"libver": "latest"}, lambda f: groups(f, 3)),
    "groups_dense": ({"libver": "latest"}, lambda f: groups(f, 12)),
    "groups_ordered": ({"libver": "latest", "track_order": True}, lambda f: groups(f, 12)),
    "user_block": ({"userblock_size": 512}, attributes),
    "types_v0": ({}, types),
    "types_v3": ({"libver": "latest"}, types),
    "layouts_v0": ({}, layouts),
    "layouts_v3": ({"libver": "latest"}, layouts),
    "pages": ({"fs_strategy": "page", "fs_persist": True, "fs_page_size": 512}, attributes),
    "btree_v1": ({}, lambda f: chunked(f, NUMBERS, chunks=(4, 4), compression="gzip", shuffle=True)),
    "checksum": ({}, lambda f: chunked(f, NUMBERS, chunks=(5, 6), fletcher32=True)),
    "lzf": ({}, lambda f: chunked(f, NUMBERS, chunks=(5, 6), compression="lzf")),
    "scale_offset": ({}, lambda f: chunked(f, NUMBERS, chunks=(5, 6), scaleoffset=0)),
    "szip": ({}, lambda f: chunked(f, NUMBERS, chunks=(10, 6), compression="szip")),
    "single_chunk": ({"libver": "latest"}, lambda f: chunked(f, NUMBERS, chunks=(10, 6), compression="gzip")),
    "fixed_array": ({"libver": "latest"}, lambda f: chunked(f, NUMBERS, chunks=(4, 4), compression="gzip")),
    "extensible_array": ({"libver": "latest"}, lambda f: chunked(f, NUMBERS, chunks=(1, 2), maxshape=(None, 6))),
    "btree_v2": ({"libver": "latest"}, lambda f: chunked(f, NUMBERS, chunks=(2, 2), maxshape=(None, None))),
}


# Small files of both generations for the target that compares the sources of bytes.
SOURCES = ["user_block", "attributes_v3", "single_chunk"]


def messages(data, address):
    """Type and body of each message in the first block of the object header at this address."""
    if data[address : address + 4] == b"OHDR":
        flags = data[address + 5]
        at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        end = at + width + int.from_bytes(data[at : at + width], "little")
        at, head = at + width, "<BHB" + ("H" if flags & 4 else "")
    else:
        at, end, head = address + 16, address + 16 + int.from_bytes(data[address + 8 : address + 12], "little"), "<HHB3x"
    while at + struct.calcsize(head) <= end:
        kind, size = struct.unpack_from(head, data, at)[:2]
        at += struct.calcsize(head)
        yield kind, data[at : at + size]
        at += size


def message_seeds(f, data, folder):
    """One seed for each type and version of a message: type, 8-byte addresses, 8-byte lengths, body."""
    objects = [f["/"]]
    f.visititems(lambda _, thing: objects.append(thing))
    for thing in objects:
        address = f.userblock_size + h5py.h5o.get_info(thing.id).addr
        for kind, body in messages(data, address):
            if 0 < kind <= 25 and kind != 16 and body:
                piece = folder / f"message_{kind:02d}_{body[0]:02x}"
                if not piece.exists():
                    piece.write_bytes(bytes([kind, 2, 2]) + body[:400])


def zlib_seeds(folder):
    """Streams with each kind of block; before each, how much room there is, in units of two bytes."""
    noise = bytes(i * i * 7919 >> 9 & 0xFF for i in range(3000))
    words = b"".join(b"%d, %d; " % (i % 17, i * i % 101) for i in range(900))
    skewed = bytes(min(noise[i] & -noise[i], 255) ^ (noise[i] >> 5) for i in range(3000))
    for name, data in {"empty": b"", "run": b"a" * 5000, "noise": noise, "words": words, "skewed": skewed}.items():
        for kind, (level, strategy) in {
            "stored": (0, zlib.Z_DEFAULT_STRATEGY),
            "fixed": (6, zlib.Z_FIXED),
            "huffman": (6, zlib.Z_HUFFMAN_ONLY),
            "dynamic": (9, zlib.Z_DEFAULT_STRATEGY),
        }.items():
            state = zlib.compressobj(level, strategy=strategy)
            stream = state.compress(data) + state.flush()
            (folder / f"{name}_{kind}").write_bytes(struct.pack("<H", len(data) // 2 + 200) + stream)


def main():
    files, pieces = CORPUS / "open_and_walk", CORPUS / "structures"
    whole, bodies = CORPUS / "sources", CORPUS / "messages"
    streams = CORPUS / "inflate"
    for folder in [files, pieces, whole, bodies, streams]:
        folder.mkdir(parents=True, exist_ok=True)
    zlib_seeds(streams)
    for name, (options, fill) in SEEDS.items():
        with h5py.File(files / f"{name}.h5", "w", **options) as f:
            fill(f)
        data = (files / f"{name}.h5").read_bytes()
        if name in SOURCES:
            (whole / f"{name}.h5").write_bytes(data)
        with h5py.File(files / f"{name}.h5") as f:
            message_seeds(f, data, bodies)
        # One block of each kind, for the target that decodes blocks: 8-byte addresses and lengths.
        for match in re.finditer(SIGNATURES, data):
            piece = pieces / f"{match.group().decode().lower()}_{name}"
            if not piece.exists():
                piece.write_bytes(b"\x0a" + data[match.start() : match.start() + 400])


if __name__ == "__main__":
    main()
