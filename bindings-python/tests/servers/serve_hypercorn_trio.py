"""Hypercorn on trio."""

from __future__ import annotations

from functools import partial

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

import libzdt.trio
from libzdt.listening import Listener, Listening
from servers.application import asgi, ready, run


async def main(listening: Listening, listener: Listener) -> None:
    """As `hypercorn.trio.serve`, which takes sockets of the standard library alone."""
    context, config = WorkerContext(None), Config()
    told, token = trio.Event(), trio.lowlevel.current_trio_token()
    app = ASGIWrapper(listening.closing_asgi(asgi))
    handle = partial(TCPServer, app, config, context, ConnectionState({}))
    async with trio.open_nursery() as handlers, trio.open_nursery() as accepting:
        serve = partial(trio.serve_listeners, handle, [libzdt.trio.SocketListener(listener)], handler_nursery=handlers)
        accepting.start_soon(serve)
        ready(listening, lambda: token.run_sync_soon(told.set))
        await told.wait()
        accepting.cancel_scope.cancel()
        await context.terminated.set()  # whoever is served is served to the end


if __name__ == "__main__":
    run(lambda listening, listener: trio.run(main, listening, listener))
