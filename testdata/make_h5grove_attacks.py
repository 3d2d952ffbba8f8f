#!/usr/bin/env python3
"""Writes h5grove/attacks/ : files that lead out of the folder they are served from.

usage: python3 testdata/make_h5grove_attacks.py
needs: pip install "h5grove[fastapi]==4.0.0" h5py httpx numpy

It also shows that each attack works against the reference, h5grove 4.0.0: it serves the files beside a folder with a
secret and fails unless the secret is in the answer. tests/server_security.rs sends the same requests to our server.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from urllib.parse import urlencode

os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"

import h5py  # noqa: E402
import numpy as np  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "h5grove", "attacks")
SECRET = 424242


def make(path, folder):
    """Links, raw data and virtual sources in `folder`, which is outside of what is served."""
    with h5py.File(path, "w") as f:
        f["link"] = h5py.ExternalLink(folder + "secret.h5", "/secret")
        f["group"] = h5py.ExternalLink(folder + "secret.h5", "/")
        f.create_dataset("raw", shape=(2,), dtype="<i4", external=[(folder + "secret.bin", 0, h5py.h5f.UNLIMITED)])
        layout = h5py.VirtualLayout(shape=(2,), dtype="<i4")
        layout[:] = h5py.VirtualSource(folder + "secret.h5", "secret", shape=(2,))
        f.create_virtual_dataset("virtual", layout)


def ask(served, requests):
    """Answers of the reference."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from h5grove.fastapi_utils import router, settings

    settings.base_dir = served
    app = FastAPI()
    app.include_router(router)
    client = TestClient(app, raise_server_exceptions=False)
    for request in requests:
        answer = client.get(request)
        assert str(SECRET) in answer.text, f"the reference does not fall for {request}: {answer.text}"


def requests(root, linked):
    def data(file, path="/secret"):
        return "/data?" + urlencode({"file": file, "path": path})

    for path in ("/link", "/group/secret", "/raw", "/virtual"):
        yield data(linked, path)
    if linked == "outwards.h5":
        yield data("../outside/secret.h5")
        yield data("sub/../../outside/secret.h5")
        yield data("symbolic.h5")
        yield data("symbolic/secret.h5")


if len(sys.argv) > 1:
    ask(sys.argv[1], list(requests(os.path.dirname(sys.argv[1]), sys.argv[2])))
    sys.exit()

os.makedirs(OUT, exist_ok=True)
make(os.path.join(OUT, "outwards.h5"), "../outside/")
make(os.path.join(OUT, "beside.h5"), "")
with tempfile.TemporaryDirectory() as root:
    served, outside = os.path.join(root, "served"), os.path.join(root, "outside")
    os.makedirs(os.path.join(served, "sub"))
    os.makedirs(outside)
    for name in ("outwards.h5", "beside.h5"):
        shutil.copy(os.path.join(OUT, name), served)
    with h5py.File(os.path.join(outside, "secret.h5"), "w") as f:
        f["secret"] = np.array([SECRET, SECRET], "<i4")
    np.array([SECRET, SECRET], "<i4").tofile(os.path.join(outside, "secret.bin"))
    os.symlink("../outside/secret.h5", os.path.join(served, "symbolic.h5"))
    os.symlink(outside, os.path.join(served, "symbolic"))
    # The prefixes are read when the library is loaded: another process for each.
    prefixes = {"HDF5_EXT_PREFIX": outside, "HDF5_EXTFILE_PREFIX": outside, "HDF5_VDS_PREFIX": outside}
    for linked, environment in (("outwards.h5", {}), ("beside.h5", prefixes)):
        command = [sys.executable, os.path.abspath(__file__), served, linked]
        subprocess.run(command, env={**os.environ, **environment}, cwd=served, check=True)
print("the reference falls for every attack")
