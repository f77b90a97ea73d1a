"""A server that forks in the middle of a handler; the child leaves by an exception, through everybody's `finally`."""

from __future__ import annotations

import asyncio
import os
import sys

import uvloop

from libzdt.aio import Connection, Takeover


async def serve(connection: Connection[bytes]) -> None:
    """Echoes; at the line `fork` the child is to be gone before it goes on."""
    async for line in connection:
        if line == b"fork\n":
            child = os.fork()
            if child == 0:
                raise SystemExit(0)
            os.waitpid(child, 0)  # noqa: ASYNC222 (until the child is gone, nothing else happens here)
        connection.write(line)


async def main() -> None:
    async with Takeover(sys.argv[1], probation=0.05) as takeover:
        listening = await takeover.start_server(serve, "test", ("127.0.0.1", 0))
        await takeover.ready()
        print(listening.address[1], flush=True)
        await takeover.done()


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        uvloop.run(main())
    else:
        asyncio.run(main())
