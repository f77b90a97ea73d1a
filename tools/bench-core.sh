#!/usr/bin/env bash
# tools/bench-core.sh [OPTION...]: builds and runs the benchmark of the core; writes build/bench/core.json.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "building..."
bench/build.sh
exec "$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/bench-core" "$@"
