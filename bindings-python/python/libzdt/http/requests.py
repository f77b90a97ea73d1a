"""Where the requests of an HTTP/1.1 connection begin and end (RFC 9112). Bytes in, bytes out; nothing else."""

from __future__ import annotations

import re

HEAD = 64 << 10
"""How long a head may be, or the trailers of a body. What is longer is somebody else's to judge."""
LINE = 4 << 10
"""How long the line may be that says how long a chunk is."""

_END = re.compile(rb"\r?\n\r?\n")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


class Requests:
    """Gives whole heads to a server, and bodies as they come: whatever the server's own parser is, it never keeps half
    a head, nor the beginning of a request that somebody else is to answer.

    What is not understood here (a head that is too long, lines that do not end with CRLF, two lengths) passes as it
    came, from there on to the end: the server says what it thinks of it.
    """

    def __init__(self) -> None:
        self.rest = bytearray()
        """What came and was not given to the server."""
        self.opaque = False
        """It is not understood any more where anything begins or ends."""
        self.upgrade: bytes | None = None
        """The head of a request that asks for another protocol: what follows it is not looked at before it is
        answered."""
        self.begun = 0
        """How many heads the server was given."""
        self._body = 0  # of the body, or of the chunk and its CRLF: so much is to come
        self._chunked = False
        self._trailers = False

    @property
    def between(self) -> bool:
        """Whether the server has all of what it was given: nothing of a body is missing."""
        return not (self._body or self._chunked or self.opaque)

    def feed(self, data: bytes, hold: bool = False) -> bytes:
        """What the server is to be given now; with `hold`, no further request."""
        self.rest += data
        given = bytearray()
        while self.rest and self.upgrade is None:
            if self.opaque:
                given += self._take(len(self.rest))
            elif self._body:
                part = self._take(min(self._body, len(self.rest)))
                self._body -= len(part)
                given += part
            elif self._chunked:
                if (line := self._chunk_line()) is None:
                    break
                given += line
            elif hold:
                break
            elif (head := self._head()) is not None:
                given += head
            elif not self.opaque:
                break
        return bytes(given)

    def denied(self) -> None:
        """The other protocol was not taken up: HTTP goes on."""
        self.upgrade = None

    def _take(self, count: int) -> bytes:
        taken = bytes(self.rest[:count])
        del self.rest[:count]
        return taken

    def _head(self) -> bytes | None:
        """The next head, if it is there."""
        start = 0
        while self.rest.startswith(b"\r\n", start):  # RFC 9112, 2.2: before a request they mean nothing
            start += 2
        found = _END.search(self.rest, start)
        if found is None:
            self.opaque = len(self.rest) > HEAD
            return None
        head = self._take(found.end())
        self.begun += 1
        if head.endswith(b"\r\n\r\n"):
            self._look_at(head[start:])
        else:
            self.opaque = True
        return head

    def _look_at(self, head: bytes) -> None:
        request, *lines = head[:-4].split(b"\r\n")
        method, _, version = request.partition(b" ")[0], None, request.rpartition(b" ")[2]
        lengths: list[bytes] = []
        codings: list[bytes] = []
        upgrades = False
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or line[:1] in b" \t" or b"\n" in line:
                self.opaque = True
                return
            name, value = name.lower(), value.strip()
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value.lower())
            elif name == b"upgrade":
                upgrades = True
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or method == b"CONNECT":
            self.opaque = True
        elif codings:
            # Whoever says two lengths wants two servers to disagree.
            self._chunked = codings == [b"chunked"] and not lengths and version == b"HTTP/1.1"
            self.opaque = not self._chunked
        elif lengths:
            self.opaque = len(lengths) > 1 or _NUMBER.fullmatch(lengths[0]) is None
            self._body = 0 if self.opaque else int(lengths[0])
        if upgrades and not self.opaque and self.between:
            self.upgrade = head

    def _chunk_line(self) -> bytes | None:
        """The next line of a body in chunks: a chunk's length, or one of the trailers."""
        end = self.rest.find(b"\n")
        if end < 0:
            if len(self.rest) <= (HEAD if self._trailers else LINE):
                return None
            self.opaque = True
            return b""
        line = self._take(end + 1)
        if not line.endswith(b"\r\n"):
            self.opaque = True
        elif self._trailers:
            self._chunked = self._trailers = line != b"\r\n"
        elif (size := _SIZE.fullmatch(line[:-2])) is None:
            self.opaque = True
        elif int(size[1], 16):
            self._body = int(size[1], 16) + 2
        else:
            self._trailers = True
        return line
