#!/usr/bin/env bash
# tools/chain-java.sh [TAKEOVERS]: so many takeovers (20) of examples/java/netty-http in a row, between the oldest and the
# newest JDK here, Netty 4.1 and 4.2, NIO and epoll, under load: over loopback, and at the same time through 10 ms each
# way, as root. Every client keeps its connection. Reports go to build/chain-java. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
takeovers=${1:-20}
tools/netty-http.sh || exit 1

mapfile -t jdks < <(tools/jdks.sh)
read -r first oldest <<<"${jdks[0]}"
read -r last newest <<<"${jdks[-1]}"
[[ $first != "$last" ]] || echo "only JDK $first is here: its takeovers are not mixed with those of another one"

# Each differs from the one before in at least two things, and every pair of JDK, Netty and transport comes up.
variants=()
for variant in "$oldest 4.1 nio" "$newest 4.2 epoll" "$oldest 4.2 nio" "$newest 4.1 epoll" \
    "$oldest 4.1 epoll" "$newest 4.2 nio" "$oldest 4.2 epoll" "$newest 4.1 nio"; do
    read -r jdk netty transport <<<"$variant"
    variants+=("env JAVA_HOME=$jdk APP_HOME=build/netty-http/$netty examples/java/netty-http/run --transport $transport --probation-ms 500")
done

keep=keep-alive,idle,pipeline,half-head,slow,reader,upload,web-socket
load=(--takeovers "$takeovers" --settle 1000 --keep "$keep" --body 4000000)
. tools/networks.sh
everywhere build/chain-java "${load[@]}" "${variants[@]}"
echo "$passed passed, $failed failed"
((failed == 0))
