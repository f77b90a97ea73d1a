"""Where frames and messages of a WebSocket end (RFC 6455, 5)."""

from __future__ import annotations

LIMIT = 64 << 10
"""A frame of up to so many bytes is given on whole, and moves wherever it was cut; a larger one as it comes."""


class Frames:
    """Follows one direction of a WebSocket. Knows bytes only.

    Whatever breaks the rules is given on, for the server to answer; only what hides where a frame ends is noticed.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.rest = b""
        """What came and was not given on: behind the last frame that was, or the first message that was not."""
        self.messages = 0
        """How many messages were given on, to their last byte."""
        self.closing = False
        """A Close was given on, or the end of a frame is not known any more."""
        self._limit = limit
        self._begun = False  # the first fragment of a message was given on, the last one was not
        self._missing = 0  # of a frame too large to wait for
        self._first = 0  # the first byte of that frame

    @property
    def between(self) -> bool:
        """Whether all messages that were begun were given on whole."""
        return not (self._begun or self._missing)

    def feed(self, data: bytes, hold: bool = False) -> bytes:
        """What is to be given on now: whole frames. With `hold` no further message is begun: it waits in `rest`."""
        if self.closing:
            data, self.rest = self.rest + data, b""
            return data
        if self.rest:
            data = self.rest + data
        at = min(self._missing, len(data))
        if at:
            self._missing -= at
            if not self._missing:
                self._ended(self._first)
        while not (self._missing or self.closing):
            if len(data) > at and hold and not self._begun and not data[at] & 0x08:
                break
            length = _length(data, at)
            if length is None:
                break
            if length < 0:
                self.closing = True
            elif at + length <= len(data):
                self._ended(data[at])
                at += length
            elif length > self._limit:
                self._first = data[at]
                self._missing = at + length - len(data)
                at = len(data)
            else:
                break
        if self.closing or at == len(data):
            self.rest = b""
            return data
        self.rest = data[at:]
        return data[:at]

    def _ended(self, first: int) -> None:
        """The frame that begins with this byte has ended."""
        final, opcode = first & 0x80, first & 0x0F
        if opcode & 0x08:
            self.closing = opcode == 0x08
            return
        self._begun = not final
        if final:
            self.messages += 1


def _length(data: bytes, at: int) -> int | None:
    """How long the frame at `at` is, head and all; None: too little of it is there; -1: nobody knows."""
    there = len(data) - at
    if there < 2:
        return None
    length = data[at + 1] & 0x7F
    head = 2 + 4 * (data[at + 1] >> 7)
    if length >= 126:
        more = 2 if length == 126 else 8
        if there < 2 + more:
            return None
        length = int.from_bytes(data[at + 2 : at + 2 + more], "big")
        if length >> 63:
            return -1
        head += more
    return head + length
