#!/usr/bin/env bash
# tools/demo.sh [OPTION...]: builds the relays, the verifier and the demo, and runs the demo with these options.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
echo "building..."
relays=$(tools/relays.sh relay-verifier relay-demo)
mapfile -t relays <<<"$relays"
exec "$target/release/relay-demo" "${relays[@]}" "$@"
