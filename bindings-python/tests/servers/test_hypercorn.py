"""hypercorn with TLS and HTTP/2, which drain."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, StreamEnded
from hypercorn.config import Config

import libzdt
import libzdt.hypercorn
from aio.stage import MOMENT, PATIENCE, Client, anonymous, until

from .web import free_port

PROBATION = 0.2


@pytest.fixture
def unused_port() -> int:
    """One that was free a moment ago."""
    return free_port()


class Process:
    """A generation, in a task."""

    def __init__(self, path: str, port: int, name: bytes) -> None:
        self.name = name
        self.asked: list[str] = []
        self.go_on = asyncio.Event()
        self.started = asyncio.Event()
        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.certfile = config.keyfile = "none"
        cast(Any, config).create_ssl_context = lambda: speaking(anonymous(server=True))
        serving = libzdt.hypercorn.serve(
            self.app,
            config,
            takeover=path,
            options={"probation": PROBATION},
            signals=(),
            started=self.started.set,
        )
        self.task = asyncio.create_task(serving)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Says who answers; /slow waits to be told."""
        if scope["type"] != "http":
            return
        self.asked.append(scope["path"])
        if scope["path"] == "/slow":
            await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.name})


def speaking(context: ssl.SSLContext) -> ssl.SSLContext:
    """HTTP/2."""
    context.set_alpn_protocols(["h2"])
    return context


class Http2:
    """A client of one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._connection = H2Connection(H2Configuration(client_side=True))
        self._connection.initiate_connection()
        self.events: list[Event] = []

    def ask(self, path: str) -> int:
        """The stream."""
        stream: int = self._connection.get_next_available_stream_id()
        headers = [(":method", "GET"), (":path", path), (":scheme", "https"), (":authority", "x")]
        self._connection.send_headers(stream, headers, end_stream=True)
        self._client.writer.write(self._connection.data_to_send())
        return stream

    async def answer(self, stream: int) -> bytes:
        """The whole body."""
        await self._until(lambda: any(isinstance(it, StreamEnded) and it.stream_id == stream for it in self.events))
        of_it = [it for it in self.events if isinstance(it, DataReceived) and it.stream_id == stream]
        return b"".join(it.data or b"" for it in of_it)

    async def goes_away(self) -> ConnectionTerminated:
        """What GOAWAY says."""
        await self._until(lambda: any(isinstance(it, ConnectionTerminated) for it in self.events))
        return next(it for it in self.events if isinstance(it, ConnectionTerminated))

    async def _until(self, come: Any) -> None:
        while not come():
            data = await asyncio.wait_for(self._client.reader.read(1 << 16), PATIENCE)
            assert data, f"the connection ended after {self.events}"
            self.events += self._connection.receive_data(data)
            self._client.writer.write(self._connection.data_to_send())


async def test_streams_in_flight_are_finished_and_the_client_is_told_to_go_away(path: str, unused_port: int) -> None:
    if not hasattr(asyncio.get_running_loop(), "_selector"):
        with pytest.raises(libzdt.InvalidArgument, match="not asyncio's own"):
            await Process(path, unused_port, b"first").task
        return
    first = Process(path, unused_port, b"first")
    await asyncio.wait_for(first.started.wait(), PATIENCE)
    connected = await Client.connect(("127.0.0.1", unused_port), ssl=speaking(anonymous(server=False)))
    client = Http2(connected)
    assert await client.answer(client.ask("/")) == b"first"
    slow = client.ask("/slow")
    await until(lambda: "/slow" in first.asked)
    second = Process(path, unused_port, b"second")
    await asyncio.wait_for(second.started.wait(), PATIENCE)
    newcomer = await Client.connect(("127.0.0.1", unused_port), ssl=speaking(anonymous(server=False)))
    fresh = Http2(newcomer)
    assert await fresh.answer(fresh.ask("/")) == b"second"
    await asyncio.sleep(PROBATION + MOMENT)  # then it is told to stop
    first.go_on.set()
    assert await client.answer(slow) == b"first"
    assert (await client.goes_away()).error_code == 0
    await asyncio.wait_for(first.task, PATIENCE)
    for one in (connected, newcomer):
        one.leave()
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
