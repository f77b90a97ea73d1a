"""The tap of a connection that may become a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import cast

from ..aio.transport import Transport
from ..connection import Bytes
from ..migrated import Migrated
from .rehearsal import Rehearsal
from .tap import Facade, Server, Tap
from .websocket import CURRENT, WebSocket, is_request, pack, unpack, without_context

REPLAY = 3.0
"""How long a successor's application may take to accept a WebSocket once more, in seconds: its client waits."""
HELD = 64 << 10
"""So many bytes are held for whoever comes next, then reading pauses."""


class WebTap(Tap):
    """Between requests it moves as any `Tap`; as a WebSocket, between two messages, while the application waits."""

    def __init__(
        self,
        server: Server,
        factory: Callable[[], asyncio.BaseProtocol],
        offer: Callable[[bytes], bytes] = without_context,
    ) -> None:
        """As `Tap`; `offer`: makes of a client's request for a WebSocket the one that the server is given."""
        super().__init__(server, factory)
        self._offer = offer
        self._websocket: WebSocket | None = None
        self._rehearsal: Rehearsal | None = None
        self._facade: Looking
        self._agreed = b""

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(Transport, transport)
        if self._rehearsal is None:
            self._facade = Looking(self, self._transport)
            self.inner.connection_made(self._facade)
            return
        rehearsal, self._rehearsal = self._rehearsal, None
        self._facade.exchange(self._transport)
        rehearsal.perform(self._transport)
        self._talk("thaw")

    def data_received(self, data: bytes) -> None:
        if self._websocket is None:
            super().data_received(data)
            return
        if given := self._websocket.read(data, self._holds):
            self._into(given)
        if self._holds and len(self._websocket.unread()) > HELD:
            self._facade.full = True

    def _give(self, data: bytes) -> None:
        head = self.requests.upgrade
        if head is None or not is_request(head):
            super()._give(data)
            return
        before = data[: -len(head)]
        if before:
            self.inner.data_received(before)
        # What comes with it or behind it is not for HTTP any more: servers would lose it.
        self._websocket = self._looked_at(WebSocket(self._offer(head)))
        self._websocket.read(bytes(self.requests.rest), False)
        self.requests.rest.clear()
        self._into(self._websocket.request)

    def _into(self, data: bytes) -> None:
        """Gives the server bytes; whatever tasks it makes of them know whose they are."""
        token = CURRENT.set(self._websocket)
        try:
            self.inner.data_received(data)
        finally:
            CURRENT.reset(token)

    def wrote(self, data: bytes) -> bytes:
        """What the client is to be given of what the server wrote."""
        websocket = self._websocket
        if websocket is None:
            return data
        before = websocket.answered.done()
        given = websocket.wrote(data)
        if websocket.answered.done() and not before:
            asyncio.get_running_loop().call_soon(self.data_received, b"")  # what came with the request
        return given

    def connection_lost(self, exc: BaseException | None) -> None:
        if isinstance(exc, Migrated):
            self._talk("migrated")
        super().connection_lost(cast(Exception | None, exc))

    # Moving

    def export_state(self) -> bytes | None:
        if self._websocket is None:
            return super().export_state()
        self._holds = True
        try:
            state = self._websocket.export()
        except BaseException:
            self.go_on()
            raise
        if state is None:
            return None
        known = [self._transport.get_extra_info(name) for name in ("sockname", "peername")]
        return pack(state, json.dumps(known).encode())

    def unread(self) -> bytes:
        return super().unread() if self._websocket is None else self._websocket.unread()

    def freeze(self) -> None:
        """Another process is asked to go on with it."""
        self._talk("freeze")

    def go_on(self) -> None:
        if self._websocket is None:
            super().go_on()
        elif not self._transport.frozen:
            self._holds = False
            self._talk("thaw")
            self.data_received(b"")
            self._facade.full = False

    def leave(self) -> None:
        if self._websocket is None:
            super().leave()
        else:
            self._transport.write(self._websocket.leave())

    def import_state(self, state: bytes) -> None:
        if not state:
            return
        exported, known = unpack(state, 2)
        request, self._agreed, given = unpack(exported, 3)
        sockname, peername = (tuple(each) if isinstance(each, list) else each for each in json.loads(known))
        self._rehearsal = Rehearsal(sockname=sockname, peername=peername)
        self._facade = Looking(self, self._rehearsal)
        self._websocket = self._looked_at(WebSocket(request, given))

    async def rebuild(self) -> None:
        """(successor) Shakes hands once more, before it is adopted. Raises what speaks against it."""
        websocket = self._websocket
        if websocket is None:
            return
        self.inner.connection_made(self._facade)
        self._into(websocket.request)
        try:
            await asyncio.wait_for(asyncio.shield(websocket.answered), REPLAY)
        except asyncio.TimeoutError:
            raise TimeoutError(f"the application did not accept this WebSocket within {REPLAY:g} s") from None
        websocket.compare(self._agreed)

    def _looked_at(self, websocket: WebSocket) -> WebSocket:
        websocket.stirred = self._stirred
        return websocket

    def _stirred(self) -> None:
        """The application may have become idle: whoever waits for that is told, once it waits indeed."""
        if self._rehearsal is None and self._transport.stirred is not None:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self._transport.stirred is not None:
            self._transport.stirred()

    @property
    def websocket(self) -> WebSocket | None:
        """What it has become, once its client has asked for that."""
        return self._websocket

    def _talk(self, what: str) -> None:
        if self._websocket is not None and self._websocket.talk is not None:
            getattr(self._websocket.talk, what)()


class Looking(Facade):
    """Lets its tap look at what is written, and pause reading, whatever the server wants."""

    _tap: WebTap

    def __init__(self, tap: WebTap, transport: asyncio.Transport) -> None:
        super().__init__(tap, cast(Transport, transport))
        self._paused = False
        self._full = False

    @property
    def websocket(self) -> WebSocket | None:
        """What its connection has become."""
        return self._tap.websocket

    def exchange(self, transport: Transport) -> None:
        """From here on it is this one."""
        self._transport = transport

    @property
    def full(self) -> bool:
        """Whether the tap holds as much as it should."""
        return self._full

    @full.setter
    def full(self, full: bool) -> None:
        if full != self._full:
            self._full = full
            self._regulate()

    def pause_reading(self) -> None:
        self._paused = True
        self._regulate()

    def resume_reading(self) -> None:
        self._paused = False
        self._regulate()

    def _regulate(self) -> None:
        if self._paused or self._full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def write(self, data: Bytes) -> None:
        # What is no bytes is the transport's to complain of.
        self._transport.write(self._tap.wrote(bytes(data)) if isinstance(data, Bytes) else data)

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        self.write(b"".join(list_of_data))
