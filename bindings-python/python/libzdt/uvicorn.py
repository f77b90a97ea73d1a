"""uvicorn, taken over from: the same server, whose HTTP/1.1 connections move to the next process between two requests.

```python
libzdt.uvicorn.run("app:app", takeover="/run/app/zdt.sock", port=8000)
```
Run it again, with new code, and it takes over. Everything else is uvicorn's: its settings, its lifespan, its log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from . import aio
from ._address import number
from ._core import ListenerSpec
from .aio.log import log
from .aio.served import Stays
from .asgi import Application
from .errors import ZdtError
from .events import Drain, Event, Peer, Resume
from .http import SILENCE
from .http.web import WebTap
from .responses import Responses


class _Protocols:
    """What the tap has to know of H11Protocol and HttpToolsProtocol."""

    _said = False

    def is_idle(self, protocol: asyncio.BaseProtocol) -> bool:
        try:
            cycle = protocol.cycle  # type: ignore[attr-defined]
            return (cycle is None or cycle.response_complete) and not getattr(protocol, "pipeline", ())
        except AttributeError as error:
            if not self._said:
                self._said = True
                known = "connections cannot move and are served to their end"
                log.warning("uvicorn %s is not known to libzdt: %s; %s", uvicorn.__version__, error, known)
            raise Stays(f"uvicorn {uvicorn.__version__}: {error}") from None

    def touched(self, protocol: asyncio.BaseProtocol) -> None:
        if (unset := getattr(protocol, "_unset_keepalive_if_required", None)) is not None:
            unset()

    def leave(self, protocol: asyncio.BaseProtocol) -> None:
        if (cycle := getattr(protocol, "cycle", None)) is not None and not cycle.response_complete:
            cycle.keep_alive = False


class Server(uvicorn.Server):
    """uvicorn's server, on listeners and connections that pass from process to process.

    It opens the takeover once the application has started up: one that fails to costs nothing, its predecessor serves
    on.
    It ends when a successor has everything, or as ever (SIGTERM, SIGINT, `should_exit`): then what is under way is
    served to its end, and so is whatever a successor takes that comes meanwhile.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        takeover: str | os.PathLike[str] | aio.Takeover,
        *,
        name: str = "http",
        **options: Any,
    ) -> None:
        """`takeover`: the path of the takeover socket, or a `libzdt.aio.Takeover` or `Worker`; `name`: the listener's;
        `options`: those of `libzdt.aio.Takeover`."""
        super().__init__(config)
        self.takeover = takeover if isinstance(takeover, aio.Takeover) else aio.Takeover(takeover, **options)
        self.failed: BaseException | None = None
        """Why the attempt to take over was lost, or libzdt failed."""
        self._name = name
        self._done: asyncio.Task[None] | None = None
        self._responses = Responses()
        self._leaving = False

    def run_and_exit(self) -> None:
        """`run`; then ends the process as uvicorn would, and with its code for a failed start where we could not take
        over."""
        with contextlib.suppress(KeyboardInterrupt):  # it was answered
            self.run()
        if not self.started or self.failed is not None:
            sys.exit(STARTUP_FAILURE)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but the listener is inherited or bound by libzdt."""
        if sockets:
            raise ValueError("the sockets are the takeover's to inherit or bind; nothing was done")
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        try:
            opened = await self._open()
        except (ZdtError, OSError) as error:
            log.error("%s", error)
            await self.lifespan.shutdown()
            sys.exit(STARTUP_FAILURE)
        if not opened:
            await self.lifespan.shutdown()
            return
        self.servers = []
        self.started = True

    async def _open(self) -> bool:
        """Whether we serve: who was told to end before leaves a predecessor alone."""
        if self.should_exit:
            return False
        config = self.config
        factory = config.http_protocol_class
        protocols = _Protocols()
        config.loaded_app = application = Application(config.loaded_app)
        self._responses = application.responses
        self.takeover.observe(self._responses.told)
        if config.ssl:
            self.takeover.observe(self._told)

        def made() -> asyncio.BaseProtocol:
            return factory(config=config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]

        tapped: Callable[[], asyncio.BaseProtocol] = lambda: WebTap(protocols, made)  # noqa: E731
        await self.takeover.__aenter__()
        try:
            listening = await self.takeover.create_server(
                made if config.ssl else tapped, self._name, _spec(config), protocol="http/1.1", ssl=config.ssl
            )
            if self.should_exit:
                await self.takeover.__aexit__(None, None, None)
                return False
            await self.takeover.ready()
        except BaseException:
            await self.takeover.__aexit__(None, None, None)
            raise
        self._done = asyncio.get_running_loop().create_task(self.takeover.done())
        log.info("generation %d listens at %s", self.takeover.generation, listening.address)
        return True

    def _told(self, event: Event) -> None:
        """WebSockets over TLS cannot move: their clients are told to come again, spread over half of the drain."""
        match event:
            case Drain(Peer(), deadline):
                self._leaving = True
                loop = asyncio.get_running_loop()
                for connection in self.server_state.connections:
                    if not hasattr(connection, "cycle"):
                        loop.call_later(random.random() * deadline / 2, self._leave, connection)
            case Resume():
                self._leaving = False

    def _leave(self, websocket: Any) -> None:
        if self._leaving and websocket in self.server_state.connections:
            websocket.shutdown()

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's, ten times a second: whether it is time to exit."""
        leave = await super().on_tick(counter)
        return leave or (self._done is not None and self._done.done())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves to the end what is under way, unless somebody else has it; then as uvicorn's."""
        if self._done is not None:
            if not self._done.done():
                self.takeover.drain()
            limit = self.config.timeout_graceful_shutdown
            waited = 0.0
            told: set[Any] = set()
            while not (self._done.done() or self.force_exit or (limit is not None and waited >= limit)):
                leaving = set() if self.takeover.migrating else self.server_state.connections - told
                for connection in leaving:
                    if waited >= SILENCE or getattr(connection, "cycle", None) is not None:
                        connection.shutdown()
                        told.add(connection)
                await asyncio.wait([self._done], timeout=0.1)
                waited += 0.1
            self._done.cancel()
            (ended,) = await asyncio.gather(self._done, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("%s", ended)
                self.failed = ended
            await self.takeover.__aexit__(None, None, None)
        self._responses.cancel()
        await super().shutdown(sockets)


def _spec(config: uvicorn.Config) -> ListenerSpec:
    """Where uvicorn would listen."""
    if config.fd is not None:
        raise ValueError("a descriptor cannot be listened at with a takeover: give --host and --port, or --uds")
    if config.uds is not None:
        return ListenerSpec.unix(config.uds, backlog=config.backlog, mode=0o666)
    address = (number(config.host or "0.0.0.0", config.port), config.port)
    return ListenerSpec.tcp(address, backlog=config.backlog)


def run(app: Any, *, takeover: str | os.PathLike[str], options: dict[str, Any] | None = None, **config: Any) -> None:
    """uvicorn.run() with a takeover. `options`: those of `libzdt.aio.Takeover`; `config`: uvicorn's, without `fd`
    and `reload`. Ends the process with uvicorn's exit codes, that for a failed start where it cannot take over, too."""
    for name in ("fd", "reload"):
        if config.get(name):
            raise ValueError(f"{name} does not go with a takeover; nothing was done")
    settings = uvicorn.Config(app, **config)
    if settings.workers > 1:
        from .uvicorn_workers import Supervisor

        Supervisor(settings, takeover, options or {}).run_and_exit()
    else:
        Server(settings, takeover, **(options or {})).run_and_exit()
