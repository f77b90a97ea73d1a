"""Daphne, Django's server for ASGI."""

from __future__ import annotations

from typing import Any, cast

from daphne.server import Server
from twisted.internet import reactor

from libzdt.listening import Listener, Listening
from servers.application import asgi, ready, run
from servers.reactor import port

MOMENT = 0.05


def serve(listening: Listening, listener: Listener) -> None:
    class Inherited(Server):
        def run(self) -> None:
            self.endpoints: list[str] = []  # it has a listener
            super().run()

    in_flight = 0

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        nonlocal in_flight
        in_flight += 1
        try:
            await closing(scope, receive, send)
        finally:
            in_flight -= 1

    def stop() -> None:
        """Its own way would cut whatever is in flight."""
        if in_flight:
            cast(Any, reactor).callLater(MOMENT, stop)
        else:
            server.stop()

    def started() -> None:
        port(listener, server.http_factory)
        ready(listening, lambda: cast(Any, reactor).callFromThread(stop))

    closing = listening.closing_asgi(asgi)
    server = Inherited(counted, endpoints=["a listener"], signal_handlers=False, ready_callable=started)
    server.run()


if __name__ == "__main__":
    run(serve)
