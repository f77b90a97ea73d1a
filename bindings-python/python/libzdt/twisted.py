"""Twisted and what is made of it, daphne too: its listener moves, its connections are served to their end.

```python
with Listening("/run/app/zdt.sock") as listening:
    sock = listening.listener("http", ("0.0.0.0", 8000))
    listen(listening, sock, site, busy=lambda: requests > 0)
    reactor.run()
```
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from .listening import Listener, Listening, log

AGAIN = 0.05
"""Seconds until what cannot be waited for is looked at again."""
PAUSE = 1.0
"""Seconds for which nobody is accepted where descriptors or memory ran out, as asyncio has it."""


def listen(listening: Listening, listener: Listener, factory: Any, *, busy: Callable[[], bool]) -> None:
    """Serves who comes at `listener` with the protocols of `factory`, and says that we are ready; in the reactor's
    thread, and the reactor is then run. Once a successor is there for good, or `listening.drain()` was called, and
    `busy` (in the reactor's thread) says that nothing is in flight, each connection is closed when all that was written
    was sent, and the reactor is stopped.

    Raises:
        What `libzdt.Takeover.ready` raises.
    """
    from twisted.internet import reactor  # to import it is to choose it

    accepting = _Accepting(listener, factory, reactor)
    listening.ready(lambda: accepting.reactor.callFromThread(accepting.finish, busy))
    accepting.reactor.addReader(accepting)


@implementer(IReadDescriptor)
class _Accepting:
    """What the reactor waits for: a port of its own would make a descriptor that cannot be parked."""

    def __init__(self, listener: Listener, factory: Any, reactor: Any) -> None:
        self.reactor = reactor
        self._listener = listener
        self._factory = factory
        self._transports: set[Any] = set()

    def fileno(self) -> int:
        return self._listener.fileno()

    def logPrefix(self) -> str:  # noqa: N802
        return "libzdt"

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """The reactor stops. Whose the listener is closes it."""

    def doRead(self) -> None:  # noqa: N802
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # parked, or somebody else was faster, or the client left
        except OSError as error:
            self._pause(error, None)
        else:
            self._adopt(connection)

    def _adopt(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            transport = self.reactor.adoptStreamConnection(connection.fileno(), connection.family, self._factory)
        except OSError as error:  # it makes a descriptor of its own
            self._pause(error, connection)
            return
        connection.close()
        self._transports = {known for known in self._transports if known.connected} | {transport}

    def _pause(self, error: OSError, accepted: socket.socket | None) -> None:
        log.error("nobody is accepted for %s s: %s", PAUSE, error)
        self.reactor.removeReader(self)
        self.reactor.callLater(PAUSE, self._go_on, accepted)

    def _go_on(self, accepted: socket.socket | None) -> None:
        if self._listener.fileno() != -1:
            self.reactor.addReader(self)
        if accepted is not None:
            self._adopt(accepted)

    def finish(self, busy: Callable[[], bool]) -> None:
        """Stops the reactor once that cuts nobody off."""
        if not busy():
            for transport in self._transports:
                transport.loseConnection()  # when all is written
            if not any(transport.connected for transport in self._transports):
                self.reactor.stop()
                return
        self.reactor.callLater(AGAIN, self.finish, busy)
