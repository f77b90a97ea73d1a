"""A server's protocol behind a tap: it may be exchanged, and moves when both agree."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

from ..aio.served import Stays
from ..aio.transport import Transport
from ..migrated import Migrated
from .outlet import Outlet
from .websocket import CURRENT, WebSocket, is_request, pack, unpack, without_context

REPLAY = 1.0
"""How long a successor's application may take to accept a WebSocket once more, in seconds: its client waits."""
HELD = 64 << 10
"""How many bytes are held for whoever comes next before reading pauses."""


class Channel(asyncio.Protocol):
    """Between an `aio.Transport` and a server's own protocol: sees where messages end, holds what is too early."""

    def __init__(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._inner: asyncio.BaseProtocol = factory()
        self._outlet = Outlet(self._wrote, self._inner)
        self._transport: Transport | None = None
        self._websocket: WebSocket | None = None
        self._agreed: bytes | None = None
        self._head = b""
        self._turn = False
        self._frozen = False

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        self._outlet.attach(self._transport)
        if self._websocket is None:
            self._protocol.connection_made(self._outlet)
        elif self._websocket.talk is not None:
            self._websocket.talk.thaw()

    def data_received(self, data: bytes) -> None:
        if self._websocket is None:
            self._request(data)
        else:
            self._give(self._websocket.read(data, self._turn))
            self._regulate()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        if isinstance(exc, Migrated):
            if self._websocket is not None and self._websocket.talk is not None:
                self._websocket.talk.migrated()
            exc = None  # for the server it is an end like any other
        self._protocol.connection_lost(cast(Exception | None, exc))

    # The server's side

    @property
    def _protocol(self) -> asyncio.Protocol:
        return cast(asyncio.Protocol, self._outlet.get_protocol())

    def _wrote(self, data: bytes) -> bytes:
        if self._websocket is None:
            return data
        had = self._websocket.agreed
        told = self._websocket.wrote(data)
        if had is None and self._websocket.agreed is not None:
            asyncio.get_running_loop().call_soon(self.data_received, b"")  # what came with the request
        return told

    def _request(self, data: bytes) -> None:
        self._head += data
        end = self._head.find(b"\r\n\r\n") + 4
        head, rest = self._head[:end], self._head[end:]
        if end >= 4 and is_request(head):
            self._head = b""
            self._websocket = WebSocket(without_context(head))
            self._websocket.stirred = self._stirred
            self._websocket.read(rest, False)
            self._give(self._websocket.request)
        else:
            self._give(self._head)
            self._head = b""

    def _give(self, data: bytes) -> None:
        """Gives the server bytes; whatever tasks it makes of them know whose they are."""
        if data:
            token = CURRENT.set(self._websocket)
            try:
                self._protocol.data_received(data)
            finally:
                CURRENT.reset(token)

    def _stirred(self) -> None:
        if self._transport is not None and self._transport.stirred is not None:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self._transport is not None and self._transport.stirred is not None:
            self._transport.stirred()

    def _regulate(self) -> None:
        pass

    # Migratable

    def turn(self, waits: bool) -> None:
        """Whether somebody waits for the chance to move it."""
        self._turn = waits
        if not waits and not self._frozen and self._websocket is not None:
            self.data_received(b"")

    def freeze(self) -> None:
        """Another process is asked to go on with it."""
        self._frozen = True
        if self._websocket is not None and self._websocket.talk is not None:
            self._websocket.talk.freeze()

    def thaw(self) -> None:
        """It is ours again."""
        self._frozen = False
        if self._websocket is not None:
            if self._websocket.talk is not None:
                self._websocket.talk.thaw()
            if not self._turn:
                self.data_received(b"")

    def export_state(self) -> bytes | None:
        if self._websocket is None:
            raise Stays("not a WebSocket")
        exported = self._websocket.export()
        if exported is None:
            return None
        known = [self._outlet.get_extra_info(name) for name in ("sockname", "peername")]
        return pack(exported, json.dumps(known).encode())

    def unread(self) -> bytes:
        return b"" if self._websocket is None else self._websocket.unread()

    def import_state(self, state: bytes) -> None:
        exported, known = unpack(state, 2)
        request, self._agreed, given = unpack(exported, 3)
        self._websocket = WebSocket(request, given)
        self._websocket.stirred = self._stirred
        sockname, peername = (tuple(each) if isinstance(each, list) else each for each in json.loads(known))
        self._outlet = Outlet(self._wrote, self._inner, sockname=sockname, peername=peername)

    async def rebuild(self) -> None:
        """(successor) Shakes hands once more, before it is adopted. Raises what speaks against it."""
        websocket = self._websocket
        assert websocket is not None
        assert self._agreed is not None
        self._protocol.connection_made(self._outlet)
        self._give(websocket.request)
        try:
            await asyncio.wait_for(asyncio.shield(websocket.answered), REPLAY)
            websocket.compare(self._agreed)
        except asyncio.TimeoutError:
            raise TimeoutError(f"the application did not accept this WebSocket within {REPLAY:g} s") from None
