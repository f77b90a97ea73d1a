"""Accepting, and leaving off without losing anybody."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from .log import log

BATCH = 32
"""The most that one wake-up accepts, so that a storm of newcomers does not keep the others waiting."""
PAUSE = 1.0
"""How long it leaves off when there is nothing to accept with, in seconds."""
SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What says so: no descriptors, no memory."""

Accepted: TypeAlias = Callable[[socket.socket], None]


class Listener:
    """A listening socket on the loop's add_reader: parked, it loses nobody, and its queue stays as long as it was.

    (A listener of asyncio's own drops what it accepted just before it is closed, and calls listen() again.)
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        sock: socket.socket,
        accepted: Accepted,
        up_to_date: Callable[[], bool],
    ) -> None:
        """Owns `sock`; each connection is given to `accepted`, non-blocking, and is its own from there on.

        `up_to_date` is asked before it accepts: whoever was stopped for a while may have lost the service since, and
        has to hear of it first.
        """
        self.name = name
        self._loop = loop
        self._sock = sock
        self._accepted = accepted
        self._up_to_date = up_to_date
        self._accepting = False
        self._pause: asyncio.TimerHandle | None = None

    @property
    def address(self) -> Any:
        """Where it listens, as getsockname() tells it."""
        return self._sock.getsockname()

    def start(self) -> None:
        """Accepts from here on; again, if it was parked."""
        if self._sock.fileno() >= 0:
            self._accepting = True
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def park(self) -> None:
        """Accepts nobody from here on, but may again. Whoever connects waits in the queue."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._sock.fileno())

    def empty(self) -> None:
        """Accepts whoever waits, if it accepts: nobody else will."""
        while self._accept_some():
            pass

    def close(self) -> None:
        """Accepts nobody ever again. A successor's copy of the socket is as it was."""
        self.park()
        self._sock.close()

    def disown(self) -> None:
        """In a forked child: closes its copy, and leaves the loop's epoll alone, which is the parent's too."""
        self._accepting = False
        self._sock.close()

    def _accept(self) -> None:
        if self._up_to_date():  # else the queue is still readable
            self._accept_some()

    def _accept_some(self) -> bool:
        """Whether more may wait."""
        for _ in range(BATCH):
            if not self._accepting:
                return False
            try:
                connection, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                if error.errno in SHORT:
                    self._leave_off(error)
                    return False
                continue  # the client's trouble (accept(2)): it went before it was accepted
            try:
                connection.setblocking(False)
                if connection.family != socket.AF_UNIX:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._accepted(connection)
            except Exception as error:
                connection.close()
                self._loop.call_exception_handler({"message": "an accepted connection was lost", "exception": error})
        return True

    def _leave_off(self, error: OSError) -> None:
        """Nothing to accept with: the queue stays readable, and we would only spin."""
        log.warning("accepting stops for %g s: %s", PAUSE, error)
        self.park()
        self._pause = self._loop.call_later(PAUSE, self.start)
