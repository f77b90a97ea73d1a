#!/usr/bin/env bash
# tools/zig.sh: makes build/zig, a Python environment with cargo-zigbuild and zig's linker: with them
# bindings-java/native/build.sh builds for a glibc older than this machine's. Does nothing where it is up to date; without it
# the native part is built for this machine's glibc.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
lock=bindings-java/native/requirements.txt
if cmp -s "$lock" build/zig/requirements.txt; then
    exit 0
fi
[[ $(uname -m) == x86_64 ]] || { echo "zig: $lock is for x86_64 alone" >&2 && exit 1; }
export PIP_DISABLE_PIP_VERSION_CHECK=1
python3 -m venv --clear build/zig
build/zig/bin/pip install --quiet --no-deps --require-hashes --requirement "$lock"
cp "$lock" build/zig/requirements.txt
