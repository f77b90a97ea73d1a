#!/usr/bin/env bash
# tools/lanes.sh: pre-fork servers in Rust and C (examples/prefork) take over from each other, worker to worker, under load,
# and each of their processes is killed, or stopped past every deadline, in the middle (tests/lanes). Ends with the line
# "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
{
    cargo build --quiet --package prefork-rust --package zdt-lanes
    bindings-c/build.sh build/c
    make --no-print-directory -C examples/prefork/c ZDT="$PWD/build/c" BUILD="$PWD/build/prefork-c"
} >&2
exec "$target/debug/lanes" "rust=$target/debug/prefork-rust" "c=$PWD/build/prefork-c/prefork-c"
