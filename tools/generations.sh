#!/usr/bin/env bash
# tools/generations.sh [NAME...]: each of these relays (all, if none is named) takes over from itself fifty times in a row
# under load; not one request may fail, and the last generation must have as many descriptors and threads as the third.
# Reports go to build/generations/NAME.json and NAME.html. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
demo=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/relay-demo
relays=$(tools/relays.sh relay-verifier relay-demo) || exit 1
declare -A relay
while IFS='=' read -r name command; do
    [[ $name == --relay ]] || relay[$name]=$command
done <<<"$relays"
(($#)) || set -- "${!relay[@]}"

passed=0
failed=0
for name in "$@"; do
    if [[ -n ${relay[$name]:-} ]] && "$demo" --relay "$name=${relay[$name]}" --takeovers 50 --connections 500 --steady \
        --report "build/generations/$name.json"; then
        passed=$((passed + 1))
        echo "ok     fifty_takeovers_in_a_row_leave_nothing_behind ($name)"
    else
        failed=$((failed + 1))
        echo "FAILED fifty_takeovers_in_a_row_leave_nothing_behind ($name: ${relay[$name]:-there is no such relay})"
    fi
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
