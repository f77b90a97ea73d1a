"""One of the two processes: does what it is told on standard input, a line each, and answers with a line."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import libzdt
from libzdt import aio
from stall import Stall

BACKLOG = 4096
LONG = 60.0
"""How long anything may take, in seconds."""


class Count:
    """Of connections that began and ended."""

    def __init__(self, connections: int) -> None:
        self.all_begun = asyncio.Event()
        self.all_ended = asyncio.Event()
        self._connections = connections
        self._begun = 0
        self._ended = 0

    def began(self) -> None:
        self._begun += 1
        if self._begun == self._connections:
            self.all_begun.set()

    def ended(self) -> None:
        self._ended += 1
        if self._ended == self._connections:
            self.all_ended.set()


class Echo(asyncio.Protocol):
    """The protocol of every connection: it echoes, has no state, and counts."""

    def __init__(self, count: Count) -> None:
        self._count = count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._count.began()

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._count.ended()

    def export_state(self) -> bytes:
        return b""

    def import_state(self, state: bytes) -> None:
        """There is none."""

    def unread(self) -> bytes:
        return b""


class Side:
    """What it serves, and how it is measured."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stall: Stall | None = None  # None: it is not looked at

    async def obey(self, words: list[str]) -> str:
        match words:
            case ["plain", connections, port]:
                self._count = count = Count(int(connections))
                self._plain = await self._loop.create_server(
                    lambda: Echo(count), "127.0.0.1", int(port), backlog=BACKLOG
                )
            case ["closed"]:
                self._plain.close()
            case ["open", connections, port, path]:
                await self._open(int(connections), int(port), path)
            case ["ready"]:
                await self._takeover.ready()
            case ["begun"]:
                await asyncio.wait_for(self._count.all_begun.wait(), LONG)
            case ["ended"]:
                await asyncio.wait_for(self._count.all_ended.wait(), LONG)
            case ["done"]:
                await asyncio.wait_for(self._takeover.done(), LONG)
                await self._takeover.__aexit__(None, None, None)
            case ["mark", stalls]:
                self._stall = Stall() if stalls == "True" else None
                return str(time.process_time_ns())
            case ["read"]:
                used = time.process_time_ns()
                if self._stall is None:
                    return f"{used} 0 0"
                stall, self._stall = self._stall, None
                return f"{used} {stall.end()} {stall.worked}"
            case _:
                raise ValueError(words)
        return "ok"

    async def _open(self, connections: int, port: int, path: str) -> None:
        """Listens with libzdt, or is about to take over."""
        self._count = count = Count(connections)
        self._takeover = await aio.Takeover(path, probation=0.1).__aenter__()
        address = libzdt.ListenerSpec.tcp(("127.0.0.1", port), backlog=BACKLOG)
        await self._takeover.create_server(lambda: Echo(count), "bench", address, protocol="echo")


async def main() -> None:
    """Until standard input ends; what fails ends it too: the other end sees that the answer is missing."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    side = Side()
    while line := await lines.readline():
        print(await side.obey(line.decode().split()), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
