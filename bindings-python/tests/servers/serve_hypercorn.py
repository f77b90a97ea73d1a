"""Hypercorn on asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config, Sockets

from libzdt.listening import Listener, Listening
from servers.application import asgi, ready, run


class Inherited(Config):
    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def create_sockets(self) -> Sockets:
        return Sockets([], [self._listener], [])


async def main(listening: Listening, listener: Listener) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    ready(listening, lambda: loop.call_soon_threadsafe(told.set))
    await hypercorn_serve(cast(Any, listening.closing_asgi(asgi)), Inherited(listener), shutdown_trigger=told.wait)


if __name__ == "__main__":
    run(lambda listening, listener: asyncio.run(main(listening, listener)))
