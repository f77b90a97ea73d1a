"""Trio's listener on one of libzdt's.

```python
with Listening("/run/app/zdt.sock") as listening:
    listener = listening.listener("http", ("0.0.0.0", 8000))
    trio.run(trio.serve_listeners, handler, [libzdt.trio.SocketListener(listener)])
```
How it is told to stop stands in `bindings-python/tests/servers/serve_trio.py`.
"""

from __future__ import annotations

import trio
from trio.abc import Listener as Abstract

from .listening import Listener


class SocketListener(Abstract[trio.SocketStream]):
    """As `trio.SocketListener`, which wants a socket of the standard library's own class and none derived of it."""

    def __init__(self, listener: Listener) -> None:
        """Owns it."""
        self.socket = listener

    async def accept(self) -> trio.SocketStream:
        """The next connection; sleeps while the listener is parked."""
        while True:
            if self.socket.fileno() == -1:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self.socket)
            try:
                connection, _ = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue  # somebody else was faster, or the client left
            return trio.SocketStream(trio.socket.from_stdlib_socket(connection))

    async def aclose(self) -> None:
        """Closes our descriptors; the queue is as it was."""
        if (number := self.socket.fileno()) != -1:
            trio.lowlevel.notify_closing(number)
        self.socket.close()
        await trio.lowlevel.checkpoint()
