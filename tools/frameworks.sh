#!/usr/bin/env bash
# tools/frameworks.sh [NAME...]: each server of examples/java is taken over from twice, by itself, under load: over loopback,
# and through 10 ms each way. No request may fail; connections of servers on Netty do not end, others end politely. Then a
# short chain of JDKs, versions of Netty and transports. Reports go to build/frameworks. Ends with a line
# "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
names=("$@")
if ((!$#)); then
    names=()
    for example in examples/java/*/run; do
        names+=("$(basename "$(dirname "$example")")")
    done
fi
tools/netty-http.sh || exit 1
. tools/networks.sh
read -r _ JAVA_HOME < <(tools/jdks.sh)
export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"

http=keep-alive=8,idle=8,fresh=2,pipeline=2,half-head=4,slow=4,reader=1,upload=1
moves=keep-alive,idle,pipeline,half-head,slow,reader,upload,web-socket
for name in "${names[@]}"; do
    mvn --quiet --batch-mode -Dstyle.color=never --file "examples/java/$name/pom.xml" package || {
        echo "FAILED $name does not build"
        failed=$((failed + 1))
        continue
    }
    case $name in
    netty-http) load=(--clients "$http,web-socket=4" --keep "$moves" --body 4000000) ;;
    spring-webflux | vertx) load=(--clients "$http,web-socket=4" --keep "$moves") ;;
    # It speaks HTTP/2 alone.
    grpc) load=(--witness "java -cp 'examples/java/grpc/target/app/*' io.libzdt.examples.grpc.Load") ;;
    sidecar)
        sidecar="examples/java/sidecar/run --probation-ms 1000 --upstream 127.0.0.1:{behind}"
        everywhere build/frameworks/sidecar --takeovers 2 --clients "$http,web-socket=4" --keep "$moves" --body 4000000 \
            --behind "env APP_HOME=build/netty-http/4.2 examples/java/netty-http/run" \
            "$sidecar --transport nio" "$sidecar --transport epoll"
        continue
        ;;
    *) load=(--clients "$http") ;;
    esac
    # Where nothing but the socket is to be said, the predecessor stays for its ten seconds.
    [[ $name == spring-* ]] && run=run || run="run --probation-ms 1000"
    everywhere "build/frameworks/$name" --takeovers 2 "${load[@]}" "examples/java/$name/$run"
done
if ((!$#)); then
    tools/chain-java.sh 4 | tee build/frameworks/chain.txt
    read -r ok _ bad _ < <(tail -n 1 build/frameworks/chain.txt)
    passed=$((passed + ok)) failed=$((failed + bad))
fi
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
