"""TLS connections: served by the loop's own transport, counted, and drained. What a TLS library knows does not
travel."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .log import log
from .served import Served, report

if TYPE_CHECKING:
    from .service import Service


class Watched(socket.socket):
    """A socket that tells when a loop's transport is through with it, whatever protocol it has by then.

    asyncio closes it, uvloop detaches it.
    """

    def __init__(self, accepted: socket.socket, closed: Callable[[], None]) -> None:
        family, kind, proto = accepted.family, accepted.type, accepted.proto
        super().__init__(family, kind, proto, fileno=accepted.detach())
        self.setblocking(False)
        self._closed_callback = closed

    def close(self) -> None:
        super().close()
        self._tell()

    def detach(self) -> int:
        fd = super().detach()
        self._tell()
        return fd

    def _tell(self) -> None:
        closed, self._closed_callback = self._closed_callback, lambda: None
        closed()


class Secured(Served):
    """One TLS connection, from before its handshake; with a handler, if it has one."""

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        factory: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        handler: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._service = service
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._open = True
        service.began(self)
        self._socket = Watched(sock, self._closed)
        self._task = service.loop.create_task(self._serve(factory, context))
        self._task.add_done_callback(self._served)

    async def _serve(self, factory: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext) -> None:
        try:
            self._transport, _ = await self._service.loop.connect_accepted_socket(factory, self._socket, ssl=context)
        except OSError as error:
            log.debug("a TLS handshake failed: %s", error)
            return
        if self._handler is not None:
            await self._handler()

    def end(self) -> None:
        self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _served(self, task: asyncio.Task[None]) -> None:
        report(self._service.loop, task)
        self._look()

    def _closed(self) -> None:
        self._open = False
        self._look()

    def _look(self) -> None:
        if not self._open and self._task.done():
            self._service.ended(self)
