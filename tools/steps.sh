# Sourced by the tools that count. `step NAME COMMAND...` is one test; `report` says "N passed, N failed", and is true if all did
# pass. After `workplace` there is a folder $here, which goes in the end as the $processes do.
passed=0
failed=0

step() {
    local name=$1
    shift
    echo "== $name"
    if "$@"; then
        passed=$((passed + 1))
        echo "ok     $name"
    else
        failed=$((failed + 1))
        echo "FAILED $name"
    fi
}

report() {
    echo "$passed passed, $failed failed"
    ((failed == 0 && passed > 0))
}

workplace() {
    here=$(mktemp -d)
    processes=()
    trap leave_workplace EXIT
}

leave_workplace() {
    if ((${#processes[@]})); then
        kill -9 "${processes[@]}" 2>/dev/null
        wait "${processes[@]}" 2>/dev/null # else bash says that they were killed
    fi
    rm -rf "$here"
}
