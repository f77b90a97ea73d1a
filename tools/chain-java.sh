#!/usr/bin/env bash
# tools/chain-java.sh [TAKEOVERS]: so many takeovers (20) of examples/java/netty-http in a row, between the oldest and the
# newest JDK here, Netty 4.1 and 4.2, NIO and epoll, under load: over loopback, and at the same time through 10 ms each way,
# as root. Every client keeps its connection. Reports go to build/chain-java. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
takeovers=${1:-20}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug
tools/netty-http.sh && cargo build --quiet --locked --package zdt-load --package zdt-delay || exit 1

mapfile -t jdks < <(tools/jdks.sh)
read -r first oldest <<<"${jdks[0]}"
read -r last newest <<<"${jdks[-1]}"
[[ $first != "$last" ]] || echo "only JDK $first is here: its takeovers are not mixed with those of another one"

# Each differs from the one before in at least two things, and every pair of JDK, Netty and transport comes up.
variants=()
for variant in "$oldest 4.1 nio" "$newest 4.2 epoll" "$oldest 4.2 nio" "$newest 4.1 epoll" \
    "$oldest 4.1 epoll" "$newest 4.2 nio" "$oldest 4.2 epoll" "$newest 4.1 nio"; do
    read -r jdk netty transport <<<"$variant"
    variants+=("env JAVA_HOME=$jdk examples/java/netty-http/netty-http $netty --transport $transport --probation-ms 500")
done

keep=keep-alive,pipeline,half-head,slow,reader,upload,web-socket
load=(--takeovers "$takeovers" --settle 1000 --keep "$keep" --body 4000000)
passed=0
failed=0

# run NAME COMMAND...: what is printed goes to a file, and the end of it here.
run() {
    local out=build/chain-java/$1
    mkdir -p "$out"
    shift
    "$@" --out "$out" "${variants[@]}" >"$out/summary.txt" 2>&1
}

run loopback "$target/zdt-takeovers" "${load[@]}" &
loopback=$!
names=(loopback)
pids=("$loopback")
if ((EUID == 0)) && [[ -c /dev/net/tun ]] && unshare --net true 2>/dev/null; then
    run 10ms "$target/zdt-delay" "$target/zdt-takeovers" --host 10.99.0.2 "${load[@]}" &
    names+=(10ms)
    pids+=($!)
else
    echo "NOT RUN through 10 ms: that needs root, /dev/net/tun and network namespaces"
fi
for index in "${!pids[@]}"; do
    if wait "${pids[index]}"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED ${names[index]}"
    fi
    echo "== ${names[index]}"
    cat "build/chain-java/${names[index]}/summary.txt"
done
echo "$passed passed, $failed failed"
((failed == 0))
