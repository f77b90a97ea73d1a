#!/usr/bin/env bash
# tools/venv.sh: makes build/venv, a Python environment with the tools of bindings-python/requirements-dev.txt and with the
# wheel of libzdt, which it builds into build/wheels: for glibc 2.17 and newer where tools/zig.sh can be had, else for this
# machine's. Does nothing where all of it is up to date.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=$PWD/build/venv
lock=bindings-python/requirements-dev.txt
sources=(Cargo.toml Cargo.lock core/Cargo.toml core/src
    bindings-python/{Cargo.toml,pyproject.toml,README.md,src,python})
export PIP_DISABLE_PIP_VERSION_CHECK=1

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { echo "venv: $(python3 --version) is too old for the tools: 3.11 or newer is needed" >&2 && exit 1; }
[[ -x $venv/bin/pip ]] || python3 -m venv --clear "$venv"
if ! cmp -s "$lock" "$venv/requirements.txt"; then
    "$venv/bin/pip" install --quiet --require-hashes --requirement "$lock"
    cp "$lock" "$venv/requirements.txt"
fi
if [[ -e $venv/wheel ]] &&
    [[ -z $(find "${sources[@]}" \( -name __pycache__ -o -name '_core*.so' \) -prune -o -newer "$venv/wheel" -print -quit) ]]; then
    exit 0
fi
began=$(mktemp -p "$venv")
trap 'rm -f "$began"' EXIT
rm -rf build/wheels
portable=()
# maturin asks the first python3 for zig.
if tools/zig.sh; then
    portable=(env PATH="$PWD/build/zig/bin:$PATH")
fi
"${portable[@]}" "$venv/bin/maturin" build --quiet --locked --release ${portable:+--zig --compatibility manylinux2014} \
    --manifest-path bindings-python/Cargo.toml --out build/wheels
"$venv/bin/pip" install --quiet --no-index --no-deps --force-reinstall build/wheels/libzdt-*.whl
# As old as the moment at which the build began: what was changed since is built again.
mv "$began" "$venv/wheel"
