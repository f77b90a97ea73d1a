"""Hypercorn on asyncio, taken over from: its listener moves, its connections are served to their end.

```python
asyncio.run(libzdt.hypercorn.serve(app, config, takeover="/run/app/zdt.sock"))
```
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, cast

import hypercorn.asyncio
from hypercorn.config import Config, Sockets

import libzdt

from ._core import ListenerSpec
from .errors import InvalidArgument
from .listening import ASGI, Listening


async def serve(
    app: ASGI,
    config: Config,
    *,
    takeover: str | os.PathLike[str] | libzdt.Takeover,
    name: str = "http",
    options: dict[str, Any] | None = None,
    signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM),
    started: Callable[[], object] = lambda: None,
) -> None:
    """Serves `app` at the first of `config.bind` until a successor is there for good or a signal of `signals` comes;
    then what is in flight is finished, for `config.graceful_timeout` at most.

    The application starts up first: if that fails, the predecessor serves on. While somebody else accepts, the answers
    over HTTP/1.1 tell their clients to close.

    Args:
        takeover: the path of the takeover socket, or a takeover that was opened.
        name: the listener's name.
        options: those of `libzdt.Takeover`.
        started: is called once it accepts.

    Raises:
        InvalidArgument: uvloop runs, which accepts by itself; or more than one `bind`. What `libzdt.Takeover` raises.
    """
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    if not hasattr(loop, "_selector"):
        raise InvalidArgument("the event loop is not asyncio's own", "nothing was done; run it on asyncio's")
    if len(config.bind) != 1:
        raise InvalidArgument(f"bind has {len(config.bind)} addresses", "nothing was done; give one")
    bind = config.bind[0]
    unix = bind.startswith("unix:")
    spec = ListenerSpec.unix(bind.removeprefix("unix:")) if unix else ListenerSpec.parse(f"tcp://{bind}")
    opening = lambda: Listening(takeover, **(options or {}))  # noqa: E731
    with await loop.run_in_executor(None, opening) as listening:
        listener = listening.listener(name, spec)

        def create_sockets() -> Sockets:
            """Called when the application has started up."""
            listening.ready(lambda: loop.call_soon_threadsafe(told.set))
            loop.call_soon(started)
            return Sockets([listener], [], []) if config.ssl_enabled else Sockets([], [listener], [])

        cast(Any, config).create_sockets = create_sockets
        for number in signals:
            loop.add_signal_handler(number, listening.drain)
        try:
            closing = cast(Any, listening.closing_asgi(app))
            await hypercorn.asyncio.serve(closing, config, shutdown_trigger=told.wait)
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
