"""twisted.web."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet import reactor, task
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from libzdt.listening import Listener, Listening
from servers.application import GREETING, ready, run, wait_ms
from servers.reactor import port

MOMENT = 0.05


class Answers(Resource):
    isLeaf = True  # noqa: N815

    def render_GET(self, request: Request) -> Any:  # noqa: N802 (Twisted's name)
        if request.path != b"/slow":
            return GREETING
        task.deferLater(reactor, wait_ms(request.uri.partition(b"?")[2].decode()), self._later, request)
        return NOT_DONE_YET

    def _later(self, request: Request) -> None:
        request.write(GREETING)
        request.finish()

    def render_POST(self, request: Any) -> Any:  # noqa: N802
        return request.content.read()


def serve(listening: Listening, listener: Listener) -> None:
    channels: set[HTTPChannel] = set()

    class Channel(HTTPChannel):
        """Counted, and closed with the next answer while somebody else accepts."""

        def connectionMade(self) -> None:  # noqa: N802
            channels.add(self)
            super().connectionMade()

        def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
            channels.discard(self)
            super().connectionLost(reason)

        def checkPersistence(self, request: Any, version: bytes) -> bool:  # noqa: N802
            if not listening.draining.is_set():
                return super().checkPersistence(request, version)
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False

    def stop() -> None:
        """Its own way would cut whatever is in flight."""
        if any(channel.requests for channel in channels):
            cast(Any, reactor).callLater(MOMENT, stop)
        else:
            cast(Any, reactor).stop()

    site: Any = Site(Answers())
    site.protocol = Channel
    port(listener, site)
    ready(listening, lambda: cast(Any, reactor).callFromThread(stop))
    cast(Any, reactor).run(installSignalHandlers=False)


if __name__ == "__main__":
    run(serve)
