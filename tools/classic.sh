#!/usr/bin/env bash
# tools/classic.sh: the classic flow (sockets that share a port, a signal) from each example to each other one, in C, Java
# and Python: not one connection may be lost. Ends with a line "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "building..."
bindings-c/build.sh build/c
cc bindings-c/examples/classic.c -o build/c/classic -Ibuild/c/include -Lbuild/c/lib -lzdt -Wl,-rpath,"$PWD/build/c/lib"
tools/venv.sh
read -r _ JAVA_HOME < <(tools/jdks.sh)
export JAVA_HOME MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
mvn --quiet --batch-mode -Dstyle.color=never --file bindings-java/pom.xml --projects zdt test-compile

declare -A example=(
    [c]=build/c/classic
    [java]="$JAVA_HOME/bin/java -cp bindings-java/zdt/target/classes:bindings-java/zdt/target/test-classes io.libzdt.examples.Classic"
    [python]="build/venv/bin/python bindings-python/examples/classic.py"
)
passed=0
failed=0
for first in c java python; do
    for second in c java python; do
        name=${second}_follows_${first}_and_loses_nobody
        # shellcheck disable=SC2086 # Commands are words.
        if python3 tools/classic.py ${example[$first]} --then ${example[$second]}; then
            passed=$((passed + 1))
            echo "ok     $name"
        else
            failed=$((failed + 1))
            echo "FAILED $name"
        fi
    done
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
