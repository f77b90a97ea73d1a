"""Gunicorn's workers, each with a seat at its arbiter."""

from __future__ import annotations

import errno
import selectors
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker
from gunicorn.workers.sync import SyncWorker

import libzdt

if TYPE_CHECKING:
    from .arbiter import Arbiter


class Seated:
    """Goes before a worker class of gunicorn's: joins the arbiter's seat, and says when it is fit to serve."""

    arbiter: Arbiter

    def __init__(self, *given: Any) -> None:
        """In the arbiter, before the fork."""
        super().__init__(*given)
        self.seat = self.arbiter.takeover.seat(given[0])

    def init_process(self) -> None:
        self.arbiter.in_worker()
        self.zdt = libzdt.Worker(self.seat)
        super().init_process()  # type: ignore[misc]

    def run(self) -> None:
        self.arbiter.booted()
        super().run()  # type: ignore[misc]


class Blocking(Seated):
    """A worker whose connections end where they are: it accepts or not, and answers what it has."""

    alive: bool
    sockets: list[Any]

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

    def run(self) -> None:
        self.all = list(self.sockets)
        self.listen([], draining=False)  # until Ready
        super().run()


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


def seated(worker_class: type[Any], arbiter: Arbiter) -> type[Any]:
    """The worker class of the arbiter's settings, which follows the arbiter."""
    for served, ours in ((ThreadWorker, Threads), (SyncWorker, Sync)):
        if issubclass(worker_class, served):
            return type(worker_class.__name__, (ours, worker_class), {"arbiter": arbiter})
    name = f"{worker_class.__module__}.{worker_class.__qualname__}"
    raise RuntimeError(f"worker class {name}: with a takeover it is sync or gthread")
