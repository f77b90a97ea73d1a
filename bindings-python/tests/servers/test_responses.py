"""Responses of an application on uvicorn whose clients cannot be moved: a drain ends them in good order."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

from uvicorn import Config

import libzdt
from aio.stage import MOMENT, PATIENCE, Client, anonymous, until
from libzdt.responses import Responses
from libzdt.uvicorn import Server

LAST_CHUNK = b"0\r\n\r\n"


class Ticker:
    """Sends an event, in two pieces, whenever it is told to, or never stops waiting."""

    def __init__(self, *fields: tuple[bytes, bytes]) -> None:
        self.fields = (b"content-type", b"text/event-stream; charset=utf-8"), *fields
        self.ticks: asyncio.Queue[bytes] = asyncio.Queue()
        self.begun = 0
        self.ends: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/events":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.fields})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            self.begun += 1
            while piece := await self.ticks.get():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
            self.ends.append("whole")
        except libzdt.Migrated:
            self.ends.append("migrated")
            raise
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise


class Process:
    """A generation: uvicorn in a task."""

    def __init__(self, path: str, app: Any, drain: float, tls: ssl.SSLContext | None) -> None:
        config = Config(app, port=0, lifespan="off", log_level="warning")
        config.load()
        config.ssl = tls
        self.server = Server(config, path, probation=0.05, drain=drain)
        self.task = asyncio.create_task(self.server._serve())

    async def connect(self, tls: ssl.SSLContext | None = None) -> Client:
        """One more client."""
        return await Client.connect(self.server.takeover._ours()._listeners[0].address, ssl=tls)


@contextlib.asynccontextmanager
async def serving(path: str, app: Any, drain: float = 2.0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Process]:
    """A process that serves, and is told to leave at the end."""
    process = Process(path, app, drain, tls)
    await until(lambda: process.server.started)
    yield process
    process.server.should_exit = True
    await asyncio.wait_for(process.task, PATIENCE)


async def ask(client: Client, path: str) -> bytes:
    """The head of the answer."""
    client.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE)


async def comes(client: Client, data: bytes) -> None:
    """Exactly these bytes."""
    assert await client.exactly(len(data)) == data


async def test_a_stream_ends_behind_a_whole_event_and_its_connection_moves(path: str) -> None:
    here, there = Ticker(), Ticker()
    async with serving(path, here) as first:
        client = await first.connect()
        await ask(client, "/events")
        here.ticks.put_nowait(b"data: 1\n")
        await comes(client, b"8\r\ndata: 1\n\r\n")
        async with serving(path, there):
            await asyncio.sleep(1.0 + MOMENT)  # the first half of the drain
            await client.hears_nothing()
            here.ticks.put_nowait(b"\n")
            await comes(client, b"1\r\n\n\r\n" + LAST_CHUNK)
            assert b" 200 " in await ask(client, "/events")
            assert there.begun == 1
            await asyncio.wait_for(first.task, PATIENCE)
            client.leave()
            there.ticks.put_nowait(b"")


async def test_who_sends_to_a_stream_that_was_ended_is_told_that_it_migrated(path: str) -> None:
    here = Ticker()
    async with serving(path, here) as first:
        client = await first.connect()
        await ask(client, "/events")
        async with serving(path, Ticker()):
            await comes(client, LAST_CHUNK)
            here.ticks.put_nowait(b"data: too late\n\n")
            await asyncio.wait_for(first.task, PATIENCE)
            assert here.ends == ["migrated"]
            client.leave()


async def test_who_does_not_notice_the_end_of_its_stream_does_not_keep_the_process(path: str) -> None:
    here = Ticker()
    async with serving(path, here) as first:
        client = await first.connect()
        await ask(client, "/events")
        async with serving(path, Ticker()):
            await asyncio.wait_for(first.task, PATIENCE)
            assert here.ends == ["cancelled"]
            await comes(client, LAST_CHUNK)
            client.leave()


async def test_without_a_successor_streams_end_at_once(path: str) -> None:
    async with serving(path, Ticker(), drain=3600.0) as first:
        client = await first.connect()
        await ask(client, "/events")
        first.server.should_exit = True
        await comes(client, LAST_CHUNK)
        await asyncio.wait_for(first.task, PATIENCE)
        client.leave()


async def test_a_stream_whose_events_cannot_be_told_apart_is_not_ended(path: str) -> None:
    here = Ticker((b"content-encoding", b"gzip"))
    async with serving(path, here) as first:
        client = await first.connect()
        await ask(client, "/events")
        async with serving(path, Ticker()):
            await asyncio.sleep(1.0 + MOMENT)
            await client.hears_nothing()
            here.ticks.put_nowait(b"")
            await comes(client, LAST_CHUNK)
            await asyncio.wait_for(first.task, PATIENCE)
            assert here.ends == ["whole"]
            client.leave()


async def test_who_asks_over_tls_is_told_to_close_and_nothing_is_cut(path: str) -> None:
    tls = anonymous(server=True)
    async with serving(path, Ticker(), tls=tls) as first:
        client = await first.connect(anonymous(server=False))
        assert b"close" not in await ask(client, "/")
        await comes(client, b"ok")
        async with serving(path, Ticker(), tls=tls):
            while b"connection: close" not in await ask(client, "/"):
                await comes(client, b"ok")
                await asyncio.sleep(0.01)
            await comes(client, b"ok")
            await client.sees_the_end()
            await asyncio.wait_for(first.task, PATIENCE)


START = {"type": "http.response.start", "headers": [(b"Content-Type", b"text/event-stream")]}
TOWARDS = libzdt.Peer(1, "test", "test", 2)


async def nowhere(event: Any) -> None:
    """Whatever is sent."""


async def test_no_stream_is_ended_once_we_go_on_serving() -> None:
    responses = Responses()
    stream = responses.begin({}, nowhere)
    await stream.send(START)
    responses.told(libzdt.Drain(TOWARDS, MOMENT, {}, []))
    responses.told(libzdt.Resume(libzdt.PeerGone("the successor is gone", "nothing was lost")))
    await asyncio.sleep(2 * MOMENT)
    assert not stream.over
    responses.told(libzdt.Drain(TOWARDS, MOMENT, {}, []))
    await until(lambda: stream.over)


async def test_a_stream_that_begins_during_a_drain_is_ended_too() -> None:
    responses = Responses()
    responses.told(libzdt.Drain(TOWARDS, MOMENT, {}, []))
    stream = responses.begin({}, nowhere)
    await stream.send(START)
    await until(lambda: stream.over)
