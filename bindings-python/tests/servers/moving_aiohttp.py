"""aiohttp, whose connections move."""

from __future__ import annotations

import argparse
import asyncio

import uvloop
from aiohttp import web

import libzdt.aiohttp
from servers.application import GREETING, wait_ms


async def greet(request: web.Request) -> web.Response:
    return web.Response(body=GREETING)


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(wait_ms(request.query_string))
    return web.Response(body=GREETING)


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def source(request: web.Request) -> web.FileResponse:
    return web.FileResponse(__file__)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("loop", choices=["asyncio", "uvloop"])
    parser.add_argument("--takeover")
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.loop == "uvloop":
        uvloop.install()
    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.get("/", greet), web.get("/slow", slow), web.post("/echo", echo), web.get("/source", source)])
    libzdt.aiohttp.run_app(
        app,
        takeover=given.takeover,
        host="127.0.0.1",
        port=given.port,
        access_log=None,
        options={"probation": 1.0},
        started=lambda listening: print("ready", listening.address[1], sep="\n", flush=True),
    )


if __name__ == "__main__":
    main()
