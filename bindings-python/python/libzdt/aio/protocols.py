"""`create_server`: an asyncio.Protocol for each connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from .. import Migrated
from .served import Export, Live, Server, Stays
from .tls import Secured
from .transport import Transport

if TYPE_CHECKING:
    from .. import Adopted, Offer
    from .service import Service


@runtime_checkable
class Migratable(Protocol):
    """What a protocol has that can go on in another process.

    When its connection lives there, `connection_lost` is called with a `libzdt.Migrated`: release what belonged to
    the connection; the client is still there, for somebody else.
    """

    def export_state(self) -> bytes | None:
        """All that a successor has to know beyond the bytes; nothing changes until the connection is thawed or lost.

        None: not now. It is asked again after the next bytes came, were written, or went into the socket.
        """

    def import_state(self, state: bytes) -> None:
        """(successor) Becomes what `export_state` described; `connection_made` and `data_received` follow, if it is
        adopted. Raises whatever is wrong with it: the predecessor goes on with the connection."""

    def unread(self) -> bytes:
        """What `data_received` was given and is not used yet: the successor's is given the same."""


@runtime_checkable
class Holding(Protocol):
    """A Migratable that holds something back from when it is asked for its state, and may leave politely."""

    def go_on(self) -> None:
        """It is not asked any more, or has come back."""

    def leave(self) -> None:
        """It stays here to its end."""


class ProtocolServer(Server):
    """Serves each connection by what a factory makes."""

    def __init__(
        self,
        service: Service,
        protocol: str,
        state_version: int,
        factory: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(protocol, state_version)
        self._service = service
        self._factory = factory
        self._context = context

    def accept(self, sock: socket.socket) -> None:
        if self._context is not None:
            Secured(self._service, sock, self._factory, self._context)
        else:
            Member(self._service, self, self._factory(), sock).transport.start()

    def restore(self, offer: Offer) -> Callable[[Adopted], None]:
        protocol = self._factory()
        if not isinstance(protocol, Migratable):
            raise TypeError(f"{type(protocol).__qualname__} is not Migratable")
        protocol.import_state(offer.state)

        def serve(adopted: Adopted) -> None:
            made = cast(asyncio.BaseProtocol, protocol)
            member = Member(self._service, self, made, adopted.socket, adopted.unsent)
            member.transport.start(adopted.unread)

        return serve


class Member(Live):
    """One connection, whose protocol may be exchanged."""

    def __init__(
        self,
        service: Service,
        server: Server,
        protocol: asyncio.BaseProtocol,
        sock: socket.socket,
        unsent: bytes = b"",
    ) -> None:
        super().__init__(service.next_number(), server)
        self._service = service
        self.transport = Transport(service.loop, sock, protocol, unsent=unsent, ended=lambda: service.ended(self))
        service.began(self)

    def export(self) -> Export | None:
        protocol = self.transport.get_protocol()
        if not isinstance(protocol, Migratable):
            raise Stays("not Migratable")
        state = protocol.export_state()
        return None if state is None else Export(state, protocol.unread())

    def when_idle(self, told: Callable[[], None] | None) -> None:
        self.transport.stirred = told
        if told is None:
            self._goes_on()

    def thaw(self) -> None:
        super().thaw()
        self._goes_on()

    def _goes_on(self) -> None:
        protocol = self.transport.get_protocol()
        if isinstance(protocol, Holding) and not self.transport.frozen:
            protocol.go_on()

    def leave(self) -> None:
        protocol = self.transport.get_protocol()
        if isinstance(protocol, Holding):
            protocol.leave()

    def let_go(self) -> None:
        protocol = self.transport.get_protocol()
        migrated = Migrated(self.transport.let_go())
        # asyncio's types know only Exception here; as a CancelledError it is none on purpose.
        self._service.loop.call_soon(protocol.connection_lost, cast(Exception, migrated))
