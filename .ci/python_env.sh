#!/usr/bin/env bash
# Makes a Python environment with h5py and netCDF4, for what is compared with the HDF5 library. usage: .ci/python_env.sh FOLDER
set -euo pipefail
venv=$1
check='import h5netcdf, h5py, hdf5plugin, netCDF4, numpy, xarray; print("h5py", h5py.__version__, "with HDF5", h5py.version.hdf5_version)'
if "$venv/bin/python" -c "$check" 2>/dev/null; then
    exit 0
fi
if ! python3 -m venv --clear "$venv"; then
    # Debian keeps venv in a package of its own.
    apt-get update -qq && apt-get install -y -qq python3-venv
    python3 -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check numpy h5py hdf5plugin \
    netCDF4 h5netcdf xarray
"$venv/bin/python" -c "$check"
