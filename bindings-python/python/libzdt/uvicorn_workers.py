"""uvicorn's `--workers N` with takeovers: its supervisor takes the listener over, and each worker follows it."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

import libzdt

from . import aio
from .uvicorn import Server, _spec

log = logging.getLogger("libzdt")


class Process(multiprocess.Process):
    """A worker, which is given its seat in the place of a socket to listen at."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.seat = sockets[0]

    def start(self) -> None:
        super().start()
        self.seat.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """In the worker."""
        assert sockets is not None
        self._server = Server(self.config, aio.Worker(sockets[0]))
        super().target(None)


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor; it has no connections."""

    def __init__(
        self,
        config: Config,
        path: str | os.PathLike[str],
        options: Mapping[str, Any],
        on_event: Callable[[libzdt.Event], None] | None = None,
    ) -> None:
        """Opens the takeover, and raises what that raises. `options` are those of `libzdt.Takeover`; `on_event` is told
        each event, in another thread, and `Ready` when the workers accept."""
        self.takeover = libzdt.Takeover(path, **options)
        with self.takeover.listener("http", _spec(config)) as listener:  # libzdt has one for the workers
            self.address = listener.getsockname()
        self._on_event = on_event
        self.failed: BaseException | None = None
        self.is_ready = False
        self._draining = False
        self._numbers = itertools.count(1)
        super().__init__(config, [])

    @property
    def sockets(self) -> list[socket.socket]:
        """What uvicorn gives to the next worker."""
        return [self.takeover.seat(next(self._numbers))]

    @sockets.setter
    def sockets(self, given: list[socket.socket]) -> None:
        """uvicorn's, and none."""

    def run(self) -> None:
        # It has no other place to say what a worker is; this process does nothing else.
        multiprocess.Process = Process  # type: ignore[misc]
        following = threading.Thread(target=self._follow, name="libzdt", daemon=True)
        following.start()
        try:
            super().run()
        finally:
            self.takeover.close()
            following.join()  # a thread in native code does not survive the end of the interpreter

    def keep_subprocess_alive(self) -> None:
        if self._draining:
            return  # none is replaced: they end one after the other
        super().keep_subprocess_alive()
        if not self.is_ready and not self.should_exit.is_set() and all(it.is_ready() for it in self.processes):
            self.is_ready = True
            self.takeover.ready()
            self._tell(libzdt.Ready())

    def handle_hup(self) -> None:
        if not self._draining:
            super().handle_hup()

    def handle_ttin(self) -> None:
        if not self._draining:
            super().handle_ttin()

    def run_and_exit(self) -> None:
        """`run`; then ends the process, with uvicorn's code for a failed start where the takeover failed."""
        self.run()
        if self.failed is not None:
            log.error("%s", self.failed)
        if self.failed is not None or not self.is_ready:
            sys.exit(STARTUP_FAILURE)

    def _follow(self) -> None:
        try:
            while not self.should_exit.is_set():
                event = self.takeover.next_event()
                match event:
                    case libzdt.Drain():
                        self._draining = True
                        self.takeover.migrated_all()  # the workers have the connections, and say so themselves
                    case libzdt.Resume(cause):
                        log.warning("we go on serving: %s", cause)
                        self._draining = False
                    case libzdt.Aborted(cause):
                        self.failed = cause
                        self.should_exit.set()
                    case libzdt.Done():
                        self.should_exit.set()
                    case libzdt.Offer():
                        event.refuse("a supervisor has no connections")
                    case _:
                        pass
                if event is not None:
                    self._tell(event)
        except libzdt.Closed:
            pass
        except BaseException as error:
            self.failed = error
            self.should_exit.set()

    def _tell(self, event: libzdt.Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
