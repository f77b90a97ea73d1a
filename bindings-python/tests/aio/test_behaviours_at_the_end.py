"""Behaviours of every event-loop binding (tests/behaviours.txt, [runtime]): drains, deaths and ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import libzdt
from libzdt.aio import Connection, Takeover

from .stage import MOMENT, PATIENCE, Client, Generation, anonymous, generation, until


async def test_a_tls_connection_is_drained_and_said(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "libzdt")
    async with generation(path, ssl=anonymous(server=True)) as first:
        client = await Client.connect(first.address, ssl=anonymous(server=False))
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path, ssl=anonymous(server=True)) as second:
            await second.wait(libzdt.Committed)
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"TLS": 1}
            assert "1 (TLS)" in caplog.text
            assert await client.ask(b"b\n") == b"2 b\n"
            newcomer = await Client.connect(first.address, ssl=anonymous(server=False))
            assert await newcomer.ask(b"c\n") == b"1 c\n"
            assert (first.takeover.connections, second.takeover.connections) == (1, 1)
            client.leave()
            await first.takeover.done()
            newcomer.leave()


async def test_a_successor_that_dies_gives_everything_back_and_we_accept_again(path: str) -> None:
    async with generation(path) as first:
        clients = [await Client.connect(first.address) for _ in range(20)]
        for client in clients:
            assert await client.ask(b"a\n") == b"1 a\n"
        program = Path(__file__).with_name("never_answers.py")
        successor = await asyncio.create_subprocess_exec(sys.executable, program, path)
        await first.wait(libzdt.Drain)
        await until(lambda: first.takeover.progress().offered == len(clients))
        successor.kill()
        assert await successor.wait() == -signal.SIGKILL
        await first.wait(libzdt.Resume)
        for client in clients:
            assert await client.ask(b"b\n") == b"2 b\n"
        newcomer = await Client.connect(first.address)
        assert await newcomer.ask(b"c\n") == b"1 c\n"

        async with generation(path) as second:
            await first.takeover.done()
            assert second.takeover.connections == len(clients) + 1
            for client in clients:
                assert await client.ask(b"d\n") == b"3 d\n"
                client.leave()
            newcomer.leave()


async def test_an_event_loop_shut_down_half_way_loses_nothing(
    path: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    offered = 0

    def successor() -> None:
        """Its loop stops at the first offers, and takes its tasks with it."""

        def load(_: bytes) -> bytes:
            nonlocal offered
            offered += 1
            if offered == 1:
                asyncio.get_running_loop().stop()
            time.sleep(0.01)  # it commits once the first ones are answered: that is not to be before it stops
            raise ValueError("no longer")

        async def main() -> None:
            async with generation(path, load=load, dump=bytes) as second:
                await second.takeover.done()

        with asyncio.Runner(loop_factory=loop_factory) as runner, pytest.raises(RuntimeError):
            runner.run(main())

    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(generation(path))
        clients = [await Client.connect(first.address) for _ in range(200)]
        for client in clients:
            assert await client.ask(b"a\n") == b"1 a\n"
        thread = threading.Thread(target=successor)
        thread.start()
        await first.wait(libzdt.Resume)
        await asyncio.to_thread(thread.join)
        assert 0 < offered <= len(clients)
        for client in clients:
            assert await client.ask(b"b\n") == b"2 b\n"

        # The same on our side: what the successor has adopted by then is its own.
        async with generation(path) as second:
            await until(lambda: second.takeover.connections == len(clients))
            await stack.aclose()
            await second.wait(libzdt.Committed)
            for client in clients:
                assert await client.ask(b"c\n") == b"3 c\n"
                client.leave()


async def test_draining_without_a_successor_serves_to_the_end(path: str) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        await asyncio.to_thread(first.takeover.drain)
        assert (await first.wait(libzdt.Drain)).successor is None
        assert await client.ask(b"b\n") == b"2 b\n"
        assert first.told(libzdt.Done) is None
        client.leave()
        await first.takeover.done()
    with pytest.raises(FileNotFoundError):
        await asyncio.open_unix_connection(path)


async def test_what_outlives_the_drain_deadline_is_ended(path: str, caplog: pytest.LogCaptureFixture) -> None:
    cancelled = asyncio.Event()

    async def handle(connection: Connection[bytes]) -> None:
        async for line in connection:
            connection.write(line)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    async with generation(path, handle, {"drain": 2.0}) as first:
        busy, idle = await Client.connect(first.address), await Client.connect(first.address)
        assert await busy.ask(b"a\n") == b"a\n"
        async with generation(path, handle) as second:
            await busy.sees_the_end()
            await first.takeover.done()
            assert cancelled.is_set()
            assert "1 connections are ended" in caplog.text
            await second.wait(libzdt.Committed)
            assert second.takeover.connections == 1
            busy.leave()
            idle.leave()


async def test_fifty_takeovers_leave_nothing_behind(path: str) -> None:
    def here() -> dict[str, int]:
        descriptors = len(os.listdir("/proc/self/fd"))
        tasks = len(asyncio.all_tasks())
        return {"descriptors": descriptors, "threads": threading.active_count(), "tasks": tasks}

    owner = Generation(path, probation=0.0)
    await owner.takeover.__aenter__()
    await owner.listen()
    await owner.takeover.ready()
    clients = [await Client.connect(owner.address) for _ in range(3)]
    before = {}
    for number in range(1, 51):
        for client in clients:
            assert await client.ask(b"a\n") == b"%d a\n" % number
        heir = Generation(path, probation=0.0)
        await heir.takeover.__aenter__()
        await heir.listen()
        await heir.takeover.ready()
        await asyncio.gather(owner.takeover.done(), heir.wait(libzdt.Committed))
        await owner.takeover.__aexit__(None, None, None)
        owner = heir
        if number == 3:
            await asyncio.sleep(MOMENT)
            before = here()
    await asyncio.sleep(MOMENT)
    after = here()
    assert all(after[what] <= before[what] for what in before), (before, after)
    assert owner.takeover.generation == 51
    for client in clients:
        client.leave()
    await owner.takeover.__aexit__(None, None, None)


async def test_a_retired_listener_is_served_until_its_queue_is_empty(path: str) -> None:
    first = Generation(path, probation=1.0)  # until when the crowd may come
    async with first.takeover:
        await first.listen()
        await first.takeover.ready()
        early = await Client.connect(first.address)
        async with Takeover(path, probation=0.05) as second:
            assert second.unclaimed() == ["test"]
            second.retire("test")
            await second.ready()
            assert (await first.wait(libzdt.Drain)).retired == ["test"]
            newcomer = await Client.connect(first.address)
            assert await newcomer.ask(b"a\n") == b"1 a\n"
            early.leave()
            # So many come at once that one wake-up does not accept them all, and then it is over.
            crowd = [socket.create_connection(first.address) for _ in range(100)]
            await first.wait(libzdt.Done)
            with pytest.raises(ConnectionRefusedError):
                await Client.connect(first.address)
            for one in crowd:
                client = Client(*await asyncio.open_connection(sock=one))
                assert await client.ask(b"b\n") == b"1 b\n"
                client.leave()
            newcomer.leave()
            await asyncio.wait_for(first.takeover.done(), PATIENCE)
