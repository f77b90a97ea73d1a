#!/usr/bin/env bash
# tools/jdks.sh: the JDKs that can build and run libzdt (17 or newer), one of each version, the oldest first: `VERSION HOME`
# a line. Looks at JAVA_HOME, at the javac in PATH, and into /usr/lib/jvm.
set -euo pipefail

oldest=17
javac=$(command -v javac || true)
[[ -z $javac ]] || javac=$(dirname "$(dirname "$(realpath "$javac")")")
for home in ${JAVA_HOME:+"$JAVA_HOME"} ${javac:+"$javac"} /usr/lib/jvm/*; do
    [[ -x $home/bin/javac && -f $home/release ]] || continue
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")
    ((${version:-0} < oldest)) || printf '%s %s\n' "$version" "$(realpath "$home")"
done | sort -s -n -u -k1,1 | {
    if ! read -r first; then
        echo "jdks: no JDK $oldest or newer: install openjdk-17-jdk-headless, or set JAVA_HOME" >&2
        exit 1
    fi
    echo "$first"
    cat
}
