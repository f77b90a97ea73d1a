#!/usr/bin/env bash
# tools/test-python.sh: the wheel, lints, types and every test of the Python package, as it is installed.
# Leaves the behaviours that passed in build/behaviours. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/steps.sh
root=$PWD
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

the_wheel_is_all_one_needs() {
    python3 -m venv "$scratch/empty" &&
        "$scratch/empty/bin/pip" install --quiet --no-index build/wheels/libzdt-*.whl &&
        (cd "$scratch" && empty/bin/python -c '
import libzdt, libzdt.aio
with libzdt.Takeover("zdt.sock") as takeover:
    assert takeover.generation == 1
') &&
        "$scratch/empty/bin/zdt" run --help | grep -q -- --takeover
}

# What is built without zig says so by its name, and is no wheel to be released.
the_wheel_runs_with_every_glibc_from_2_17_on() {
    local newest
    ls build/wheels/libzdt-*-cp310-abi3-*manylinux_2_17_*.whl &&
        unzip -qod "$scratch/wheel" build/wheels/libzdt-*.whl 'libzdt/_core.abi3.so' &&
        newest=$(readelf --version-info "$scratch/wheel/libzdt/_core.abi3.so" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1) &&
        [[ $(printf '%s\n' "$newest" GLIBC_2.17 | sort -V | tail -n 1) == GLIBC_2.17 ]] ||
        { echo "it needs ${newest:-another glibc}: was it built without tools/zig.sh?" && return 1; }
}

step the_wheel_builds tools/venv.sh
step the_wheel_runs_with_every_glibc_from_2_17_on the_wheel_runs_with_every_glibc_from_2_17_on
step the_bad_predecessor_builds cargo build --quiet --locked --package zdt-hostile
export PATH=$root/build/venv/bin:$PATH ZDT_HOSTILE=$target/debug/zdt-hostile ZDT_TAKEOVERS=$target/debug/zdt-takeovers
step the_clients_build cargo build --quiet --locked --package zdt-load
step the_wheel_is_all_one_needs the_wheel_is_all_one_needs

cd bindings-python || exit 1
step python_is_formatted ruff format --check . ../examples/python ../examples/relay/python ../bench/python
step ruff_has_nothing_to_say ruff check . ../examples/python ../examples/relay/python ../bench/python
step mypy_has_nothing_to_say mypy
# Elsewhere, so that what is installed is looked at and not the sources.
step the_stub_says_what_the_native_part_has env --chdir "$scratch" python -m mypy.stubtest libzdt._core

echo "== tests"
# Those with processes of their own wait for them most of the time, so four at once; the others have the machine to themselves.
apart=(tests/run tests/servers tests/test_user.py)
pytest --names -rN --numprocesses 4 "${apart[@]}" 2>&1 | tee "$scratch/log"
code=${PIPESTATUS[0]}
pytest --names -rN "${apart[@]/#/--ignore=}" 2>&1 | tee -a "$scratch/log"
code=$((code | PIPESTATUS[0]))
ok=$(grep -c '^ok ' "$scratch/log")
bad=$(grep -c '^FAILED ' "$scratch/log")
# It did not begin, or was killed before it could count.
if ((code != 0 && bad == 0)); then
    bad=1
fi
passed=$((passed + ok))
failed=$((failed + bad))

"$root/tools/behaviours-of.sh" python "$scratch/log"
for loop in asyncio uvloop; do
    sed -nE "s/^(ok|FAILED)( +.*)\[$loop\]\$/\1\2/p" "$scratch/log" >"$scratch/$loop"
    "$root/tools/behaviours-of.sh" "$loop" "$scratch/$loop"
done
echo "$passed passed, $failed failed"
((failed == 0 && ok > 0))
