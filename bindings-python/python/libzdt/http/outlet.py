"""The transport that a server's protocol sees behind a tap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..connection import Bytes


class Outlet(asyncio.Transport):
    """asyncio.Transport, whose bytes go past the tap.

    Before `attach` there is no socket: what is written is looked at, and what is asked of it waits.
    """

    def __init__(self, wrote: Callable[[bytes], bytes], inner: asyncio.BaseProtocol, **told: Any) -> None:
        """`wrote` gives what really is to be written; `told` is what is known of the socket."""
        super().__init__(told)
        self._wrote = wrote
        self._protocol = inner
        self._transport: asyncio.Transport | None = None
        self._unsent = bytearray()
        self._paused = False
        self._closing = False
        self._limits: tuple[int | None, int | None] = (None, None)

    def attach(self, transport: asyncio.Transport) -> None:
        """From here on it is this one."""
        self._transport = transport
        transport.set_write_buffer_limits(*self._limits)
        if self._paused:
            transport.pause_reading()
        if self._unsent:
            transport.write(bytes(self._unsent))
            self._unsent.clear()
        if self._closing:
            transport.close()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self._transport is not None:
            return self._transport.get_extra_info(name, default)
        return super().get_extra_info(name, default)

    # Reading

    def is_reading(self) -> bool:
        return not (self._paused or self.is_closing())

    def pause_reading(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    # Writing

    def write(self, data: Bytes) -> None:
        # Its kind is the transport's to complain of.
        told = self._wrote(bytes(data)) if isinstance(data, Bytes) else data
        if self._transport is not None:
            self._transport.write(told)
        else:
            self._unsent += told

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if self._transport is not None:
            self._transport.write_eof()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._unsent) if self._transport is None else self._transport.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (0, 0) if self._transport is None else self._transport.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._limits = high, low
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high, low)

    # Ending

    def is_closing(self) -> bool:
        return self._closing if self._transport is None else self._transport.is_closing()

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
