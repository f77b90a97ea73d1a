"""What the responses of an ASGI application say while we drain, since some clients cannot be moved.

A stream of server-sent events (WHATWG HTML, 9.2) has no end of its own, so it is given one, between two events. Its
client asks again, as after any end, and says the id of the last event that it has. A client of HTTP/1.1 over TLS is
told to close with the response to its next request (RFC 9112, 9.6). Turns are spread over half of the drain: whoever is
told comes back at once, and is not alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .events import Drain, Event, Resume
from .migrated import Migrated

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BEHIND_AN_EVENT = (b"\n\n", b"\r\r", b"\r\n\r\n")


class Responses:
    """Those that are under way."""

    def __init__(self) -> None:
        self._under_way: set[Response] = set()
        self._draining: tuple[float, float] | None = None  # when it began, and when the last turn comes

    def begin(self, scope: Scope, send: Send) -> Response:
        """One more: what its application sends goes through it."""
        response = Response(self, scope, send)
        self._under_way.add(response)
        return response

    def finished(self, response: Response) -> None:
        """Its application is through."""
        self._under_way.discard(response)

    def told(self, event: Event) -> None:
        """What the takeover tells. Without a successor every turn comes now."""
        match event:
            case Drain(successor, deadline):
                now = asyncio.get_running_loop().time()
                self._draining = now, now if successor is None else now + deadline / 2
                for response in self._under_way:
                    self.streams(response)
            case Resume():
                self._draining = None

    def cancel(self) -> None:
        """Cancels whoever still has not noticed that its stream has ended."""
        for response in self._under_way:
            if response.over and response.task is not None:
                response.task.cancel()

    def streams(self, response: Response) -> None:
        """It may be a stream of events: then it is ended when its turn comes."""
        if self._draining is not None and response.streams:
            loop = asyncio.get_running_loop()
            left = max(0.0, self._draining[1] - loop.time())
            loop.call_later(random.random() * left, self._end, response)

    def _end(self, response: Response) -> None:
        if self._draining is not None:
            response.end()

    def is_last(self, scope: Scope) -> bool:
        """Whether a response that begins now is to be the last one of its connection."""
        if self._draining is None or scope.get("scheme") != "https" or scope.get("http_version") not in ("1.0", "1.1"):
            return False
        began, last = self._draining
        turn = hash(tuple(scope.get("client") or ())) % 1024 / 1024
        return asyncio.get_running_loop().time() >= began + turn * (last - began)


class Response:
    """One, as its application sends it."""

    def __init__(self, responses: Responses, scope: Scope, send: Send) -> None:
        self.task = asyncio.current_task()
        self.over = False
        """Its client has been given the end; the application is told with `Migrated` when it sends."""
        self.streams = False
        """It is a stream of events, and not at its end."""
        self._responses = responses
        self._scope = scope
        self._send = send
        self._sending = 0
        self._tail = b"\n\n"
        self._leaving = False
        self._finishing: asyncio.Future[None] | None = None

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """The application's."""
        if self.over:
            raise Migrated
        if event["type"] == "http.response.start" and self._responses.is_last(self._scope):
            event = {**event, "headers": [*event.get("headers", ()), (b"connection", b"close")]}
        self._sending += 1
        try:
            await self._send(event)
        finally:
            self._sending -= 1
        if event["type"] == "http.response.start":
            self.streams = _streams(event.get("headers", ()))
            self._responses.streams(self)
        elif self.streams:
            self._tail = (self._tail + bytes(event.get("body", b"")))[-4:]
            self.streams = event.get("more_body", False)
            if self._leaving and self._between():
                await self._finish()

    def end(self) -> None:
        """Ends a stream behind the event that is being sent."""
        self._leaving = True
        if self._between():
            self._finishing = asyncio.ensure_future(self._finish())

    def _between(self) -> bool:
        return self.streams and not self._sending and self._tail.endswith(BEHIND_AN_EVENT)

    def _finish(self) -> Awaitable[None]:
        self.over = True
        self.streams = False
        return self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _streams(headers: Any) -> bool:
    """Whether they announce events that can be told from one another."""
    fields = {bytes(name).lower(): bytes(value).lower() for name, value in headers}
    kind = fields.get(b"content-type", b"").partition(b";")[0].strip()
    return kind == b"text/event-stream" and not {b"content-length", b"content-encoding"} & set(fields)
