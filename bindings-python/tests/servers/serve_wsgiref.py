"""The standard library's own server, with a thread for each request."""

from __future__ import annotations

from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from libzdt.listening import Listener, Listening
from servers.application import ready, run, wsgi


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = False


def serve(listening: Listening, listener: Listener) -> None:
    server = Server(listener.getsockname(), WSGIRequestHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()
    server.setup_environ()
    server.set_app(wsgi)
    ready(listening, server.shutdown)
    server.serve_forever()
    server.server_close()  # waits for the threads


if __name__ == "__main__":
    run(serve)
