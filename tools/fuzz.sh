#!/usr/bin/env bash
# tools/fuzz.sh EXECUTIONS: that many executions of the fuzz targets in core/fuzz, divided among them by what they cost.
#
# Needs a nightly toolchain and cargo-fuzz. What is found is kept in build/fuzz/TARGET, and the sum is in
# build/fuzz/report.json; ends badly when there was a finding. SANITIZER=address looks at memory too, and is slower.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
executions=${1:-1000000}
[[ $executions =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: EXECUTIONS is a number, not '$executions'" >&2; exit 2; }
cargo +nightly fuzz --version >/dev/null 2>&1 ||
    { echo "fuzz: run 'rustup toolchain install nightly' and 'cargo install cargo-fuzz', then call again" >&2; exit 2; }

# Per thousand of the executions, and the longest input in bytes.
declare -A share=([decode]=400 [spec]=200 [engine]=350 [wander]=40 [link]=10)
declare -A longest=([decode]=4096 [spec]=256 [engine]=400 [wander]=400 [link]=400)

out=$PWD/build/fuzz
rm -rf "$out"
mkdir -p "$out"
sanitizer=${SANITIZER:-none}
cargo +nightly fuzz build --fuzz-dir core/fuzz --sanitizer "$sanitizer" >"$out/build.log" 2>&1 ||
    { tail -n 30 "$out/build.log"; exit 1; }

bad=0
lines=()
for target in decode spec engine wander link; do
    runs=$((executions * share[$target] / 1000 + 1))
    mkdir -p "$out/$target/found" "$out/$target/corpus"
    begin=$SECONDS
    cargo +nightly fuzz run --fuzz-dir core/fuzz --sanitizer "$sanitizer" "$target" \
        "$out/$target/corpus" "core/fuzz/corpus/$target" -- -runs="$runs" -max_len="${longest[$target]}" \
        -artifact_prefix="$out/$target/found/" -print_final_stats=1 >"$out/$target/log" 2>&1
    code=$?
    done=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target/log" | tail -n 1)
    findings=$(find "$out/$target/found" -type f | wc -l)
    ((code == 0 || findings)) || findings=1
    ((findings == 0)) || { bad=1; tail -n 20 "$out/$target/log"; }
    lines+=("\"$target\": {\"executions\": ${done:-0}, \"findings\": $findings, \"seconds\": $((SECONDS - begin))}")
    printf '%-8s %10s executions, %s findings, %d s\n' "$target" "${done:-0}" "$findings" $((SECONDS - begin))
done
{
    printf '{\n'
    printf '  %s,\n' "${lines[@]}" | sed '$ s/,$//'
    printf '}\n'
} >"$out/report.json"
cat "$out/report.json"
exit $bad
