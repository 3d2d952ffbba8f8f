#!/usr/bin/env bash
# Prints the n-th shell command of the README. usage: .ci/readme_command.sh N
set -euo pipefail
cd "$(dirname "$0")/.."
command=$(awk -v n="$1" '
    /^```/ { if (inside) { inside = 0 } else if ($0 == "```sh") { count++; inside = 1 }; next }
    inside && count == n' README.md)
if [ -z "$command" ]; then
    echo "README.md has no ${1}th block of shell commands" >&2
    exit 1
fi
printf '%s\n' "$command"
