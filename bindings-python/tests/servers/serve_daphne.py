"""Daphne."""

from __future__ import annotations

from daphne.server import Server

import libzdt.twisted
from libzdt.listening import Listener, Listening
from servers.application import asgi, run


def serve(listening: Listening, listener: Listener) -> None:
    def busy() -> bool:
        return any("disconnected" not in request for request in server.connections.values())

    def started() -> None:
        libzdt.twisted.listen(listening, listener, server.http_factory, busy=busy)
        print("ready", flush=True)

    server = Server(listening.closing_asgi(asgi), ["ours"], ready_callable=started, signal_handlers=False)
    server.endpoints = []  # it wants some, and would listen by itself
    server.run()


if __name__ == "__main__":
    run(serve)
