"""One WebSocket (RFC 6455): what was agreed upon, where its messages end, and what a successor has to know.

A server's protocol, its parser and the application each keep something of a WebSocket, in their own way. None of it is
written down: the client's request travels, and is given to the successor's server, which shakes hands once more. The
client has its 101 already, so this one goes nowhere; it is only compared.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from ..aio.served import Stays
from .frames import Frames

HEAD = 64 << 10
"""How long the head of an answer may be."""
DEFLATE = "permessage-deflate"
FORGETFUL = ("server_no_context_takeover", "client_no_context_takeover")
RESTART = b"\x88\x11\x03\xf4service restart"
"""Close, 1012."""

CURRENT: ContextVar[WebSocket | None] = ContextVar("libzdt websocket", default=None)
"""The WebSocket that is being given bytes: tasks that come of it know it by this."""


class Talk(Protocol):
    """The application's side of a WebSocket."""

    @property
    def state(self) -> bytes | None:
        """What a successor's application has to know; None: it did not say."""

    def waits(self, messages: int) -> bool:
        """Whether the application has taken so many messages, waits for the next one, and sends nothing."""

    def freeze(self) -> None:
        """Nothing may be sent until `thaw` or `migrated`."""

    def thaw(self) -> None:
        """It is ours."""

    def migrated(self) -> None:
        """It lives in another process: whoever waits is told so."""


class WebSocket:
    """One of them, from the request on."""

    def __init__(self, request: bytes, state: bytes | None = None) -> None:
        """`request`: the client's, as `without_context` gives it; `state`: a predecessor's application's."""
        self.request = request
        self.state = state
        self.incoming = Frames()
        self.outgoing = Frames(0)
        self.talk: Talk | None = None
        self.agreed: bytes | None = None
        """Extensions and subprotocol, once the server has said 101."""
        self.denied = False
        """The server has said something else."""
        self.stirred: Callable[[], None] = lambda: None
        """Called when the application may have become idle."""
        self.answered = asyncio.get_running_loop().create_future()
        """Done when the server has answered."""
        self._left = False
        self._early = b""
        self._head = bytearray()

    @property
    def adopted(self) -> bool:
        """Whether the client had its answer from a predecessor."""
        return self.state is not None

    # What flows

    def read(self, data: bytes, hold: bool) -> bytes:
        """What the server is to be given of what came; with `hold`, no further message."""
        if self.denied:
            return data
        if self.agreed is None:
            self._early += data  # servers lose what comes with the request
            return b""
        if self._early:
            data, self._early = self._early + data, b""
        return self.incoming.feed(data, hold)

    def wrote(self, data: bytes) -> bytes:
        """What the client is to be given of what the server wrote."""
        if self.denied or self._left:
            return b"" if self.adopted or self._left else data
        if self.agreed is not None:
            self.outgoing.feed(data)
            return data
        self._head += data
        end = self._head.find(b"\r\n\r\n") + 4
        if end < 4 and len(self._head) <= HEAD:
            return b"" if self.adopted else data
        head, frames = bytes(self._head[:end]), bytes(self._head[end:])
        self._head.clear()
        if end >= 4 and head.split(b" ", 2)[1:2] == [b"101"]:
            self.agreed = _agreed(head)
            self.outgoing.feed(frames)
        else:
            self.denied = True
        if not self.answered.done():
            self.answered.set_result(None)
        return frames if self.adopted else data

    def unread(self) -> bytes:
        """What came and was not given to the server."""
        return self._early + self.incoming.rest

    # Moving

    def export(self) -> bytes | None:
        """What a successor has to know; None: not now. Raises Stays if it cannot move."""
        talk = self.talk
        if self.denied or self.incoming.closing or self.outgoing.closing:
            raise Stays("WebSocket: closing")
        if self.agreed is None or talk is None:
            return None
        if not _forgets(self.agreed):
            raise Stays("WebSocket: its compression remembers")
        if not (self.incoming.between and self.outgoing.between and talk.waits(self.incoming.messages)):
            return None
        if (state := talk.state) is None:
            raise Stays("WebSocket: no state")
        return pack(self.request, self.agreed, state)

    def compare(self, agreed: bytes) -> None:
        """Raises what is different from what the client was told."""
        if self.agreed is None:
            raise ValueError("the application does not accept this WebSocket")
        if self.agreed != agreed:
            raise ValueError(f"the client was told {agreed!r}, and would be told {self.agreed!r}")

    def leave(self) -> bytes:
        """What tells the client to come again; what the server writes from now on goes nowhere."""
        if self.agreed is None or self.outgoing.closing or not self.outgoing.between:
            return b""
        self._left = self.outgoing.closing = True
        return RESTART


def is_request(head: bytes) -> bool:
    """Whether the head of a request asks for a WebSocket."""
    fields = fields_of(head)
    return (
        head.startswith(b"GET ")
        and b"websocket" in fields.get(b"upgrade", b"").lower()
        and b"upgrade" in fields.get(b"connection", b"").lower()
    )


def without_context(head: bytes) -> bytes:
    """The same request, whose client offers compression without context: whoever compresses begins anew with each
    message, and nothing of it has to move.

    A server may ask for both, offered or not (RFC 7692, 7.1.1); this way the server that does not know it does so.
    """
    lines = head.split(b"\r\n")
    for number, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() == b"sec-websocket-extensions" and b'"' not in value:
            offers = [_forgetful(offer.strip()) for offer in value.decode("latin-1").split(",")]
            lines[number] = name + b": " + ", ".join(offers).encode("latin-1")
    return b"\r\n".join(lines)


def without_extensions(head: bytes) -> bytes:
    """The same request without its extensions: for servers that never ask a client to compress without context."""
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"sec-websocket-extensions"))


def _forgetful(offer: str) -> str:
    name, *parameters = (part.strip() for part in offer.split(";"))
    if name.lower() == DEFLATE:
        parameters = [*FORGETFUL, *(parameter for parameter in parameters if parameter.lower() not in FORGETFUL)]
    return "; ".join((name, *parameters))


def _agreed(head: bytes) -> bytes:
    fields = fields_of(head)
    return b"\n".join(fields.get(name, b"") for name in (b"sec-websocket-extensions", b"sec-websocket-protocol"))


def _forgets(agreed: bytes) -> bool:
    """Whether nothing but whole messages is needed to read on: no extension, or one that keeps no context."""
    extensions = agreed.partition(b"\n")[0].decode("latin-1").lower()
    parts = [part.strip() for part in extensions.split(";")]
    return not extensions or (parts[0] == DEFLATE and set(FORGETFUL) <= set(parts[1:]) and "," not in extensions)


def fields_of(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head by their names in small letters; those that come again are joined by commas."""
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            name = name.lower()
            fields[name] = fields[name] + b"," + value.strip() if name in fields else value.strip()
    return fields


def pack(*parts: bytes) -> bytes:
    """The parts, each with its length before it."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def unpack(data: bytes, count: int) -> list[bytes]:
    """The parts. Raises ValueError if these are not so many."""
    parts: list[bytes] = []
    while data and len(parts) < count:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            raise ValueError("the state is cut off")
        parts.append(data[4:end])
        data = data[end:]
    if data or len(parts) != count:
        raise ValueError(f"the state has not {count} parts")
    return parts


def addresses(*told: Any) -> bytes:
    """Addresses as they travel."""
    return json.dumps(told).encode()
