"""Cheroot, CherryPy's server."""

from __future__ import annotations

import socket

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server

from libzdt.listening import Listener, Listening
from servers.application import ready, run, wsgi


def serve(listening: Listening, listener: Listener) -> None:
    class Request(HTTPRequest):
        def send_headers(self) -> None:
            if listening.draining.is_set():
                self.close_connection = True
            super().send_headers()

    class Connection(HTTPConnection):
        RequestHandlerClass = Request

    class Inherited(Server):
        ConnectionClass = Connection

        def bind(self, family: int, kind: int, proto: int = 0) -> socket.socket:
            self.socket = listener
            self.bind_addr = listener.getsockname()
            return listener

    server = Inherited(listener.getsockname(), wsgi, shutdown_timeout=20)
    server.prepare()
    ready(listening, server.stop)
    server.serve()


if __name__ == "__main__":
    run(serve)
