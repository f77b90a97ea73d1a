"""`create_server`: an asyncio.Protocol for each connection."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast, runtime_checkable

from .. import Migrated
from .served import Export, Live, Restored, Server, Stays
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


@runtime_checkable
class Rebuilt(Migratable, Protocol):
    """A Migratable with more than a state: somebody else who writes, and much to build."""

    def freeze(self) -> None:
        """Whatever is written from now on waits. `go_on` follows, or `connection_lost`."""

    async def rebuild(self) -> None:
        """(successor) Behind `import_state`: what takes time. Raises whatever is wrong; if it is not adopted,
        `connection_lost` is called with a `libzdt.Migrated`."""


# Whether its class has the methods: the answer for a class is cached, isinstance looks for them each time.


def is_migratable(protocol: object) -> TypeGuard[Migratable]:
    """Whether it is a Migratable."""
    return issubclass(type(protocol), Migratable)


def is_holding(protocol: object) -> TypeGuard[Holding]:
    """Whether it is a Holding."""
    return issubclass(type(protocol), Holding)


def is_rebuilt(protocol: object) -> TypeGuard[Rebuilt]:
    """Whether it is a Rebuilt."""
    return issubclass(type(protocol), Rebuilt)


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

    def restore(self, offer: Offer) -> Callable[[Adopted], None] | Coroutine[Any, Any, Restored]:
        protocol = self._factory()
        if not is_migratable(protocol):
            raise TypeError(f"{type(protocol).__qualname__} is not Migratable")
        protocol.import_state(offer.state)
        made = cast(asyncio.BaseProtocol, protocol)

        def serve(adopted: Adopted) -> None:
            member = Member(self._service, self, made, adopted.socket, adopted.unsent)
            member.transport.start(adopted.unread)

        return self._rebuilt(protocol, serve) if is_rebuilt(protocol) else serve

    async def _rebuilt(self, protocol: Rebuilt, serve: Callable[[Adopted], None]) -> Restored:
        def decided(adopted: Adopted | None) -> None:
            if adopted is None:
                cast(asyncio.BaseProtocol, protocol).connection_lost(cast(Exception, Migrated()))
            else:
                serve(adopted)

        try:
            await protocol.rebuild()
        except BaseException:
            decided(None)
            raise
        return decided


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
        if not is_migratable(protocol):
            raise Stays("not Migratable")
        state = protocol.export_state()
        return None if state is None else Export(state, protocol.unread())

    def when_idle(self, told: Callable[[], None] | None) -> None:
        self.transport.stirred = told
        if told is None:
            self._goes_on()

    def freeze(self) -> None:
        super().freeze()
        protocol = self.transport.get_protocol()
        if is_rebuilt(protocol):
            protocol.freeze()

    def thaw(self) -> None:
        super().thaw()
        self._goes_on()

    def _goes_on(self) -> None:
        protocol = self.transport.get_protocol()
        if is_holding(protocol) and not self.transport.frozen:
            protocol.go_on()

    def leave(self) -> None:
        # Its client comes back at once, and is not the only one: half of the time is for saying so, and half for going.
        self._service.later_in_drain(random.random() / 2, self._leave)

    def end(self) -> None:
        self._leave()
        super().end()

    def _leave(self) -> None:
        protocol = self.transport.get_protocol()
        if is_holding(protocol) and not self.transport.is_closing():
            protocol.leave()

    def let_go(self) -> None:
        protocol = self.transport.get_protocol()
        migrated = Migrated(self.transport.let_go())
        # asyncio's types know only Exception here; as a CancelledError it is none on purpose.
        self._service.loop.call_soon(protocol.connection_lost, cast(Exception, migrated))
