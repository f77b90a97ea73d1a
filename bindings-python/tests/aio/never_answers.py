"""A successor that has become ready, and hangs when it is offered a connection."""

import asyncio
import sys
import time

from libzdt.aio import Connection, Takeover


async def handle(_: Connection[bytes]) -> None:
    """Never called."""


def load(_: bytes) -> bytes:
    """Never comes back."""
    while True:
        time.sleep(1)


async def main(path: str) -> None:
    """Takes over, nearly."""
    async with Takeover(path) as takeover:
        await takeover.start_server(handle, "test", ("127.0.0.1", 0), load=load, dump=bytes)
        await takeover.ready()
        await takeover.done()


asyncio.run(main(sys.argv[1]))
