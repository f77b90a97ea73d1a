"""AnyIO on asyncio."""

from __future__ import annotations

import contextlib

import anyio
import anyio.from_thread
from anyio.abc import SocketStream
from anyio.lowlevel import current_token

from libzdt.anyio import SocketListener
from libzdt.listening import Listener, Listening
from servers.application import ready, run
from servers.streams import answer


async def handle(stream: SocketStream) -> None:
    async def receive() -> bytes:
        with contextlib.suppress(anyio.EndOfStream):
            return await stream.receive()
        return b""

    async with stream:
        await answer(receive, stream.send, anyio.sleep)


async def main(listening: Listening, listener: Listener) -> None:
    token = current_token()
    # What is in flight is in the outer group, which is waited for.
    async with anyio.create_task_group() as connections, anyio.create_task_group() as accepting:
        cancel = accepting.cancel_scope.cancel
        ready(listening, lambda: anyio.from_thread.run_sync(cancel, token=token))
        await SocketListener(listener).serve(handle, connections)


def serve(backend: str) -> None:
    run(lambda listening, listener: anyio.run(main, listening, listener, backend=backend))


if __name__ == "__main__":
    serve("asyncio")
