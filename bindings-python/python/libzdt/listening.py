"""For servers that accept by themselves: their listeners move, their connections are served to their end.

`Listening` is a takeover that answers its own events in a thread. A server needs nothing but to be given a socket and
to be told when to stop; whether it lives on threads or on an event loop is the same.

```python
with Listening("/run/app/zdt.sock") as listening:
    sock = listening.listener("http", ("0.0.0.0", 8000))
    server = make_server(sock)
    listening.ready(server.shutdown)
    server.serve_forever()
```
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

import libzdt

from .errors import WrongState

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from .aio.takeover import Config

ASGI: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]

log = logging.getLogger("libzdt")


class Listener(socket.socket):
    """A listening socket whose queue is shared with other processes, for a server that treats it as its own.

    Parked, it is never readable, so that whoever waits for it (select, poll, epoll, asyncio) sleeps and loses nobody.
    What would be felt by the other processes does nothing: `listen` would resize the queue, `shutdown` would end it,
    and a blocking mode is the description's, thus everybody's.
    """

    _epoll: select.epoll | None = None

    def __init__(self, sock: socket.socket) -> None:
        """Owns what `sock` had. It is parked."""
        family, kind, proto = sock.family, sock.type, sock.proto
        super().__init__(family, kind, proto, fileno=sock.detach())
        super().setblocking(False)
        # An epoll is readable while something in it is: to park is to take the listener out.
        self._epoll = select.epoll()
        self._open = False
        self._changing = threading.Lock()

    def start(self) -> None:
        """Connections are seen from here on. Any thread; doing it twice is fine."""
        with self._changing:
            if self._epoll is not None and not self._open:
                self._open = True
                self._epoll.register(super().fileno(), select.EPOLLIN)

    def park(self) -> None:
        """Nobody is accepted from here on; whoever connects waits in the queue. Any thread; twice is fine."""
        with self._changing:
            if self._epoll is not None and self._open:
                self._open = False
                self._epoll.unregister(super().fileno())

    def fileno(self) -> int:
        """What to wait for; not what to accept from. -1 when it is closed."""
        return -1 if self._epoll is None else self._epoll.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        """As ever, never blocking, and with TCP_NODELAY. Parked, there is nobody."""
        if not self._open:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        connection, address = super().accept()
        connection.setblocking(True)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def listen(self, backlog: int = 0, /) -> None:
        """It listens."""

    def shutdown(self, how: int, /) -> None:
        """Others accept from it."""

    def setblocking(self, flag: bool, /) -> None:
        """It never blocks."""

    def settimeout(self, value: float | None, /) -> None:
        """It never blocks."""

    def close(self) -> None:
        """Closes our descriptors; the queue and whoever else accepts from it are as they were."""
        with self._changing:
            epoll, self._epoll = self._epoll, None
            self._open = False
        if epoll is not None:
            epoll.close()
        super().close()

    def detach(self) -> int:
        """It cannot be taken apart."""
        raise WrongState("a libzdt listener cannot be detached", "nothing was done; give the server the object")


class Listening:
    """A takeover whose listeners are served by somebody else's server.

    A thread answers the events from `ready` on: a successor's arrival parks the listeners, its death starts them again,
    and once it is there for good the server is told to stop, finishes what is in flight and returns. Its connections
    do not move. Any thread may call anything.
    """

    def __init__(self, takeover: str | os.PathLike[str] | libzdt.Takeover, **config: Unpack[Config]) -> None:
        """Blocks and raises as `libzdt.Takeover` does; `config` is the same. One that was opened becomes ours."""
        self.takeover = takeover if isinstance(takeover, libzdt.Takeover) else libzdt.Takeover(takeover, **config)
        self._listeners: dict[str, Listener] = {}
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] = lambda: None
        self._stopped = threading.Event()  # the server was told to
        self._returned = threading.Event()  # and has
        self._alone = False  # draining, and nobody accepts in our place
        self._telling = threading.Lock()
        self._over = False
        self._cause: BaseException | None = None
        self.draining = threading.Event()
        """Set while somebody else accepts: whoever is answered should be told to close (`Connection: close`)."""

    def listener(self, name: str, spec: libzdt.ListenerSpec | str | tuple[str, int]) -> Listener:
        """The listener `name`, inherited or bound, as `libzdt.Takeover.listener` has it. It is parked until `ready`.

        Whoever closes it, closes it here alone; if nobody does, leaving the block does."""
        made = self._listeners[name] = Listener(self.takeover.listener(name, spec))
        return made

    def ready(self, stop: Callable[[], object]) -> None:
        """The server is fit to serve: its listeners are started. Does not block.

        `stop` is called once, in another thread, when the server is to finish what is in flight and return: a successor
        has taken over for good, or `drain` was called. For an event loop: `loop.call_soon_threadsafe`.

        Raises:
            What `libzdt.Takeover.ready` raises.
        """
        self._stop = stop
        self.takeover.ready()
        self._start()
        self._thread = threading.Thread(target=self._run, name="libzdt", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Leaves for good: nobody is accepted, what is in flight is finished. Any thread, and signal handlers."""
        self.takeover.drain()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leaves. If the server returned by itself the service is given up; if it was told to stop, what libzdt still
        has to do is done first.

        Raises:
            The cause, where this process had to give up its attempt to take over, or where libzdt failed.
        """
        self._returned.set()
        try:
            if self._stopped.is_set() and self._thread is not None and error is None:
                self._finish()
                self._thread.join()
        finally:
            self._over = True
            self.takeover.close()
            if self._thread is not None:
                self._thread.join()
            for listener in self._listeners.values():
                listener.close()
        if error is None and self._cause is not None:
            raise self._cause

    def closing_asgi(self, app: ASGI) -> ASGI:
        """`app`, whose clients over HTTP/1.1 are told to close their connections while somebody else accepts."""

        async def closing(scope: Any, receive: Any, send: Any) -> None:
            async def sent(message: Any) -> None:
                if message["type"] == "http.response.start" and self.draining.is_set():
                    message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
                await send(message)

            one = scope["type"] == "http" and scope.get("http_version", "").startswith("1")
            await app(scope, receive, sent if one else send)

        return closing

    # In the thread

    def _run(self) -> None:
        try:
            while not self._over and (event := self.takeover.next_event()) is not None and self._answer(event):
                pass
        except libzdt.Closed:
            pass  # the server returned by itself
        except BaseException as error:
            log.exception("libzdt failed: the server is stopped")
            self._cause = error
        finally:
            if not self._returned.is_set():
                self._stop_server()

    def _answer(self, event: libzdt.Event) -> bool:
        """Whether more may happen."""
        match event:
            case libzdt.Offer():
                event.refuse("this server adopts no connections")
            case libzdt.Committed(generation):
                log.info("generation %d: the service is ours", generation)
            case libzdt.Aborted(cause):
                log.warning("this attempt is off: %s", cause)
                self._cause = cause
                return False
            case libzdt.Drain(successor, _, _, retired):
                self._park(retired)
                with self._telling:
                    self._alone = successor is None
                if successor is None:
                    self._stop_server()
                    self._finish()
                else:
                    log.info("process %d accepts; what is in flight is finished", successor.pid)
                    self.takeover.migrated_all()
            case libzdt.Resume(cause) | libzdt.Accept(cause):
                log.warning("we accept again: %s", cause)
                self._start()
            case libzdt.Relieved():
                self._stop_server()
            case libzdt.Done():
                with self._telling:
                    self._alone = False
                return False
        return True

    def _finish(self) -> None:
        """Says once that nothing is in flight, if that is still wanted, and is so."""
        with self._telling:
            if self._alone and self._returned.is_set():
                self._alone = False
                self.takeover.migrated_all()

    def _start(self) -> None:
        self.draining.clear()
        for listener in self._listeners.values():
            listener.start()

    def _park(self, retired: list[str]) -> None:
        self.draining.set()
        for name, listener in self._listeners.items():
            if name not in retired:
                listener.park()

    def _stop_server(self) -> None:
        if not self._stopped.is_set():
            self.draining.set()
            self._stopped.set()
            self._stop()
