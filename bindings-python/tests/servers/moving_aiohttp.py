"""aiohttp, whose connections move."""

from __future__ import annotations

import argparse
import asyncio

import uvloop
from aiohttp import WSMsgType, web

import libzdt
import libzdt.aiohttp
from servers.application import GREETING, wait_ms


async def greet(request: web.Request) -> web.Response:
    return web.Response(body=GREETING)


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(wait_ms(request.query_string))
    return web.Response(body=GREETING)


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Echoes. At /count with the number of the message, and a state unless ?stays; a new client is welcomed."""
    answer = web.WebSocketResponse(max_msg_size=1 << 24, heartbeat=0.2)
    await answer.prepare(request)
    extension = request["libzdt"]
    counts = request.path == "/count"
    count = int(extension["state"] or b"0")
    if counts and not extension["adopted"]:
        await answer.send_str("welcome")
    try:
        if "stays" not in request.query:
            extension["state"] = b"%d" % count
        async for message in answer:
            count += 1
            if "stays" not in request.query:
                extension["state"] = b"%d" % count
            if counts:
                await answer.send_str(f"{count} {message.data}")
            elif message.type is WSMsgType.TEXT:
                await answer.send_str(message.data)
            else:
                await answer.send_bytes(message.data)
    except libzdt.Migrated:
        print("migrated", flush=True)
        raise
    return answer


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
    app.add_routes([web.get("/ws", websocket), web.get("/count", websocket)])
    libzdt.aiohttp.run_app(
        app,
        takeover=given.takeover,
        host="127.0.0.1",
        port=given.port,
        access_log=None,
        options={"probation": 1.0, "drain": 8.0},
        started=lambda listening: print("ready", listening.address[1], sep="\n", flush=True),
    )


if __name__ == "__main__":
    main()
