"""A WebSocket of FastAPI: what its own classes make of a takeover."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

import libzdt
from aio.stage import until

from .test_websocket import ask, chatting, connect


def chat(ends: list[str]) -> FastAPI:
    """An application that joins what was said into its state."""
    app = FastAPI()

    @app.websocket("/room")
    async def room(websocket: WebSocket) -> None:
        extension = websocket.scope["extensions"]["libzdt"]
        await websocket.accept()
        if not extension["adopted"]:
            await websocket.send_text("welcome")
        extension["state"] = extension["state"] or b""
        try:
            while True:
                extension["state"] += (await websocket.receive_text()).encode()
                await websocket.send_text(extension["state"].decode())
        except WebSocketDisconnect:
            ends.append("disconnect")
        except asyncio.CancelledError as error:
            ends.append("migrated" if isinstance(error, libzdt.Migrated) else "cancelled")
            raise
        finally:
            ends.append("finally")

    return app


async def test_fastapi_enters_it_again_and_no_disconnect_is_told(path: str) -> None:
    here: list[str] = []
    there: list[str] = []
    async with chatting(path, "auto", chat(here)) as first:
        client = await connect(first)
        assert await ask(client, "a") == "a"
        async with chatting(path, "auto", chat(there)):
            await first.takeover.done()
            assert await ask(client, "b") == "ab"
            assert here == ["migrated", "finally"]
            await client.close()
            await until(lambda: there == ["disconnect", "finally"])
