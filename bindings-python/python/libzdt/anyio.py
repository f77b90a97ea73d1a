"""AnyIO's listener on one of libzdt's, on asyncio and on trio.

```python
with Listening("/run/app/zdt.sock") as listening:
    listener = listening.listener("http", ("0.0.0.0", 8000))
    anyio.run(libzdt.anyio.SocketListener(listener).serve, handler)
```
How it is told to stop stands in `bindings-python/tests/servers/serve_anyio.py`.
"""

from __future__ import annotations

import socket

import anyio
import anyio.abc
import anyio.lowlevel

from .listening import Listener


class SocketListener(anyio.abc.SocketListener):
    """As what `anyio.abc.SocketListener.from_socket` makes, which on trio wants a socket of the standard library's own
    class and none derived of it."""

    def __init__(self, listener: Listener) -> None:
        """Owns it."""
        self._listener = listener

    @property
    def _raw_socket(self) -> socket.socket:
        return self._listener

    async def accept(self) -> anyio.abc.SocketStream:
        """The next connection; sleeps while the listener is parked."""
        while True:
            if self._listener.fileno() == -1:
                raise anyio.ClosedResourceError
            await anyio.wait_readable(self._listener)
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue  # somebody else was faster, or the client left
            return await anyio.abc.SocketStream.from_socket(connection)

    async def aclose(self) -> None:
        """Closes our descriptors; the queue is as it was."""
        if (number := self._listener.fileno()) != -1:
            anyio.notify_closing(number)
        self._listener.close()
        await anyio.lowlevel.checkpoint()
