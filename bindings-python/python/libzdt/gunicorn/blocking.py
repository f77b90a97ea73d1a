"""Workers whose connections end where they are."""

from __future__ import annotations

import errno
import selectors
from typing import Any

import libzdt

from .workers import Seated


class Blocking(Seated):
    """A worker whose connections end where they are: it accepts or not, and answers what it has."""

    alive: bool
    sockets: list[Any]

    def join(self) -> None:
        self.zdt = libzdt.Worker(self.seat)

    def run(self) -> None:
        self.all = list(self.sockets)
        self.listen([], draining=False)  # until Ready
        self.arbiter.booted()
        super().run()  # type: ignore[misc]

    def happened(self) -> None:
        """Answers what the arbiter told; it is asked before anybody is accepted, since a process that was stopped for a
        while may have lost the service meanwhile."""
        while (event := self.zdt.next_event(0)) is not None:
            match event:
                case libzdt.Ready() | libzdt.Resume() | libzdt.Accept():
                    self.listen(self.all, draining=False)
                case libzdt.Drain(retired=retired):
                    names = zip(self.arbiter.names, self.all, strict=True)
                    self.listen([listener for name, listener in names if name in retired], draining=True)
                    self.zdt.migrated_all()  # what is in flight is finished after Done
                case libzdt.Offer():
                    event.refuse("a blocking worker of gunicorn's takes no connections")
                case libzdt.Relieved():
                    self.listen([], draining=True)
                case libzdt.Done() | libzdt.Aborted():
                    self.alive = False
                case _:
                    pass

    def listen(self, listeners: list[Any], *, draining: bool) -> None:
        """Accepts from these from here on, and from no others."""
        raise NotImplementedError


class Sync(Blocking):
    """The sync worker: one request at a time, each on its own connection."""

    def listen(self, listeners: list[Any], *, draining: bool) -> None:
        self.open = listeners
        self.wait_fds = [*listeners, self.zdt, self.PIPE[0]]  # type: ignore[attr-defined]

    def accept(self, listener: Any) -> None:
        self.happened()
        if listener not in self.open:
            raise BlockingIOError(errno.EAGAIN, "not ours to accept from")
        super().accept(listener)  # type: ignore[misc]

    def wait(self, timeout: float) -> Any:
        return super().wait(timeout) if self.alive else []  # type: ignore[misc]


class Threads(Blocking):
    """The gthread worker: threads, and connections that are kept."""

    def listen(self, listeners: list[Any], *, draining: bool) -> None:
        self.set_accept_enabled(False)  # type: ignore[attr-defined]
        self.sockets = listeners  # run() enables it again
        # Where none may be kept, each reply tells its client to close.
        self.max_keepalived = 0 if draining else self.cfg.worker_connections - self.cfg.threads  # type: ignore[attr-defined]

    def accept(self, listener: Any) -> None:
        self.happened()
        if listener in self.sockets:
            super().accept(listener)  # type: ignore[misc]

    def run(self) -> None:
        self.poller.register(self.zdt, selectors.EVENT_READ, lambda _: self.happened())  # type: ignore[attr-defined]
        super().run()
