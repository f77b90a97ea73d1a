"""Waitress."""

from __future__ import annotations

import threading
from typing import Any

import waitress.server
from waitress.channel import HTTPChannel
from waitress.task import WSGITask

from libzdt.listening import Listener, Listening
from servers.application import ready, run, wsgi


def serve(listening: Listening, listener: Listener) -> None:
    class Task(WSGITask):
        def build_response_header(self) -> Any:
            if listening.draining.is_set():
                self.set_close_on_finish()
            return super().build_response_header()

    class Channel(HTTPChannel):
        task_class = Task

    server = waitress.server.create_server(wsgi, sockets=[listener], threads=8)
    server.channel_class = Channel
    told = threading.Event()

    def stop() -> None:
        told.set()
        server.pull_trigger()

    def busy() -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in server.active_channels.values())

    ready(listening, stop)
    # Its own run() drops what is in flight.
    while not told.is_set() or busy():
        server.asyncore.loop(timeout=0.1 if told.is_set() else 1.0, map=server._map, count=1)
    server.task_dispatcher.shutdown()
    server.asyncore.close_all(server._map)


if __name__ == "__main__":
    run(serve)
