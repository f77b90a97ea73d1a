"""A server on anyio, over asyncio."""

from __future__ import annotations

import anyio
import anyio.abc
import anyio.lowlevel
from anyio.from_thread import BlockingPortal

from libzdt.listening import Listener, Listening
from servers.application import ready, run
from servers.streaming import CHUNK, Requests


async def main(listening: Listening, listener: Listener) -> None:
    async def handle(stream: anyio.abc.SocketStream) -> None:
        async def receive() -> bytes:
            try:
                return await stream.receive(CHUNK)
            except anyio.EndOfStream:
                return b""

        async with stream:
            await Requests(receive, stream.send, anyio.sleep, listening.draining.is_set).serve()

    told = anyio.Event()
    accepts = await anyio.abc.SocketListener.from_socket(listener)
    group = anyio.create_task_group
    async with BlockingPortal() as portal, group() as handlers, group() as accepting:
        accepting.start_soon(accepts.serve, handle, handlers)
        ready(listening, lambda: portal.start_task_soon(told.set))
        await told.wait()
        accepting.cancel_scope.cancel()  # whoever is served is served to the end


if __name__ == "__main__":
    run(lambda listening, listener: anyio.run(main, listening, listener))
