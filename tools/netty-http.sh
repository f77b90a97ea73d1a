#!/usr/bin/env bash
# tools/netty-http.sh: builds the jars of libzdt, and examples/java/netty-http with Netty 4.2 and with Netty 4.1:
# build/netty-http/4.2 and 4.1 hold all that it needs to run. Does nothing where all of it is up to date.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/java.sh
example=examples/java/netty-http
stamp=build/netty-http/.built
if [[ -e $stamp && $stamp -nt build/relay-java/.built &&
    -z $(find "$example" -name target -prune -o -type f -newer "$stamp" -print -quit) ]]; then
    exit 0
fi
read -r _ JAVA_HOME < <(tools/jdks.sh)
export JAVA_HOME MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
mkdir -p build/netty-http
began=$(mktemp -p build)
trap 'rm -f "$began"' EXIT
# Of 4.1 the newest whose epoll is to be had for linux-x86_64.
for version in 4.2.18.Final 4.1.137.Final; do
    home=$PWD/build/netty-http/${version%.*.Final}
    rm -rf "$home"
    mvn --quiet --batch-mode -Dstyle.color=never --file "$example/pom.xml" -Dnetty.version="$version" -Dapp.home="$home" package
done
mv "$began" "$stamp"
