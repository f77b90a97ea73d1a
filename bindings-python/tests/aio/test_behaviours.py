"""Behaviours of every event-loop binding (tests/behaviours.txt, [runtime]): how connections move."""

from __future__ import annotations

import asyncio
import struct
from socket import IPPROTO_TCP, TCP_INFO, socket
from typing import Any

import pytest

import libzdt
from libzdt.aio import Connection

from .stage import MOMENT, Client, Generation, by_hand, count, generation, next_of, refuse, until


async def test_nothing_is_accepted_before_ready(path: str) -> None:
    first = Generation(path)
    async with first.takeover:
        await first.listen()
        client = await Client.connect(first.address)
        client.writer.write(b"a\n")
        await client.hears_nothing()
        assert first.takeover.connections == 0
        await first.takeover.ready()
        assert await client.line() == b"1 a\n"

        second = Generation(path)
        async with second.takeover:
            await second.listen()
            newcomer = await Client.connect(first.address)
            assert await newcomer.ask(b"b\n") == b"1 b\n"
            assert (first.takeover.connections, second.takeover.connections) == (2, 0)
        client.leave()
        newcomer.leave()


def backlog(listener: socket) -> int:
    """How many may wait in the queue: of a listener, TCP_INFO has that in tcpi_sacked."""
    return int(struct.unpack_from("I", listener.getsockopt(IPPROTO_TCP, TCP_INFO, 64), 28)[0])


async def test_the_backlog_stays_as_it_was(path: str) -> None:
    with libzdt.Takeover(path, probation=0.0) as first:
        listener = first.listener("test", libzdt.ListenerSpec.tcp("127.0.0.1:0", backlog=77))
        first.ready()
        events = asyncio.create_task(asyncio.to_thread(first.next_event, 20.0))
        async with generation(path) as second:
            assert isinstance(await events, libzdt.Drain)
            client = await Client.connect(listener.getsockname())
            assert await client.ask(b"a\n") == b"1 a\n"
            first.migrated_all()
            await second.wait(libzdt.Committed)
            assert backlog(listener) == 77
            client.leave()
        listener.close()


async def test_a_connection_made_while_listeners_change_hands_is_served(path: str) -> None:
    stop = asyncio.Event()
    served = 0

    async def newcomers(address: Any) -> None:
        nonlocal served
        while not stop.is_set():
            client = await Client.connect(address)
            assert await client.ask(b"a\n") == b"1 a\n"
            assert await client.ask(b"b\n") == b"2 b\n"
            client.leave()
            served += 1

    async with generation(path) as first:
        crowd = [asyncio.create_task(newcomers(first.address)) for _ in range(5)]
        await until(lambda: served > 20)
        async with generation(path) as second:
            await asyncio.gather(first.takeover.done(), second.wait(libzdt.Committed))
            before = served
            await until(lambda: served > before + 20)
            stop.set()
            await asyncio.gather(*crowd)


async def test_an_adopted_connection_writes_unsent_first_and_reads_unread_first(path: str) -> None:
    large = bytes(range(256)) * 32768  # more than the sockets' buffers take

    async def handle(connection: Connection[bytes]) -> None:
        async for line in connection:
            connection.state += b"."
            connection.write(b"%d %s" % (len(connection.state), large if line == b"large\n" else line))

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"large\nsecond\nthi")
        await until(lambda: first.takeover.connections == 1)
        async with generation(path, handle) as second:
            settled = await first.wait(libzdt.Done)
            moved = first.takeover.progress()
            assert settled.left == 0
            assert moved.settled == 1
            assert moved.unread_bytes == len(b"second\nthi")
            assert 0 < moved.unsent_bytes < len(large) + 2
            client.writer.write(b"rd\n")
            assert await client.exactly(2) == b"1 "
            assert await client.exactly(len(large)) == large
            assert await client.line() == b"2 second\n"
            assert await client.line() == b"3 third\n"
            assert second.takeover.connections == 1
            client.leave()


async def test_a_connection_that_returns_goes_on_in_the_same_objects(path: str) -> None:
    seen = set()

    async def handle(connection: Connection[bytes]) -> None:
        async for line in connection:
            seen.add((connection, asyncio.current_task(), connection.get_extra_info("socket")))
            connection.write(b"%d %s" % (len(seen), line))

    def load(state: bytes) -> bytes:
        if state:
            raise ValueError("not today")
        return b"new"

    async with generation(path, handle, load=load, dump=bytes) as first:
        client = await Client.connect(first.address)
        client.writer.write(b"a\nhal")
        assert await client.line() == b"1 a\n"
        async with generation(path, handle, load=load, dump=bytes):
            returned = await first.wait(libzdt.Returned)
            assert returned.why == "refused"
            assert returned.connection.unread == b"hal"
            assert await client.ask(b"f\n") == b"1 half\n"
            client.leave()
            await first.takeover.done()


async def test_what_is_written_while_frozen_goes_out_when_it_returns(path: str) -> None:
    connections: list[Connection[bytes]] = []

    async def handle(connection: Connection[bytes]) -> None:
        connections.append(connection)
        await count(connection)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with by_hand(path) as second:
            offer = await next_of(second, libzdt.Offer)
            connections[0].write(b"broad")
            connections[0].write(b"cast\n")
            await client.hears_nothing()
            refuse(second, offer)
            assert await client.line() == b"broadcast\n"
            assert await client.ask(b"b\n") == b"2 b\n"
            client.leave()


async def test_letting_go_sends_nothing_to_the_client(path: str) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with by_hand(path) as second:
            adopted = (await next_of(second, libzdt.Offer)).adopt()
            assert adopted is not None
            await next_of(second, libzdt.Committed)
            await first.takeover.done()
            await client.hears_nothing()
            adopted.socket.send(b"here\n")
            assert await client.line() == b"here\n"
            adopted.socket.close()


async def test_a_busy_connection_moves_at_its_next_idle_point(path: str) -> None:
    finish = asyncio.Event()

    async def handle(connection: Connection[bytes]) -> None:
        async for line in connection:
            if line == b"slowly\n":
                await finish.wait()
            connection.state += b"."
            connection.write(b"%d %s" % (len(connection.state), line))

    async with generation(path, handle) as first:
        busy, idle = await Client.connect(first.address), await Client.connect(first.address)
        assert await busy.ask(b"a\n") == b"1 a\n"
        assert await idle.ask(b"b\n") == b"1 b\n"
        busy.writer.write(b"slowly\nat once\n")
        async with generation(path, handle) as second:
            await first.wait(libzdt.Settled)
            await busy.hears_nothing()
            assert (first.takeover.connections, second.takeover.connections) == (1, 1)
            finish.set()
            # Carried out by the first, and only by it; what is behind it by the second.
            assert await busy.line() == b"2 slowly\n"
            assert await busy.line() == b"3 at once\n"
            await first.takeover.done()
            assert second.takeover.connections == 2
            assert first.takeover.progress().settled == 2
            busy.leave()
            idle.leave()


async def test_state_that_cannot_be_exported_stays_and_is_served(path: str) -> None:
    def dump(_: bytes) -> bytes:
        raise RuntimeError("half of it is in a database")

    async with generation(path, load=bytes, dump=dump) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path) as second:
            await second.wait(libzdt.Committed)
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"no state": 1}
            assert await client.ask(b"b\n") == b"2 b\n"
            assert second.takeover.connections == 0
            client.leave()
            await first.takeover.done()


async def test_state_that_cannot_be_imported_is_refused_and_goes_on(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    def load(state: bytes) -> bytes:
        if state:
            raise ValueError("written by nobody I know")
        return state

    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path, load=load, dump=bytes) as second:
            await first.wait(libzdt.Returned)
            assert "ValueError: written by nobody I know" in caplog.text
            assert await client.ask(b"b\n") == b"2 b\n"
            assert second.takeover.connections == 0
            newcomer = await Client.connect(first.address)
            assert await newcomer.ask(b"c\n") == b"1 c\n"
            assert second.takeover.connections == 1
            client.leave()
            newcomer.leave()
            await first.takeover.done()


async def test_a_client_that_leaves_while_its_connection_is_frozen_is_noticed(path: str) -> None:
    ends = []

    async def handle(connection: Connection[bytes]) -> None:
        async for line in connection:
            connection.write(line)
        ends.append(connection.at_eof())

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"a\n"
        async with by_hand(path) as second:
            offer = await next_of(second, libzdt.Offer)
            client.leave()
            await client.writer.wait_closed()
            await asyncio.sleep(MOMENT)
            assert (ends, first.takeover.connections) == ([], 1)
            refuse(second, offer)
            await until(lambda: ends == [True] and first.takeover.connections == 0)
