#!/usr/bin/env bash
# tools/faults.sh [OPTION...]: every step of a takeover, on both sides, in every way to fail (tests/faults). Builds the
# relays with the feature `faults`, which no release has, into places of their own: cargo's profile of that name, and
# build/faults. Ends with the line "N passed, N failed"; build/faults/report.json has every case.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/faults
out=$PWD/build/faults
{
    echo building...
    # What the relays in Python and Java need beside the native part.
    tools/venv.sh
    tools/java.sh
    cargo build --quiet --locked --profile faults --package zdt-faults
    cargo build --quiet --locked --profile faults --package relay-rust --package zdt-c --package zdt-jni --package zdt-python \
        --features relay-rust/faults,zdt-c/faults,zdt-jni/faults,zdt-python/faults

    mkdir -p "$out/c/lib" "$out/c/include"
    install -m 644 bindings-c/include/zdt.h "$out/c/include"
    install -m 755 "$target/libzdt.so" "$out/c/lib/libzdt.so.0"
    ln -sfn libzdt.so.0 "$out/c/lib/libzdt.so"
    make --no-print-directory -C examples/relay/c ZDT="$out/c" BUILD="$out/relay-c"

    rm -rf "$out/python"
    mkdir -p "$out/python"
    cp -r bindings-python/python/libzdt "$out/python"
    install -m 755 "$target/lib_core.so" "$out/python/libzdt/_core.abi3.so"
} >&2

# Each script ends in exec, so that the process that was started is the one that dies.
exec "$target/faults" \
    --relay "rust=$target/relay-rust" \
    --relay "c=$out/relay-c/relay-c" \
    --relay "python=/usr/bin/env PYTHONPATH=$out/python $PWD/examples/relay/python/relay-python" \
    --relay "java=/usr/bin/env JDK_JAVA_OPTIONS=-Dzdt.native.path=$target/libzdt_jni.so $PWD/examples/relay/java/relay-java" \
    "$@"
