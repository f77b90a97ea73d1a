"""Flask's own server, which is werkzeug's."""

from __future__ import annotations

import socket

from flask import Flask, Response, request
from werkzeug.serving import ThreadedWSGIServer

from libzdt.listening import Listener, Listening
from servers.application import GREETING, ready, run, wait_ms

app = Flask(__name__)


@app.get("/")
def greet() -> Response:
    return Response(GREETING)


@app.get("/slow")
def slow() -> Response:
    import time

    time.sleep(wait_ms(request.query_string.decode()))
    return Response(GREETING)


@app.post("/echo")
def echo() -> Response:
    return Response(request.get_data())


class Server(ThreadedWSGIServer):
    daemon_threads = False


def serve(listening: Listening, listener: Listener) -> None:
    host, port = listener.getsockname()
    # It listens again on what it is given; that is to be a socket of its own, at once replaced.
    with socket.create_server((host, 0)) as unused:
        server = Server(host, port, app, fd=unused.fileno())
        server.socket.detach()
    server.socket = listener
    ready(listening, server.shutdown)
    server.serve_forever()


if __name__ == "__main__":
    run(serve)
