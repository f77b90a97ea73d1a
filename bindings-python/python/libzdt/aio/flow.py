"""What flows through one connection: bytes read and not used, pressure, and the points where a handler may be
stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

from .. import Migrated


class Flow(asyncio.Protocol):
    """The inner side of a `Connection`: a protocol for its transport, a buffer for its handler.

    A handler is stopped only while it waits in a read or in `flush`: it is told nothing and simply waits longer.
    Whatever wakes it, it looks again at everything, so nothing depends on what it was woken for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int, write_limit: int) -> None:
        self._loop = loop
        self.limit = limit
        self._write_limit = write_limit
        self.transport: asyncio.Transport = _Unconnected()
        self.input = bytearray()
        """Read, and not used; the first `used` bytes are held by a `hold` block."""
        self.used = 0
        self.holds = 0
        self.eof = False
        self.error: Exception | None = None
        self.at_stop = False
        """Whether the handler is at a point where it may be stopped."""
        self.at_next_stop: Callable[[], None] | None = None
        """Called at the handler's next such point, once: somebody waits for it."""
        self.reader: asyncio.Task[Any] | None = None
        """The task that waits there: the handler's, or one of its own making."""
        self.frozen = False
        self.migrated: bytes | None = None
        """The connection lives in another process; what was written while it was frozen."""
        self.closed = loop.create_future()
        self._pressed = False
        self._paused = False
        self._handler: asyncio.Future[None] | None = None
        self._writers: set[asyncio.Future[None]] = set()

    # The handler's side

    def stopped(self) -> bool:
        """Every read comes by here first: whether it has to wait, however much there is to read."""
        self.stop()
        return self.frozen or self._pressed

    def stop(self) -> None:
        """The handler may be stopped here."""
        if self.at_next_stop is not None:
            told, self.at_next_stop = self.at_next_stop, None
            self.at_stop = True
            try:
                told()
            finally:
                self.at_stop = False
        if self.migrated is not None:
            raise Migrated(self.migrated)

    async def wait(self) -> None:
        """Waits until something is different."""
        if self._handler is not None:
            raise RuntimeError("another task reads or flushes this connection: only its handler may")
        self._regulate(hungry=True)
        self._handler = self._loop.create_future()
        self.reader = asyncio.current_task()
        self.at_stop = True
        try:
            await self._handler
        finally:
            self._handler = self.reader = None
            self.at_stop = False

    async def relieved(self) -> None:
        """Waits until fewer than `write_limit` bytes wait to be written. The handler is not stopped here."""
        while self._pressed and not self.closed.done():
            waiter = self._loop.create_future()
            self._writers.add(waiter)
            try:
                await waiter
            finally:
                self._writers.discard(waiter)

    async def flushed(self) -> None:
        """Waits until everything is in the socket."""
        self.stop()
        try:
            while self.error is None and (self.frozen or self.transport.get_write_buffer_size()):
                # Every transport tells when it is below its limit, none when it is empty.
                self.transport.set_write_buffer_limits(0)
                await self.wait()
                self.stop()
        finally:
            self._set_limits()
        if self.error is not None:
            raise self.error

    def waiting(self) -> int:
        """How many bytes a read finds."""
        return len(self.input) - self.used

    def take(self, count: int) -> bytes:
        """The next `count` bytes, which are used now, or held."""
        end = self.used + count
        data = bytes(memoryview(self.input)[self.used : end])
        if self.holds:
            self.used = end
        else:
            del self.input[:end]
        self._regulate()
        return data

    def __enter__(self) -> None:
        self.holds += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.holds -= 1
        if not self.holds:
            del self.input[: self.used]
            self.used = 0

    # The side of the one who moves it

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        self._wake()

    def settle(self, held: bytes) -> None:
        """Another process serves the connection: the handler is told at its next stop."""
        self.frozen = False
        self.migrated = held
        self._over()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._set_limits()

    def data_received(self, data: bytes) -> None:
        self.input += data
        self._regulate()
        self._wake()

    def eof_received(self) -> bool:
        self.eof = True
        self._wake()
        # A TLS connection cannot be half-closed.
        return self.transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._pressed = True
        self._regulate()

    def resume_writing(self) -> None:
        self._pressed = False
        self._regulate()
        self._wake()
        self._wake_writers()

    def connection_lost(self, exc: Exception | None) -> None:
        self.eof = True
        self.error = exc
        self._pressed = False
        self._over()

    def _set_limits(self) -> None:
        self.transport.set_write_buffer_limits(self._write_limit - 1, self._write_limit - 1)

    def _regulate(self, hungry: bool = False) -> None:
        """Reads on, unless there is enough that nobody has used yet, or that the client does not take."""
        waiting = self.waiting()
        if not self._paused and (self._pressed or (waiting > 2 * self.limit and not hungry)):
            self._paused = True
            self.transport.pause_reading()
        elif self._paused and not self._pressed and (hungry or waiting <= self.limit):
            self._paused = False
            self.transport.resume_reading()

    def _over(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        self._wake()
        self._wake_writers()

    def _wake(self) -> None:
        if self._handler is not None and not self._handler.done():
            self._handler.set_result(None)

    def _wake_writers(self) -> None:
        for waiter in self._writers:
            if not waiter.done():
                waiter.set_result(None)


class _Unconnected(asyncio.Transport):
    """Before there is one."""
