#!/bin/sh
# bindings-c/tests/run.sh [PREFIX]: builds and installs the C library under PREFIX (default build/c), then runs its tests:
# the header's, the C program as it is, under AddressSanitizer, against libzdt.a, and under valgrind.
# Leaves the behaviours (tests/behaviours.txt) that passed, and failed in none of these runs, in build/behaviours/c.txt.
# Ends with a line "N passed, N failed"; fails where a single one failed or nothing ran.
# shellcheck disable=SC2086 # Flags and sources are words.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
prefix=${1:-$root/build/c}
sources="$here/test_zdt.c $here/test_calls.c $here/test_plain.c $here/test_behaviours.c \
    $here/test_listeners.c $here/test_errors.c $here/test_move.c $here/test_death.c $here/test_workers.c \
    $here/test_reuseport.c $here/link.c $here/two.c"
warnings="-std=c11 -Wall -Wextra -Wpedantic -Werror"
passed=0
failed=0

rm -f "$root/build/behaviours/c.txt" # of an earlier run
log=$(mktemp -d)
: >"$log/all"
trap 'rm -rf "$log"' EXIT

# Counts a whole step as one test, and as a behaviour if it has the name of one: step NAME COMMAND...
step() {
    name=$1
    shift
    if "$@" >"$log/step" 2>&1; then
        passed=$((passed + 1))
        echo "ok     $name" | tee -a "$log/all"
    else
        failed=$((failed + 1))
        echo "FAILED $name" | tee -a "$log/all"
        cat "$log/step"
    fi
}

# Runs the test program and adds what it counts: tests NAME COMMAND...
tests() {
    echo "== $1"
    shift
    "$@" >"$log/tests" 2>&1
    code=$?
    tee -a "$log/all" <"$log/tests"
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log/tests" | tail -1)
    [ -n "$counts" ] || counts="0 0"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    if [ "$counts" = "0 0" ] || { [ $code -ne 0 ] && [ "${counts#* }" = 0 ]; }; then
        failed=$((failed + 1))
        echo "FAILED it ended with $code"
    fi
}

"$here/../build.sh" "$prefix" || exit 1
prefix=$(cd "$prefix" && pwd)
version=$(sed -n 's/^Version: //p' "$prefix/lib/pkgconfig/zdt.pc")
shared="-I$prefix/include -L$prefix/lib -lzdt -Wl,-rpath,$prefix/lib -pthread"

cd "$root" || exit 1
# The bad predecessor of test_errors.c.
cargo build --quiet --package zdt-hostile || exit 1
export ZDT_HOSTILE="${CARGO_TARGET_DIR:-$root/target}/debug/zdt-hostile"

echo "== header and edge"
step "the_rust_side_of_the_binding" cargo test --quiet --package zdt-c
printf '#include <zdt.h>\n#include <zdt.h>\nint use(void) { struct zdt_event event = ZDT_EVENT_INIT; return event.kind; }\n' \
    >"$log/header.c"
cp "$log/header.c" "$log/header.cpp"
step "the_header_compiles_as_c11" ${CC:-cc} $warnings -I"$prefix/include" -c "$log/header.c" -o "$log/header.o"
for std in c++11 c++20; do
    step "the_header_compiles_as_$std" \
        ${CXX:-c++} -std=$std -Wall -Wextra -Wpedantic -Werror -I"$prefix/include" -c "$log/header.cpp" -o "$log/header.o"
done
step "the_soname_is_libzdt_so_0" sh -c "readelf -d '$prefix/lib/libzdt.so' | grep -q 'SONAME.*\[libzdt.so.0\]'"
step "nothing_but_the_api_is_exported" \
    sh -c "! nm -D --defined-only '$prefix/lib/libzdt.so' | grep -v ' zdt_'"

step "it_builds" ${CC:-cc} $warnings -g -O1 $sources -o "$log/test_zdt" $shared
step "it_builds_with_the_sanitizers" \
    ${CC:-cc} $warnings -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all $sources -o "$log/test_asan" $shared
static=$(PKG_CONFIG_PATH="$prefix/lib/pkgconfig" pkg-config --static --libs zdt 2>/dev/null | sed 's/-lzdt/-l:libzdt.a/')
step "zdt_pc_is_enough_to_link_statically" test -n "$static"
step "it_builds_statically" ${CC:-cc} $warnings -g -O1 -I"$prefix/include" $sources -o "$log/test_static" $static -pthread
step "the_version_is_that_of_zdt_pc" \
    sh -c "printf '#include <zdt.h>\n#include <stdio.h>\nint main(void) { return puts(zdt_version()) < 0; }\n' >'$log/v.c' &&
        ${CC:-cc} '$log/v.c' -o '$log/v' $shared && test \"\$('$log/v')\" = '$version'"

step "the_pidfds_for_valgrind_build" ${CC:-cc} $warnings -g -fPIC -shared "$here/pidfd_for_valgrind.c" -o "$log/pidfd.so"
step "the_classic_example_builds" ${CC:-cc} $warnings -g "$here/../examples/classic.c" -o "$log/classic" $shared
step "the_classic_flow_loses_nobody" python3 "$root/tools/classic.py" "$log/classic"
tests "as it is" "$log/test_zdt"
tests "against libzdt.a" "$log/test_static"
tests "under AddressSanitizer" env ASAN_OPTIONS=detect_leaks=1 "$log/test_asan"
tests "under valgrind" env LD_PRELOAD="$log/pidfd.so" valgrind --quiet --trace-children=yes \
    --trace-children-skip='*/zdt-hostile' --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite,indirect --show-leak-kinds=definite,indirect "$log/test_zdt"
"$root/tools/behaviours-of.sh" c "$log/all"

echo "$passed passed, $failed failed"
test "$failed" -eq 0 && test "$passed" -gt 0
