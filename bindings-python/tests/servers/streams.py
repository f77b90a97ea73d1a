"""HTTP for servers that have none of their own: one request on each connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h11

from servers.application import GREETING, wait_ms


async def answer(
    receive: Callable[[], Awaitable[bytes]],
    send: Callable[[bytes], Awaitable[object]],
    sleep: Callable[[float], Awaitable[object]],
) -> None:
    """`receive` returns nothing at the end."""
    connection = h11.Connection(h11.SERVER)
    target, body = "", b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        match event:
            case h11.NEED_DATA:
                connection.receive_data(await receive())
            case h11.Request():
                target = event.target.decode()
            case h11.Data():
                body += event.data
            case h11.ConnectionClosed():
                return
    if target.startswith("/slow"):
        await sleep(wait_ms(target.partition("?")[2]))
    body = body if target == "/echo" else GREETING
    headers = [("Content-Length", str(len(body))), ("Connection", "close")]
    for said in (h11.Response(status_code=200, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
        await send(connection.send(said) or b"")
