#!/usr/bin/env bash
# tools/reuseport.sh [OPTION...]: builds and runs what measures the loss when sockets that share a port are closed, retired or
# passed on; writes build/reuseport/report.json. The part with a round trip of 10 ms needs root (a network namespace with
# a TUN device); without, it is left out, and that is said.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "building..."
cargo build --quiet --release --locked --package zdt-bench-reuseport
if ((EUID != 0)) || [[ ! -c /dev/net/tun ]] || ! unshare --net true 2>/dev/null; then
    echo "reuseport: no root, no /dev/net/tun or no network namespaces: only loopback is measured" >&2
    set -- --loopback "$@"
fi
exec "$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/bench-reuseport" "$@"
