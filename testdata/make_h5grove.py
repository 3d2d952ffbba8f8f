#!/usr/bin/env python3
"""Writes h5grove/ : files to serve, and what the reference, h5grove 4.0.0, answers when it serves them.

usage: python3 testdata/make_h5grove.py
needs: pip install "h5grove[fastapi]==4.0.0" h5py httpx numpy

h5grove/answers.jsonl.gz has an object a line: the request; status, media type, file name and body (base64) of the answer.
Requests on which the reference fails (500) are left out. JSON and csv must be equal byte by byte, bin and npy too; TIFF
has its own tests, since there are many ways to lay out a file.
"""

import base64
import gzip
import json
import os
import random
import warnings
from urllib.parse import urlencode

os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"
warnings.filterwarnings("ignore")

import h5py  # noqa: E402
import numpy as np  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from h5grove.fastapi_utils import router, settings  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "h5grove")


def make_types(path):
    rng = np.random.default_rng(7)
    with h5py.File(path, "w", libver=("earliest", "latest")) as f:
        numbers = f.create_group("numbers")
        for code in ("i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u8", "<i8", ">i8"):
            info = np.iinfo(code)
            values = rng.integers(info.min, info.max, (3, 4), dtype=np.dtype(code).newbyteorder("="), endpoint=True)
            values.flat[0], values.flat[-1] = info.min, info.max
            numbers.create_dataset(code.replace("<", "le_").replace(">", "be_"), data=values.astype(code))
        for code in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<g"):
            values = (rng.standard_normal((5, 3)) * 100).astype(code)
            values[0, 0], values[1, 1], values[2, 2] = np.nan, np.inf, -0.0
            numbers.create_dataset(code.replace("<", "le_").replace(">", "be_"), data=values)
        numbers["digits"] = np.array([0.1, 1, 1e16, 1e15, 1e-5, 1e-7, 1.5e300, 5e-324, 123456789.125, 1e22, -1e-6])
        numbers["digits32"] = np.array([0.1, 1e15, 1e-6, 1e12, 1e13, 16777216, 3e38, 1e-45, -2.5], "f4")
        numbers["complex64"] = (rng.standard_normal((2, 2)) + 1j * rng.standard_normal((2, 2))).astype("c8")
        numbers["complex128"] = np.array([1 + 2j, complex(np.nan, -0.0), -3.5j])
        numbers["flags"] = np.array([[True, False, True], [False, False, True]])
        numbers["wide_flags"] = rng.random((3, 11)) > 0.5
        numbers["negative"] = np.array([-3.0, -1.5, np.nan])
        numbers["none_finite"] = np.array([np.nan, np.inf])
        numbers.create_dataset("colours", data=np.array([42, 0, 7], "i2"), dtype=h5py.enum_dtype({"RED": 0, "BLUE": 42}, "i2"))
        # Large enough for the order of additions to matter.
        numbers.create_dataset("sum32", data=(rng.random((60, 500)) * 1000 - 300).astype("f4"), chunks=(7, 100), compression=9)
        numbers.create_dataset("sum16", data=rng.random(20000).astype("f2"), chunks=(3000,), compression=9)
        holes = rng.random((150, 100))
        holes[holes > 0.9] = np.nan
        numbers.create_dataset("holes", data=holes.astype("f4"), chunks=(32, 32), compression=9, shuffle=True)

        shapes = f.create_group("shapes")
        shapes["scalar"] = 2.5
        shapes["int_scalar"] = np.int16(-7)
        shapes["scalar32"] = np.float32(0.1)
        shapes["complex_scalar"] = np.complex64(0.1 + 2j)
        shapes["null"] = h5py.Empty("f4")
        shapes["empty"] = np.zeros((0,))
        shapes["empty2"] = np.zeros((2, 0, 3), "i4")
        shapes["one"] = np.zeros((1, 1, 1, 1))
        shapes["cube"] = np.arange(24, dtype="<u2").reshape(2, 3, 4)
        shapes.create_dataset("chunked", data=np.arange(1000, dtype="<i4").reshape(100, 10) * 7 - 99, chunks=(16, 4),
                              maxshape=(None, 20), compression=6, shuffle=True, fletcher32=True)

        text = f.create_group("text")
        text["fixed"] = np.array([b"one", b"", b"three\0x", "zwölf".encode()], "S8")
        text["fixed_scalar"] = np.bytes_(b"ab\0\0")
        text["variable"] = np.array(["a", "ü\u2028\n\"\\", ""], h5py.string_dtype())
        text["scalar"] = "I am not numeric"
        text["ascii"] = np.array(["a", "b"], h5py.string_dtype("ascii"))
        for name, pad in (("null_terminated", h5py.h5t.STR_NULLTERM), ("space_padded", h5py.h5t.STR_SPACEPAD)):
            t = h5py.h5t.C_S1.copy()
            t.set_size(6)
            t.set_strpad(pad)
            raw = np.array([b"ab\0cd ", b"x     ", b" y"], "S6")
            d = h5py.h5d.create(text.id, name.encode(), t, h5py.h5s.create_simple((3,)))
            d.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, t)

        mixed = f.create_group("mixed")
        point = np.dtype({"names": ["x", "id", "tag"], "formats": ["<f4", ">u8", "S3"], "offsets": [0, 8, 16], "itemsize": 24})
        table = np.zeros(3, point)
        table["x"], table["id"], table["tag"] = [0.1, 2, -3], [0, 1, 2**64 - 1], [b"a", b"b,c", b"\"q"]
        mixed["table"] = table
        mixed["nested"] = np.array([((1, 2.5), [1, 2, 3]), ((3, -1.5), [4, 5, 6])],
                                   [("p", [("a", "i1"), ("b", "<f8")]), ("v", "<i2", (3,))])
        mixed["matrices"] = rng.random((2, 3, 2))
        array = h5py.h5t.array_create(h5py.h5t.IEEE_F64LE, (2, 2))
        d = h5py.h5d.create(mixed.id, b"arrays", array, h5py.h5s.create_simple((3,)))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(12.0).reshape(3, 2, 2), array)
        d = h5py.h5d.create(mixed.id, b"array_scalar", array, h5py.h5s.create(h5py.h5s.SCALAR))
        d.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4.0).reshape(2, 2), array)
        ragged = mixed.create_dataset("ragged", (3,), dtype=h5py.vlen_dtype("f4"))
        ragged[0], ragged[2] = [0.1, 2.0], [np.nan]
        mixed.create_dataset("opaque", data=np.array([b"\1\2", b"ab"], "V2"))
        mixed.create_dataset("opaque_scalar", data=np.void(b"\x00\x11\x22"))
        mixed.create_dataset("dates", data=np.array([0, 951782400, -1], "<M8[s]").astype(h5py.opaque_dtype("<M8[s]")))
        references = mixed.create_dataset("references", (2,), dtype=h5py.ref_dtype)
        references[0] = f["numbers"].ref
        regions = mixed.create_dataset("regions", (2,), dtype=h5py.regionref_dtype)
        regions[0] = f["shapes/cube"].regionref[0, 1:2]
        advanced = np.dtype([("opaque", "V3"), ("enum", h5py.enum_dtype({"H2G2": 42})), ("text", h5py.string_dtype(), (1,)),
                             ("vlen", h5py.vlen_dtype(np.uint64)), ("ref", h5py.ref_dtype), ("c", "<c16")])
        row = np.zeros(1, advanced)
        row["enum"], row["vlen"][0], row["ref"][0], row["c"] = 42, np.array([0, 5], "u8"), f["mixed"].ref, 1 + 2j
        row["text"][0, 0], row["opaque"] = "bar", np.void(b"abc")
        mixed.create_dataset("advanced", data=row)
        mixed["type"] = np.dtype("<f8")
        mixed["type"].attrs["units"] = "m"

        attributes = f.create_group("attributes", track_order=True)
        attributes.attrs["b"] = "text"
        attributes.attrs["a"] = np.float32(0.1)
        attributes.attrs["numbers"] = np.arange(4.0)
        attributes.attrs["texts"] = ["x", "ü"]
        attributes.attrs["fixed"] = np.bytes_(b"fixed")
        attributes.attrs["flag"] = True
        attributes.attrs["null"] = h5py.Empty("S4")
        attributes.attrs["complex"] = np.complex64(0.1 + 1j)
        attributes.attrs["point"] = table[0]
        attributes.attrs["ref"] = f["numbers"].ref
        attributes.create_group("z")
        attributes.create_group("y")

        links = f.create_group("links")
        links["hard"] = f["shapes/cube"]
        links["soft"] = h5py.SoftLink("/shapes/cube")
        links["relative"] = h5py.SoftLink("hard")
        links["broken"] = h5py.SoftLink("/nowhere")
        links["group"] = h5py.SoftLink("/numbers")
        links["external"] = h5py.ExternalLink("other.h5", "/data")
        links["external_group"] = h5py.ExternalLink("other.h5", "/")
        links["external_broken"] = h5py.ExternalLink("missing.h5", "/x")
        links["up"] = f["/"]


def selections(shape, rng):
    if not shape or 0 in shape:
        return ["0"] if shape else []
    out = [",".join(str(rng.randrange(n)) for n in shape)]
    out.append(",".join(f"{a}:{b}" for a, b in (sorted((rng.randrange(n), rng.randrange(1, n + 1))) for n in shape)))
    out.append(",".join(f"{rng.randrange(n)}:{n}:{rng.randrange(1, 4)}" for n in shape))
    return out + [str(rng.randrange(shape[0])), "1:", "-1"]


def requests(file, h5, path, rng):
    q = {"file": file, "path": path}
    for how in ("none", "only_valid", "all", "nonsense"):
        yield "/meta", {**q, "resolve_links": how}
    yield "/attr", q
    yield "/paths", q
    try:
        obj = h5[path]
    except Exception:
        yield "/data", q
        return
    for name in list(obj.attrs)[:2]:
        yield "/attr", {**q, "attr_keys": name}
    if not isinstance(obj, h5py.Dataset):
        return
    pointers = obj.dtype.hasobject or obj.shape is None
    large = obj.size and obj.size > 5000
    for format in ("json", "bin", "npy", "csv", "nonsense"):
        if not (format == "bin" and pointers or large):
            yield "/data", {**q, "format": format}
            yield "/data", {**q, "format": format, "dtype": "safe"}
    # The reference adds long doubles with more digits than it answers with.
    statistics = obj.dtype.char != "g"
    if statistics:
        yield "/stats", q
    if not large:
        yield "/data", {**q, "flatten": "true"}
        yield "/data", {**q, "dtype": "nonsense"}
    for s in selections(obj.shape, rng):
        if not large:
            yield "/data", {**q, "selection": s}
            if not pointers:
                yield "/data", {**q, "selection": s, "format": "npy", "dtype": "safe"}
        if statistics:
            yield "/stats", {**q, "selection": s}


os.makedirs(OUT, exist_ok=True)
make_types(os.path.join(OUT, "types.h5"))
with h5py.File(os.path.join(OUT, "other.h5"), "w") as f:
    f["data"] = np.arange(5, dtype="<i4")
    f["group/inner"] = 1.5
    f["back"] = h5py.ExternalLink("types.h5", "/shapes/scalar")

settings.base_dir = OUT
app = FastAPI()
app.include_router(router)
client = TestClient(app, raise_server_exceptions=False)
rng = random.Random(3)
answers = []
for file in ("types.h5", "other.h5"):
    with h5py.File(os.path.join(OUT, file)) as h5:
        paths = client.get("/paths", params={"file": file}).json()
        todo = [("/paths", {"file": file, "resolve_links": "none"}), ("/meta", {"file": file})]
        for path in [*paths, "links/soft", "/links/external_group/group/inner", "/no/such/path"]:
            todo.extend(requests(file, h5, path, rng))
        for endpoint, query in todo:
            url = endpoint + "?" + urlencode(query)
            answer = client.get(url)
            if answer.status_code >= 500:
                continue
            answers.append({
                "url": url,
                "status": answer.status_code,
                "type": answer.headers.get("content-type", "").split(";")[0],
                "disposition": answer.headers.get("content-disposition", ""),
                "body": base64.b64encode(answer.content).decode(),
            })
text = "".join(json.dumps(answer) + "\n" for answer in answers)
with open(os.path.join(OUT, "answers.jsonl.gz"), "wb") as f:
    f.write(gzip.compress(text.encode(), 9, mtime=0))
print(len(answers), "answers")
