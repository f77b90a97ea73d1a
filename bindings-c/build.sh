#!/bin/sh
# bindings-c/build.sh [PREFIX]: builds the C library and puts libzdt.so (with its soname), libzdt.a, zdt.h and zdt.pc
# under PREFIX (default: build/c beside the workspace).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
prefix=${1:-$root/build/c}
target=${CARGO_TARGET_DIR:-$root/target}

cd "$root"
cargo build --quiet --release --package zdt-c
version=$(cargo pkgid --package zdt-c)
version=${version##*[@#]}

mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
prefix=$(cd "$prefix" && pwd)
soname=libzdt.so.0
# Through a rename: a running program keeps the file that it has mapped.
install -m 755 "$target/release/libzdt.so" "$prefix/lib/libzdt.so.$version.new"
mv "$prefix/lib/libzdt.so.$version.new" "$prefix/lib/libzdt.so.$version"
ln -sfn "libzdt.so.$version" "$prefix/lib/$soname"
ln -sfn "$soname" "$prefix/lib/libzdt.so"
install -m 644 "$target/release/libzdt.a" "$prefix/lib/libzdt.a"
install -m 644 "$here/include/zdt.h" "$prefix/include/zdt.h"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" "$here/zdt.pc.in" >"$prefix/lib/pkgconfig/zdt.pc"
