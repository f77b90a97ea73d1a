"""The example of the guide."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .stage import PATIENCE, Client

CHAT = Path(__file__).parents[2] / "examples/chat.py"


@pytest.fixture(autouse=True)
def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """One is enough: the example has its own."""
    return asyncio.new_event_loop


async def connect(port: int) -> Client:
    """Connects, as soon as somebody listens."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await Client.connect(("127.0.0.1", port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def test_the_chat_is_taken_over_and_knows_whom_it_talks_to(path: str) -> None:
    with socket.socket() as found:
        # Reserved by being bound: with SO_REUSEADDR on both sides another may listen there.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        start = (sys.executable, CHAT, path, str(port))
        first = await asyncio.create_subprocess_exec(*start)
        client = await connect(port)
        assert await client.ask(b"Ada\nhello\n") == b"Ada: hello\n"
        second = await asyncio.create_subprocess_exec(*start)
        try:
            assert await asyncio.wait_for(first.wait(), PATIENCE) == 0
            assert await client.ask(b"still here?\n") == b"Ada: still here?\n"
            second.send_signal(signal.SIGTERM)
            assert await client.ask(b"bye\n") == b"Ada: bye\n"
            client.leave()
            assert await asyncio.wait_for(second.wait(), PATIENCE) == 0
        finally:
            for process in (first, second):
                if process.returncode is None:
                    process.kill()
