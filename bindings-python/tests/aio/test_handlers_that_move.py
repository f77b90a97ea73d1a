"""What a handler of `start_server` sees of a move."""

from __future__ import annotations

import asyncio

import pytest

import libzdt
from libzdt.aio import Connection

from .stage import MOMENT, Client, by_hand, count, generation, next_of, refuse, until


async def test_a_request_of_several_reads_moves_whole(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        while not connection.at_eof():
            with connection.hold():
                length = await connection.readline()
                body = await connection.readexactly(int(length or b"0"))
                connection.state += b"."
                connection.write(b"%d %s\n" % (len(connection.state), body))

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"2\nab") == b"1 ab\n"
        client.writer.write(b"3\ncd")
        await asyncio.sleep(MOMENT)
        async with generation(path, handle):
            await first.takeover.done()
            assert first.takeover.progress().unread_bytes == len(b"3\ncd")
            assert await client.ask(b"e") == b"2 cde\n"
            assert await client.ask(b"1\nf") == b"3 f\n"
            client.leave()


async def test_flush_waits_for_the_last_byte_and_moves_with_what_is_left(path: str) -> None:
    flushed = []

    async def handle(connection: Connection[bytes]) -> None:
        if not connection.state:
            connection.state = b"written"
            connection.write(b"x" * 8_000_000)
        await connection.flush()
        flushed.append(connection.get_extra_info("socket"))

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: first.takeover.connections == 1)
        async with generation(path, handle):
            await first.takeover.done()
            assert not flushed
            assert await client.exactly(8_000_000) == b"x" * 8_000_000
            await client.sees_the_end()
            assert len(flushed) == 1
            client.leave()


@pytest.mark.parametrize("adopted", [False, True])
async def test_a_timeout_while_frozen_leaves_the_handler_in_charge(path: str, adopted: bool) -> None:
    said: list[str] = []
    scopes: list[asyncio.Timeout] = []

    async def handle(connection: Connection[bytes]) -> None:
        try:
            while not connection.at_eof():
                try:
                    async with asyncio.timeout(None) as scope:
                        scopes.append(scope)
                        said.append((await connection.readline()).decode())
                except asyncio.TimeoutError:
                    said.append("timeout")
                    connection.write(b"are you there?\n")
        except libzdt.Migrated as migrated:
            said.append(f"migrated {migrated.held!r}")
            raise

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: len(scopes) == 1)
        async with by_hand(path) as second:
            offer = await next_of(second, libzdt.Offer)
            scopes[0].reschedule(0)
            await until(lambda: said == ["timeout"])
            await client.hears_nothing()
            if adopted:
                theirs = offer.adopt()
                assert theirs is not None
                await next_of(second, libzdt.Committed)
                await first.takeover.done()
                assert said == ["timeout", "migrated b'are you there?\\n'"]
                await client.hears_nothing()
                theirs.socket.close()
            else:
                refuse(second, offer)
                assert await client.ask(b"yes\n") == b"are you there?\n"
                await until(lambda: said == ["timeout", "yes\n"])
            client.leave()


async def test_a_handler_that_moves_passes_by_except_exception_and_through_finally(path: str) -> None:
    passed: list[str] = []

    async def handle(connection: Connection[bytes]) -> None:
        try:
            # In a task of its own: there too it is a cancellation.
            await asyncio.wait_for(connection.readline(), 20)
        except Exception:
            passed.append("except")
        finally:
            passed.append("finally")
            await asyncio.sleep(MOMENT)
            passed.append("and its awaits")

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: first.takeover.connections == 1)
        await asyncio.sleep(MOMENT)
        async with generation(path, handle):
            await first.takeover.done()
            assert passed == ["finally", "and its awaits"]
            client.leave()
            await until(lambda: len(passed) == 4)


async def test_a_handler_that_returns_while_its_answer_is_on_its_way_ends_it_here(path: str) -> None:
    async def handle(connection: Connection[bytes]) -> None:
        connection.write(b"x" * 8_000_000)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: first.takeover.connections == 1)
        async with generation(path) as second:
            assert await client.exactly(8_000_000) == b"x" * 8_000_000
            await client.sees_the_end()
            await first.takeover.done()
            assert second.takeover.connections == 0
            assert first.takeover.progress().offered == 0
            client.leave()


async def test_a_handler_with_tasks_of_its_own_ends_when_it_moves(path: str) -> None:
    ended: list[str] = []

    async def read(connection: Connection[bytes]) -> None:
        await count(connection)

    async def tick(connection: Connection[bytes]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ticking")

    async def handle(connection: Connection[bytes]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(read(connection))
            group.create_task(tick(connection))

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path) as second:
            await first.takeover.done()
            assert ended == ["ticking"]
            assert await client.ask(b"b\n") == b"2 b\n"
            assert second.takeover.connections == 1
            client.leave()


async def test_a_handler_that_has_not_begun_to_read_is_not_stopped(path: str) -> None:
    welcome = asyncio.Event()

    async def handle(connection: Connection[bytes]) -> None:
        if not connection.state:
            await welcome.wait()
            connection.state = b"0"
            connection.write(b"welcome\n")
        await count(connection)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        await until(lambda: first.takeover.connections == 1)
        async with generation(path, handle):
            await first.wait(libzdt.Drain)
            await client.hears_nothing()
            assert (first.takeover.connections, first.takeover.progress().offered) == (1, 0)
            welcome.set()
            assert await client.line() == b"welcome\n"
            await first.takeover.done()
            assert await client.ask(b"a\n") == b"1 a\n"
            client.leave()


async def test_a_busy_connection_that_ends_is_not_waited_for(path: str) -> None:
    finish = asyncio.Event()

    async def handle(connection: Connection[bytes]) -> None:
        async for _ in connection:
            await finish.wait()
            return

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"a\n")
        await asyncio.sleep(MOMENT)
        async with generation(path, handle, {"commit": 0.1}) as second:
            await second.wait(libzdt.Committed)
            assert first.told(libzdt.Done) is None
            finish.set()
            await client.sees_the_end()
            await first.wait(libzdt.Done)
            await first.takeover.done()
