#!/usr/bin/env bash
# tools/bench-python.sh [--connections N] [--rounds N] [--loops NAME,NAME]: what it costs to move a connection of
# libzdt.aio to another process, and to accept one, in CPU time of both processes, on asyncio's own loop and on uvloop.
# Prints a table and writes build/bench/python.json.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/venv.sh
exec build/venv/bin/python bench/python/bench.py "$@"
