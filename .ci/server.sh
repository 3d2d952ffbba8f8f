#!/usr/bin/env bash
# `h5 serve` beside the reference: the same answers, a minute of load, a small benchmark. usage: .ci/server.sh VENV
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
python="$venv/bin/python"
if ! "$python" -c 'import h5grove, fastapi, uvicorn, httpx, tifffile, hdf5plugin' 2>/dev/null; then
    python3 -m venv --clear "$venv" || { apt-get update -qq && apt-get install -y -qq python3-venv && python3 -m venv --clear "$venv"; }
    "$python" -m pip install --quiet --disable-pip-version-check 'h5grove[fastapi]==4.0.0' uvicorn h5py hdf5plugin httpx tifffile numpy
fi
cargo build --locked --release --features server --bin h5
h5="${CARGO_TARGET_DIR:-target}/release/h5"
compare="${H5_SHARED:-../shared}/h5grove/compare_h5grove.py"
if [ -f "$compare" ]; then
    "$python" "$compare" --server "$h5 serve --ip 127.0.0.1 --port {port} --basedir {dir}" testdata/h5grove
fi
"$python" benches/load.py --h5 "$h5" --minutes 1
"$python" benches/compare/serve.py --h5 "$h5" --scale 0.01 --repeats 1 --seconds 1
