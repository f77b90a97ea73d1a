"""Server-sent events (WHATWG HTML, 9.2) and a drain: a stream of them has no end of its own, so it is given one.

It comes between two events. The client asks again, as after any end, and says the id of the last event that it has.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .events import Drain, Event, Resume
from .migrated import Migrated

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BEHIND_AN_EVENT = (b"\n\n", b"\r\r", b"\r\n\r\n")


class EventStreams:
    """The answers that are under way."""

    def __init__(self) -> None:
        self._streams: set[EventStream] = set()
        self._until: float | None = None  # while we drain: when the last one is to be ended

    def begin(self, send: Send) -> EventStream:
        """One more: what its application sends goes through it."""
        stream = EventStream(send, self._flows)
        self._streams.add(stream)
        return stream

    def finished(self, stream: EventStream) -> None:
        """Its application is through."""
        self._streams.discard(stream)

    def told(self, event: Event) -> None:
        """What the takeover tells.

        Towards a successor the streams end in the first half of the drain, since their clients come back at once and
        are not alone; without one, now.
        """
        match event:
            case Drain(successor, deadline):
                now = asyncio.get_running_loop().time()
                self._until = now if successor is None else now + deadline / 2
                for stream in self._streams:
                    self._flows(stream)
            case Resume():
                self._until = None

    def cancel(self) -> None:
        """Cancels whoever still has not noticed that its stream has ended."""
        for stream in self._streams:
            if stream.over and stream.task is not None:
                stream.task.cancel()

    def _flows(self, stream: EventStream) -> None:
        """It is one, and is ended where we drain."""
        if self._until is not None and stream.flows:
            loop = asyncio.get_running_loop()
            loop.call_later(random.random() * max(0.0, self._until - loop.time()), self._end, stream)

    def _end(self, stream: EventStream) -> None:
        if self._until is not None:
            stream.end()


class EventStream:
    """An answer, which may turn out to be a stream of events."""

    def __init__(self, send: Send, flows: Callable[[EventStream], None]) -> None:
        """`flows` is told that it is one."""
        self.task = asyncio.current_task()
        self.over = False
        """Its client has been given the end; the application is told with `Migrated` when it sends."""
        self.flows = False
        """It is a stream of events, and not at its end."""
        self._send = send
        self._tell = flows
        self._sending = 0
        self._tail = b"\n\n"
        self._leaving = False
        self._finishing: asyncio.Future[None] | None = None

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """The application's."""
        if self.over:
            raise Migrated
        self._sending += 1
        try:
            await self._send(event)
        finally:
            self._sending -= 1
        if event["type"] == "http.response.start":
            self.flows = _is_stream(event.get("headers", ()))
            if self.flows:
                self._tell(self)
        elif self.flows:
            self._tail = (self._tail + bytes(event.get("body", b"")))[-4:]
            self.flows = event.get("more_body", False)
            if self._leaving and self._between():
                await self._finish()

    def end(self) -> None:
        """Ends it behind the event that is being sent."""
        self._leaving = True
        if self._between():
            self._finishing = asyncio.ensure_future(self._finish())

    def _between(self) -> bool:
        return self.flows and not self._sending and self._tail.endswith(BEHIND_AN_EVENT)

    def _finish(self) -> Awaitable[None]:
        self.over = True
        self.flows = False
        return self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_stream(headers: Any) -> bool:
    """Whether they announce events that can be told from one another."""
    fields = {bytes(name).lower(): bytes(value).lower() for name, value in headers}
    kind = fields.get(b"content-type", b"").partition(b";")[0].strip()
    return kind == b"text/event-stream" and not {b"content-length", b"content-encoding"} & set(fields)
