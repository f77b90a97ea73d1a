"""Sanic, in one process."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from sanic import HTTPResponse, Request, Sanic

from libzdt.listening import Listener, Listening
from servers.application import GREETING, ready, run, wait_ms

app = Sanic("test")


@app.get("/")
async def greet(request: Request) -> HTTPResponse:
    return HTTPResponse(GREETING)


@app.get("/slow")
async def slow(request: Request) -> HTTPResponse:
    await asyncio.sleep(wait_ms(request.query_string))
    return HTTPResponse(GREETING)


@app.post("/echo")
async def echo(request: Request) -> HTTPResponse:
    return HTTPResponse(request.body)


def serve(listening: Listening, listener: Listener) -> None:
    app.config.USE_UVLOOP = False  # it would accept behind the listener's back

    @app.on_response  # type: ignore[untyped-decorator]
    async def close(request: Request, response: HTTPResponse) -> None:
        if listening.draining.is_set() and request.stream is not None:
            cast(Any, request.stream).keep_alive = False

    @app.after_server_start
    async def started(app: Sanic[Any, Any]) -> None:
        loop = asyncio.get_running_loop()
        ready(listening, lambda: loop.call_soon_threadsafe(app.stop))

    app.run(sock=listener, single_process=True, motd=False, access_log=False)


if __name__ == "__main__":
    run(serve)
