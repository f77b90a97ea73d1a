"""What else goes wrong around a takeover: nothing is lost, and whoever is wrong is told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import libzdt

from .stage import PATIENCE, Client, Generation, generation, until
from .test_protocols import serve


async def test_a_forked_child_leaves_the_parents_connections_alone(path: str, request: pytest.FixtureRequest) -> None:
    loop = request.node.callspec.params["loop_factory"]
    program = Path(__file__).with_name("forks.py")
    server = await asyncio.create_subprocess_exec(
        sys.executable, program, path, loop, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert server.stdout is not None
        port = int(await asyncio.wait_for(server.stdout.readline(), PATIENCE))
        forking, *others = [await Client.connect(("127.0.0.1", port)) for _ in range(5)]
        for other in others:
            assert await other.ask(b"a\n") == b"a\n"
        others[0].writer.write(b"half of a ")
        assert await forking.ask(b"fork\n") == b"fork\n"
        assert await others[0].ask(b"line\n") == b"half of a line\n"
        for other in others:
            assert await other.ask(b"b\n") == b"b\n"
        newcomer = await Client.connect(("127.0.0.1", port))
        assert await newcomer.ask(b"c\n") == b"c\n"
        async with generation(path) as second:
            await second.wait(libzdt.Committed)
            clients = [forking, *others, newcomer]
            for client in clients:
                assert await client.ask(b"d\n") == b"1 d\n"
            assert second.takeover.connections == len(clients)
            assert await asyncio.wait_for(server.wait(), PATIENCE) == 0
            for client in clients:
                client.leave()
    finally:
        if server.returncode is None:
            server.kill()
        _, said = await server.communicate()
        print(said.decode())


class Talker(asyncio.Protocol):
    """Echoes, and can be written down, unless a test spoils it."""

    def __init__(self) -> None:
        self.said = b""
        self.lost: list[BaseException | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.said += data
        self.transport.write(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)

    def export_state(self) -> bytes | None:
        return self.said

    def import_state(self, state: bytes) -> None:
        self.said = state

    def unread(self) -> bytes:
        return b""


class Patient(Talker):
    """Says everything again once the client has said all, and stays."""

    def eof_received(self) -> bool:
        self.transport.write(b"all: " + self.said)
        return True


class Made(list[Talker]):
    """Makes protocols and keeps them."""

    def __init__(self, kind: type[Talker] = Talker) -> None:
        super().__init__()
        self._kind = kind

    def __call__(self) -> Talker:
        self.append(self._kind())
        return self[-1]


async def test_a_client_that_has_said_all_moves_and_hears_the_answer(path: str) -> None:
    first, second, made = Generation(path), Generation(path), Made(Patient)
    async with first.takeover:
        await serve(first, Made(Patient))
        client = await Client.connect(first.address)
        assert await client.ask(b"hello\n") == b"hello\n"
        client.writer.write_eof()
        assert await client.line() == b"all: hello\n"
        async with second.takeover:
            await serve(second, made)
            await first.takeover.done()
            assert first.takeover.progress().settled == 1
            # The end is in the socket, and is read there again.
            assert await client.line() == b"all: hello\n"
            made[0].transport.write(b"and more\n")
            assert await client.line() == b"and more\n"
            made[0].transport.close()
            await client.sees_the_end()


async def test_what_is_ending_ends_here_with_every_byte(path: str) -> None:
    """One was closed, of another the end was written: neither moves, and both clients get all."""
    large = b"x" * 8_000_000  # more than the sockets' buffers take
    first, second, made = Generation(path), Generation(path), Made()
    async with first.takeover:
        await serve(first, made)
        closed, half = await Client.connect(first.address), await Client.connect(first.address)
        await until(lambda: len(made) == 2)
        for talker in made:
            talker.transport.write(large)
        made[0].transport.close()
        made[1].transport.write_eof()
        async with second.takeover:
            await serve(second, Made())
            await second.wait(libzdt.Committed)
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"its end was written": 1}
            for client in (closed, half):
                assert await client.exactly(len(large)) == large
                await client.sees_the_end()
            half.leave()
            await first.takeover.done()
            assert (first.takeover.progress().offered, second.takeover.connections) == (0, 0)
            closed.leave()


async def test_a_client_that_never_reads_holds_nobody_up_and_loses_nothing(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its unsent bytes move as they are; where they are too many to move, they are written here."""
    large = b"x" * 8_000_000
    first, second, made = Generation(path, max_bytes=6_000_000), Generation(path), Made()
    async with first.takeover:
        await serve(first, made)
        mute, greedy = await Client.connect(first.address), await Client.connect(first.address)
        await until(lambda: len(made) == 2)
        made[0].transport.write(large[:5_000_000])
        for _ in range(2):
            made[1].transport.write(large)
        async with second.takeover:
            await serve(second, Made())
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"too large": 1}
            assert "at most 6000000 can be offered; the connection is still yours: drain it instead" in caplog.text
            assert second.takeover.connections == 1
            assert await mute.exactly(5_000_000) == large[:5_000_000]
            assert await greedy.exactly(2 * len(large)) == 2 * large
            mute.leave()
            greedy.leave()
            await first.takeover.done()


def ten_divided_by_nothing(_: Talker) -> bytes:
    return b"%d" % (10 // 0)


def a_string(_: Talker) -> bytes:
    return cast(bytes, "a string")


@pytest.mark.parametrize("spoilt", ["export_state", "unread"])
@pytest.mark.parametrize("fault", [ten_divided_by_nothing, a_string])
async def test_a_fault_in_what_writes_it_down_costs_only_the_move(
    path: str, caplog: pytest.LogCaptureFixture, spoilt: str, fault: Callable[[Talker], bytes]
) -> None:
    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, Made(cast(type[Talker], type("Spoilt", (Talker,), {spoilt: fault}))))
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"a\n"
        async with second.takeover:
            await serve(second, Made())
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"no state": 1}
            assert "connection 1 stays here: no state" in caplog.text
            assert await client.ask(b"b\n") == b"b\n"
            client.leave()
            await first.takeover.done()


async def test_a_fault_when_it_is_told_that_it_moved_harms_nobody(path: str, faults: list[dict[str, Any]]) -> None:
    class Ungrateful(Talker):
        def connection_lost(self, exc: BaseException | None) -> None:
            raise ZeroDivisionError

    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, Made(Ungrateful))
        clients = [await Client.connect(first.address) for _ in range(3)]
        async with second.takeover:
            await serve(second, Made())
            await first.takeover.done()
            assert second.takeover.connections == len(clients)
            for client in clients:
                assert await client.ask(b"a\n") == b"a\n"
                client.leave()
    assert [type(fault["exception"]) for fault in faults] == [ZeroDivisionError] * len(clients)
    faults.clear()


async def test_what_a_successor_has_no_descriptors_for_is_served_here_and_said(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with generation(path) as first:
        clients = [await Client.connect(first.address) for _ in range(40)]
        for client in clients:
            assert await client.ask(b"a\n") == b"1 a\n"
        program = Path(__file__).with_name("tight.py")
        successor = await asyncio.create_subprocess_exec(sys.executable, program, path)
        try:
            await first.wait(libzdt.Done)
            moved = first.takeover.progress()
            assert moved.returned > 0
            assert moved.settled + moved.returned == len(clients)
            assert "returned (refused) and is served here" in caplog.text
            for client in clients:
                assert await client.ask(b"b\n") == b"2 b\n"
                client.leave()
        finally:
            successor.kill()
            await successor.wait()
