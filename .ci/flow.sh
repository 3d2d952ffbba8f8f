#!/usr/bin/env bash
# h5flow in Python and ours on the same files. usage: .ci/flow.sh VENV
# H5FLOW_REFERENCE names the sources of h5flow, which is in no registry; without it only h5py looks at our files.
set -euo pipefail
cd "$(dirname "$0")/.."
python="$1/bin/python"
if [ -n "${H5FLOW_REFERENCE:-}" ]; then
    "$python" -c 'import tqdm, yaml, yamlinclude' 2>/dev/null ||
        "$python" -m pip install --quiet --disable-pip-version-check PyYAML 'pyyaml-include<2.0' tqdm
fi
cargo build --locked --release --features h5flow --example flow_steps
"$python" tests/python/check_flow.py "${CARGO_TARGET_DIR:-target}/release/examples/flow_steps"
