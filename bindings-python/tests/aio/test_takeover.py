"""The takeover as a whole: who may call, what is refused, and what a fault in the middle costs."""

from __future__ import annotations

import asyncio
import contextlib
import encodings.idna  # noqa: F401 (uvloop wants it for an address, when there may be no descriptor to load it with)
import resource
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import libzdt
from libzdt.aio import Takeover

from .stage import MOMENT, Client, Generation, by_hand, count, generation, next_of, until


async def test_only_its_loop_may_use_it_and_anybody_may_drain_it(path: str) -> None:
    takeover = Takeover(path, probation=0.0)
    with pytest.raises(libzdt.WrongState, match="not entered"):
        takeover.drain()
    async with takeover:
        with pytest.raises(libzdt.WrongState, match="entered before"):
            await takeover.__aenter__()

        async def elsewhere() -> None:
            await takeover.ready()

        for wrong in (lambda: takeover.generation, lambda: asyncio.run(elsewhere())):
            with pytest.raises(libzdt.WrongState, match="another thread's event loop"):
                await asyncio.to_thread(wrong)
        assert takeover.generation == 1
        assert takeover.predecessor is None
        await takeover.ready()
        thread = threading.Thread(target=takeover.drain)
        thread.start()
        await takeover.done()
        thread.join()
    for late in (takeover.progress, takeover.drain):
        with pytest.raises(libzdt.Closed, match="was left"):
            late()
    with pytest.raises(libzdt.WrongState, match="entered before"):
        await takeover.__aenter__()


async def test_opening_fails_as_the_handle_does(directory: Path) -> None:
    with pytest.raises(libzdt.DirectoryMissing):
        async with Takeover(directory / "not" / "there"):
            pass
    async with Takeover(directory / "zdt.sock") as first:
        listening = await first.start_server(count, "test", f"unix://{directory}/test.sock")
        assert listening.address == f"{directory}/test.sock"
        with pytest.raises(libzdt.NameUsed):
            await first.start_server(count, "test", ("127.0.0.1", 0))
        await first.ready()
        reader, writer = await asyncio.open_unix_connection(listening.address)
        writer.write(b"a\n")
        assert await reader.readline() == b"1 a\n"
        async with Takeover(directory / "zdt.sock") as second:
            with pytest.raises(libzdt.ListenerUnclaimed):
                await second.ready()
        writer.close()


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ({"protocol": "other"}, "there is no server for the protocol 'test'"),
        ({"state_version": 2}, "state version 1 of 'test' is not read here, only 2"),
    ],
)
async def test_what_nobody_here_reads_is_refused(path: str, server: dict[str, Any], why: str) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path, **server):
            assert (await first.wait(libzdt.Returned)).why == "refused"
            assert await client.ask(b"b\n") == b"2 b\n"
            client.leave()
            await first.takeover.done()
            assert first.takeover.progress().returned == 1


async def test_what_the_successor_says_it_does_not_read_stays(path: str) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path, config={"reads": {"test": [2, 3]}, "commit": 0.1}):
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"not readable": 1}
            assert await client.ask(b"b\n") == b"2 b\n"
            client.leave()
            await first.takeover.done()


async def test_listeners_of_one_protocol_share_their_connections_handler(path: str) -> None:
    async with generation(path) as first:
        other = await first.takeover.start_server(count, "more", ("::1", 0), protocol="test")
        clients = [await Client.connect(first.address), await Client.connect(other.address)]
        for client in clients:
            assert await client.ask(b"a\n") == b"1 a\n"
        second = Generation(path)
        async with second.takeover:
            await second.listen()
            await second.takeover.start_server(count, "more", ("::1", 0), protocol="test")
            await second.takeover.ready()
            await first.takeover.done()
            for client in clients:
                assert await client.ask(b"b\n") == b"2 b\n"
                client.leave()


async def test_more_than_fit_are_moved_as_there_is_room(path: str) -> None:
    async with generation(path) as first:
        clients = [await Client.connect(first.address) for _ in range(30)]
        for client in clients:
            # Four of them fill a message of the link, and only four messages may be on their way.
            client.writer.write(b"x" * 15_000)
        await asyncio.sleep(MOMENT)
        async with by_hand(path) as second:
            await until(lambda: first.takeover.progress().offered > 0)
            assert second.progress().expected == len(clients)
            await asyncio.sleep(MOMENT)
            assert first.takeover.progress().offered < len(clients)
            adopted: list[libzdt.Adopted | None] = []
            while len(adopted) < len(clients):
                offer = await next_of(second, libzdt.Offer)
                adopted.append(offer.adopt())
            assert all(one is not None and one.unread == b"x" * 15_000 for one in adopted)
            await first.wait(libzdt.Room)
            await first.takeover.done()
            assert first.takeover.progress().settled == len(clients)
            for client, one in zip(clients, adopted, strict=True):
                client.leave()
                assert one is not None
                one.socket.close()


async def test_a_predecessor_that_drains_accepts_nobody_until_it_resumes(path: str) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with by_hand(path) as second:
            offer = await next_of(second, libzdt.Offer)
            newcomer = await Client.connect(first.address)
            newcomer.writer.write(b"b\n")
            await newcomer.hears_nothing()
            assert first.takeover.connections == 1
            # It leaves with the offer in its hands.
            second.close()
            with pytest.raises(libzdt.Closed):
                offer.adopt()
        assert await newcomer.line() == b"1 b\n"
        assert await client.ask(b"c\n") == b"2 c\n"
        await first.wait(libzdt.Returned)
        for one in (client, newcomer):
            one.leave()


async def test_a_successor_that_gives_up_is_told_why_and_serves_what_it_adopted(path: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await asyncio.to_thread(libzdt.Takeover, path, commit=0.2, handshake=1.0, probation=0.0)
        stack.callback(first.close)
        listener = stack.enter_context(first.listener("test", ("127.0.0.1", 0)))
        first.ready()
        answering = asyncio.create_task(asyncio.to_thread(first.next_event, 20))
        async with generation(path) as second:
            assert isinstance(await answering, libzdt.Drain)
            client = await Client.connect(listener.getsockname())
            await until(lambda: second.takeover.connections == 1)
            resumed = await asyncio.to_thread(first.next_event, 20)
            assert isinstance(resumed, libzdt.Resume), resumed
            await second.wait(libzdt.Aborted)
            assert await client.ask(b"a\n") == b"1 a\n"
            client.leave()
            with pytest.raises(libzdt.AttemptLost):
                await second.takeover.done()


async def test_an_observer_that_fails_harms_nobody(path: str, faults: list[dict[str, Any]]) -> None:
    def observer(event: libzdt.Event) -> None:
        raise ZeroDivisionError(event)

    first = Takeover(path, on_event=observer, probation=0.0)
    async with first:
        listening = await first.start_server(count, "test", ("127.0.0.1", 0))
        await first.ready()
        client = await Client.connect(listening.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path):
            await first.done()
            assert await client.ask(b"b\n") == b"2 b\n"
            client.leave()
    assert faults
    assert {type(fault["exception"]) for fault in faults} == {ZeroDivisionError}
    faults.clear()


async def test_a_fault_of_ours_is_told_and_lets_the_other_side_go_on(
    path: str, faults: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        async with generation(path) as second:
            # Whatever it is; the first offer is not answered.
            monkeypatch.setattr("libzdt.aio.service.why_not", None)
            await first.wait(libzdt.Resume)
            assert await client.ask(b"b\n") == b"2 b\n"
            with pytest.raises(TypeError):
                await second.takeover.done()
        assert "the takeover is closed" in faults.pop()["message"]
        monkeypatch.undo()
        async with generation(path):
            await first.takeover.done()
            assert await client.ask(b"c\n") == b"3 c\n"
            client.leave()


async def test_without_descriptors_accepting_stops_for_a_moment(
    path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libzdt.aio.listener.PAUSE", 0.05)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with generation(path) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
        newcomer = socket.socket()
        newcomer.setblocking(False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (newcomer.fileno() + 1, limits[1]))
        try:
            await asyncio.get_running_loop().sock_connect(newcomer, first.address)
            await until(lambda: "accepting stops" in caplog.text)
            assert await client.ask(b"b\n") == b"2 b\n"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: first.takeover.connections == 2)
        newcomer.close()
        client.leave()


async def test_leaving_ends_what_is_served_and_frees_the_path(path: str) -> None:
    finished = []

    async def handle(connection: Any) -> None:
        try:
            await count(connection)
        finally:
            finished.append(connection)

    async with generation(path, handle) as first:
        client = await Client.connect(first.address)
        assert await client.ask(b"a\n") == b"1 a\n"
    assert len(finished) == 1
    await client.sees_the_end()
    async with generation(path) as second:
        assert second.takeover.generation == 1
        client.leave()


async def test_leaving_while_a_connection_is_on_offer_tells_the_client_nothing(path: str) -> None:
    first = Generation(path)
    await first.takeover.__aenter__()
    await first.listen()
    await first.takeover.ready()
    client = await Client.connect(first.address)
    assert await client.ask(b"a\n") == b"1 a\n"
    async with by_hand(path) as second:
        adopted = (await next_of(second, libzdt.Offer)).adopt()
        assert adopted is not None
        # It was adopted, but the predecessor leaves before it hears of that.
        await first.takeover.__aexit__(None, None, None)
        await client.hears_nothing()
        adopted.socket.send(b"here\n")
        assert await client.line() == b"here\n"
        adopted.socket.close()
        client.leave()


async def test_an_opening_that_is_cancelled_costs_only_the_attempt(path: str) -> None:
    with await asyncio.to_thread(libzdt.Takeover, path, probation=0.0) as first:
        first.ready()
        opening = asyncio.create_task(Takeover(path).__aenter__())
        await asyncio.sleep(MOMENT)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        # The thread goes on, and its handle is dropped as soon as there is one.
        waiting = asyncio.create_task(asyncio.to_thread(first.next_event, 1.0))
        assert await waiting is None

        async def again() -> int:
            async with Takeover(path) as second:
                return second.generation

        generation = asyncio.create_task(again())
        await until(lambda: first.next_event(0) is not None or generation.done())
        assert await generation == 2


async def test_sizes_that_make_no_sense_are_refused(path: str) -> None:
    async with Takeover(path) as takeover:
        for limit, write_limit in ((0, 1), (1, 0)):
            with pytest.raises(libzdt.InvalidArgument, match="at least one byte"):
                await takeover.start_server(count, "test", ("127.0.0.1", 0), limit=limit, write_limit=write_limit)
