#!/usr/bin/env bash
# tools/matrix.sh [OPTION...]: every language takes over from every other one, with faults (tests/matrix).
# Ends with the lines "N of N pairs" and "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
relays=$(tools/relays.sh zdt-matrix)
mapfile -t relays <<<"$relays"
exec "$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/matrix" "${relays[@]}" "$@"
