#!/usr/bin/env bash
# tools/relays.sh PACKAGE...: builds the relay in every language, and these packages, optimised; then prints the options
# that name the relays, one a line (--relay, rust=PATH, ...), for the demo and for the matrix. A language is a line here.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
{
    cargo build --quiet --release --package relay-rust "${@/#/--package=}"
    bindings-c/build.sh build/c
    make --no-print-directory -C examples/relay/c ZDT="$PWD/build/c" BUILD="$PWD/build/relay-c"
    tools/venv.sh
    tools/java.sh
} >&2

printf '%s\n' \
    --relay "rust=$target/release/relay-rust" \
    --relay "c=$PWD/build/relay-c/relay-c" \
    --relay "python=$PWD/examples/relay/python/relay-python" \
    --relay "java=$PWD/examples/relay/java/relay-java"
