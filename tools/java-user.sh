#!/usr/bin/env bash
# tools/java-user.sh: what a user of the artifacts meets. Builds examples/java/first by published coordinates alone, from the
# local Maven repository (tools/test-java.sh installs there), and lets it take over from itself between JDKs, on the class
# path and on the module path. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/steps.sh
export MAVEN_OPTS="${MAVEN_OPTS:-} -Djansi.noreset=true"
workplace

mapfile -t jdks < <(tools/jdks.sh)
((${#jdks[@]})) || exit 1
read -r _ oldest <<<"${jdks[0]}"
read -r _ newest <<<"${jdks[-1]}"

maven() {
    JAVA_HOME=$oldest mvn --quiet --batch-mode -Dstyle.color=never "$@"
}

the_sample_builds_by_its_coordinates() {
    cp -r examples/java/first/pom.xml examples/java/first/src "$here" && maven --file "$here/pom.xml" package
}

# A project that wants libzdt-netty and nothing else gets libzdt and nothing else: Netty is its own choice.
a_user_gets_nothing_but_ours() {
    mkdir -p "$here/alone"
    python3 -c '
import re, sys
print(re.sub(r"<dependency>\s*<groupId>io\.netty<.*?</dependency>", "", sys.stdin.read(), flags=re.DOTALL))
' <"$here/pom.xml" >"$here/alone/pom.xml"
    maven --file "$here/alone/pom.xml" dependency:copy-dependencies -DoutputDirectory="$here/alone/lib" || return 1
    diff <(ls "$here/alone/lib") - <<<$'libzdt-0.1.0.jar\nlibzdt-netty-0.1.0.jar'
}

sources_and_documentation_are_beside_the_jars() {
    local jar kind
    for kind in sources javadoc; do
        maven --file "$here/pom.xml" dependency:copy-dependencies -Dclassifier=$kind -DincludeGroupIds=io.libzdt \
            -DoutputDirectory="$here/$kind" || return 1
        for jar in libzdt libzdt-netty; do
            [[ -n $(unzip -l "$here/$kind/$jar-0.1.0-$kind.jar" | grep 'io/libzdt/.*\(Takeover\.java\|Takeover\.html\)$') ]] ||
                { echo "$jar has no $kind"; return 1; }
        done
    done
}

# No symbol of a newer glibc than 2.17 (2012).
the_native_library_runs_with_an_old_glibc() {
    local newest_symbol
    (cd "$here" && unzip -qo target/lib/libzdt-0.1.0.jar 'META-INF/native/*-gnu.so') || return 1
    newest_symbol=$(objdump -T "$here"/META-INF/native/*.so | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
    [[ $(printf '%s\n' "$newest_symbol" GLIBC_2.17 | sort -V | tail -n 1) == GLIBC_2.17 ]] ||
        { echo "it needs $newest_symbol: it was built without tools/zig.sh"; return 1; }
}

# start WHERE JDK: the sample on the class or on the module path, as newer JDKs will want it one day.
start() {
    local -a java=("$2/bin/java") where=(-cp "$here/target/classes:$here/target/lib/*" first.Server)
    local access=ALL-UNNAMED
    if [[ $1 == modules ]]; then
        where=(-p "$here/target/classes:$here/target/lib" -m first/first.Server)
        access=io.libzdt
    fi
    java+=(--enable-native-access=$access)
    ! "$2/bin/java" --illegal-native-access=deny -version 2>/dev/null || java+=(--illegal-native-access=deny)
    "${java[@]}" "${where[@]}" "$here/first.sock" "$port" >>"$here/log" 2>&1 &
    processes+=($!)
}

# Asks on the connection at descriptor 3 until generation $1 answers; every answer must come.
answers() {
    local line i
    for ((i = 0; i < 300; i++)); do
        printf 'GET / HTTP/1.1\r\nHost: here\r\n\r\n' >&3 || return 1
        while IFS= read -r -t 20 line <&3; do
            [[ $line != Hello* ]] || break
        done
        [[ $line == Hello* ]] || { echo "no answer from generation $1"; cat "$here/log"; return 1; }
        [[ $line != "Hello from generation $1,"* ]] || return 0
        sleep 0.1
    done
    echo "generation $1 does not answer, but: $line"
    cat "$here/log"
    return 1
}

# Whether process $1 has ended, within 30 s.
ends() {
    local i
    for ((i = 0; i < 300; i++)); do
        [[ -e /proc/$1/stat && $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) != Z ]] || return 0
        sleep 0.1
    done
    echo "process $1 does not end"
    return 1
}

# One connection outlives three generations; the last one is told to end, and drains.
one_connection_outlives_the_jdks_and_both_paths() {
    local i
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    start classes "$oldest"
    for ((i = 0; i < 300; i++)); do
        exec 3<>"/dev/tcp/127.0.0.1/$port" && break
        sleep 0.1
    done 2>/dev/null
    answers 1 && start modules "$newest" && answers 2 && start modules "$oldest" && answers 3 &&
        start classes "$newest" && answers 4 || return 1
    # Default probation: a predecessor watches its successor for 10 s.
    for ((i = 0; i < 3; i++)); do
        ends "${processes[i]}" && wait "${processes[i]}" || { echo "generation $((i + 1)) failed"; return 1; }
    done
    kill -TERM "${processes[3]}"
    exec 3>&-
    ends "${processes[3]}" && ! wait "${processes[3]}" && [[ ! -e $here/first.sock ]]
}

# An application's own jar, made by a tool that leaves META-INF/native out.
a_jar_without_its_native_library_says_what_was_looked_for() {
    mkdir -p "$here/shaded" && cp "$here"/target/lib/*.jar "$here/shaded" &&
        zip -qd "$here/shaded/libzdt-0.1.0.jar" 'META-INF/native/*' || return 1
    "$oldest/bin/java" -cp "$here/target/classes:$here/shaded/*" first.Server "$here/none.sock" 0 >"$here/said" 2>&1
    grep -q "the jar has no /META-INF/native/libzdt_jni-0.1.0-linux-$(uname -m)-gnu.so; .*-Dzdt.native.path=FILE" "$here/said" ||
        { cat "$here/said"; return 1; }
}

step the_sample_builds_by_its_coordinates the_sample_builds_by_its_coordinates
step a_user_gets_nothing_but_ours a_user_gets_nothing_but_ours
step sources_and_documentation_are_beside_the_jars sources_and_documentation_are_beside_the_jars
step the_native_library_runs_with_an_old_glibc the_native_library_runs_with_an_old_glibc
step one_connection_outlives_the_jdks_and_both_paths one_connection_outlives_the_jdks_and_both_paths
step a_jar_without_its_native_library_says_what_was_looked_for a_jar_without_its_native_library_says_what_was_looked_for
report
