"""The relay's protocol (PROTOCOL.md) without any I/O: requests in, replies out, and the state that travels."""

from __future__ import annotations

import re
import struct
from zlib import crc32

PROTOCOL = "relay"
STATE_VERSION = 1
LINE = 128
"""The longest request line, LF included."""
PRESSURE = 1_048_576
"""While so many bytes of replies wait in the process, nothing more is carried out."""

ECHO = 65_536
BIG = 1_048_576
PAD = 1_000_000

REFUSE_ME = 1
ENDING = 2

HEAD = struct.Struct("!QIIBBHI")
NAME = re.compile(rb"[A-Za-z0-9._-]{1,64}")
NUMBER = re.compile(rb"[0-9]{1,10}")


class Wrong(Exception):
    """A request that is answered by ERR; the reason is its only argument."""


class Session:
    """What one connection is to the relay."""

    __slots__ = ("counter", "flags", "name", "pad", "rx", "tx")

    def __init__(self) -> None:
        self.name = b""
        self.counter = 0
        self.rx = 0
        self.tx = 0
        self.flags = 0
        self.pad = b""

    @staticmethod
    def restore(state: bytes) -> Session:
        """The session that a predecessor described. Raises ValueError: why it is none."""
        if len(state) < HEAD.size:
            raise ValueError("state: too short")
        session = Session()
        session.counter, session.rx, session.tx, session.flags, name, zero, pad = HEAD.unpack_from(state)
        session.name = state[HEAD.size : HEAD.size + name]
        session.pad = state[HEAD.size + name :]
        if len(session.name) != name or len(session.pad) != pad or pad > PAD:
            raise ValueError("state: wrong length")
        if session.flags & ~(REFUSE_ME | ENDING) or zero or (name and not NAME.fullmatch(session.name)):
            raise ValueError("state: not of version 1")
        return session

    def state(self) -> bytes:
        """The state that travels."""
        head = HEAD.pack(self.counter, self.rx, self.tx, self.flags, len(self.name), 0, len(self.pad))
        return head + self.name + self.pad

    @property
    def ending(self) -> bool:
        """Whether nothing is left but to send what waits, and to end the connection."""
        return bool(self.flags & ENDING)

    @property
    def wants_refusal(self) -> bool:
        """Whether a successor is to refuse this connection."""
        return bool(self.flags & REFUSE_ME)

    def was_refused(self) -> None:
        """The next successor may have it."""
        self.flags &= ~REFUSE_ME

    def payload(self, line: bytes) -> int:
        """How many bytes follow this line. Raises Wrong."""
        word, _, rest = line[:-1].partition(b" ")
        if (word == b"HELLO") == bool(self.name):
            raise Wrong("hello")
        return _number(rest, ECHO) if word == b"ECHO" else 0

    def carry_out(self, line: bytes, payload: bytes, who: str) -> bytes:
        """Carries out one whole request: the reply. `who` answers WHO. Raises Wrong, and nothing is changed."""
        counter = self.counter + 1
        rx = crc32(payload, crc32(line, self.rx))
        word, _, rest = line[:-1].partition(b" ")
        body = b""
        match word:
            case b"ECHO":
                said, body = b"%d" % len(payload), payload
            case b"HELLO" if NAME.fullmatch(rest):
                self.name = said = rest
            case b"BIG":
                size = _number(rest, BIG)
                said, body = b"%d" % size, pattern(counter, size)
            case b"SUM" if not rest:
                said = b"%08x %08x" % (rx, self.tx)
            case b"WHO" if not rest:
                said = who.encode()
            case b"PAD":
                self.pad = pattern(counter, _number(rest, PAD))
                said = b"%d" % len(self.pad)
            case b"PAD?" if not rest:
                said = b"%d %08x" % (len(self.pad), crc32(self.pad))
            case b"TAG" if rest == b"refuse-me":
                self.flags |= REFUSE_ME
                said = rest
            case b"BYE" if not rest:
                self.flags |= ENDING
                said = b""
            case _:
                raise Wrong("line")
        self.counter = counter
        self.rx = rx
        return self._reply(word, said, body)

    def err(self, reason: str) -> bytes:
        """The answer to what is no request; the last one."""
        self.flags |= ENDING
        return self._reply(b"ERR", reason.encode(), b"")

    def _reply(self, word: bytes, said: bytes, body: bytes) -> bytes:
        reply = b"%s %d%s%s\n%s" % (word, self.counter, b" " if said else b"", said, body)
        self.tx = crc32(reply, self.tx)
        return reply


def _number(digits: bytes, limit: int) -> int:
    if not NUMBER.fullmatch(digits):
        raise Wrong("line")
    number = int(digits)
    if number > limit:
        raise Wrong("size")
    return number


_ENDS: list[bytes] = []
"""What pattern lines have behind the counter: the same for every counter."""


def pattern(counter: int, length: int) -> bytes:
    """The bytes of BIG and PAD: lines of 64 bytes, each of which says where it belongs."""
    lines = -(-length // 64)
    _ENDS.extend(b" %08x %s\n" % (number, b"." * 37) for number in range(len(_ENDS), lines))
    start = b"%016x" % counter
    return (start + start.join(_ENDS[:lines]))[:length] if lines else b""
