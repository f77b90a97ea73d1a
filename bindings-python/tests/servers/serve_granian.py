"""Granian, embedded. It accepts in Rust, from a descriptor, and goes on until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import Interfaces
from granian.server.embed import Server

from libzdt.listening import Listening
from servers.application import asgi, given, ready


class Inherited(Server):
    """Its classes of sockets take descriptors, and do not say so."""

    def __init__(self, listener: socket.socket, app: Any) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(app, host, port, interface=Interfaces.ASGI, log_enabled=False)
        self._holder: Any = SocketHolder
        self._listener = listener

    def _init_shared_socket(self) -> None:
        vars(self)["_shd"] = self._holder(self._listener.fileno(), False, 1024)


async def main(listening: Listening, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    server = Inherited(listener, listening.closing_asgi(asgi))
    serving = asyncio.create_task(server.serve())
    while not server.wrks:  # noqa: ASYNC110 (it tells nobody)
        await asyncio.sleep(0.01)
    ready(listening, lambda: loop.call_soon_threadsafe(server.stop))
    await serving


if __name__ == "__main__":
    takeover, port = given()
    with Listening(takeover, probation=1.0) as listening:
        asyncio.run(main(listening, listening.takeover.listener("http", ("127.0.0.1", port))))
