#!/usr/bin/env bash
# tools/test-java.sh: format, build, documentation, and every test of all modules: on the oldest JDK here (17 or newer),
# and the same jars on the newest one; then a user of the artifacts. Leaves the behaviours that passed in build/behaviours. Ends with a line
# "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/steps.sh
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Maven ends with an escape sequence otherwise, whatever it writes to.
export MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
log=$(mktemp)
trap 'rm -f "$log" "$log".*' EXIT
rm -f build/behaviours/{java,netty-nio,netty-epoll}.txt # of an earlier run

maven() {
    JAVA_HOME=$oldest mvn --quiet --batch-mode -Dstyle.color=never --file "${pom:-bindings-java/pom.xml}" "$@"
}

the_relay_is_formatted_and_keeps_its_protocol() {
    tools/java.sh && pom=examples/relay/java/pom.xml maven spotless:check test
}

# What surefire wrote down of a run: `ok CLASS NAME`, `FAILED CLASS NAME` or `skipped CLASS NAME` for each test.
reports() {
    python3 - "$@" <<'PYTHON'
import sys
import xml.etree.ElementTree as xml

for path in sys.argv[1:]:
    for case in xml.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        said = "FAILED" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "ok"
        print(said, case.get("classname").rpartition(".")[2], case.get("name").partition("(")[0])
PYTHON
}

# The tests of all modules on the JDK at $2, whose version is $1.
tests() {
    local reports=surefire-reports-$1 code ok bad
    echo "== tests on JDK $1"
    rm -rf bindings-java/*/target/"$reports"
    maven --fail-at-end test -Dzdt.java="$2/bin/java" -Dzdt.reports="$reports"
    code=$?
    reports bindings-java/*/target/"$reports"/TEST-*.xml >"$log.$1"
    ok=$(grep -c '^ok ' "$log.$1")
    bad=$(grep -c '^FAILED ' "$log.$1")
    # A module did not compile, or a JVM died before it could count.
    if ((code != 0 && bad == 0)); then
        bad=1
    fi
    grep '^FAILED ' "$log.$1"
    passed=$((passed + ok))
    failed=$((failed + bad))
    cat "$log.$1" >>"$log"
}

mapfile -t jdks < <(tools/jdks.sh)
((${#jdks[@]})) || exit 1
read -r first oldest <<<"${jdks[0]}"
read -r last newest <<<"${jdks[-1]}"

step the_bad_predecessor_builds cargo build --quiet --locked --package zdt-hostile
export ZDT_HOSTILE=$target/debug/zdt-hostile
# Without it the build says what it means, and the user's test fails.
[[ -n ${ZDT_NATIVE:-} ]] || tools/zig.sh || true
step java_is_formatted maven spotless:check
step the_jars_and_their_documentation_build_without_warnings maven -DskipTests install
tests "$first" "$oldest"
[[ $last == "$first" ]] || tests "$last" "$newest"

step the_relay_is_formatted_and_keeps_its_protocol the_relay_is_formatted_and_keeps_its_protocol
step a_user_of_the_artifacts_meets_what_was_promised tools/java-user.sh

# Whatever is no transport's is the face's.
sed -nE 's/^(ok|FAILED) Netty(Nio|Epoll)Test (.*)/\1 \2 \3/p' "$log" >"$log.netty"
sed -nE '/^(ok|FAILED) Netty/!s/^(ok|FAILED) [^ ]+ (.*)/\1 \2/p' "$log" >"$log.java"
tools/behaviours-of.sh java "$log.java"
for transport in Nio Epoll; do
    sed -nE "s/^(ok|FAILED) $transport (.*)/\1 \2/p" "$log.netty" >"$log.$transport"
    tools/behaviours-of.sh "netty-${transport,,}" "$log.$transport"
done
report
