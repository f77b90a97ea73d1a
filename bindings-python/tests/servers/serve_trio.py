"""Trio."""

from __future__ import annotations

import trio

from libzdt.listening import Listener, Listening
from libzdt.trio import SocketListener
from servers.application import ready, run
from servers.streams import answer


async def handle(stream: trio.SocketStream) -> None:
    async with stream:
        await answer(stream.receive_some, stream.send_all, trio.sleep)


async def main(listening: Listening, listener: Listener) -> None:
    token = trio.lowlevel.current_trio_token()
    # What is in flight is in the outer nursery, which is waited for.
    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        ready(listening, lambda: token.run_sync_soon(accepting.cancel_scope.cancel))
        await trio.serve_listeners(handle, [SocketListener(listener)], handler_nursery=connections)


if __name__ == "__main__":
    run(lambda listening, listener: trio.run(main, listening, listener))
