#!/usr/bin/env bash
# Compares with the HDF5 library over a corpus of real files, and looks for panics, hangs and aborts on malformed ones.
# The corpus is not part of the repository: H5_SHARED (default: ../shared) says where it lies.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
target_dir="${CARGO_TARGET_DIR:-$PWD/target}"
corpus="${H5_SHARED:-$PWD/../shared}/corpus"
if [ ! -f "$corpus/compare.py" ]; then
    echo "no corpus at hand: skipped"
    exit 0
fi

# Filters that have no codec here yet.
skip=filter_sz,filter_sz3,filter_sperr,filter_jpeg,filter_lzo,filter_mafisc,filter_fcidecomp,filter_htj2k
skip+=,filter_user257,filter_user260,filter_257,filter_260,filter_300,filter_312,filter_405

failed=0
cargo build --locked --release --features cli --bin h5 || exit 1
cargo build --locked --profile checked --features cli --bin h5 || exit 1
python3 "$corpus/compare.py" --cmd "$target_dir/release/h5 digest {file}" --root "$corpus/dev" --skip-feature "$skip" ||
    failed=1
echo "repacked files"
python3 .ci/repack.py "$target_dir/release/h5" "$corpus/dev" || failed=1
for profile in release checked; do
    digest="$target_dir/$profile/h5 digest {file}"
    echo "malformed files, profile $profile"
    python3 "$corpus/robust.py" --cmd "$digest" --root "$corpus/malformed/dev" || failed=1
    echo "mutated files, profile $profile"
    python3 "$corpus/robust.py" --cmd "$digest" --root "$corpus/dev" --mutate 2000 --seed 7 || failed=1
done
# What changes when files are changed, judged by h5py where there is one.
python="$target_dir/ci-venv/bin/python"
if [ -x "$python" ]; then
    cargo build --locked --release --example edit_files --example edit_rounds || exit 1
    H5_SHARED="$(dirname "$corpus")" "$python" .ci/edit_fidelity.py --edit "$target_dir/release/examples/edit_files" ||
        failed=1
    "$python" .ci/edit_rounds.py "$target_dir/release/examples/edit_rounds" || failed=1
fi
exit $failed
