#!/usr/bin/env bash
# Lets the tools of HDF5 1.10 (Debian's hdf5-tools) dump, list, measure, compare and copy every file that the tests have
# written. usage: .ci/hdf5_tools.sh FOLDER
#
# Does nothing, successfully, where the tools are not installed and cannot be.
set -uo pipefail
tools=(h5dump h5ls h5stat h5diff h5repack)
missing() {
    for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || return 0; done
    return 1
}
if missing; then
    { apt-get update -qq && apt-get install -y -qq hdf5-tools; } >/dev/null 2>&1
fi
if missing; then
    echo "skipped: ${tools[*]} are not installed"
    exit 0
fi
# External files are named from where the file is.
cd "$1" || exit 2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0 done=0

# What a tool says goes to a file: dumps are long.
try() {
    done=$((done + 1))
    timeout 120 "$@" >"$out/log" 2>&1 && return
    echo "FAILED ($?): $*"
    grep -m 5 -iE 'error|unable|fail|differ|compar' "$out/log"
    failed=$((failed + 1))
}

for file in *.h5; do
    case "$file" in
        # LZF comes with h5py, not with HDF5.
        matrix_lzf-* | layouts-*) dump=(h5dump -A) data=no ;;
        # References of HDF5 1.12.
        references-*) continue ;;
        # libhdf5 crashes when it copies what is of variable length and has several filters, its own files too.
        matrix_variable-*) dump=(h5dump) data=no ;;
        *) dump=(h5dump) data=yes ;;
    esac
    try "${dump[@]}" "$file"
    try h5ls -r "$file"
    try h5stat "$file"
    try h5diff "$file" "$file"
    [ $data = yes ] || continue
    # Of large attributes on groups h5repack can only make copies of the latest kind, of its own files too.
    repack=(h5repack)
    case "$file" in links-*) repack=(h5repack -L) ;; esac
    try "${repack[@]}" "$file" "$out/copy.h5"
    # h5repack forgets the second link to a committed datatype, in its own files too.
    case "$file" in committed-*) ;; *) try h5diff "$file" "$out/copy.h5" ;; esac
done
echo "$done calls of tools, $failed failed; $(h5dump --version)"
[ $done -gt 0 ] && [ $failed -eq 0 ]
