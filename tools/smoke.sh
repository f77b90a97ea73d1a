#!/usr/bin/env bash
# tools/smoke.sh: a short demo, as a test: 200 connections, 4 takeovers (once round all languages), not one request may
# fail.
# Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
if tools/demo.sh --connections 200 --takeovers 4 --report build/test/smoke.json; then
    echo "ok     two_hundred_connections_move_four_times_and_no_request_fails"
    echo "1 passed, 0 failed"
else
    echo "FAILED two_hundred_connections_move_four_times_and_no_request_fails"
    echo "0 passed, 1 failed"
    exit 1
fi
