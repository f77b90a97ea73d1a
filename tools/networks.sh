# Sourced by the tools that run zdt-takeovers, in the root folder. Builds it; `everywhere OUT ARGUMENT...` runs it over loopback
# and at the same time through 10 ms each way, and counts in $passed and $failed; what is printed and the reports go to
# OUT/NETWORK. {listen} in an argument is the address to listen at there.
binaries=$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug
cargo build --quiet --locked --package zdt-load --package zdt-delay || exit 1
# The servers are started again and again and live for seconds: a simple heap, an eager first compiler.
export JDK_JAVA_OPTIONS="-XX:+UseSerialGC -XX:TieredStopAtLevel=1 --enable-native-access=ALL-UNNAMED ${JDK_JAVA_OPTIONS:-}"
passed=0
failed=0
networks=(loopback)
if ((EUID == 0)) && [[ -c /dev/net/tun ]] && unshare --net true 2>/dev/null; then
    networks+=(10ms)
else
    echo "NOT RUN through 10 ms: that needs root, /dev/net/tun and network namespaces"
fi

in_network() {
    local network=$1
    shift
    case $network in
    loopback) "$binaries/zdt-takeovers" "${@//\{listen\}/127.0.0.1}" ;;
    10ms) "$binaries/zdt-delay" "$binaries/zdt-takeovers" --host 10.99.0.2 "${@//\{listen\}/10.99.0.1}" ;;
    esac
}

everywhere() {
    local to=$1 network pids=()
    shift
    for network in "${networks[@]}"; do
        rm -rf "${to:?}/$network"
        mkdir -p "$to/$network"
        in_network "$network" --out "$to/$network" "$@" >"$to/$network/summary.txt" 2>&1 &
        pids+=($!)
    done
    for network in "${networks[@]}"; do
        if wait "${pids[0]}"; then
            passed=$((passed + 1))
            echo "ok     $(basename "$to"), $network"
        else
            failed=$((failed + 1))
            echo "FAILED $(basename "$to"), $network"
        fi
        pids=("${pids[@]:1}")
        cat "$to/$network/summary.txt"
    done
}
