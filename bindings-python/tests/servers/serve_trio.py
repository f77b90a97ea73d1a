"""A server on trio."""

from __future__ import annotations

from functools import partial

import trio

import libzdt.trio
from libzdt.listening import Listener, Listening
from servers.application import ready, run
from servers.streaming import CHUNK, Requests


async def main(listening: Listening, listener: Listener) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            receive = lambda: stream.receive_some(CHUNK)  # noqa: E731
            await Requests(receive, stream.send_all, trio.sleep, listening.draining.is_set).serve()

    told, token = trio.Event(), trio.lowlevel.current_trio_token()
    async with trio.open_nursery() as handlers, trio.open_nursery() as accepting:
        serve = partial(trio.serve_listeners, handle, [libzdt.trio.listener(listener)], handler_nursery=handlers)
        accepting.start_soon(serve)
        ready(listening, lambda: token.run_sync_soon(told.set))
        await told.wait()
        accepting.cancel_scope.cancel()  # whoever is served is served to the end


if __name__ == "__main__":
    run(lambda listening, listener: trio.run(main, listening, listener))
