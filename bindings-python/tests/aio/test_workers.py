"""Workers on an event loop: connections move to those of a successor. All of them share the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

import libzdt
from aio.stage import PATIENCE, count, until
from libzdt.aio import Worker
from libzdt.errors import InvalidArgument


class Arbiter:
    """A takeover without connections, with the addresses that its workers serve at."""

    def __init__(self, takeover: libzdt.Takeover) -> None:
        self.takeover = takeover
        self.address = takeover.listener("test", ("127.0.0.1", 0)).getsockname()
        self.events: list[libzdt.Event] = []
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(takeover.fileno(), self.follow)

    def follow(self) -> None:
        while (event := self.takeover.next_event(0)) is not None:
            self.events.append(event)
            if isinstance(event, libzdt.Drain):
                self.takeover.migrated_all()

    def told(self, kind: type[libzdt.Event]) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@contextlib.asynccontextmanager
async def arbiter(path: str) -> AsyncIterator[Arbiter]:
    takeover = await asyncio.to_thread(libzdt.Takeover, path, probation=0.05)
    it = Arbiter(takeover)
    try:
        yield it
    finally:
        it.loop.remove_reader(takeover.fileno())
        takeover.close()


@contextlib.asynccontextmanager
async def worker(of: Arbiter, number: int) -> AsyncIterator[Worker]:
    async with Worker(of.takeover.seat(number)) as it:
        await it.start_server(count, "test", ("127.0.0.1", 0))
        yield it


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, line: bytes, answer: bytes) -> None:
        self.writer.write(line)
        assert await asyncio.wait_for(self.reader.readexactly(len(answer)), PATIENCE) == answer


async def connect(to: Arbiter) -> Client:
    return Client(*await asyncio.open_connection(*to.address))


async def test_connections_of_two_workers_move_to_three(path: str) -> None:
    async with arbiter(path) as first, worker(first, 1) as one, worker(first, 2) as two:
        first.takeover.ready()
        clients = [await connect(first) for _ in range(20)]
        for client in clients:
            await client.says(b"a\n", b"1 a\n")
        assert one.connections + two.connections == 20
        async with (
            arbiter(path) as second,
            worker(second, 1) as three,
            worker(second, 2) as four,
            worker(second, 3) as five,
        ):
            second.takeover.ready()
            await asyncio.wait_for(asyncio.gather(one.done(), two.done()), PATIENCE)
            await until(lambda: first.told(libzdt.Done))
            assert (one.connections, two.connections) == (0, 0)
            assert three.connections + four.connections + five.connections == 20
            for client in clients:
                await client.says(b"b\n", b"2 b\n")
            newcomer = await connect(second)
            await newcomer.says(b"c\n", b"1 c\n")
            for client in [*clients, newcomer]:
                client.writer.close()
                await client.writer.wait_closed()


async def test_a_worker_that_leaves_serves_what_it_has_and_the_others_accept(path: str) -> None:
    async with arbiter(path) as it, worker(it, 1) as one:
        it.takeover.ready()
        old = await connect(it)
        await old.says(b"a\n", b"1 a\n")
        async with worker(it, 2) as two:
            one.drain()
            await until(lambda: not one._ours()._accepting)
            done = asyncio.create_task(one.done())
            new = await connect(it)
            await new.says(b"a\n", b"1 a\n")
            await until(lambda: two.connections == 1)
            await old.says(b"b\n", b"2 b\n")
            assert not done.done()
            old.writer.close()
            await asyncio.wait_for(done, PATIENCE)
            new.writer.close()


async def test_a_worker_accepts_nobody_before_the_arbiter_is_ready(path: str) -> None:
    async with arbiter(path) as it, worker(it, 1) as one:
        await one.ready()
        client = await connect(it)
        client.writer.write(b"a\n")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.1)
        assert one.connections == 0
        it.takeover.ready()
        await client.says(b"", b"1 a\n")
        client.writer.close()


async def test_what_is_the_arbiters_is_not_the_workers(path: str) -> None:
    async with arbiter(path) as it, worker(it, 1) as one:
        assert (one.predecessor, one.unclaimed(), one.generation) == (None, [], 1)
        with pytest.raises(InvalidArgument):
            one.retire("test")
