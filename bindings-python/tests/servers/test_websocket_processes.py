"""WebSockets of uvicorn from process to process, each of its parsers on each loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from aio.stage import PATIENCE

CHAT = Path(__file__).parent / "chat.py"


@contextlib.asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server, which is ended."""
    it = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", str(CHAT), *arguments, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield it
    finally:
        if it.returncode is None:
            it.kill()
        await it.communicate()


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("ws", ["websockets", "websockets-sansio", "wsproto"])
async def test_clients_keep_their_websocket_over_three_processes(path: str, ws: str, http: str, loop_name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (path, str(port), ws, http, loop_name)
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(process(*arguments))
        clients: list[ClientConnection] = []
        async with asyncio.timeout(PATIENCE):
            while not clients:
                with contextlib.suppress(OSError):
                    clients.append(await websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None))
            clients += [await websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None) for _ in range(9)]
        count, generations = 0, 1
        while generations < 4:
            following = await stack.enter_async_context(process(*arguments))
            generations += 1
            leaving = asyncio.create_task(running.wait())
            async with asyncio.timeout(PATIENCE):
                while True:
                    count += 1
                    gone = leaving.done()
                    for client in clients:
                        await client.send("x")
                    said = [(await client.recv()).split() for client in clients]
                    assert {int(each[0]) for each in said} == {count}, "nothing is lost, nothing is doubled"
                    if gone:
                        break
            assert {int(each[1]) for each in said} == {following.pid}
            assert leaving.result() == 0
            running = following
        for client in clients:
            await client.close()
