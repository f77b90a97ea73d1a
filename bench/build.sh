#!/bin/sh
# bench/build.sh [PREFIX]: builds all that `bench-core` runs, and itself; the programs in C go into build/bench and use the
# C library under PREFIX (default: build/c), which bindings-c/build.sh puts there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
prefix=${1:-$root/build/c}
programs=$root/build/bench
flags="-std=c11 -O2 -Wall -Wextra -Wpedantic -Werror -pthread"

cd "$root"
cargo build --quiet --release --package zdt-bench
"$root/bindings-c/build.sh" "$prefix"
prefix=$(cd "$prefix" && pwd)
mkdir -p "$programs"
# shellcheck disable=SC2086 # The flags are words.
cc $flags "$here/floor/floor.c" -o "$programs/floor"
# shellcheck disable=SC2086
cc $flags "-I$prefix/include" "$here/c/mover.c" -o "$programs/mover" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" -lzdt
