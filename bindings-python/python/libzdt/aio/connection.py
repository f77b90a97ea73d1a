"""A connection as its handler sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from ..connection import Bytes
from .flow import Flow

S = TypeVar("S")


class Connection(Generic[S]):
    """One client's connection, which may go on in another process; reads and writes like StreamReader and
    StreamWriter.

    The handler may be stopped while it waits in a read or in `flush`, and nowhere else: at these points `state` must
    say all that a successor has to know. If the connection moves, `libzdt.Migrated` is raised there; being a
    CancelledError it passes through `except Exception`, and `finally` blocks run as ever. If it comes back, the
    handler goes on and never knows. Only the handler may read and flush; other tasks of the loop may write. Only in
    the thread of the loop.
    """

    # What a successor has to know beyond the bytes: what `load` gave, and what `dump` is given when the connection
    # moves. state: S

    def __init__(self, flow: Flow, number: int, state: S) -> None:
        """Made by `Takeover.start_server`."""
        self._flow = flow
        self._number = number
        self.state = state

    @property
    def id(self) -> int:
        """Its number in this process: events of the takeover name it so. It changes when the connection moves."""
        return self._number

    # Reading. While more than `write_limit` bytes wait to be written, reads wait too: no `drain` is needed.

    async def read(self, n: int = -1) -> bytes:
        """Up to `n` bytes, at least one; b"" at the end. With -1 everything up to the end."""
        flow = self._flow
        if n == 0:
            return b""
        while True:
            if not flow.stopped():
                self._raise_error()
                if flow.eof or (n > 0 and flow.waiting()):
                    return flow.take(flow.waiting() if n < 0 else min(n, flow.waiting()))
            await flow.wait()

    async def readexactly(self, n: int) -> bytes:
        """`n` bytes. Raises asyncio.IncompleteReadError, with what there was, if the end comes first."""
        flow = self._flow
        if n < 0:
            raise ValueError("n: not negative")
        while True:
            if not flow.stopped():
                self._raise_error()
                if flow.waiting() >= n:
                    return flow.take(n)
                if flow.eof:
                    raise asyncio.IncompleteReadError(flow.take(flow.waiting()), n)
            await flow.wait()

    async def readuntil(self, separator: bytes = b"\n", *, limit: int | None = None) -> bytes:
        """Everything up to `separator`, and `separator`.

        Raises asyncio.IncompleteReadError, with what there was, if the end comes first; asyncio.LimitOverrunError,
        and leaves everything where it is, if that would be more than `limit` bytes (default: the server's).
        """
        flow = self._flow
        if not separator:
            raise ValueError("separator: at least one byte")
        if limit is None:
            limit = flow.limit
        searched = 0
        while True:
            if not flow.stopped():
                self._raise_error()
                found = flow.input.find(separator, flow.used + searched)
                length = found + len(separator) - flow.used if found >= 0 else flow.waiting()
                if length > limit or (found < 0 and length == limit):
                    raise asyncio.LimitOverrunError(f"no separator within {limit} bytes", length)
                if found >= 0:
                    return flow.take(length)
                if flow.eof:
                    raise asyncio.IncompleteReadError(flow.take(length), None)
                searched = max(0, length - len(separator) + 1)
            await flow.wait()

    async def readline(self, *, limit: int | None = None) -> bytes:
        """A line with its LF; at the end what is left, without.

        Raises ValueError if it is longer than `limit` bytes (default: the server's); what there is of it is used up.
        """
        try:
            return await self.readuntil(b"\n", limit=limit)
        except asyncio.IncompleteReadError as end:
            return end.partial
        except asyncio.LimitOverrunError as long:
            self._flow.take(long.consumed)
            raise ValueError(str(long)) from None

    def __aiter__(self) -> Connection[S]:
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    def at_eof(self) -> bool:
        """Whether everything was read and used."""
        return self._flow.eof and not self._flow.waiting()

    def hold(self) -> AbstractContextManager[None]:
        """`with connection.hold():` what is read inside the block counts as unread until the block ends.

        So a request of several reads moves whole: change `state` and write the reply at the end of the block, or
        behind it before the next read. However the block is left, what it read is used then.
        """
        return self._flow

    # Writing

    def write(self, data: Bytes) -> None:
        """Writes, now or as soon as the socket takes it; never waits. What is written in a row moves as a whole."""
        self._flow.transport.write(data)

    def writelines(self, data: Iterable[Bytes]) -> None:
        """Writes all of them."""
        self._flow.transport.writelines(data)

    async def drain(self) -> None:
        """Waits while `write_limit` or more bytes wait to be written: for tasks other than the handler, whose reads
        do so.

        Nobody is stopped here. Raises what ended the connection, if that was an error; nothing if it moved.
        """
        await self._flow.relieved()
        self._raise_error()

    async def flush(self) -> None:
        """Waits until every byte is in the socket. Here the handler may be stopped, and the bytes move with it.

        Raises what ended the connection, if that was an error.
        """
        await self._flow.flushed()

    # Ending

    def close(self) -> None:
        """Ends the connection once everything is in the socket; so does leaving the handler. It does not move any
        more."""
        self._flow.transport.close()

    def abort(self) -> None:
        """Ends the connection at once; what is not in the socket is dropped."""
        self._flow.transport.abort()

    async def wait_closed(self) -> None:
        """Waits until the connection has ended, or lives elsewhere."""
        await asyncio.shield(self._flow.closed)

    def is_closing(self) -> bool:
        """Whether it was closed, has ended, or lives elsewhere."""
        return self._flow.transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows: socket, sockname, peername, with TLS ssl_object and the like."""
        return self._flow.transport.get_extra_info(name, default)

    def _raise_error(self) -> None:
        if self._flow.error is not None:
            raise self._flow.error

    def __repr__(self) -> str:
        return f"<libzdt.aio.Connection {self._number} {self.get_extra_info('peername')}>"
