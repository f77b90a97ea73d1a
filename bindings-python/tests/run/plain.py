"""Programs for `zdt run MODULE:FUNCTION`."""

from __future__ import annotations

import os
import sys

import libzdt.aio
from libzdt import Done, Drain


async def serve(takeover: libzdt.aio.Takeover) -> None:
    """Answers lines, and counts them."""

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


def listen(takeover: libzdt.Takeover) -> None:
    """Does no more than that."""
    with takeover.listener("lines", ("127.0.0.1", int(sys.argv[1]))):
        takeover.ready()
        while not isinstance(event := takeover.next_event(), Done):
            if isinstance(event, Drain):
                takeover.migrated_all()
