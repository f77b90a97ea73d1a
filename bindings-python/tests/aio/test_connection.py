"""What a handler of `start_server` sees: reading, writing, ending."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from libzdt.aio import Connection

from .stage import MOMENT, Client, count, generation, until


async def test_reads_are_those_of_a_stream_reader(path: str) -> None:
    said: list[Any] = []

    async def handle(connection: Connection[bytes]) -> None:
        said.append(await connection.readexactly(3))
        said.append(await connection.readline())
        said.append(await connection.readuntil(b"--"))
        said.append(await connection.read(2))
        said.append(await connection.read(0))
        said.append(connection.at_eof())
        said.append([line async for line in connection])
        said.append(connection.at_eof())
        said.append(await connection.read(5))
        said.append(await connection.readline())
        with pytest.raises(asyncio.IncompleteReadError) as end:
            await connection.readexactly(1)
        said.append(end.value.partial)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        for part in (b"ab", b"cde\n", b"until-", b"-xyz", b"1\n2\n", b"without an end"):
            client.writer.write(part)
            await asyncio.sleep(0.01)
        client.writer.write_eof()
        await client.sees_the_end()
        lines = [b"z1\n", b"2\n", b"without an end"]
        assert said == [b"abc", b"de\n", b"until--", b"xy", b"", False, lines, True, b"", b"", b""]


async def test_everything_up_to_the_end_is_one_read(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        connection.write(b"%d" % len(await connection.read()))

    async with generation(path, handle, limit=1000) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"x" * 1_000_000)
        client.writer.write_eof()
        assert await client.exactly(7) == b"1000000"
        await client.sees_the_end()


async def test_what_is_too_long_says_so(path: str) -> None:
    said: list[Any] = []

    async def handle(connection: Connection[bytes]) -> None:
        with pytest.raises(asyncio.LimitOverrunError):
            await connection.readuntil(b"\n", limit=4)
        said.append(await connection.readuntil(b"\n", limit=6))
        with pytest.raises(ValueError, match="within 10 bytes"):
            await connection.readline()
        said.append(await connection.readline())
        with pytest.raises(asyncio.IncompleteReadError) as end:
            await connection.readuntil(b"\n")
        said.append(end.value.partial)
        with pytest.raises(ValueError, match="at least one byte"):
            await connection.readuntil(b"")

    async with generation(path, handle, limit=10) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"12345\nmuch too long\nnext\nrest")
        client.writer.write_eof()
        await client.sees_the_end()
        assert said == [b"12345\n", b"next\n", b"rest"]


async def test_reads_wait_while_the_client_does_not_take_what_was_written(path: str) -> None:
    answered = 0

    async def handle(connection: Connection[bytes]) -> None:
        nonlocal answered
        async for _ in connection:
            answered += 1
            connection.write(b"x" * 100_000)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"\n" * 1000)
        await until(lambda: answered > 1)
        await asyncio.sleep(MOMENT)
        assert answered < 1000
        for _ in range(1000):
            assert await client.exactly(100_000) == b"x" * 100_000
        client.leave()


async def test_other_tasks_may_write_and_drain_without_being_stopped(path: str) -> None:
    connections: list[Connection[bytes]] = []

    async def handle(connection: Connection[bytes]) -> None:
        connections.append(connection)
        await count(connection)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: len(connections) == 1)
        connections[0].writelines([b"x" * 8_000_000, b"\n"])
        draining = asyncio.create_task(connections[0].drain())
        async with generation(path) as second:
            await first.takeover.done()
            # It moved with what was on its way; who only wrote is told nothing.
            await draining
            assert connections[0].is_closing()
            await connections[0].wait_closed()
            connections[0].write(b"into nothing")
            assert await client.exactly(8_000_001) == b"x" * 8_000_000 + b"\n"
            assert await client.ask(b"a\n") == b"1 a\n"
            assert second.takeover.connections == 1
            client.leave()


async def test_what_a_hold_has_read_is_used_however_it_is_left(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        try:
            with connection.hold():
                await connection.readline()
                async with asyncio.timeout(0.05):
                    await connection.readexactly(1000)
        except asyncio.TimeoutError:
            connection.write(b"too slow, ")
        connection.write(await connection.readline())

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"1000\nstart")
        assert await client.exactly(10) == b"too slow, "
        assert await client.ask(b" and end\n") == b"start and end\n"


async def test_only_the_handler_reads(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        other = asyncio.create_task(connection.readline())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task reads"):
            await connection.readline()
        connection.write(await other)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await asyncio.sleep(MOMENT)
        assert await client.ask(b"a\n") == b"a\n"
        await client.sees_the_end()


async def test_a_handler_that_fails_is_told_of_and_ends_its_connection(path: str, faults: list[dict[str, Any]]) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        connection.write(b"sorry\n")
        raise ZeroDivisionError

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.line() == b"sorry\n"
        await client.sees_the_end()
        await until(lambda: first.takeover.connections == 0)
        assert isinstance(faults.pop()["exception"], ZeroDivisionError)


async def test_a_client_that_resets_is_nothing_to_tell_of(path: str) -> None:
    seen: list[Exception] = []

    async def handle(connection: Connection[bytes]) -> None:
        try:
            await count(connection)
        except ConnectionResetError as error:
            seen.append(error)
            raise

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.leave()
        await until(lambda: first.takeover.connections == 0)
        assert len(seen) == 1


async def test_the_end_of_the_input_takes_nothing_from_what_waits_under_pressure(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        while True:
            try:
                connection.write(await connection.readexactly(4) + b"x" * 500_000)
            except asyncio.IncompleteReadError as end:
                connection.write(end.partial)
                return

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"quad" * 30 + b"end")
        client.writer.write_eof()
        await asyncio.sleep(MOMENT)
        for _ in range(30):
            assert await client.exactly(500_004) == b"quad" + b"x" * 500_000
        assert await client.exactly(3) == b"end"
        await client.sees_the_end()
