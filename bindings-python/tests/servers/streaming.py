"""A small HTTP/1.1 server over streams of bytes, on h11: for libraries that have streams and no server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import h11

from servers.application import GREETING, PLAIN, wait_ms

CHUNK = 65536


class Requests:
    """One connection."""

    def __init__(
        self,
        receive: Callable[[], Awaitable[bytes]],
        send: Callable[[bytes], Awaitable[None]],
        sleep: Callable[[float], Awaitable[None]],
        leaving: Callable[[], bool],
    ) -> None:
        """`receive` gives b"" at the end; `leaving`: whether clients are to be told to close."""
        self._receive = receive
        self._send = send
        self._sleep = sleep
        self._leaving = leaving
        self._h11 = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        """Until one of the two closes."""
        while isinstance(request := await self._next(), h11.Request):
            body = b""
            while isinstance(data := await self._next(), h11.Data):
                body += bytes(data.data)
            target = urlsplit(request.target.decode())
            if target.path == "/slow":
                await self._sleep(wait_ms(target.query))
            answer = body if target.path == "/echo" else GREETING
            headers = [("content-type", PLAIN), ("content-length", str(len(answer)))]
            if self._leaving():
                headers.append(("connection", "close"))
            for event in (h11.Response(status_code=200, headers=headers), h11.Data(data=answer), h11.EndOfMessage()):
                await self._send(self._h11.send(event) or b"")
            if self._h11.our_state is h11.MUST_CLOSE:
                break
            self._h11.start_next_cycle()

    async def _next(self) -> h11.Event:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            self._h11.receive_data(await self._receive())
        assert not isinstance(event, type)  # PAUSED comes before the answer only
        return event
