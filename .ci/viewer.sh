#!/usr/bin/env bash
# Builds the viewer and the command, and drives them in chromium. Screenshots go to target/viewer-screenshots.
# Skipped where node and chromium are not there and cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
command -v node >/dev/null && command -v npm >/dev/null ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; } ||
    { echo "no node: skipped" && exit 0; }
command -v chromium >/dev/null ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } ||
    { echo "no chromium: skipped" && exit 0; }
.ci/python_env.sh "$target/ci-venv"
(cd viewer && npm ci --no-audit --no-fund && npm run build)
cargo build --locked --release --features server --bin h5
cd viewer
H5="$target/release/h5" CHROMIUM="$(command -v chromium)" PYTHON="$target/ci-venv/bin/python" \
    SCREENSHOTS="$target/viewer-screenshots" npm test
