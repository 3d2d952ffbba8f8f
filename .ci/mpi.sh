#!/usr/bin/env bash
# Four ranks of MPI append to one file, which h5py reads. usage: .ci/mpi.sh VENV
# H5FLOW_REFERENCE may name the sources of h5flow in Python, which then reads the file too.
set -euo pipefail
cd "$(dirname "$0")/.."
python="$1/bin/python"
if ! { command -v mpicc && command -v mpirun; } >/dev/null; then
    command -v apt-get >/dev/null || { echo "no MPI, and no way to install it" >&2; exit 1; }
    apt-get update -qq
    apt-get install -y -qq libopenmpi-dev openmpi-bin openssh-client libclang-dev
fi
target="${CARGO_TARGET_DIR:-target}"
cargo clippy --locked --features mpi --lib --example mpi_append -- -D warnings
cargo build --locked --release --features mpi --example mpi_append
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
run() {
    timeout 300 mpirun --allow-run-as-root --oversubscribe -n "$1" \
        "$target/release/examples/mpi_append" "$folder/ranks.h5" "$2"
    "$python" tests/python/check_mpi.py "$folder/ranks.h5"
}
run 4 1000000
# Shares that are not alike, and a rank that has nothing.
run 3 100
run 4 9
run 1 10000
