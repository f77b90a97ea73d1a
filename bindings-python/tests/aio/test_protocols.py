"""Servers of asyncio.Protocol: `create_server`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

import libzdt
from libzdt.aio import Migratable, Transport

from .stage import Client, Generation, anonymous, until


class Echo(asyncio.Protocol):
    """Cannot be written down."""

    def __init__(self) -> None:
        self.lost: list[BaseException | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


class Lines(Echo):
    """Counts lines, and can be written down: when it is in the middle of none that is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.busy = False
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while b"\n" in self.buffer and not self.busy:
            line, _, self.buffer = self.buffer.partition(b"\n")
            self.count += 1
            if line == b"slowly":
                self.busy = True
            else:
                self.transport.write(b"%d %s\n" % (self.count, line))

    def finish(self) -> None:
        """What was slow is done."""
        self.transport.write(b"%d slowly\n" % self.count)
        self.busy = False

    def export_state(self) -> bytes | None:
        return None if self.busy else b"%d" % self.count

    def import_state(self, state: bytes) -> None:
        self.count = int(state)

    def unread(self) -> bytes:
        return self.buffer


async def serve(it: Generation, factory: Callable[[], asyncio.BaseProtocol], **options: Any) -> None:
    """Serves by what `factory` makes, and is ready."""
    it.address = (await it.takeover.create_server(factory, "test", ("127.0.0.1", 0), **options)).address
    await it.takeover.ready()


async def test_a_migratable_protocol_moves_with_its_state_and_bytes(path: str) -> None:
    made: list[Lines] = []

    def factory() -> Lines:
        made.append(Lines())
        return made[-1]

    assert isinstance(Lines(), Migratable)
    assert not isinstance(Echo(), Migratable)
    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, factory)
        client = await Client.connect(first.address)
        assert await client.ask(b"a\nhal") == b"1 a\n"
        assert isinstance(made[0].transport, Transport)
        made[0].transport.write(b"x" * 8_000_000)
        async with second.takeover:
            await serve(second, factory)
            await first.takeover.done()
            assert isinstance(made[0].lost[0], libzdt.Migrated)
            assert len(made[0].lost) == 1
            assert first.takeover.progress().unread_bytes == len(b"hal")
            assert await client.exactly(8_000_000) == b"x" * 8_000_000
            assert await client.ask(b"f\n") == b"2 half\n"
            client.leave()
            await until(lambda: made[1].lost == [None])


async def test_a_protocol_that_says_not_now_is_asked_again(path: str) -> None:
    made: list[Lines] = []

    def factory() -> Lines:
        made.append(Lines())
        return made[-1]

    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, factory)
        busy, idle = await Client.connect(first.address), await Client.connect(first.address)
        assert await busy.ask(b"a\n") == b"1 a\n"
        assert await idle.ask(b"b\n") == b"1 b\n"
        busy.writer.write(b"slowly\n")
        await until(lambda: made[0].busy)
        async with second.takeover:
            await serve(second, factory)
            await first.wait(libzdt.Settled)
            busy.writer.write(b"behind it\n")
            await busy.hears_nothing()
            assert (first.takeover.connections, second.takeover.connections) == (1, 1)
            made[0].finish()
            assert await busy.line() == b"2 slowly\n"
            assert await busy.line() == b"3 behind it\n"
            await first.takeover.done()
            assert second.takeover.connections == 2
            busy.leave()
            idle.leave()


async def test_what_its_protocol_cannot_write_down_is_served_to_its_end(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "libzdt")
    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, Echo)
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"a\n"
        async with second.takeover:
            await serve(second, Echo)
            await second.wait(libzdt.Committed)
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"not Migratable": 1}
            assert "1 (not Migratable)" in caplog.text
            assert await client.ask(b"b\n") == b"b\n"
            client.leave()
            await first.takeover.done()


async def test_what_a_protocol_cannot_import_is_refused(path: str) -> None:
    class Newer(Lines):
        """Reads another state."""

        def import_state(self, state: bytes) -> None:
            raise ValueError("of before the flood")

    for factory in (Newer, Echo):
        first, second = Generation(path), Generation(path)
        async with first.takeover:
            await serve(first, Lines)
            client = await Client.connect(first.address)
            assert await client.ask(b"a\n") == b"1 a\n"
            async with second.takeover:
                await serve(second, factory)
                assert (await first.wait(libzdt.Returned)).why == "refused"
                assert await client.ask(b"b\n") == b"2 b\n"
                client.leave()
                await first.takeover.done()


async def test_a_protocol_over_tls_is_drained_whatever_protocol_it_becomes(path: str) -> None:
    class Upgrading(Echo):
        """Hands its transport to another protocol."""

        def data_received(self, data: bytes) -> None:
            other = Echo()
            other.connection_made(self.transport)
            self.transport.set_protocol(other)
            self.transport.write(b"upgraded\n")

    first, second = Generation(path), Generation(path)
    async with first.takeover:
        await serve(first, Upgrading, ssl=anonymous(server=True))
        # Two that are no TLS clients: one says nonsense, one nothing.
        nonsense, silent = await Client.connect(first.address), await Client.connect(first.address)
        nonsense.writer.write(b"GET / HTTP/1.0\r\n\r\n")
        client = await Client.connect(first.address, ssl=anonymous(server=False))
        assert await client.ask(b"a\n") == b"upgraded\n"
        await until(lambda: first.takeover.connections == 2)
        async with second.takeover:
            await serve(second, Upgrading, ssl=anonymous(server=True))
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"TLS": 2}
            assert await client.ask(b"b\n") == b"b\n"
            silent.leave()
            client.leave()
            await first.takeover.done()
            assert first.takeover.connections == 0
            nonsense.leave()
