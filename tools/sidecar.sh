#!/usr/bin/env bash
# tools/sidecar.sh [PAIRS]: a sidecar with so many pairs (5000) is replaced twice under load, on NIO and on epoll: neither the
# clients nor the upstream may notice. Reports go to build/sidecar. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
pairs=${1:-5000}
tools/netty-http.sh || exit 1
. tools/networks.sh
read -r _ JAVA_HOME < <(tools/jdks.sh)
export JAVA_HOME PATH=$JAVA_HOME/bin:$PATH MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
mvn --quiet --batch-mode -Dstyle.color=never --file examples/java/sidecar/pom.xml package || exit 1

# Most pairs wait for their client's next request; some have bytes on the way, in both directions.
clients=idle=$((pairs - 30)),keep-alive=8,pipeline=2,half-head=4,slow=4,reader=2,upload=2,web-socket=8
networks=(loopback) # through 10 ms: tools/frameworks.sh sidecar
for transport in nio epoll; do
    everywhere "build/sidecar/$transport" --takeovers 2 --settle 5000 --clients "$clients" --body 4000000 \
        --keep idle,keep-alive,pipeline,half-head,slow,reader,upload,web-socket \
        --behind "env APP_HOME=build/netty-http/4.2 examples/java/netty-http/run" \
        "examples/java/sidecar/run --transport $transport --probation-ms 1000 --upstream 127.0.0.1:{behind}"
    grep -h 'moved:' "build/sidecar/$transport/loopback/"*.log
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
