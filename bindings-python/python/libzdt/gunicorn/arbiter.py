"""Gunicorn's arbiter, which holds the takeover; it has no connections."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gunicorn.arbiter
from gunicorn import sock as sockets
from gunicorn.errors import HaltServer
from gunicorn.pidfile import Pidfile

import libzdt

from .._address import number
from .._poll import readable
from .workers import Unfit, seated

if TYPE_CHECKING:
    from ..aio.takeover import Config

TAKEOVER_FAILED = 3
"""The exit code where this process could not take over."""
BOOTED = struct.Struct("=i")
"""What a worker that is fit to serve tells the arbiter: its process id."""


class Arbiter(gunicorn.arbiter.Arbiter):
    """An arbiter that takes over from the one at the path, and is taken over from."""

    worker_class: Any

    def __init__(
        self,
        app: Any,
        path: str | os.PathLike[str],
        config: Config,
        on_event: Callable[[libzdt.Event], None] | None = None,
    ) -> None:
        """Opens nothing yet. `on_event` is told each event once it was answered, in the main thread."""
        self.takeover: libzdt.Takeover
        self._path = path
        self._config = config
        self._on_event = on_event
        self._bind: Any = None
        self._happened: deque[libzdt.Event | BaseException] = deque()
        self._booted: set[int] = set()
        self._following: threading.Thread | None = None
        self._ready = False
        self._owner = False
        self._draining = False
        self._done = False
        super().__init__(app)

    # Gunicorn's own steps

    def setup(self, app: Any) -> None:
        """Also at HUP, where the listeners stay what they are."""
        super().setup(app)
        if self._bind is not None and self.cfg.bind != self._bind:
            self.log.error("bind stays %s: start the command once more to listen elsewhere", self._bind)
            self.cfg.set("bind", self._bind)
            self.address = self.cfg.address
        self.worker_class = seated(self.worker_class, self)

    def start(self) -> None:
        """Opens the takeover, and listens with what the predecessor has."""
        if self.cfg.reuse_port:
            raise Unfit("reuse_port: the workers would listen for themselves, and nothing could be taken over")
        if len(self.cfg.address) > 1 and self.worker_class.accepts_from_one:
            binds = ", ".join(self.cfg.bind)
            raise Unfit(f"bind {binds}: with a takeover uvicorn's worker accepts from one; bind one address")
        config: Config = {"program": f"gunicorn {gunicorn.__version__}", **self._config}
        self.takeover = libzdt.Takeover(self._path, **config)
        self._owner = self.takeover.predecessor is None
        self._bind = self.cfg.bind
        listeners = [
            self.takeover.listener(name, self._spec(address))
            for name, address in zip(self.names, self.cfg.address, strict=True)
        ]
        self.LISTENERS = sockets.create_sockets(self.cfg, self.log, [listener.detach() for listener in listeners])
        self._pipe = os.pipe()
        self._following = threading.Thread(target=self._follow, name="libzdt", daemon=True)
        self._following.start()
        pidfile = self.cfg.pidfile
        if not self._owner:
            self.cfg.set("pidfile", None)  # it is the predecessor's until we own the service
        try:
            super().start()
        finally:
            self.cfg.set("pidfile", pidfile)

    @property
    def names(self) -> list[str]:
        """What the listeners are called: `http`, `http-2`, and so on, in the order of `bind`."""
        return ["http" if number == 0 else f"http-{number + 1}" for number in range(len(self.cfg.address))]

    def _spec(self, address: Any) -> libzdt.ListenerSpec:
        backlog = self.cfg.backlog
        match address:
            case str() if address.startswith("\0"):
                return libzdt.ListenerSpec.abstract_unix(address[1:], backlog=backlog)
            case str():
                return libzdt.ListenerSpec.unix(address, backlog=backlog, mode=0o777 & ~self.cfg.umask)
            case (host, port):
                return libzdt.ListenerSpec.tcp((number(host, port), port), backlog=backlog, nodelay=True)
            case _:
                raise Unfit(f"bind {address!r}: an inherited descriptor has no name; bind an address")

    def spawn_worker(self) -> Any:
        if self._draining:
            return None
        try:
            pid = super().spawn_worker()
        except libzdt.WrongState:  # the next event says so
            return None
        self.WORKERS[pid].seat.close()
        return pid

    def wait_for_signals(self, timeout: float = 1.0) -> Any:
        signals = super().wait_for_signals(timeout)
        while self._happened:
            self._answer(self._happened.popleft())
        if not self._ready and len(self._booted & self.WORKERS.keys()) >= self.num_workers:
            self._ready = True
            self.takeover.ready()
            self._tell(libzdt.Ready())
        return signals

    def reexec(self) -> None:
        self.log.warning("USR2 signal ignored: start the command once more, and it takes over")

    def stop(self, graceful: bool = True) -> None:
        # Who has the service has the file of a Unix socket, too.
        sockets.close_sockets(self.LISTENERS, unlink=self._owner and not self._done)
        self.LISTENERS = []
        super().stop(graceful)
        self.takeover.close()
        if self._following is not None:
            os.write(self._pipe[1], BOOTED.pack(0))  # it looks, and finds that it is over
            self._following.join()  # a thread in native code does not survive the end of the interpreter

    # The takeover

    def in_worker(self) -> None:
        """In a worker that was forked: lets go of what is the arbiter's."""
        self.takeover.close()
        os.close(self._pipe[0])

    def booted(self) -> None:
        """In a worker: it is fit to serve."""
        os.write(self._pipe[1], BOOTED.pack(os.getpid()))

    def _follow(self) -> None:
        """Does the takeover's work as soon as it comes: the main thread may wait for workers, for minutes."""
        try:
            pipe = self._pipe[0]
            for ready in readable([self.takeover.fileno(), pipe], None):
                if pipe in ready:
                    self._booted.add(BOOTED.unpack(os.read(pipe, BOOTED.size))[0])
                while (event := self.takeover.next_event(0)) is not None:
                    if isinstance(event, libzdt.Drain):
                        self._draining = True
                        self.takeover.migrated_all()  # the workers have the connections, and say so themselves
                    self._happened.append(event)
                self.wakeup()
        except libzdt.Closed:
            pass
        except BaseException as error:
            self._happened.append(error)
            self.wakeup()

    def _answer(self, event: libzdt.Event | BaseException) -> None:
        match event:
            case BaseException():
                raise event
            case libzdt.Offer():
                event.refuse("an arbiter has no connections")
            case libzdt.Drain(successor):
                self.log.info("Draining towards process %s", successor.pid if successor else "nobody")
            case libzdt.Committed(generation):
                self.log.info("Generation %d: the service is ours", generation)
                self._owner = True
                self._write_pidfile()
            case libzdt.Resume(cause):
                self.log.warning("We go on serving: %s", cause)
                self._draining = False
            case libzdt.Accept(cause):
                self.log.warning("We accept too: %s", cause)
            case libzdt.Done():
                self._done = True
            case _:
                pass
        self._tell(event)
        if isinstance(event, libzdt.Aborted):
            raise HaltServer(f"The takeover failed: {event.cause}", TAKEOVER_FAILED)
        if self._done:
            raise StopIteration  # as a SIGTERM is answered

    def _write_pidfile(self) -> None:
        if self.cfg.pidfile is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.cfg.pidfile)  # the predecessor's
            self.pidfile = Pidfile(self.cfg.pidfile)
            self.pidfile.create(self.pid)

    def _tell(self, event: libzdt.Event) -> None:
        if self._on_event is not None:
            self._on_event(event)
