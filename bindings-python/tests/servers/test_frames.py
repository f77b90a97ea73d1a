"""Frames and messages of a WebSocket in a stream of bytes."""

from __future__ import annotations

import random

import pytest

from libzdt.http.frames import LIMIT, Frames

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode: int, data: bytes = b"", *, final: bool = True, masked: bool = True) -> bytes:
    """A frame; masked with zeros, which change nothing."""
    if len(data) < 126:
        length = bytes([len(data) | masked << 7])
    elif len(data) < 1 << 16:
        length = bytes([126 | masked << 7]) + len(data).to_bytes(2, "big")
    else:
        length = bytes([127 | masked << 7]) + len(data).to_bytes(8, "big")
    return bytes([final << 7 | opcode]) + length + bytes(4 * masked) + data


def conversation(chance: random.Random) -> list[bytes]:
    """Frames of whole messages, with frames of control in between."""
    frames = []
    for _ in range(chance.randrange(1, 6)):
        pieces = chance.randrange(1, 4)
        for piece in range(pieces):
            if chance.random() < 0.4:
                frames.append(frame(chance.choice((PING, PONG)), bytes(chance.randrange(126)), masked=False))
            size = chance.choice((0, 1, 125, 126, 127, 300, LIMIT + 5))
            opcode = 0 if piece else chance.choice((TEXT, BINARY))
            data = chance.randbytes(size)
            frames.append(frame(opcode, data, final=piece == pieces - 1, masked=chance.random() < 0.5))
    return frames


def pieces_of(stream: bytes, chance: random.Random) -> list[bytes]:
    """The stream as it may arrive."""
    pieces = []
    while stream:
        size = chance.choice((1, 2, 3, 9, 14, 200, 70_000))
        pieces.append(stream[:size])
        stream = stream[size:]
    return pieces


def messages_of(frames: list[bytes]) -> int:
    return sum(first[0] & 0x80 != 0 and not first[0] & 8 for first in frames)


@pytest.mark.parametrize("seed", range(200))
def test_however_a_stream_arrives_its_frames_end_where_they_end(seed: int) -> None:
    chance = random.Random(seed)
    frames = conversation(chance)
    stream = b"".join(frames)
    ends = {sum(map(len, frames[:count])): count for count in range(len(frames) + 1)}
    followed, given = Frames(), 0
    for piece in pieces_of(stream, chance):
        given += len(followed.feed(piece))
        if given in ends:
            assert followed.messages == messages_of(frames[: ends[given]])
        else:
            assert not followed.between, "only what is too large to wait for is given on in part"
    assert (given, followed.rest, followed.between, followed.closing) == (len(stream), b"", True, False)


@pytest.mark.parametrize("seed", range(200))
def test_what_was_held_and_what_was_given_on_are_the_stream(seed: int) -> None:
    chance = random.Random(seed)
    frames = conversation(chance)
    followed, given, here = Frames(), b"", True
    for piece in pieces_of(b"".join(frames), chance):
        here = here and chance.random() < 0.8
        given += followed.feed(piece, hold=not here)
        if not here and followed.between:
            # It moves: the rest is what the next process begins with.
            before = followed.messages
            followed_there = Frames()
            given += followed_there.feed(followed.rest)
            followed_there.messages += before
            followed, here = followed_there, True
    given += followed.feed(b"")
    assert given == b"".join(frames)
    assert followed.messages == messages_of(frames)


def test_a_held_message_waits_and_a_ping_before_it_does_not() -> None:
    followed = Frames()
    first, second = frame(TEXT, b"a", final=False), frame(0, b"b")
    assert followed.feed(first) == first
    assert not followed.between
    ping, third, late = frame(PING), frame(TEXT, b"c"), frame(PING, b"late")
    assert followed.feed(ping + second + ping + third + late, hold=True) == ping + second + ping
    assert followed.between
    assert followed.messages == 1
    assert followed.rest == third + late
    assert followed.feed(b"") == third + late
    assert followed.messages == 2


def test_behind_a_close_everything_is_given_on() -> None:
    followed = Frames()
    assert followed.feed(frame(CLOSE) + b"\x81") == frame(CLOSE) + b"\x81"
    assert followed.closing
    assert followed.feed(b"whatever", hold=True) == b"whatever"


def test_a_length_that_cannot_be_is_the_servers_to_answer() -> None:
    followed = Frames()
    impossible = b"\x82\xff" + b"\xff" * 8
    assert followed.feed(impossible[:9]) == b""
    assert followed.feed(impossible[9:] + b"rest") == impossible + b"rest"
    assert followed.closing
