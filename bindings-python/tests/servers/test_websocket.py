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

import libzdt
from aio.stage import PATIENCE, Generation, until
from libzdt.asgi import Application
from libzdt.http.channel import Channel


@pytest.fixture(params=["websockets", "websockets-sansio", "wsproto"])
def ws(request: pytest.FixtureRequest) -> str:
    """uvicorn's implementation."""
    return str(request.param)


class Chat:
    """Counts what each client says; the state is the count. Words have meanings."""

    def __init__(self) -> None:
        self.ends: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        extension = scope["extensions"]["libzdt"]
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
        count = int(extension["state"] or b"0")
        if not extension["adopted"]:
            await send({"type": "websocket.send", "text": "welcome"})
        extension["state"] = b"%d" % count
        try:
            while (event := await receive())["type"] == "websocket.receive":
                count += 1
                extension["state"] = b"%d" % count
                await send({"type": "websocket.send", "text": f"{count} {event.get('text') or event.get('bytes')}"})
            self.ends.append(f"disconnect {event['code']}")
        except libzdt.Migrated:
            self.ends.append("migrated")
            raise


@contextlib.asynccontextmanager
async def chatting(path: str, ws: str, app: Any, http: str = "h11", **config: Any) -> AsyncIterator[Generation]:
    """A process whose uvicorn serves `app`, and is ready."""
    set_up = Config(app, ws=ws, http=http, lifespan="off", log_level="warning", **config)  # type: ignore[arg-type]
    set_up.load()
    set_up.loaded_app = Application(set_up.loaded_app)
    state = ServerState()
    it = Generation(path)
    async with it.takeover:
        kind: Any = set_up.http_protocol_class
        listening = await it.takeover.create_server(
            lambda: Channel(lambda: kind(config=set_up, server_state=state, app_state={})), "http", ("127.0.0.1", 0)
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
