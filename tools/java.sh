#!/usr/bin/env bash
# tools/java.sh: builds the jars and installs them into the local Maven repository, and the relay in Java with all that it
# needs to run (build/relay-java). Does nothing where all of it is up to date.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
sources=(Cargo.toml Cargo.lock core/Cargo.toml core/src bindings-java examples/relay/java)
stamp=build/relay-java/.built
if [[ -e $stamp && -z $(find "${sources[@]}" -name target -prune -o -type f -newer "$stamp" -print -quit) ]]; then
    exit 0
fi
mkdir -p build/relay-java
began=$(mktemp -p build)
trap 'rm -f "$began"' EXIT
# The oldest, which is the one that everything is to run on.
read -r _ JAVA_HOME < <(tools/jdks.sh)
export JAVA_HOME MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
# Without it the build says what it means.
[[ -n ${ZDT_NATIVE:-} ]] || tools/zig.sh || true
for pom in bindings-java/pom.xml examples/relay/java/pom.xml; do
    mvn --quiet --batch-mode -Dstyle.color=never --file "$pom" -Dmaven.test.skip=true \
        -Dmaven.source.skip=true -Dmaven.javadoc.skip=true install
done
# As old as the moment at which the build began: what was changed since is built again.
mv "$began" "$stamp"
