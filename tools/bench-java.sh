#!/usr/bin/env bash
# tools/bench-java.sh [--connections N] [--rounds N]: what it costs to move a connection of Netty to another JVM, and to accept
# one, in CPU time of all processes, with NIO and with epoll. On the newest JDK here; JAVA_FLAGS are the options of its
# JVMs. Prints a table and writes build/bench/java.json.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
connections=10000
rounds=10
while (($#)); do
    case $1 in
    --connections) connections=$2 ;;
    --rounds) rounds=$2 ;;
    *)
        echo "bench-java: $1 is not an option" >&2
        exit 2
        ;;
    esac
    shift 2
done
echo "building..."
tools/java.sh
home=build/bench-java
if [[ ! -e $home/bench.jar || -n $(find bench/java build/relay-java/.built -name target -prune -o -type f -newer "$home/bench.jar" -print -quit) ]]; then
    rm -rf "$home"
    JAVA_HOME=$(tools/jdks.sh | head -n 1 | cut -d' ' -f2) \
        mvn --quiet --batch-mode -Dstyle.color=never --file bench/java/pom.xml package
fi
newest=$(tools/jdks.sh | tail -n 1 | cut -d' ' -f2)
# The young generation holds a round, so that a collection is rare; all JVMs run with the same.
read -ra flags <<<"${JAVA_FLAGS:--Xms768m -Xmx768m -Xmn512m -XX:+AlwaysPreTouch}"
exec "$newest/bin/java" -cp "$home/*" io.libzdt.bench.Bench "$connections" "$rounds" build/bench/java.json \
    --enable-native-access=ALL-UNNAMED -Dio.netty.jfr.enabled=false -XX:-UseDynamicNumberOfCompilerThreads "${flags[@]}"
