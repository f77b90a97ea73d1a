"""What is read of a WebSocket's handshake, and what travels of it."""

from __future__ import annotations

import pytest

from libzdt.aio.served import Stays
from libzdt.http.websocket import WebSocket, is_request, pack, unpack, without_context

REQUEST = b"GET /room HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
FORGETFUL = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offered", "becomes"),
    [
        (b"permessage-deflate", FORGETFUL),
        (b"permessage-deflate; client_max_window_bits", FORGETFUL + b"; client_max_window_bits"),
        (b"Permessage-Deflate;client_no_context_takeover", b"P" + FORGETFUL[1:].replace(b"deflate", b"Deflate", 1)),
        (b"x-other; a=1, permessage-deflate", b"x-other; a=1, " + FORGETFUL),
        (b'x-other; a="1, permessage-deflate"', b'x-other; a="1, permessage-deflate"'),
    ],
)
def test_compression_is_offered_without_context(offered: bytes, becomes: bytes) -> None:
    head = REQUEST + b"sec-websocket-extensions: %s\r\n\r\n"
    assert without_context(head % offered) == head % becomes
    assert without_context(head % becomes) == head % becomes, "once more, in the next process"


def test_only_what_asks_for_a_websocket_is_taken_for_one() -> None:
    assert is_request(REQUEST + b"\r\n")
    for other in (
        REQUEST.replace(b"GET", b"POST"),
        REQUEST.replace(b"WebSocket", b"h2c"),
        REQUEST.replace(b", Upgrade", b""),
    ):
        assert not is_request(other + b"\r\n")


def test_parts_travel_and_what_is_no_state_is_refused() -> None:
    parts = [b"", b"a", b"\0" * 300]
    assert unpack(pack(*parts), 3) == parts
    for wrong in (b"", b"\0", pack(*parts)[:-1], pack(*parts, b""), pack(*parts[:2])):
        with pytest.raises(ValueError, match="the state"):
            unpack(wrong, 3)


class Waiting:
    """An application that always waits."""

    state: bytes | None = b"s"

    def waits(self, messages: int) -> bool:
        return True

    def freeze(self) -> None:
        """Nothing is sent anyway."""

    thaw = migrated = freeze


async def test_a_server_that_compresses_with_context_keeps_its_websocket() -> None:
    for extensions, stays in ((FORGETFUL, False), (b"permessage-deflate", True), (b"x-other", True)):
        websocket = WebSocket(REQUEST + b"\r\n")
        websocket.talk = Waiting()
        answer = b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Extensions: %s\r\n\r\n" % extensions
        assert websocket.wrote(answer[:30]) + websocket.wrote(answer[30:]) == answer
        if stays:
            with pytest.raises(Stays, match="remembers"):
                websocket.export()
        else:
            assert websocket.export() is not None


async def test_of_a_second_handshake_the_client_hears_nothing_but_what_follows_it() -> None:
    websocket = WebSocket(REQUEST + b"\r\n", b"state")
    websocket.talk = Waiting()
    assert websocket.wrote(b"HTTP/1.1 101 Switching Protocols\r\n") == b""
    assert websocket.wrote(b"Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x01a") == b"\x81\x01a"
    websocket.compare(b"\nchat")
    with pytest.raises(ValueError, match="would be told"):
        websocket.compare(b"\nother")
    denied = WebSocket(REQUEST + b"\r\n", b"state")
    assert denied.wrote(b"HTTP/1.1 403 Forbidden\r\n\r\n") == b""
    with pytest.raises(ValueError, match="does not accept"):
        denied.compare(b"\nchat")


async def test_what_comes_with_the_request_waits_for_the_answer() -> None:
    websocket = WebSocket(REQUEST + b"\r\n")
    message = b"\x81\x81\0\0\0\0a"
    assert websocket.read(message, False) == b""
    assert websocket.unread() == message
    websocket.wrote(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert websocket.read(b"", False) == message


async def test_leave_is_taken_once_and_is_the_last_word() -> None:
    websocket = WebSocket(REQUEST + b"\r\n")
    assert websocket.leave() == b"", "there is no WebSocket yet"
    websocket.wrote(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert websocket.leave() == b"\x88\x11\x03\xf4service restart"
    assert websocket.leave() == b""
    assert websocket.wrote(b"\x81\x01a") == b""
