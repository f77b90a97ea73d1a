#!/usr/bin/env bash
# tools/endurance.sh [OPTION...]: takeovers one behind the other, all languages mixed, under load; see `relay-demo --help`,
# --endurance. As root it has a network namespace of its own, so that every socket in it is counted.
# Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
relays=$(tools/relays.sh relay-verifier relay-demo) || exit 1
mapfile -t relays <<<"$relays"
demo=("$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/relay-demo" "${relays[@]}" --endurance --connections 500
    --report build/endurance/report.json "$@")
if ((EUID == 0)) && command -v ip >/dev/null && unshare --net ip link set lo up; then
    demo=(unshare --net sh -c 'ip link set lo up && exec "$@"' sh "${demo[@]}" --alone)
else
    echo "endurance: no network namespace of its own (that takes root, and iproute2): leaked sockets show only if many"
fi
if "${demo[@]}"; then
    echo "ok     takeovers_one_behind_the_other_fail_in_nothing_and_leave_nothing_behind"
    echo "1 passed, 0 failed"
else
    echo "FAILED takeovers_one_behind_the_other_fail_in_nothing_and_leave_nothing_behind"
    echo "0 passed, 1 failed"
    exit 1
fi
