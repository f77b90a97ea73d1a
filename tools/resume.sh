#!/usr/bin/env bash
# tools/resume.sh [OPTION...]: how long it takes until a predecessor in each language serves again when its successor is
# killed (bench/resume); see `bench-resume --help`. Writes build/resume/report.json.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
relays=$(tools/relays.sh zdt-bench-resume)
mapfile -t relays <<<"$relays"
exec "$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/bench-resume" "${relays[@]}" "$@"
