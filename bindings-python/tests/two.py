"""A predecessor and a successor in one thread: whoever waits for one of them lets both work."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from libzdt import Drain, Event, Frozen, Offer, Takeover, Worker

E = TypeVar("E")

PATIENCE = 20.0
"""Seconds that anything which must happen may take, on a machine that is busy with other things."""

ANY = ("127.0.0.1", 0)
"""Any free port."""


def opened(path: str, **config: Any) -> Takeover:
    """A handle without probation, unless `config` says otherwise."""
    return Takeover(path, **{"probation": 0.0, **config})


def open_beside(owner: Takeover, path: str, **config: Any) -> Takeover:
    """Opens the next generation while `owner`, in this thread, answers it and is told nothing yet."""
    outcome: list[Takeover | BaseException] = []

    def opening() -> None:
        try:
            outcome.append(opened(path, **config))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=opening)
    thread.start()
    while thread.is_alive():
        assert owner.next_event(0.005) is None
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class Two:
    """Two handles, and what they were told while the other one was waited for."""

    def __init__(self, first: Takeover, second: Takeover, *workers: Worker) -> None:
        self.first = first
        self.second = second
        self._told: dict[Takeover | Worker, deque[Event]] = {first: deque(), second: deque()}
        self._told.update((worker, deque()) for worker in workers)

    @staticmethod
    def draining(path: str, *, first: dict[str, Any] | None = None, second: dict[str, Any] | None = None) -> Two:
        """A predecessor that was told to drain, and its successor, which is ready."""
        owner = opened(path, **(first or {}))
        owner.ready()
        two = Two(owner, open_beside(owner, path, **(second or {})))
        two.second.ready()
        assert two.next(owner, Drain).successor is not None
        return two

    def next(self, who: Takeover | Worker, kind: type[E]) -> E:
        """The next event of this one, which is a `kind`."""
        end = time.monotonic() + PATIENCE
        while not self._told[who]:
            assert time.monotonic() < end, f"no {kind.__name__}; the others were told {self._told}"
            for handle, told in self._told.items():
                while (event := handle.next_event(0.001)) is not None:
                    told.append(event)
        event = self._told[who].popleft()
        assert isinstance(event, kind), f"{event} instead of a {kind.__name__}"
        return event

    def every(self, who: Takeover | Worker, kind: type[E], count: int) -> list[E]:
        """The next `count` events of this one that are a `kind`; what lies between them is passed over."""
        found: list[E] = []
        while len(found) < count:
            event = self.next(who, object)
            if isinstance(event, kind):
                found.append(event)
        return found

    def offer(self) -> Offer:
        """The next event of the successor, which is an offer."""
        return self.next(self.second, Offer)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection: the client's, and the server's, which is non-blocking."""
    with socket.create_server(ANY) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
        server, _ = listener.accept()
    server.setblocking(False)
    return client, server


def frozen(number: int, server: socket.socket, **more: Any) -> Frozen:
    return Frozen(number, server, "test", **more)


def goes(data: bytes, here: socket.socket, there: socket.socket) -> None:
    """Sees that `data` goes from one end to the other."""
    here.sendall(data)
    there.settimeout(PATIENCE)
    got = b""
    while len(got) < len(data):
        more = there.recv(len(data) - len(got))
        assert more, f"the end, after {got!r}"
        got += more
    assert got == data


def in_child(body: Callable[[], object]) -> bool:
    """Whether `body` ends well in a forked child."""
    child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))
        try:
            body()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0
