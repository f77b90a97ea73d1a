"""A transport without a socket: what a server's protocol has while it is not known yet whose the connection will be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ..connection import Bytes


class Rehearsal(asyncio.Transport):
    """Remembers what is asked of it, for a real transport."""

    def __init__(self, **told: Any) -> None:
        """`told`: what is known of the socket: sockname, peername."""
        super().__init__(told)
        self._written = bytearray()
        self._limits: tuple[int | None, int | None] = (None, None)
        self._paused = False
        self._closing = False

    def perform(self, transport: asyncio.Transport) -> None:
        """Asks `transport` for the same."""
        transport.set_write_buffer_limits(*self._limits)
        if self._paused:
            transport.pause_reading()
        if self._written:
            transport.write(bytes(self._written))
        if self._closing:
            transport.close()

    def is_reading(self) -> bool:
        return not (self._paused or self._closing)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False

    def write(self, data: Bytes) -> None:
        self._written += data

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._closing = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._written)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._limits = high, low

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close
