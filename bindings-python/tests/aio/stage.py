"""Predecessors, successors and clients, all on the loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import libzdt
from libzdt.aio import Connection, Takeover

E = TypeVar("E")

PATIENCE = 20.0
"""Seconds that anything which must happen may take, on a machine that is busy with other things."""
MOMENT = 0.1
"""Seconds after which something that must not happen would have happened. A test never fails because it is short."""


async def until(look: Callable[[], bool]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110 (what is looked at belongs to whoever is tested)
            await asyncio.sleep(0.002)


async def count(connection: Connection[bytes]) -> None:
    """A handler: the state is how many lines there were; each is answered with its number and itself."""
    async for line in connection:
        connection.state = b"%d" % (int(connection.state or b"0") + 1)
        connection.write(connection.state + b" " + line)


class Generation:
    """One process's part, as it is in most of the tests."""

    def __init__(self, path: str, **config: Any) -> None:
        self.events: list[libzdt.Event] = []
        self.takeover = Takeover(path, on_event=self.events.append, **{"probation": 0.05, **config})
        self.address: Any = None

    async def listen(self, handle: Callable[[Connection[Any]], Awaitable[None]] = count, **server: Any) -> None:
        """Serves at any port, or at the predecessor's."""
        self.address = (await self.takeover.start_server(handle, "test", ("127.0.0.1", 0), **server)).address

    def told(self, kind: type[E]) -> E | None:
        """The last event of this kind."""
        return next((event for event in reversed(self.events) if isinstance(event, kind)), None)

    async def wait(self, kind: type[E]) -> E:
        """The last event of this kind, once there is one."""
        await until(lambda: self.told(kind) is not None)
        event = self.told(kind)
        assert event is not None
        return event


@contextlib.asynccontextmanager
async def generation(
    path: str,
    handle: Callable[[Connection[Any]], Awaitable[None]] = count,
    config: dict[str, Any] | None = None,
    **server: Any,
) -> AsyncIterator[Generation]:
    """One that is ready."""
    it = Generation(path, **(config or {}))
    async with it.takeover:
        await it.listen(handle, **server)
        await it.takeover.ready()
        yield it


@contextlib.asynccontextmanager
async def by_hand(path: str, *, ready: bool = True, **config: Any) -> AsyncIterator[libzdt.Takeover]:
    """A successor without an event loop, which does only what the test says."""
    handle = await asyncio.to_thread(libzdt.Takeover, path, **{"probation": 0.0, **config})
    try:
        handle.listener("test", ("127.0.0.1", 0)).close()
        if ready:
            handle.ready()
        yield handle
    finally:
        handle.close()


async def next_of(handle: libzdt.Takeover, kind: type[E]) -> E:
    """The next event of this kind of a handle without a loop; others are passed over."""
    event: libzdt.Event | None = None

    def come() -> bool:
        nonlocal event
        event = handle.next_event(0)
        return isinstance(event, kind)

    await until(come)
    assert isinstance(event, kind)
    return event


def refuse(handle: libzdt.Takeover, offer: libzdt.Offer) -> None:
    """Refuses, and lets the predecessor know."""
    offer.refuse("for the test")
    while handle.next_event(0) is not None:
        pass


def anonymous(server: bool) -> ssl.SSLContext:
    """TLS without certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    if not server:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """A client, which sees what clients see."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @staticmethod
    async def connect(address: Any, **options: Any) -> Client:
        """Connects."""
        return Client(*await asyncio.open_connection(*address[:2], **options))

    async def ask(self, line: bytes) -> bytes:
        """Sends a line; the answer."""
        self.writer.write(line)
        return await self.line()

    async def line(self) -> bytes:
        """The next line that comes."""
        return await asyncio.wait_for(self.reader.readline(), PATIENCE)

    async def exactly(self, length: int) -> bytes:
        """So many bytes."""
        return await asyncio.wait_for(self.reader.readexactly(length), PATIENCE)

    async def hears_nothing(self) -> None:
        """For a moment nothing comes, not even the end."""
        try:
            said = await asyncio.wait_for(self.reader.read(1), MOMENT)
        except asyncio.TimeoutError:
            return
        raise AssertionError(f"{said!r} came")

    async def sees_the_end(self) -> None:
        """The server has ended the connection."""
        assert await asyncio.wait_for(self.reader.read(1), PATIENCE) == b""

    def leave(self) -> None:
        """Goes."""
        self.writer.close()
