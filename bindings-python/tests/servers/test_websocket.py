"""WebSockets of uvicorn, each of its implementations, from one process to the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

import libzdt
from aio.stage import MOMENT, PATIENCE, Client, Generation, by_hand, next_of, until
from libzdt.asgi import Application
from libzdt.http.web import WebTap
from libzdt.uvicorn import _Protocols

from .test_frames import PING, TEXT, frame


@pytest.fixture(params=["websockets", "websockets-sansio", "wsproto"])
def ws(request: pytest.FixtureRequest) -> str:
    """uvicorn's implementation."""
    return str(request.param)


class Chat:
    """Counts what each client says; the state is the count. Words have meanings."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.go_on = asyncio.Event()
        self.gives = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        extension = scope["extensions"]["libzdt"]
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
        count = int(extension["state"] or b"0")
        if not extension["adopted"]:
            await send({"type": "websocket.send", "text": "welcome"})
        extension["state"] = b"%d" % count if self.gives else None
        try:
            while (event := await receive())["type"] == "websocket.receive":
                count += 1
                if event.get("text") == "slowly":
                    await self.go_on.wait()
                extension["state"] = b"%d" % count
                await send({"type": "websocket.send", "text": f"{count} {event.get('text') or event.get('bytes')}"})
            self.ends.append(f"disconnect {event['code']}")
        except libzdt.Migrated:
            self.ends.append("migrated")
            raise


@contextlib.asynccontextmanager
async def chatting(path: str, ws: str, app: Any, http: str = "h11", **options: Any) -> AsyncIterator[Generation]:
    """A process whose uvicorn serves `app`, and is ready."""
    set_up = Config(app, ws=ws, http=http, lifespan="off", log_level="warning")
    set_up.load()
    set_up.loaded_app = Application(set_up.loaded_app)
    state = ServerState()
    it = Generation(path, **options)
    async with it.takeover:
        kind: Any = set_up.http_protocol_class
        listening = await it.takeover.create_server(
            lambda: WebTap(_Protocols(), lambda: kind(config=set_up, server_state=state, app_state={})),
            "test",
            ("127.0.0.1", 0),
        )
        it.address = listening.address
        await it.takeover.ready()
        yield it
        for task in list(state.tasks):
            task.cancel()


async def connect(it: Generation, **options: Any) -> ClientConnection:
    """A client, which was welcomed."""
    options = {"compression": None, "ping_interval": None, "proxy": None, **options}
    client = await websockets.connect(f"ws://127.0.0.1:{it.address[1]}/room?x=1", **options)
    assert await said(client) == "welcome"
    return client


class Raw(Client):
    """A client that says byte by byte what it wants."""

    async def frame(self) -> bytes:
        """What the next frame that comes says."""
        length = (await self.exactly(2))[1]
        if length > 125:
            length = int.from_bytes(await self.exactly(2 if length == 126 else 8), "big")
        return await self.exactly(length)


async def shake_hands(it: Generation) -> Raw:
    """A client without a library, which was welcomed."""
    reader, writer = await asyncio.open_connection(*it.address)
    client = Raw(reader, writer)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    assert await client.frame() == b"welcome"
    return client


async def said(client: ClientConnection) -> Any:
    """What comes next."""
    return await asyncio.wait_for(client.recv(), PATIENCE)


async def ask(client: ClientConnection, what: str | bytes) -> Any:
    """Says something; the answer."""
    await client.send(what)
    return await said(client)


async def test_a_chat_goes_on_over_three_takeovers(path: str, ws: str) -> None:
    chats = [Chat() for _ in range(4)]
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(chatting(path, ws, chats[0]))
        client = await connect(running, subprotocols=["chat"])
        assert client.subprotocol == "chat"
        assert await ask(client, "a") == "1 a"
        for number, chat in enumerate(chats[1:], 2):
            following = await stack.enter_async_context(chatting(path, ws, chat))
            await running.takeover.done()
            assert following.takeover.connections == 1
            assert await ask(client, "more") == f"{number} more"
            running = following
        await client.close()
        await until(lambda: bool(chats[-1].ends))
    assert [chat.ends for chat in chats] == [["migrated"], ["migrated"], ["migrated"], ["disconnect 1000"]]


@contextlib.asynccontextmanager
async def two(path: str, ws: str, second: Any = None, **config: Any) -> AsyncIterator[tuple[Chat, Chat, Any, Any]]:
    """A process, and how to start another one: its chat, the other's, and both."""
    chats = Chat(), Chat()
    async with chatting(path, ws, chats[0], **config) as first, contextlib.AsyncExitStack() as stack:

        async def start() -> Generation:
            return await stack.enter_async_context(chatting(path, ws, second or chats[1], **config))

        yield *chats, first, start


async def test_half_a_frame_travels(path: str, ws: str) -> None:
    async with two(path, ws, http="httptools") as (_, there, first, start):
        clients = [await shake_hands(first) for _ in range(4)]
        sent = frame(TEXT, b"x" * 300)
        cuts = (1, 3, 7, 250)
        for client, cut in zip(clients, cuts, strict=True):
            client.writer.write(frame(TEXT, b"whole") + sent[:cut])
            assert await client.frame() == b"1 whole"
        second = await start()
        await first.takeover.done()
        assert first.takeover.progress().unread_bytes == sum(cuts)
        assert second.takeover.connections == len(cuts)
        for client, cut in zip(clients, cuts, strict=True):
            client.writer.write(sent[cut:])
            assert await client.frame() == b"2 " + b"x" * 300
            client.leave()
        await until(lambda: len(there.ends) == len(cuts))


async def test_a_message_in_fragments_is_completed_where_it_was_begun(path: str, ws: str) -> None:
    async with two(path, ws) as (here, _, first, start):
        client = await shake_hands(first)
        client.writer.write(frame(TEXT, b"a", final=False) + frame(PING, b"?"))
        assert await client.frame() == b"?"
        second = await start()
        await first.wait(libzdt.Drain)
        client.writer.write(frame(PING, b"!"))
        assert await client.frame() == b"!"
        assert second.takeover.connections == 0
        client.writer.write(frame(0, b"b") + frame(TEXT, b"c"))
        assert await client.frame() == b"1 ab"
        assert await client.frame() == b"2 c"
        await first.takeover.done()
        assert second.takeover.connections == 1
        assert here.ends == ["migrated"]
        client.leave()


async def test_who_is_busy_moves_at_its_next_receive_and_what_came_meanwhile_is_answered_in_order(
    path: str, ws: str
) -> None:
    async with two(path, ws) as (here, there, first, start):
        client = await connect(first)
        await client.send("slowly")
        for number in range(20):
            await client.send(str(number))
        await start()
        await first.wait(libzdt.Drain)
        await client.send("the last")
        here.go_on.set()
        there.go_on.set()
        answers = [await said(client) for _ in range(22)]
        assert answers == [
            f"{count} {what}" for count, what in enumerate(["slowly", *map(str, range(20)), "the last"], 1)
        ]
        await first.takeover.done()
        assert here.ends == ["migrated"]
        await client.close()


@pytest.mark.parametrize("context", [True, False])
async def test_compression_forgets_and_moves(path: str, ws: str, context: bool) -> None:
    compressing: Any = ClientPerMessageDeflateFactory(
        client_no_context_takeover=not context, server_no_context_takeover=not context
    )
    async with two(path, ws) as (here, _, first, start):
        client = await connect(first, extensions=[compressing])
        response = client.response
        assert response is not None
        for side in ("client", "server"):
            assert f"{side}_no_context_takeover" in response.headers["Sec-WebSocket-Extensions"]
        assert await ask(client, "again and again " * 50) == "1 " + "again and again " * 50
        await start()
        await first.takeover.done()
        assert here.ends == ["migrated"]
        assert await ask(client, "again and again " * 50) == "2 " + "again and again " * 50
        await client.close()


async def test_without_state_a_websocket_stays(path: str, ws: str) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        """Cannot give its state."""
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "welcome"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})

    async with chatting(path, ws, silent, drain=86_400.0) as first:
        client = await connect(first)
        async with chatting(path, ws, silent):
            await first.wait(libzdt.Done)
            assert first.takeover.stays == {"WebSocket: no state": 1}
            assert await ask(client, "still here") == "still here"
            await client.close()
            await first.takeover.done()


async def test_who_stays_is_told_to_come_again_before_the_deadline(path: str, ws: str) -> None:
    chats = Chat(), Chat()
    chats[0].gives = False
    async with chatting(path, ws, chats[0], drain=2.0) as first:
        client = await connect(first)
        async with chatting(path, ws, chats[1]) as second:
            with pytest.raises(ConnectionClosed) as told:
                await said(client)
            assert told.value.rcvd is not None
            assert (told.value.rcvd.code, told.value.rcvd.reason) == (1012, "service restart")
            await first.takeover.done()
            await until(lambda: bool(chats[0].ends))
            assert chats[0].ends[0].startswith("disconnect")
            again = await connect(second)
            await again.close()


async def test_who_never_reads_stays_and_is_told_at_the_deadline(path: str, ws: str) -> None:
    async with two(path, ws, drain=2.0) as (_, _, first, start):
        client, idle = await connect(first), await connect(first)
        await client.send("slowly")
        await start()
        assert await ask(idle, "a") == "1 a"
        with pytest.raises(ConnectionClosed) as told:
            await said(client)
        assert told.value.rcvd is not None
        assert told.value.rcvd.code == 1012
        await first.takeover.done()
        assert await ask(idle, "b") == "2 b"
        await idle.close()


class Open(Chat):
    """Lets everybody send."""

    def __init__(self) -> None:
        super().__init__()
        self.sends: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.sends.append(send)
        await super().__call__(scope, receive, send)


async def test_what_is_sent_while_it_is_on_offer_waits_and_is_said_if_it_comes_back(path: str, ws: str) -> None:
    chat = Open()
    async with chatting(path, ws, chat) as first:
        client = await connect(first)
        async with by_hand(path) as successor:
            await next_of(successor, libzdt.Offer)
            waiting = asyncio.create_task(chat.sends[0]({"type": "websocket.send", "text": "news"}))
            await asyncio.sleep(MOMENT)
            assert not waiting.done()
        # It dies.
        await waiting
        assert await said(client) == "news"
        assert await ask(client, "a") == "1 a"
        await client.close()


async def test_whoever_sends_to_one_that_has_moved_hears_so(path: str, ws: str) -> None:
    chat = Open()
    async with chatting(path, ws, chat) as first:
        client = await connect(first)
        async with chatting(path, ws, Chat()):
            await first.takeover.done()
            with pytest.raises(OSError, match="lives in the successor"):
                await chat.sends[0]({"type": "websocket.send", "text": "too late"})
            assert await ask(client, "a") == "1 a"
            await client.close()


async def refuses(scope: Any, receive: Any, send: Any) -> None:
    """Wants nobody."""
    await receive()
    await send({"type": "websocket.close"})


async def hesitates(scope: Any, receive: Any, send: Any) -> None:
    """Would accept, one day."""
    await receive()
    await asyncio.sleep(PATIENCE)


async def fails(scope: Any, receive: Any, send: Any) -> None:
    """Has a fault."""
    await receive()
    raise RuntimeError("for the test")


async def speaks_otherwise(scope: Any, receive: Any, send: Any) -> None:
    """Accepts with another subprotocol."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "other"})
    await receive()


@pytest.mark.parametrize("successor", [refuses, hesitates, fails, speaks_otherwise])
async def test_a_successor_that_does_not_accept_it_leaves_it_where_it_is(path: str, ws: str, successor: Any) -> None:
    async with two(path, ws, successor) as (here, _, first, start):
        client = await connect(first, subprotocols=["chat", "other"])
        assert await ask(client, "a") == "1 a"
        second = await start()
        assert (await first.wait(libzdt.Returned)).why == "refused"
        assert await ask(client, "b") == "2 b"
        assert second.takeover.connections == 0
        await client.close()
        await first.takeover.done()
        # The application is told in a task of its own.
        await until(lambda: here.ends == ["disconnect 1000"])
        await until(lambda: len(asyncio.all_tasks()) < 20)


async def test_nothing_is_lost_or_doubled_in_either_direction(path: str, ws: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(chatting(path, ws, Chat()))
        clients = [await connect(running) for _ in range(5)]
        over = asyncio.Event()

        async def talk(client: ClientConnection) -> int:
            """Several messages on their way at all times."""
            said_so_far = 0
            while not over.is_set() or said_so_far < 50:
                for number in range(said_so_far + 1, said_so_far + 8):
                    await client.send(str(number))
                for number in range(said_so_far + 1, said_so_far + 8):
                    assert await said(client) == f"{number} {number}"
                said_so_far += 7
            await client.close()
            return said_so_far

        talking = [asyncio.create_task(talk(client)) for client in clients]
        for _ in range(3):
            following = await stack.enter_async_context(chatting(path, ws, Chat()))
            await running.takeover.done()
            running = following
        over.set()
        assert min(await asyncio.gather(*talking)) >= 50
