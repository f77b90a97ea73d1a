"""asyncio streams, taken over from: the callback of an `asyncio.start_server`, whose connections move.

```python
async def count(reader, writer):
    async for line in reader:
        reader.state = b"%d" % (int(reader.state or b"0") + 1)
        writer.write(reader.state + b" " + line)

libzdt.streams.run(count, takeover="/run/app/zdt.sock", port=7000)
```
Reader and writer are one object, a `libzdt.aio.Connection`. In the next process the callback is called again for the
same client: what it has to know is in `state`, since its variables stay here. It is stopped only while it waits in a
read. For more than one listener, or events, use `libzdt.aio.Takeover`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from . import aio
from ._core import ListenerSpec
from .aio import Connection

Connected = Callable[[Connection[Any], Connection[Any]], Awaitable[None]]


async def serve(
    connected: Connected,
    *,
    takeover: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 0,
    address: ListenerSpec | str | None = None,
    name: str = "streams",
    load: Callable[[bytes], Any] = bytes,
    dump: Callable[[Any], bytes] = bytes,
    options: dict[str, Any] | None = None,
    signals: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM),
    started: Callable[[aio.Listening], object] = lambda listening: None,
    **server: Any,
) -> None:
    """Serves until a successor has everything, or a signal of `signals` comes: then what there is is served to its end.

    Args:
        connected: is called with reader and writer for each connection, new or adopted; when it returns, that ends.
        takeover: the path of the takeover socket.
        host, port: where it listens; the host is a number. Or `address`, in the words of a `ListenerSpec`.
        name: the listener's name.
        load, dump: what `state` is made of, and made into; without them it is bytes.
        options: those of `libzdt.aio.Takeover`.
        started: is called once it accepts, with where.
        server: more of `libzdt.aio.Takeover.start_server`.

    Raises:
        What `libzdt.aio.Takeover` raises, its `start_server`, `ready` and `done`.
    """
    loop = asyncio.get_running_loop()
    async with aio.Takeover(takeover, **(options or {})) as ours:
        listening = await ours.start_server(
            lambda connection: connected(connection, connection),
            name,
            (host, port) if address is None else address,
            load=load,
            dump=dump,
            **server,
        )
        await ours.ready()
        for number in signals:
            loop.add_signal_handler(number, ours.drain)
        try:
            started(listening)
            await ours.done()
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def run(connected: Connected, **arguments: Any) -> None:
    """`serve` with an event loop of its own."""
    asyncio.run(serve(connected, **arguments))
