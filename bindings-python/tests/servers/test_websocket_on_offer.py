"""What clients say to a WebSocket of uvicorn while it changes hands, and to one that cannot."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import websockets
from uvicorn import Config
from websockets.exceptions import ConnectionClosed

import libzdt
from aio.stage import MOMENT, PATIENCE, Generation, anonymous, until
from libzdt.http.frames import LIMIT
from libzdt.uvicorn import Server

from .test_frames import CLOSE, PING, TEXT, frame
from .test_websocket import Chat, ask, chatting, connect, said, shake_hands

pytestmark = pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])


class Hesitant(Chat):
    """Accepts when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.accept = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await self.accept.wait()
        await super().__call__(scope, receive, send)


async def test_what_is_said_to_one_on_offer_is_answered_by_the_successor(path: str, ws: str) -> None:
    here, there = Chat(), Hesitant()
    async with chatting(path, ws, here) as first:
        client = await shake_hands(first)
        async with chatting(path, ws, there):
            await asyncio.wait_for(there.asked.wait(), PATIENCE)
            client.writer.write(frame(PING, b"?") + frame(TEXT, b"a"))
            there.accept.set()
            assert {await client.frame(), await client.frame()} == {b"?", b"1 a"}
            assert here.ends == ["migrated"]
            client.leave()


async def test_a_client_that_closes_while_it_is_on_offer_is_answered_by_the_successor(path: str, ws: str) -> None:
    here, there = Chat(), Hesitant()
    async with chatting(path, ws, here) as first:
        client = await shake_hands(first)
        async with chatting(path, ws, there):
            await asyncio.wait_for(there.asked.wait(), PATIENCE)
            client.writer.write(frame(CLOSE, (1000).to_bytes(2, "big")))
            there.accept.set()
            assert (await client.frame())[:2] == (1000).to_bytes(2, "big")
            client.leave()
            await until(lambda: there.ends == ["disconnect 1000"])
            assert here.ends == ["migrated"]


async def test_an_offer_that_is_taken_back_while_the_application_hesitates_goes_on_as_it_was(
    path: str, ws: str
) -> None:
    here, there = Chat(), Hesitant()
    async with chatting(path, ws, here, drain=1.0) as first, contextlib.AsyncExitStack() as stack:
        client = await connect(first)
        second: Generation = await stack.enter_async_context(chatting(path, ws, there))
        await asyncio.wait_for(there.asked.wait(), PATIENCE)
        await client.send("a")
        await first.wait(libzdt.Resume)
        assert await said(client) == "1 a"
        await second.wait(libzdt.Aborted)
        there.accept.set()
        assert second.takeover.connections == 0
        assert await ask(client, "b") == "2 b"
        assert here.ends == []
        assert there.ends in ([], ["migrated"])  # Migrated from its accept, or from its receive: no disconnect
        await client.close()


async def test_a_frame_too_large_to_wait_for_ends_where_it_began(path: str, ws: str) -> None:
    here = Chat()
    async with chatting(path, ws, here) as first:
        client = await shake_hands(first)
        sent = frame(TEXT, b"x" * (LIMIT + 1000))
        client.writer.write(sent[: LIMIT // 2])
        await asyncio.sleep(MOMENT)
        async with chatting(path, ws, Chat()) as second:
            await first.wait(libzdt.Drain)
            await asyncio.sleep(MOMENT)
            assert second.takeover.connections == 0
            client.writer.write(sent[LIMIT // 2 :])
            assert len(await client.frame()) > LIMIT
            await first.takeover.done()
            assert here.ends == ["migrated"]
            client.writer.write(frame(TEXT, b"more"))
            assert await client.frame() == b"2 more"
            client.leave()


async def test_over_tls_it_stays_and_is_told_to_come_again(path: str, ws: str) -> None:
    tls = anonymous(server=True)

    async def process() -> tuple[Server, asyncio.Task[None]]:
        config = Config(Chat(), port=0, ws=ws, lifespan="off", log_level="warning")
        config.load()
        config.ssl = tls
        server = Server(config, path, probation=0.05, drain=2.0)
        task = asyncio.create_task(server._serve())
        await until(lambda: server.started)
        return server, task

    first, ends = await process()
    port = first.takeover._ours()._listeners[0].address[1]
    options: dict[str, Any] = {"ssl": anonymous(server=False), "ping_interval": None, "proxy": None}
    client = await websockets.connect(f"wss://127.0.0.1:{port}/", **options)
    assert await said(client) == "welcome"
    second, still = await process()
    with pytest.raises(ConnectionClosed) as told:
        await said(client)
    assert told.value.rcvd is not None
    assert told.value.rcvd.code == 1012
    await asyncio.wait_for(ends, PATIENCE)
    again = await websockets.connect(f"wss://127.0.0.1:{port}/", **options)
    assert await ask(again, "a") in ("welcome", "1 a")
    await again.close()
    second.should_exit = True
    await asyncio.wait_for(still, PATIENCE)
