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
for pom in bindings-java/pom.xml examples/relay/java/pom.xml; do
    mvn --quiet --batch-mode -Dstyle.color=never --file "$pom" -Dmaven.test.skip=true install
done

# One takeover, whose successor leaves an archive of the classes that it has loaded: a relay that finds it there is ready
# sooner, and the first connections that it adopts do not wait for classes.
rm -f build/relay-java/java
place=$(mktemp -d)
trap 'jobs -pr | xargs --no-run-if-empty kill; rm -rf "$began" "$place"' EXIT
relay=(examples/relay/java/relay-java --takeover "$place/socket" --listen tcp://127.0.0.1:0 --probation-ms 0)
tells() { # EVENT: waits for it, from a relay's output, and leaves it in $line
    while read -r -t 30 line; do
        [[ $line != *"\"event\":\"$1\""* ]] || return 0
    done
    echo "java: the relay never told $1" >&2
    return 1
}
mkfifo "$place/first" "$place/second"
"${relay[@]}" >"$place/first" &
first=$!
exec 3<"$place/first"
tells listening <&3
port=${line##*127.0.0.1:}
tells ready <&3
exec 4<>"/dev/tcp/127.0.0.1/${port%%\"*}"
printf 'HELLO rehearsal\nECHO 4\n1234SUM\nBIG 100' >&4
JDK_JAVA_OPTIONS="-XX:ArchiveClassesAtExit=$place/relay.jsa" "${relay[@]}" >"$place/second" 2>/dev/null &
second=$!
exec 5<"$place/second"
tells committed <&5
wait "$first"
printf '0\nBYE\n' >&4
timeout 30 cat <&4 >/dev/null
kill "$second"
tells done <&5
wait "$second"
mv -f "$place/relay.jsa" build/relay-java
ln -s "$JAVA_HOME/bin/java" build/relay-java/java
# As old as the moment at which the build began: what was changed since is built again.
mv "$began" "$stamp"
