#!/usr/bin/env bash
# tools/setup.sh demo|test: sees that everything is there which the demo or the tests need, and installs the Debian
# packages that are missing. Does nothing where nothing is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# Rust comes from rustup as a rule; which one a machine should have is for its owner to say.
command -v cargo >/dev/null || die "cargo is missing: install Rust $oldest or newer, then call again"
found=$(rustc --version | cut -d' ' -f2)
printf '%s\n%s\n' "$oldest" "${found%%-*}" | sort -C -V ||
    die "rustc is $found, $oldest is needed: run 'rustup update', then call again"

packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need cc gcc
need make make
# A compiler without the C library's headers compiles nothing.
[[ -e /usr/include/stdio.h ]] || packages+=(libc6-dev)
# The relay exists in Python and in Java too.
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
need javac openjdk-17-jdk-headless
need mvn maven
if [[ ${1:-test} == test ]]; then
    need c++ g++
    need readelf binutils
    need pkg-config pkg-config
    need valgrind valgrind
    # One of the servers that are taken over from.
    need uwsgi uwsgi-core
    compgen -G '/usr/lib/uwsgi/plugins/python3*_plugin.so' >/dev/null || packages+=(uwsgi-plugin-python3)
    # A user's jars are looked into.
    need unzip unzip
    need zip zip
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || die "cargo $component is missing: install it beside your Rust, then call again"
        rustup component add "${component/fmt/rustfmt}"
    done
fi
((${#packages[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
    sudo -n true 2>/dev/null || die "missing: ${packages[*]}; run 'sudo apt-get install ${packages[*]}', then call again"
    as_root=(sudo -n)
fi
command -v apt-get >/dev/null || die "missing, and this is no Debian: ${packages[*]}"
printf 'setup: installing %s\n' "${packages[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
