#!/usr/bin/env bash
# tools/test.sh PART...: runs these parts of the tests one after the other (rust, c, python, java,
# behaviours, matrix, lanes, generations, faults, frameworks, chain-python, classic, smoke, papers).
#
# The output of a part goes to build/test/PART.log; its last line of the form "N passed, N failed" is what it reports, and
# a part that reports nothing, or ends badly without a failure to show, is one failure. The sum of all parts is the last line.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
mkdir -p build/test
passed=0
failed=0
running=

# A part runs under `timeout`, which passes the signal on to all of it.
trap '[[ -z $running ]] || kill "$running" 2>/dev/null; exit 130' INT TERM

# Seconds that each part may take at most, and what it is.
part() {
    case $1 in
    rust) limit=2400 command=(tools/test-rust.sh) ;;
    c) limit=1200 command=(bindings-c/tests/run.sh build/c) ;;
    python) limit=1200 command=(tools/test-python.sh) ;;
    java) limit=1800 command=(tools/test-java.sh) ;;
    behaviours) limit=60 command=(tools/check-behaviours.sh) ;;
    matrix) limit=1800 command=(tools/matrix.sh) ;;
    lanes) limit=900 command=(tools/lanes.sh) ;;
    generations) limit=1200 command=(tools/generations.sh java python) ;;
    faults) limit=1200 command=(tools/faults.sh --sample) ;;
    frameworks) limit=900 command=(tools/frameworks.sh) ;;
    chain-python) limit=600 command=(tools/chain-python.sh 4) ;;
    classic) limit=900 command=(tools/classic.sh) ;;
    smoke) limit=600 command=(tools/smoke.sh) ;;
    papers) limit=600 command=(tools/check-papers.sh) ;;
    *) return 1 ;;
    esac
}

# Shows that a part goes on: in place on a terminal, else now and then.
live() {
    local line
    line=$(tail -n 1 "$2" 2>/dev/null | tr -cd '[:print:]' | cut -c1-90)
    if [[ -t 1 ]]; then
        printf '\r\033[K%-12s %4d s  %s' "$1" "$3" "$line"
    elif (($3 % 30 == 29)); then
        printf '%-12s %4d s  %s\n' "$1" "$3" "$line"
    fi
}

run() {
    local name=$1 log=build/test/$1.log begin=$SECONDS limit command code counts ok bad
    if ! part "$name"; then
        printf 'there is no part %s\n' "$name" >&2
        failed=$((failed + 1))
        return
    fi
    timeout --kill-after=10 "$limit" "${command[@]}" </dev/null >"$log" 2>&1 &
    running=$!
    while kill -0 "$running" 2>/dev/null; do
        live "$name" "$log" $((SECONDS - begin))
        sleep 1
    done
    wait "$running"
    code=$?
    running=
    counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    read -r ok _ bad _ <<<"${counts:-0 passed, 0 failed}"
    if ((bad == 0 && (code != 0 || ok == 0))); then
        bad=1
        printf 'it ended with %d%s\n' "$code" "$( ((code == 124)) && echo " after $limit s")" >>"$log"
    fi
    [[ ! -t 1 ]] || printf '\r\033[K'
    if ((bad)); then
        printf '== %s: what failed, and the end of %s\n' "$name" "$log"
        grep -E '^FAILED |^test .* FAILED$' "$log" | cut -c1-200 | sort -u | head -n 40
        tail -n 40 "$log" | cut -c1-200
    fi
    printf '%-12s %4d s  %d passed, %d failed  (%s)\n' "$name" $((SECONDS - begin)) "$ok" "$bad" "$log"
    passed=$((passed + ok))
    failed=$((failed + bad))
}

(($#)) || set -- rust c python java behaviours matrix lanes generations faults frameworks chain-python classic smoke papers
for name in "$@"; do
    run "$name"
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
