"""What the takeover knows of a connection that is served here, and of who serves it."""

from __future__ import annotations

import abc
import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .. import Adopted, Offer
    from .transport import Transport


class Served(abc.ABC):
    """A connection that is served here. Being in `Service.served` is what draining waits for the end of."""

    @abc.abstractmethod
    def end(self) -> None:
        """Ends it at once, whatever is on its way."""


class Stays(Exception):
    """It cannot move, for this reason."""


class Export(NamedTuple):
    """What travels with a connection, besides what its transport knows."""

    state: bytes
    unread: bytes


class Live(Served):
    """A connection that may move."""

    def __init__(self, number: int, server: Server) -> None:
        self.number = number
        self.server = server
        self.transport: Transport

    @abc.abstractmethod
    def export(self) -> Export | None:
        """What travels; None: not now, `when_idle` is asked. Raises whatever is wrong with the state: it stays
        here."""

    @abc.abstractmethod
    def when_idle(self, told: Callable[[], None] | None) -> None:
        """Calls `told` when `export` is worth another try, maybe more than once; None: nobody waits any more."""

    def freeze(self) -> None:
        """Nothing here touches it until `thaw` or `let_go`."""
        self.transport.freeze()

    def thaw(self) -> None:
        """It is ours as it was."""
        self.transport.thaw()

    @abc.abstractmethod
    def let_go(self) -> None:
        """Another process serves it."""

    def leave(self) -> None:
        """It stays here to its end: its client may be told so."""

    def end(self) -> None:
        self.transport.abort()


class Server(abc.ABC):
    """Makes connections out of sockets: new ones, and a predecessor's."""

    def __init__(self, protocol: str, state_version: int) -> None:
        self.protocol = protocol
        self.state_version = state_version

    @abc.abstractmethod
    def accept(self, sock: socket.socket) -> None:
        """Serves a new connection."""

    @abc.abstractmethod
    def restore(self, offer: Offer) -> Callable[[Adopted], None]:
        """Builds all that is needed for what is offered; what to call with it once it is ours.

        Raises whatever is wrong with the state: then it is refused, and the predecessor goes on with it.
        """


def why_not(server: Server, offer: Offer) -> str | None:
    """Why `server` cannot read what is offered, whatever is in its state."""
    if offer.state_version != server.state_version:
        return (
            f"state version {offer.state_version} of {offer.protocol!r} is not read here, only {server.state_version}"
        )
    if offer.companions:
        return f"companions are not taken here: {', '.join(offer.companions)}"
    return None


def report(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """Tells the loop of a handler's fault, since nobody awaits the task."""
    if not task.cancelled() and (error := task.exception()) is not None:
        loop.call_exception_handler({"message": "a handler failed", "exception": error, "task": task})
