#!/usr/bin/env bash
# tools/check-papers.sh: what the papers say is so. The code in README and the guides is cut from examples that compile and
# work, the tests that are named exist, the links lead somewhere. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. tools/steps.sh
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
workplace

mapfile -t papers < <(find . -name '*.md' -not -path '*/target/*' -not -path './build/*' -not -path '*/.*/*' | sort)

# The lines between "WORD begin" and "WORD end" of a file, without their common indentation.
cut_out() {
    awk -v begin="$2 begin" -v end="$2 end" 'index($0, end) { on = 0 } on { print } index($0, begin) { on = 1 }' "$1" |
        awk '{ line[NR] = $0; if ($0 != "" && (match($0, /[^ ]/) < least || !least)) least = match($0, /[^ ]/) }
             $0 != "" { last = NR }
             END { for (i = 1; i <= last; i++) print substr(line[i], least) }'
}

# "<!-- FILE: MARK -->" in a paper, and the block of code right behind it, must be what FILE has between its marks.
snippets_are_the_examples() {
    local paper file mark found=0 bad=0
    for paper in "${papers[@]}"; do
        while read -r file mark; do
            found=$((found + 1))
            awk -v head="<!-- $file: $mark -->" '$0 == head { at = 1; next } at == 1 && /^```/ { at = 2; next }
                at == 2 && /^```/ { exit } at == 2 { print }' "$paper" >"$here/said"
            cut_out "$file" "$mark:" >"$here/is"
            if [[ ! -s $here/is ]] || ! diff -u --label "$paper" --label "$file" "$here/said" "$here/is"; then
                bad=$((bad + 1))
            fi
        done < <(sed -n 's/^<!-- \([^ :]*\): \([^ ]*\) -->$/\1 \2/p' "$paper")
    done
    ((found > 0 && bad == 0))
}

# What stands in backquotes behind "Tests:", or anywhere with four words or more, is a name that the code has.
named_tests_exist() {
    local name bad=0 found=0
    while read -r name; do
        found=$((found + 1))
        grep -rqw --include='*.rs' --include='*.c' --include='*.sh' --include='*.py' --include='*.java' --include='*.txt' \
            -e "$name" core bindings-c bindings-java bindings-python bench examples tests tools ||
            { echo "nothing is called $name"; bad=$((bad + 1)); }
    done < <({
        grep -h '^Tests: ' "${papers[@]}" | grep -o '`[a-z0-9_]*`'
        grep -ho '`[a-z0-9]*_[a-z0-9]*_[a-z0-9]*_[a-z0-9_]*`' "${papers[@]}"
    } | tr -d '`' | sort -u)
    ((found > 0 && bad == 0))
}

links_lead_somewhere() {
    local paper link bad=0
    for paper in "${papers[@]}"; do
        while read -r link; do
            [[ -e $(dirname "$paper")/${link%%#*} ]] || { echo "$paper: $link leads nowhere"; bad=$((bad + 1)); }
        done < <(grep -o '](\([^):]*\))' "$paper" | sed 's/^](//; s/)$//' | grep -v '^#')
    done
    ((bad == 0))
}

# Files and functions (`Type::function`) that ARCHITECTURE names are there.
what_architecture_names_exists() {
    local name bad=0
    while read -r name; do
        [[ -e $name ]] || { echo "ARCHITECTURE.md: no $name"; bad=$((bad + 1)); }
    done < <(grep -o '`[a-zA-Z0-9_./-]*/[a-zA-Z0-9_./-]*\.\(rs\|c\|h\|py\|java\|txt\|sh\|md\)`' ARCHITECTURE.md | tr -d '`' | sort -u)
    while read -r name; do
        grep -rqw --include='*.rs' "\(fn\|pub\|    \) *$name" core/src || { echo "ARCHITECTURE.md: no $name"; bad=$((bad + 1)); }
    done < <(grep -o '`[A-Za-z]*::[A-Za-z_]*' ARCHITECTURE.md | sed 's/.*:://' | sort -u)
    ((bad == 0))
}

the_examples_compile() {
    cargo build --quiet --package zdt --example smallest && bindings-c/build.sh build/c &&
        ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Ibuild/c/include bindings-c/examples/smallest.c \
            -o "$here/smallest-c" -Lbuild/c/lib -Wl,-rpath,"$PWD/build/c/lib" -lzdt &&
        tools/venv.sh && tools/java.sh && JAVA_HOME=$(tools/jdks.sh | sed -n '1s/.* //p') &&
        "$JAVA_HOME/bin/javac" -d "$here/java" -cp 'build/relay-java/*' \
            bindings-java/zdt/src/test/java/io/libzdt/examples/Smallest.java \
            bindings-java/zdt-netty/src/test/java/io/libzdt/examples/Chat.java
}

# The smallest example, and the chat, in each language: PROGRAM SOCKET PLACE.
smallest-rust() { exec "$target/debug/examples/smallest" "$@"; }
smallest-c() { exec "$here/smallest-c" "$@"; }
smallest-python() { exec build/venv/bin/python bindings-python/examples/smallest.py "$@"; }
smallest-java() { exec "$JAVA_HOME/bin/java" -cp "build/relay-java/*:$here/java" io.libzdt.examples.Smallest "$@"; }
chat-python() { exec build/venv/bin/python bindings-python/examples/chat.py "$@"; }
chat-java() { exec "$JAVA_HOME/bin/java" -cp "build/relay-java/*:$here/java" io.libzdt.examples.Chat "$@" >&2; }

# Says something on the connection at descriptor 3 and sees that it comes back, behind $2.
echoes() {
    local answer
    printf '%s\n' "$1" >&3 && read -r -t 20 answer <&3 && [[ $answer == "$2$1" ]]
}

# Whether process $1 has ended, within 20 s.
ends() {
    local i
    for ((i = 0; i < 200; i++)); do
        [[ -e /proc/$1/stat && $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) != Z ]] || return 0
        sleep 0.1
    done
    return 1
}

# take_over ADDRESS PORT PLACE NAME PROGRAM...: one connection outlives all of these in turn; each predecessor ends by itself.
# Whoever it is says NAME first, if that is not empty, and has it put before what comes back.
take_over() {
    local address=$1 port=$2 place=$3 name=$4 program before=${4:+$4: } i last=
    shift 4
    for program in "$@"; do
        "$program" "$here/$name.sock" "$place" &
        processes+=($!)
        if [[ -z $last ]]; then
            for ((i = 0; i < 200; i++)); do
                exec 3<>"/dev/tcp/$address/$port" && break
                sleep 0.1
            done 2>/dev/null
            [[ -z $name ]] || printf '%s\n' "$name" >&3
            echoes hello "$before" || return 1
        else
            echoes during "$before" || return 1
            # Default probation: the predecessor watches its successor for 10 s.
            ends "$last" || { echo "process $last did not end"; return 1; }
            wait "$last" || { echo "process $last ended with $?"; return 1; }
            echoes after "$before" || return 1
        fi
        last=$!
    done
    exec 3>&-
}

# An address of our own, so that nobody else has the port.
the_smallest_examples_take_over_from_each_other() {
    local address=127.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
    take_over "$address" 7007 "$address:7007" "" smallest-rust smallest-c smallest-python smallest-java smallest-rust
}

the_chats_take_over_from_each_other() {
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    take_over 127.0.0.1 "$port" "$port" Ada chat-java chat-python chat-java
}

step snippets_are_the_examples snippets_are_the_examples
step named_tests_exist named_tests_exist
step what_architecture_names_exists what_architecture_names_exists
step links_lead_somewhere links_lead_somewhere
step the_examples_compile the_examples_compile
step the_smallest_examples_take_over_from_each_other the_smallest_examples_take_over_from_each_other
step the_chats_take_over_from_each_other the_chats_take_over_from_each_other
report
