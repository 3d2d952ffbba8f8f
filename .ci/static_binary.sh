#!/usr/bin/env bash
# Builds the `h5` command without shared libraries, and runs it in a folder that holds nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
target_dir="${CARGO_TARGET_DIR:-$PWD/target}"
triple=$(rustc -vV | sed -n 's/^host: //p')
case "$triple" in
    *-linux-gnu) ;;
    *)
        echo "not on $triple: skipped"
        exit 0
        ;;
esac

# A target must be named, or build scripts and macros would be linked statically too, which they cannot be.
RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR="$target_dir/static" \
    cargo build --locked --release --target "$triple" --features cli --bin h5
binary="$target_dir/static/$triple/release/h5"
if command -v ldd >/dev/null && ldd "$binary" 2>/dev/null | grep -q '=>'; then
    echo "$binary needs shared libraries:"
    ldd "$binary"
    exit 1
fi

if [ "$(id -u)" != 0 ] || ! chroot / true 2>/dev/null; then
    echo "chroot is not to be had here: the binary is built, but not run"
    exit 0
fi
root="$target_dir/static/root"
rm -rf "$root"
mkdir -p "$root"
cp "$binary" testdata/humidity.nc "$root/"
listing=$(chroot "$root" /h5 ls -r /humidity.nc)
printf '%s\n' "$listing"
grep -q lat_bnds <<<"$listing"
