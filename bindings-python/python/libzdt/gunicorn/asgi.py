"""Workers on an event loop, whose connections move from worker to worker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter

from .. import aio
from ..uvicorn import Server
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

    config: Any
    wsgi: Any

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = Server(self.config, Joined(self.seat, self.arbiter))
        self._install_sigquit_handler()  # type: ignore[attr-defined]
        await server.serve()
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
