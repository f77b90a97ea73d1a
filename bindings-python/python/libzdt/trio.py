"""trio: a listener that `Listening` parks and starts, as trio wants it.

```python
with Listening("/run/app/zdt.sock") as listening:
    listener = libzdt.trio.listener(listening.listener("http", ("0.0.0.0", 8000)))
    ...
    await trio.serve_listeners(handler, [listener])
```
"""

from __future__ import annotations

import socket
from typing import Any

import trio

from .listening import Listener


def listener(of: Listener) -> trio.SocketListener:
    """Owns `of`."""
    return trio.SocketListener(Socket(of))


class Socket(trio.socket.SocketType):
    """What a SocketListener asks of its socket."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    @property
    def type(self) -> socket.SocketKind:
        return self._listener.type

    @property
    def family(self) -> socket.AddressFamily:
        return self._listener.family

    def getsockname(self) -> Any:
        return self._listener.getsockname()

    def getsockopt(self, *arguments: Any) -> Any:
        return self._listener.getsockopt(*arguments)

    def fileno(self) -> int:
        return self._listener.fileno()

    async def accept(self) -> tuple[trio.socket.SocketType, Any]:
        """As trio's: cancelled, it has taken nobody."""
        while True:
            await trio.lowlevel.wait_readable(self._listener.fileno())
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                continue
            return trio.socket.from_stdlib_socket(connection), address

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._listener.fileno())
        self._listener.close()
