#!/bin/sh
# bindings-java/native/build.sh DIRECTORY [PROFILE]: builds the native part and puts it into DIRECTORY under the name that
# the Java side looks for (NativeLibrary.java). PROFILE is cargo's, default release. CARGO_TARGET_DIR as cargo knows it.
# ZDT_NATIVE=FILE: takes that one instead of building.
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
    cargo build --quiet --locked --package zdt-jni --profile "$profile"
    folder=$profile
    [ "$profile" != dev ] || folder=debug
    library=$(realpath -m "${CARGO_TARGET_DIR:-target}")/$folder/libzdt_jni.so
fi

mkdir -p "$out"
name=$out/libzdt_jni-$version-linux-$(uname -m)-$libc.so
# Whatever is not new keeps its time, so that the jar is not made anew.
if [ ! -e "$name" ] || [ "$library" -nt "$name" ]; then
    rm -f "$out"/libzdt_jni-*.so
    strip --strip-debug -o "$name.new" "$library"
    mv "$name.new" "$name"
fi
