"""`start_server`: a coroutine for each connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .connection import Connection
from .flow import Flow
from .log import log
from .served import Export, Live, Server, report
from .tls import Secured
from .transport import Transport

if TYPE_CHECKING:
    from .. import Adopted, Offer
    from .service import Service

S = TypeVar("S")


@dataclass(frozen=True)
class Streams(Generic[S]):
    """What `start_server` was given."""

    handle: Callable[[Connection[S]], Awaitable[None]]
    load: Callable[[bytes], S]
    dump: Callable[[S], bytes]
    limit: int
    write_limit: int
    ssl: ssl.SSLContext | None


class StreamServer(Server, Generic[S]):
    """Serves each connection by a handler of its own."""

    def __init__(self, service: Service, protocol: str, state_version: int, given: Streams[S]) -> None:
        super().__init__(protocol, state_version)
        self.given = given
        self._service = service

    def accept(self, sock: socket.socket) -> None:
        connection, flow = self._connection(self.given.load(b""))
        if self.given.ssl is not None:
            Secured(self._service, sock, lambda: flow, self.given.ssl, lambda: self.run(connection, flow))
        else:
            Stream(self._service, self, connection, flow, sock)

    def restore(self, offer: Offer) -> Callable[[Adopted], None]:
        connection, flow = self._connection(self.given.load(offer.state))

        def serve(adopted: Adopted) -> None:
            Stream(self._service, self, connection, flow, adopted.socket, adopted.unread, adopted.unsent)

        return serve

    def _connection(self, state: S) -> tuple[Connection[S], Flow]:
        flow = Flow(self._service.loop, self.given.limit, self.given.write_limit)
        return Connection(flow, self._service.next_number(), state), flow

    async def run(self, connection: Connection[S], flow: Flow) -> None:
        """The life of one handler."""
        try:
            await self.given.handle(connection)
        except asyncio.CancelledError:
            if flow.migrated is None:
                raise
            if flow.migrated:
                log.debug("%r: %d bytes were written too late to move", connection, len(flow.migrated))
        except ConnectionError as error:
            if error is not flow.error:
                raise
            log.debug("%r: the client is gone: %s", connection, error)
        finally:
            connection.close()


class Stream(Live, Generic[S]):
    """One connection, and its handler."""

    def __init__(
        self,
        service: Service,
        server: StreamServer[S],
        connection: Connection[S],
        flow: Flow,
        sock: socket.socket,
        unread: bytes = b"",
        unsent: bytes = b"",
    ) -> None:
        super().__init__(connection.id, server)
        self._given = server.given
        self._service = service
        self._connection = connection
        self._flow = flow
        self._parts = 2  # the transport, and the handler
        self.transport = Transport(service.loop, sock, flow, unsent=unsent, ended=self._part_ended)
        service.began(self)
        self.transport.start(unread)
        self._task = service.loop.create_task(server.run(connection, flow))
        self._task.add_done_callback(self._handled)

    def export(self) -> Export | None:
        if not self._flow.at_stop:
            return None
        return Export(self._given.dump(self._connection.state), bytes(self._flow.input))

    def when_idle(self, told: Callable[[], None] | None) -> None:
        self._flow.at_next_stop = told

    def freeze(self) -> None:
        self._flow.freeze()
        super().freeze()

    def thaw(self) -> None:
        super().thaw()
        self._flow.thaw()

    def let_go(self) -> None:
        reader = self._flow.reader
        self._flow.settle(self.transport.let_go())
        if reader not in (None, self._task):
            # A task group, for one, does not end because one of its tasks was told.
            self._task.cancel()

    def end(self) -> None:
        super().end()
        self._task.cancel()

    def _handled(self, task: asyncio.Task[None]) -> None:
        report(self._service.loop, task)
        self._part_ended()

    def _part_ended(self) -> None:
        self._parts -= 1
        if not self._parts:
            self._service.ended(self)
