"""An ASGI application for tests: says who answers, and does what the path says."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Event = MutableMapping[str, Any]


async def app(
    scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
) -> None:
    """`/slow` takes half a second, `/big` is 20 MB; SITE=broken does not start up, SITE=3 does so in three seconds."""
    if scope["type"] == "lifespan":
        await receive()
        site = os.environ.get("SITE", "0")
        if site == "broken":
            await send({"type": "lifespan.startup.failed", "message": "broken"})
            return
        print("starting up", file=sys.stderr, flush=True)
        await asyncio.sleep(int(site))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    size = 0
    more = True
    while more:
        event = await receive()
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    body = f"{os.getpid()} {scope['path']} {size}".encode()
    if scope["path"] == "/big":
        body = body.ljust(20_000_000)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
