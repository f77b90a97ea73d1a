#!/usr/bin/env bash
# tools/check-behaviours.sh: whether every binding was seen to do what tests/behaviours.txt lists, in the last run of its
# tests, which left the names that passed in build/behaviours/SUITE.txt. Prints a table of behaviours and suites, then what
# is missing (`FAILED`) and what is in a file though it is on no list. Ends with a line "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
list=tests/behaviours.txt
passed=0
failed=0
report=

# The names in a section of the list.
section() {
    awk -v head="[$1]" '/^\[/ { inside = $0 == head; next } inside && !/^#/ && NF' "$list"
}

# The names that a suite's tests proved; none where it did not run.
proved() {
    [[ ! -f build/behaviours/$1.txt ]] || cat "build/behaviours/$1.txt"
}

# check SECTION SUITE...
check() {
    local section=$1 suite behaviour cell
    local -A seen=()
    shift
    for suite in "$@"; do
        while read -r behaviour; do
            seen[$suite:$behaviour]=1
        done < <(proved "$suite")
        while read -r behaviour; do
            report+="unknown $suite: $behaviour"$'\n'
        done < <(proved "$suite" | grep -vxFf <(section "$section"))
    done
    printf '%-66s' "[$section]"
    printf ' %-11s' "$@"
    printf '\n'
    while read -r behaviour; do
        printf '%-66s' "$behaviour"
        for suite in "$@"; do
            if [[ ${seen[$suite:$behaviour]:-} ]]; then
                cell=ok
                passed=$((passed + 1))
            else
                cell=missing
                failed=$((failed + 1))
                report+="FAILED $suite: $behaviour"$'\n'
            fi
            printf ' %-11s' "$cell"
        done
        printf '\n'
    done < <(section "$section")
    printf '\n'
}

check face rust c python java
check runtime asyncio uvloop netty-nio netty-epoll
printf '%s' "$report"
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
