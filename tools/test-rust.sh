#!/usr/bin/env bash
# tools/test-rust.sh: formatting, lints, documentation and every test of the workspace, the model test included.
# Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/steps.sh
log=$(mktemp)
trap 'rm -f "$log"' EXIT

step it_is_formatted cargo fmt --all --check
step clippy_has_nothing_to_say cargo clippy --quiet --workspace --all-targets --locked -- -D warnings
step the_documentation_builds env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --locked --package zdt

echo "== tests"
cargo test --workspace --locked --no-fail-fast 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
tools/behaviours-of.sh rust "$log"
read -r ok bad < <(awk '/^test result:/ { ok += $4; bad += $6 } END { print ok + 0, bad + 0 }' "$log")
# It did not compile, or a program was killed before it could count.
if ((code != 0 && bad == 0)); then
    bad=1
fi
passed=$((passed + ok))
failed=$((failed + bad))
echo "$passed passed, $failed failed"
((failed == 0 && ok > 0))
