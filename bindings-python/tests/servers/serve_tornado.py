"""Tornado."""

from __future__ import annotations

import asyncio

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from libzdt.listening import Listener, Listening
from servers.application import GREETING, ready, run, wait_ms


class Handler(RequestHandler):
    async def get(self, path: str) -> None:
        if path == "slow":
            await asyncio.sleep(wait_ms(self.request.query))
        self.finish(GREETING)

    def post(self, path: str) -> None:
        self.finish(self.request.body)


async def main(listening: Listening, listener: Listener) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    in_flight: set[object] = set()
    idle = asyncio.Event()

    class Counted(Handler):
        def prepare(self) -> None:
            in_flight.add(self)
            if listening.draining.is_set():
                self.set_header("Connection", "close")

        def on_finish(self) -> None:
            in_flight.discard(self)
            if not in_flight:
                idle.set()

    server = HTTPServer(Application([("/(.*)", Counted)]))
    server.add_socket(listener)
    ready(listening, lambda: loop.call_soon_threadsafe(told.set))
    await told.wait()
    server.stop()
    if in_flight:  # it does not wait for them itself
        idle.clear()
        await idle.wait()
    await server.close_all_connections()


if __name__ == "__main__":
    run(lambda listening, listener: asyncio.run(main(listening, listener)))
