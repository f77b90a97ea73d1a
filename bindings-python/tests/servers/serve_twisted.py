"""Twisted's web server."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

import libzdt.twisted
from libzdt.listening import Listener, Listening
from servers.application import GREETING, run, wait_ms

loop: Any = reactor


class Application(Resource):
    isLeaf = True  # noqa: N815

    def render_GET(self, request: Any) -> Any:  # noqa: N802
        if request.path != b"/slow":
            return GREETING
        query = request.uri.partition(b"?")[2].decode()
        loop.callLater(wait_ms(query), lambda: (request.write(GREETING), request.finish()))
        return NOT_DONE_YET

    def render_POST(self, request: Any) -> bytes:  # noqa: N802
        body: bytes = request.content.read()
        return body


def serve(listening: Listening, listener: Listener) -> None:
    in_flight: set[Request] = set()

    class Counted(Request):
        def process(self) -> None:
            in_flight.add(self)
            self.notifyFinish().addBoth(lambda _: in_flight.discard(self))
            if listening.draining.is_set():
                self.setHeader(b"connection", b"close")
            super().process()

    site = Site(Application(), requestFactory=Counted)
    libzdt.twisted.listen(listening, listener, site, busy=lambda: bool(in_flight))
    loop.callWhenRunning(print, "ready", flush=True)
    loop.run(installSignalHandlers=False)


if __name__ == "__main__":
    run(serve)
