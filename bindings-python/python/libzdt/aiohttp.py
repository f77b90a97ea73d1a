"""aiohttp's server, taken over from: its HTTP/1.1 connections move to the next process between two requests, its
WebSockets between two messages (`libzdt.aiohttp_websocket`).

```python
libzdt.aiohttp.run_app(app, takeover="/run/app/zdt.sock", port=8080)
```
Run it again, with new code, and it takes over.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, cast

import aiohttp
from aiohttp import web, web_fileresponse

from . import aio, aiohttp_websocket
from ._core import ListenerSpec
from .aio.served import Stays
from .errors import InvalidArgument
from .http import SILENCE
from .http.tap import Facade
from .http.web import WebTap
from .http.websocket import without_extensions
from .responses import Responses


class _Handlers:
    """What the tap has to know of RequestHandler."""

    def __init__(self) -> None:
        self.responses = Responses()
        """Is to be told the events of the takeover."""
        self._leaving: set[asyncio.BaseProtocol] = set()

    def is_idle(self, protocol: asyncio.BaseProtocol) -> bool:
        try:
            handler: Any = protocol
            if handler._upgraded or handler._force_close or handler._close:
                raise Stays("HTTP: it is not spoken any more")
            # Before the first request its task may not have begun to wait.
            waits = handler._waiter is not None or not handler._request_count
            return waits and not handler._messages
        except AttributeError as error:
            raise Stays(f"aiohttp {aiohttp.__version__}: {error}") from None

    def touched(self, protocol: asyncio.BaseProtocol) -> None:
        if (timeout := getattr(protocol, "keepalive_timeout", None)) is not None:
            later = asyncio.get_running_loop().time() + timeout
            protocol._next_keepalive_close_time = later  # type: ignore[attr-defined]

    def leave(self, protocol: asyncio.BaseProtocol) -> None:
        self._leaving.add(protocol)

    def finish(self, server: web.Server, silent: bool) -> None:
        """Nobody comes after us: ends who is between two requests, the others after their answer. `silent`: also
        those that have not said anything yet."""
        for handler in server.connections:
            try:
                idle = self.is_idle(handler)
            except Stays:
                continue
            if not idle:
                self.leave(handler)
            elif silent or cast(Any, handler)._request_count:
                handler.force_close()

    async def part(self, takeover: aio.Takeover, server: web.Server) -> None:
        """We were told to leave: lets everybody go whom no successor takes."""
        while takeover.migrating:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(SILENCE)
        self.finish(server, silent=False)
        await asyncio.sleep(SILENCE)
        self.finish(server, silent=True)

    async def prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before each response's head."""
        if isinstance(response, web.WebSocketResponse):
            aiohttp_websocket.prepare(request, response)
        elif request.protocol in self._leaving or self.responses.is_last(_scope(request)):
            self._leaving.discard(request.protocol)
            response.force_close()
            response.headers["Connection"] = "close"
        task, facade = asyncio.current_task(), request.transport
        if task is not None and isinstance(facade, Facade):
            # Only some steps after the last byte was written does it wait for the next request.
            task.add_done_callback(lambda _: facade.stir())


def _scope(request: web.Request) -> dict[str, Any]:
    """What ASGI would say of it."""
    transport = request.transport
    if transport is None:
        return {}
    secure = transport.get_extra_info("sslcontext") is not None
    scheme, client = "https" if secure else "http", transport.get_extra_info("peername")
    return {"scheme": scheme, "http_version": f"{request.version.major}.{request.version.minor}", "client": client}


async def serve(
    app: web.Application | Awaitable[web.Application],
    *,
    takeover: str | os.PathLike[str] | aio.Takeover,
    host: str | None = None,
    port: int | None = None,
    path: str | os.PathLike[str] | None = None,
    ssl_context: Any = None,
    backlog: int = 128,
    name: str = "http",
    options: dict[str, Any] | None = None,
    signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM),
    started: Callable[[aio.Listening], object] = lambda listening: None,
    **settings: Any,
) -> None:
    """Serves `app` until a successor has everything or a signal of `signals` comes; then what is under way is finished,
    and the application is cleaned up.

    The application starts up before the takeover is opened: if that fails, the predecessor serves on.

    Args:
        takeover: the path of the takeover socket, or a `libzdt.aio.Takeover`.
        host, port, path: where it listens, like aiohttp: TCP, by default port 8080 of every IPv4 address, or a Unix
            socket.
        ssl_context: speaks TLS; these connections do not move, their clients are told to close.
        name: the listener's name.
        options: those of `libzdt.aio.Takeover`.
        started: is told where it listens, once it accepts.
        settings: those of aiohttp's `AppRunner`: `access_log`, `keepalive_timeout`, `shutdown_timeout`, …

    Raises:
        What the application raises at its start, and what `libzdt.aio.Takeover` raises.
    """
    if path is not None and (host is not None or port is not None):
        raise InvalidArgument("a path and a host or port were given", "nothing was done; give one of them")
    if path is not None:
        spec = ListenerSpec.unix(os.fspath(path), backlog=backlog)
    else:
        spec = ListenerSpec.tcp((host or "0.0.0.0", 8080 if port is None else port), backlog=backlog)
    if not isinstance(app, web.Application):
        app = await app
    handlers = _Handlers()
    app.on_response_prepare.append(handlers.prepare)
    app.middlewares.insert(0, aiohttp_websocket.extend)
    # The loop's sendfile is for transports of its own.
    cast(Any, web_fileresponse).NOSENDFILE = True
    runner = web.AppRunner(app, **settings)
    await runner.setup()
    server = cast(web.Server, runner.server)
    loop = asyncio.get_running_loop()
    ours = takeover if isinstance(takeover, aio.Takeover) else aio.Takeover(takeover, **(options or {}))
    ours.observe(handlers.responses.told)
    try:
        async with ours as opened:
            parting: set[asyncio.Task[None]] = set()

            def leave() -> None:
                opened.drain()
                parting.add(loop.create_task(handlers.part(opened, server)))

            made = cast(Callable[[], asyncio.BaseProtocol], server)
            factory = made if ssl_context is not None else lambda: WebTap(handlers, made, without_extensions)
            listening = await opened.create_server(factory, name, spec, protocol="http/1.1", ssl=ssl_context)
            await opened.ready()
            for number in signals:
                loop.add_signal_handler(number, leave)
            try:
                started(listening)
                await opened.done()
            finally:
                for number in signals:
                    loop.remove_signal_handler(number)
                for task in parting:
                    task.cancel()
    finally:
        await runner.cleanup()


def run_app(
    app: web.Application | Awaitable[web.Application], *, takeover: str | os.PathLike[str] | aio.Takeover, **more: Any
) -> None:
    """aiohttp's `web.run_app` with a takeover: `serve`, on a loop of its own (asyncio's, or uvloop's if its policy is
    set). Arguments and errors are the same."""
    asyncio.run(serve(app, takeover=takeover, **more))
