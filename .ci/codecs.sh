#!/usr/bin/env bash
# What our encoders give, read back by libhdf5 and hdf5plugin. Needs the Python environment of the section `python`.
set -euo pipefail
cd "$(dirname "$0")/.."
target_dir="${CARGO_TARGET_DIR:-$PWD/target}"
encode() {
    rm -f "$2"
    H5_DUMP_FILTERS="$2" cargo test --locked --workspace --features full --lib "$1"
    [ -s "$2" ] || { echo "no encoded chunks in $2"; exit 1; }
}
encode filter::libhdf5_tests "$target_dir/ci-codecs.bin"
"$target_dir/ci-venv/bin/python" testdata/filters/make_filters.py --verify "$target_dir/ci-codecs.bin"
encode filter::zfp::tests "$target_dir/ci-zfp.bin"
"$target_dir/ci-venv/bin/python" testdata/filters/make_zfp.py --verify "$target_dir/ci-zfp.bin"
filtered="$target_dir/ci-filtered.h5"
rm -f "$filtered"
H5_FILTERED_FILE="$filtered" cargo test --locked --workspace --features full --test write_filters
"$target_dir/ci-venv/bin/python" tests/python/check_filters.py "$filtered"
