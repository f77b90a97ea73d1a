"""What libzdt.aiohttp promises beyond the takeover itself."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import libzdt.aiohttp
from aio.stage import Client, anonymous, until
from libzdt.aio import Listening
from two import PATIENCE

TESTS = Path(__file__).parent.parent


class Served:
    """One process that serves moving_aiohttp."""

    def __init__(self, loop: str, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "servers.moving_aiohttp", loop, "--takeover", path, "--port", "0"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.port = int(self.process.stdout.readline())

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, path: str) -> Iterator[Served]:
    one = Served(request.param, path)
    try:
        yield one
    finally:
        one.end()


def test_a_file_is_sent_whole(served: Served) -> None:
    client = served.connect()
    for _ in range(2):
        client.request("GET", "/source")
        assert client.getresponse().read() == (TESTS / "servers" / "moving_aiohttp.py").read_bytes()
    client.close()


def test_a_request_in_flight_at_sigterm_is_answered_and_its_client_told_to_close(served: Served) -> None:
    idle, busy = served.connect(), served.connect()
    idle.request("GET", "/")
    assert idle.getresponse().read().startswith(b"process ")
    busy.request("GET", "/slow?ms=2000")
    asked = threading.Event()

    def terminate() -> None:
        # A later request that is answered says that the earlier one was read.
        probe = served.connect()
        probe.request("GET", "/")
        probe.getresponse().read()
        probe.close()
        served.process.send_signal(signal.SIGTERM)
        asked.set()

    threading.Thread(target=terminate).start()
    answer = busy.getresponse()
    assert asked.wait(PATIENCE)
    assert answer.status == 200
    assert answer.read().startswith(b"process ")
    assert answer.getheader("Connection") == "close"
    assert idle.sock.recv(1) == b""
    assert served.process.wait(PATIENCE) == 0


def test_a_kept_connection_is_answered_by_the_successor(served: Served, path: str) -> None:
    client = served.connect()

    def who() -> bytes:
        client.request("GET", "/")
        return client.getresponse().read()

    assert who() == f"process {served.process.pid}\n".encode()
    sock = client.sock
    successor = Served("asyncio", path)
    try:
        end = time.monotonic() + PATIENCE
        while who() != f"process {successor.process.pid}\n".encode():
            assert time.monotonic() < end
        assert client.sock is sock
        assert served.process.wait(PATIENCE) == 0
    finally:
        successor.end()


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_websocket_goes_on_where_its_handler_said(served: Served, path: str, compression: str | None) -> None:
    with connect(f"ws://127.0.0.1:{served.port}/count", compression=compression, proxy=None) as client:
        assert client.recv(PATIENCE) == "welcome"
        client.send("one")
        assert client.recv(PATIENCE) == "1 one"
        successor = Served("asyncio", path)
        try:
            assert served.process.stdout is not None
            assert served.process.stdout.readline() == "migrated\n"
            assert served.process.wait(PATIENCE) == 0
            client.send("two")
            assert client.recv(PATIENCE) == "2 two"
            client.close()
            assert client.close_code == 1000
        finally:
            successor.end()


def test_a_websocket_without_a_state_is_told_to_come_again(served: Served, path: str) -> None:
    with connect(f"ws://127.0.0.1:{served.port}/count?stays", proxy=None) as client:
        assert client.recv(PATIENCE) == "welcome"
        successor = Served("asyncio", path)
        try:
            with pytest.raises(ConnectionClosed):
                client.recv(PATIENCE)
            assert client.close_code == 1012
            assert served.process.wait(PATIENCE) == 0
        finally:
            successor.end()


async def test_who_asks_over_tls_is_told_to_close_and_nothing_is_cut(path: str) -> None:
    async def greet(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    where: list[Listening] = []

    def process() -> asyncio.Task[None]:
        app = web.Application()
        app.add_routes([web.get("/", greet)])
        options = {"probation": 0.05, "drain": 2.0}
        tls = anonymous(server=True)
        serving = libzdt.aiohttp.serve(
            app,
            takeover=path,
            host="127.0.0.1",
            port=0,
            ssl_context=tls,
            options=options,
            signals=(),
            started=where.append,
        )
        return asyncio.create_task(serving)

    async def ask(client: Client) -> bytes:
        client.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert await client.exactly(2) == b"ok"
        return head

    first = process()
    await until(lambda: len(where) == 1)
    client = await Client.connect(where[0].address, ssl=anonymous(server=False))
    assert b"Connection: close" not in await ask(client)
    second = process()
    while b"Connection: close" not in await ask(client):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await client.sees_the_end()
    await asyncio.wait_for(first, PATIENCE)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
