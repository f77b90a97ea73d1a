#!/bin/sh
# bindings-java/native/build.sh DIRECTORY [PROFILE]: builds the native part and puts it into DIRECTORY under the name that
# the Java side looks for (NativeLibrary.java). PROFILE is cargo's, default release. CARGO_TARGET_DIR as cargo knows it.
# ZDT_NATIVE=FILE: takes that one instead of building.
#
# What is to be released is built for an old glibc, with cargo-zigbuild from build/zig (tools/zig.sh makes it) or from PATH.
# Where there is none, it is built for this machine's glibc, and says so.
set -eu

out=$(realpath -m "$1")
profile=${2:-release}
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
libc=gnu
if [ -n "$(find /lib -maxdepth 1 -name 'ld-musl-*' 2>/dev/null)" ] && ! ldd --version 2>&1 | grep -qi 'glibc\|gnu'; then
    libc=musl
fi
library=${ZDT_NATIVE:-}
if [ -z "$library" ]; then
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    set -- --quiet --locked --package zdt-jni --profile "$profile"
    [ ! -e build/zig/requirements.txt ] || PATH=$PWD/build/zig/bin:$PATH
    if [ "$profile" = dev ]; then
        cargo build "$@"
        library=$target/debug/libzdt_jni.so
    elif [ $libc = gnu ] && command -v cargo-zigbuild >/dev/null; then
        triple=$(uname -m)-unknown-linux-gnu
        cargo zigbuild "$@" --target "$triple.2.17"
        library=$target/$triple/$profile/libzdt_jni.so
    else
        [ $libc != gnu ] || echo "build.sh: no cargo-zigbuild (tools/zig.sh gets it): the library will need a glibc as new" \
            "as this machine's, $(getconf GNU_LIBC_VERSION)" >&2
        cargo build "$@"
        library=$target/$profile/libzdt_jni.so
    fi
fi

mkdir -p "$out"
name=$out/libzdt_jni-$version-linux-$(uname -m)-$libc.so
strip --strip-debug -o "$out/new" "$library"
# Whatever is not new keeps its time, so that the jar is not made anew.
if cmp -s "$out/new" "$name"; then
    rm "$out/new"
else
    rm -f "$out"/libzdt_jni-*.so
    mv "$out/new" "$name"
fi
