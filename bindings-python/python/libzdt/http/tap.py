"""Between a transport and a server's own protocol: what makes an HTTP/1.1 connection one that moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from ..aio.served import Stays
from ..aio.transport import Transport
from ..connection import Bytes
from .requests import Requests


class Server(Protocol):
    """What the tap has to know of a server's protocols: one of these for each kind of server."""

    def is_idle(self, protocol: asyncio.BaseProtocol) -> bool:
        """Whether it has answered all that it was given. Raises Stays where that cannot be told."""

    def touched(self, protocol: asyncio.BaseProtocol) -> None:
        """Its client is sending a head: it is not to be ended as idle."""

    def leave(self, protocol: asyncio.BaseProtocol) -> None:
        """It stays here, where nobody will be: its client is to be told so with the next response."""


class Tap(asyncio.Protocol):
    """One connection. A `Migratable`: it may move when everything that was answered is answered whole, and the server's
    protocol was given nothing more; what came since travels."""

    def __init__(self, server: Server, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        """`factory` makes the server's own protocol."""
        self.server = server
        self.requests = Requests()
        self.inner = cast(asyncio.Protocol, factory())
        self._transport: Transport
        self._facade: Facade
        self._holds = False  # its turn to move has come: no further request is given to the server

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        self._facade = Facade(self, self._transport)
        self.inner.connection_made(self._facade)

    def data_received(self, data: bytes) -> None:
        given = self.requests.feed(data, self._holds)
        if given:
            self._give(given)
        if self.requests.rest and not self._holds:
            self.server.touched(self.inner)

    def _give(self, data: bytes) -> None:
        self.inner.data_received(data)
        if self.requests.upgrade is not None:
            # Nothing is known of what comes next but to the server.
            self.requests.opaque = True
            self.requests.denied()
            if rest := self.requests.feed(b""):
                self.inner.data_received(rest)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    # Moving

    def export_state(self) -> bytes | None:
        self._holds = True
        try:
            if self.requests.opaque:
                raise Stays("HTTP: not a request that is understood")
            idle = self.requests.between and self.server.is_idle(self.inner)
        except Stays:
            self.go_on()
            raise
        return b"" if idle else None

    def import_state(self, state: bytes) -> None:
        if state:
            raise ValueError("this is not the state of a connection between two requests")

    def unread(self) -> bytes:
        return bytes(self.requests.rest)

    def go_on(self) -> None:
        """It is served here for now: whatever waited is given to the server."""
        if self._holds and not self._transport.frozen:
            self._holds = False
            if given := self.requests.feed(b""):
                self._give(given)

    def leave(self) -> None:
        """It stays here to its end, and its client is told so in HTTP's way."""
        self.server.leave(self.inner)


class Facade(asyncio.Transport):
    """The transport as the server's protocol sees it, which may exchange itself for another one, behind the tap."""

    def __init__(self, tap: Tap, transport: Transport) -> None:
        super().__init__()
        self._tap = tap
        self._transport = transport

    def stir(self) -> None:
        """The server's protocol may have become idle."""
        self._transport._stir()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._tap.inner

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tap.inner = cast(asyncio.Protocol, protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def write(self, data: Bytes) -> None:
        self._transport.write(data)

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)
