"""Workers on an event loop, whose connections move from worker to worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gunicorn
from gunicorn.arbiter import Arbiter

from .. import aio
from ..aio.served import Stays
from ..errors import ZdtError
from ..http.tap import Tap
from .workers import Seated

if TYPE_CHECKING:
    import socket

    from .arbiter import Arbiter as Ours


class Joined(aio.Worker):
    """A worker that tells gunicorn's arbiter when it is fit to serve."""

    def __init__(self, seat: socket.socket, arbiter: Ours) -> None:
        super().__init__(seat)
        self._arbiter = arbiter

    async def ready(self) -> None:
        self._arbiter.booted()


class Uvicorn(Seated):
    """uvicorn's worker, with `libzdt.uvicorn.Server`."""

    accepts_from_one = True
    config: Any
    wsgi: Any

    async def _serve(self) -> None:
        from ..uvicorn import Server  # gunicorn's own worker needs no uvicorn

        self.config.app = self.wsgi
        server = Server(self.config, Joined(self.seat, self.arbiter))
        self._install_sigquit_handler()  # type: ignore[attr-defined]
        await server.serve()
        if not (server.started or server.should_exit):
            sys.exit(Arbiter.WORKER_BOOT_ERROR)


class Asgi(Seated):
    """Gunicorn's own ASGI worker, on a loop whose servers are libzdt's."""

    alive: bool
    loop: Any
    sockets: list[Any]

    async def _serve(self) -> None:
        loop = self.loop
        async with Joined(self.seat, self.arbiter) as worker:
            following = loop.create_task(self._follow(worker))
            self.loop = _Loop(loop, worker, self.arbiter.names)
            try:
                await super()._serve()  # type: ignore[misc]
            finally:
                self.loop = loop
                following.cancel()

    async def _follow(self, worker: aio.Worker) -> None:
        try:
            await worker.done()
        except ZdtError:
            pass  # the arbiter says why
        finally:
            self.alive = False


class _Loop:
    """A loop that listens with a takeover; for the rest, the loop that it was given."""

    def __init__(self, loop: Any, worker: aio.Worker, names: list[str]) -> None:
        self._loop = loop
        self._worker = worker
        self._names = list(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_server(self, factory: Callable[[], asyncio.BaseProtocol], *, ssl: Any, **_: Any) -> _Server:
        protocols = _Protocols()
        tapped: Callable[[], asyncio.BaseProtocol] = lambda: Tap(protocols, factory)  # noqa: E731
        name = self._names.pop(0)
        await self._worker.create_server(factory if ssl else tapped, name, "", protocol="http/1.1", ssl=ssl)
        if not self._names:
            await self._worker.ready()
        return _Server(self._worker)


class _Server:
    """What gunicorn's worker closes when it stops."""

    def __init__(self, worker: aio.Worker) -> None:
        self._worker = worker

    def close(self) -> None:
        self._worker.drain()

    async def wait_closed(self) -> None:
        """Whoever is served is waited for elsewhere."""


class _Protocols:
    """What the tap has to know of ASGIProtocol."""

    def is_idle(self, protocol: Any) -> bool:
        try:
            waits: bool = protocol._awaiting_request
            return waits and not protocol._request_ready.is_set() and not protocol._finishing_calls
        except AttributeError as error:
            raise Stays(f"gunicorn {gunicorn.__version__}: {error}") from None

    def touched(self, protocol: Any) -> None:
        if (cancel := getattr(protocol, "_cancel_keepalive_timer", None)) is not None:
            cancel()

    def leave(self, protocol: Any) -> None:
        protocol._keepalive = 0
