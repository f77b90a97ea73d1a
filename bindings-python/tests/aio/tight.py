"""A successor that has hardly a descriptor left when the connections come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys

from libzdt.aio import Connection, Takeover


async def serve(connection: Connection[bytes]) -> None:
    """The same as the test's own."""
    async for line in connection:
        connection.state = b"%d" % (int(connection.state or b"0") + 1)
        connection.write(connection.state + b" " + line)


async def main(path: str) -> None:
    async with Takeover(path) as takeover:
        await takeover.start_server(serve, "test", ("127.0.0.1", 0))
        highest = max(map(int, os.listdir("/proc/self/fd")))
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 10, most))
        taken = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        for descriptor in taken[-5:]:
            os.close(descriptor)
        await takeover.ready()
        await takeover.done()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
