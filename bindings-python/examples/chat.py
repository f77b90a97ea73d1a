"""A chat on asyncio that can be taken over: the first line one says is one's name, every other one goes to everybody.
Start it, connect with netcat, start it again: nobody has to say their name twice. The one on Netty
(bindings-java/zdt-netty/src/test/java/io/libzdt/examples/Chat.java) can take over, too.

    python chat.py /tmp/chat.sock 7007
"""

from __future__ import annotations

import asyncio
import signal
import sys

from libzdt.aio import Connection, Takeover

# README: begin
everybody: set[Connection[str]] = set()


async def handle(connection: Connection[str]) -> None:  # for whoever is accepted, and whoever is adopted
    everybody.add(connection)
    try:
        async for line in connection:  # it moves only while it waits for a line
            if not connection.state:
                connection.state = line.decode(errors="replace").strip()
                continue
            for guest in everybody:
                guest.write(f"{connection.state}: ".encode() + line)
    finally:
        everybody.discard(connection)


async def main(path: str, port: int) -> None:
    async with Takeover(path) as takeover:  # finds a predecessor, or is the first
        await takeover.start_server(  # inherits the listener, or binds it
            handle, "chat", ("127.0.0.1", port), load=bytes.decode, dump=str.encode
        )
        await takeover.ready()  # from here on we accept, and a predecessor offers its connections
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, takeover.drain)
        await takeover.done()  # a successor has everything


# README: end


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
