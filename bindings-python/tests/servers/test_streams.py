"""A callback of asyncio's streams, whose connections move."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import libzdt
from aio.stage import PATIENCE, Client, until
from libzdt import streams
from libzdt.aio import Connection, Listening


async def count(reader: Connection[bytes], writer: Connection[bytes]) -> None:
    """As with asyncio, but for the state."""
    try:
        while line := await reader.readline():
            reader.state = b"%d" % (int(reader.state or b"0") + 1)
            writer.write(reader.state + b" " + line)
            await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(path: str, **arguments: Any) -> AsyncIterator[tuple[Any, asyncio.Task[None]]]:
    """Where it listens, and the task."""
    where: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        streams.serve(
            count, takeover=path, options={"probation": 0.05}, signals=(), started=where.set_result, **arguments
        )
    )
    await until(lambda: where.done() or task.done())
    yield (where.result().address if where.done() else None), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_callback_of_a_stream_goes_on_in_the_next_process(path: str) -> None:
    async with serving(path) as (address, first):
        client = await Client.connect(address)
        assert await client.ask(b"a\n") == b"1 a\n"
        client.writer.write(b"ha")
        async with serving(path) as (_, second):
            await asyncio.wait_for(first, PATIENCE)
            assert await client.ask(b"lf\n") == b"2 half\n"
            client.leave()
            assert not second.done()


async def test_who_cannot_take_over_says_why_and_the_predecessor_serves_on(path: str) -> None:
    async with serving(path) as (address, _):
        client = await Client.connect(address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with serving(path, name="another") as (nowhere, second):
            assert nowhere is None
            assert isinstance(second.exception(), libzdt.ListenerUnclaimed)
        assert await client.ask(b"b\n") == b"2 b\n"
        client.leave()
