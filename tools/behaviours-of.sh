#!/usr/bin/env bash
# tools/behaviours-of.sh SUITE LOG: writes build/behaviours/SUITE.txt, the behaviours of tests/behaviours.txt that passed in
# LOG and failed nowhere in it. LOG is what `cargo test` printed (`test NAME ... ok`) or a script of ours (`ok NAME`).
set -euo pipefail

log=$(realpath "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build/behaviours
awk '
    function name(path) { sub(/.*::/, "", path); return path }
    FNR == NR { if ($0 !~ /^(#|\[|$)/) listed[$0]; next }
    /^test .* \.\.\. ok$/ { passed[name($2)] }
    /^ok / { passed[$2] }
    /^test .* \.\.\. FAILED$/ { failed[name($2)] }
    /^FAILED / { failed[$2] }
    END { for (one in passed) if (one in listed && !(one in failed)) print one }
' tests/behaviours.txt "$log" | sort >"build/behaviours/$1.txt"
