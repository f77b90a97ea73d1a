"""A program for `zdt run MODULE:FUNCTION`: answers lines, and counts them."""

from __future__ import annotations

import os
import sys

import libzdt.aio


async def serve(takeover: libzdt.aio.Takeover) -> None:
    """Until a successor has everything."""

    async def answer(connection: libzdt.aio.Connection[int]) -> None:
        async for line in connection:
            connection.state += 1
            connection.write(b"%d %d " % (os.getpid(), connection.state) + line)

    address = ("127.0.0.1", int(sys.argv[1]))
    await takeover.start_server(
        answer, "lines", address, load=lambda data: int(data or b"0"), dump=lambda count: b"%d" % count
    )
    await takeover.ready()
    await takeover.done()
