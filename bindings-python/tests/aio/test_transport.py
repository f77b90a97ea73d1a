"""The transport keeps asyncio's contract, and can be frozen at any byte."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from libzdt.aio import Transport

from .stage import MOMENT, until


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, keeps_open: bool = False) -> None:
        self.told: list[Any] = []
        self.data = bytearray()
        self.keeps_open = keeps_open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told.append(("lost", type(exc).__name__))


class Peer:
    """The other end."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def reads(self, length: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < length:
            part = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 20)
            assert part, "the end came"
            data += part
        return data

    async def sees_the_end(self) -> None:
        """Nothing comes any more."""
        assert await asyncio.get_running_loop().sock_recv(self.sock, 1) == b""

    def hears_nothing(self) -> bool:
        """Whether neither bytes nor the end have come."""
        try:
            self.sock.recv(1)
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, Peer]]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours = listener.accept()[0]
    for end in (ours, peer):
        end.setblocking(False)
    yield ours, Peer(peer)
    ours.close()
    peer.close()


def connected(sock: socket.socket, protocol: asyncio.BaseProtocol, **options: Any) -> Transport:
    transport = Transport(asyncio.get_running_loop(), sock, protocol, **options)
    transport.start()
    return transport


LARGE = bytes(range(256)) * 40_000


async def test_large_writes_arrive_in_order_and_pressure_is_told(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder()
    transport = connected(ours, protocol)
    transport.write(b"first ")
    transport.write(LARGE)
    transport.writelines([b" then", memoryview(b" last").cast("B")])
    assert protocol.told == ["made", "pause"]
    assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
    assert await peer.reads(len(LARGE) + 16) == b"first " + LARGE + b" then last"
    await until(lambda: transport.get_write_buffer_size() == 0)
    assert protocol.told == ["made", "pause", "resume"]
    transport.close()


async def test_limits_are_those_of_asyncio(sockets: tuple[socket.socket, Peer]) -> None:
    protocol = Recorder()
    transport = connected(sockets[0], protocol, unsent=b"x" * 100)
    assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)
    transport.set_write_buffer_limits(low=10)
    assert transport.get_write_buffer_limits() == (10, 40)
    assert protocol.told == ["made", "pause"]
    transport.set_write_buffer_limits(high=1000)
    assert protocol.told == ["made", "pause", "resume"]
    with pytest.raises(ValueError, match="must be >= low"):
        transport.set_write_buffer_limits(high=1, low=2)
    transport.abort()


async def test_reading_pauses_and_goes_on(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder()
    transport = connected(ours, protocol)
    transport.pause_reading()
    assert not transport.is_reading()
    peer.sock.send(b"waits")
    await asyncio.sleep(MOMENT)
    assert not protocol.data
    transport.resume_reading()
    await until(lambda: protocol.data == b"waits")
    transport.close()
    assert not transport.is_reading()


async def test_a_half_closed_connection_still_writes(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder(keeps_open=True)
    transport = connected(ours, protocol)
    peer.sock.shutdown(socket.SHUT_WR)
    await until(lambda: protocol.told == ["made", "eof"])
    transport.write(b"answer")
    transport.write_eof()
    assert not transport.can_move
    with pytest.raises(RuntimeError, match="after write_eof"):
        transport.write(b"more")
    assert await peer.reads(6) == b"answer"
    await peer.sees_the_end()
    assert not transport.is_closing()
    transport.close()


async def test_write_eof_follows_what_was_written(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    transport = connected(ours, Recorder())
    transport.write(LARGE)
    transport.write_eof()
    assert await peer.reads(len(LARGE)) == LARGE
    await peer.sees_the_end()
    transport.close()


async def test_the_end_of_the_other_side_ends_the_connection(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder()
    transport = connected(ours, protocol)
    peer.sock.send(b"bye")
    peer.sock.shutdown(socket.SHUT_WR)
    await until(lambda: protocol.told == ["made", "eof", ("lost", "NoneType")])
    assert protocol.data == b"bye"
    assert transport.is_closing()
    await peer.sees_the_end()


async def test_close_sends_the_rest_and_then_the_end_although_somebody_holds_a_copy(
    sockets: tuple[socket.socket, Peer],
) -> None:
    ours, peer = sockets
    copy = ours.dup()
    protocol = Recorder()
    transport = connected(ours, protocol)
    transport.write(LARGE)
    transport.close()
    transport.close()
    assert await peer.reads(len(LARGE)) == LARGE
    await peer.sees_the_end()
    await until(lambda: protocol.told[-1] == ("lost", "NoneType"))
    assert ours.fileno() < 0
    copy.close()


async def test_abort_drops_the_rest(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    ended: list[bool] = []
    protocol = Recorder()
    transport = connected(ours, protocol, ended=lambda: ended.append(True))
    transport.write(LARGE)
    transport.abort()
    transport.abort()
    transport.write(b"into nothing")
    assert transport.get_write_buffer_size() == 0
    await until(lambda: protocol.told[-1] == ("lost", "NoneType"))
    assert ended == [True]
    received = 0
    while part := await asyncio.get_running_loop().sock_recv(peer.sock, 1 << 20):
        received += len(part)
    assert received < len(LARGE)


async def test_a_reset_is_told(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder()
    connected(ours, protocol)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.sock.close()
    await until(lambda: protocol.told[-1] == ("lost", "ConnectionResetError"))


async def test_a_fault_of_the_protocol_costs_its_connection(
    sockets: tuple[socket.socket, Peer], faults: list[dict[str, Any]]
) -> None:
    class Faulty(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError(data)

    ours, peer = sockets
    protocol = Faulty()
    connected(ours, protocol)
    peer.sock.send(b"x")
    await peer.sees_the_end()
    await until(lambda: protocol.told[-1] == ("lost", "ZeroDivisionError"))
    assert isinstance(faults.pop()["exception"], ZeroDivisionError)


async def test_a_buffered_protocol_is_served_and_protocols_may_change(sockets: tuple[socket.socket, Peer]) -> None:
    class Buffered(asyncio.BufferedProtocol):
        """Has little room."""

        room = bytearray(3)
        data = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.room

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.room[:nbytes]

    ours, peer = sockets
    buffered, protocol = Buffered(), Recorder()
    transport = Transport(asyncio.get_running_loop(), ours, buffered)
    transport.start(unread=b"unread, ")
    peer.sock.send(b"and read")
    await until(lambda: buffered.data == b"unread, and read")
    transport.set_protocol(protocol)
    assert transport.get_protocol() is protocol
    peer.sock.send(b"by another")
    await until(lambda: protocol.data == b"by another")
    transport.close()


async def test_frozen_it_touches_nothing_and_thawed_it_goes_on(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    protocol = Recorder()
    transport = connected(ours, protocol)
    peer.sock.send(b"before")
    await until(lambda: protocol.data == b"before")
    transport.freeze()
    assert not asyncio.get_running_loop().remove_reader(ours.fileno()), "it would spin: nobody reads"
    peer.sock.send(b" and after")
    transport.write(b"held")
    await asyncio.sleep(MOMENT)
    assert protocol.data == b"before"
    assert transport.get_write_buffer_size() == len(b"held")
    assert not transport.unsent
    assert peer.hears_nothing()
    transport.thaw()
    assert await peer.reads(4) == b"held"
    await until(lambda: protocol.data == b"before and after")
    transport.close()


@pytest.mark.parametrize("ending", ["close", "abort", "write_eof"])
async def test_what_is_asked_for_while_frozen_is_done_when_thawed(
    sockets: tuple[socket.socket, Peer], ending: str
) -> None:
    ours, peer = sockets
    protocol = Recorder(keeps_open=True)
    transport = connected(ours, protocol)
    transport.freeze()
    transport.write(b"last")
    getattr(transport, ending)()
    await asyncio.sleep(MOMENT)
    assert peer.hears_nothing()
    assert protocol.told == ["made"]
    transport.thaw()
    if ending != "abort":
        assert await peer.reads(4) == b"last"
    await peer.sees_the_end()
    assert transport.is_closing() == (ending != "write_eof")
    transport.close()


async def test_let_go_of_it_is_somebody_elses(sockets: tuple[socket.socket, Peer]) -> None:
    ours, peer = sockets
    theirs = ours.dup()
    ended: list[bool] = []
    protocol = Recorder()
    transport = connected(ours, protocol, unsent=LARGE, ended=lambda: ended.append(True))
    await until(lambda: len(transport.unsent) < len(LARGE))
    transport.freeze()
    assert not asyncio.get_running_loop().remove_writer(ours.fileno())
    sent_by_us = len(LARGE) - len(transport.unsent)
    transport.write(b"too late")
    assert transport.let_go() == b"too late"
    assert (protocol.told, ended) == (["made", "pause"], [True])
    transport.write(b"into nothing")
    await asyncio.sleep(MOMENT)
    # The loop does not watch it any more, although the connection is open in another descriptor.
    peer.sock.send(b"for them")
    await asyncio.sleep(MOMENT)
    assert protocol.data == b""
    assert theirs.recv(100) == b"for them"
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(theirs, LARGE[sent_by_us:]))
    assert await peer.reads(len(LARGE)) == LARGE
    await sending
    theirs.close()


async def test_one_that_is_forgotten_is_warned_of(sockets: tuple[socket.socket, Peer]) -> None:
    transport = Transport(asyncio.get_running_loop(), sockets[0], Recorder())
    forgotten = [transport]
    del transport
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        forgotten.clear()
