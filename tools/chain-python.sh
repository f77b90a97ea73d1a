#!/usr/bin/env bash
# tools/chain-python.sh [TAKEOVERS]: so many takeovers (20) of examples/python/fastapi in a row, uvicorn's parsers, its
# implementations of WebSocket and the event loops mixed, under load: over loopback, and at the same time through 10 ms each
# way, as root. Then uvicorn's workers and gunicorn's, two takeovers each. Every client keeps its connection; streams of events
# end in good order, and are counted. Reports go to build/chain-python. Ends with a line "N passed, N failed".
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
takeovers=${1:-20}
tools/venv.sh || exit 1
export PATH=$PWD/build/venv/bin:$PATH

# Each differs from the one before in the parser and the implementation of WebSocket, most in the loop, too; every pair of
# parser and loop comes up.
variants=()
for variant in "h11 asyncio websockets" "httptools uvloop wsproto" "h11 uvloop websockets-sansio" "httptools asyncio websockets" \
    "h11 uvloop wsproto" "httptools asyncio websockets-sansio"; do
    read -r http loop ws <<<"$variant"
    variants+=("examples/python/fastapi/run --host {listen} --http $http --loop $loop --ws $ws")
done

kinds=keep-alive,idle,pipeline,half-head,slow,reader,upload,web-socket,events,file
clients=keep-alive=8,idle=8,fresh=2,pipeline=2,half-head=4,slow=4,reader=1,upload=1,web-socket=8,events=8,file=2
load=(--settle 500 --clients "$clients" --keep "$kinds" --body 1000000)
. tools/networks.sh
everywhere build/chain-python --takeovers "$takeovers" "${load[@]}" "${variants[@]}"
# Worker to worker, from two to three and back; gunicorn would end a connection that is idle for two seconds.
run="examples/python/fastapi/run --host {listen}"
everywhere build/chain-python/uvicorn-workers --takeovers 2 "${load[@]}" "$run --workers 2" "$run --workers 3"
gunicorn="$run --server gunicorn --keep-alive 60"
everywhere build/chain-python/gunicorn --takeovers 2 "${load[@]}" "$gunicorn --workers 2" "$gunicorn --workers 3"
echo "$passed passed, $failed failed"
((failed == 0))
