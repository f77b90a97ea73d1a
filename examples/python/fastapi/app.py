"""A FastAPI application: requests, a chat, a stream of events, a file upload. Two lines of the chat know of libzdt."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response, UploadFile, WebSocket
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

app = FastAPI()
rooms: dict[str, set[WebSocket]] = {}


@app.get("/", response_class=PlainTextResponse)
async def who() -> str:
    return f"process {os.getpid()}"


@app.get("/slow", response_class=PlainTextResponse)
async def slow(ms: int) -> str:
    await asyncio.sleep(ms / 1000)
    return f"after {ms} ms"


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@app.post("/file")
async def file(file: UploadFile) -> Response:
    return Response(await file.read(), media_type=file.content_type)


@app.get("/events", response_class=EventSourceResponse)
async def events(last_event_id: Annotated[int, Header()] = 0) -> AsyncIterator[ServerSentEvent]:
    while True:
        last_event_id += 1
        yield ServerSentEvent(data={"process": os.getpid()}, id=str(last_event_id))
        await asyncio.sleep(0.05)


@app.websocket("/ws")
async def chat(websocket: WebSocket) -> None:
    """Whatever is said in a room is told to all who are in it; a guest who names none has one to itself."""
    name = websocket.query_params.get("room", str(uuid.uuid4()))
    extension = websocket.scope.get("extensions", {}).get("libzdt", {})  # a plain uvicorn has none
    name = (extension.get("state") or name.encode()).decode()  # where a predecessor had the guest
    await websocket.accept()
    extension["state"] = name.encode()  # what a successor has to know of the guest
    room = rooms.setdefault(name, set())
    room.add(websocket)
    try:
        while (said := await websocket.receive())["type"] == "websocket.receive":
            for guest in list(room):
                if said.get("text") is not None:
                    await guest.send_text(said["text"])
                else:
                    await guest.send_bytes(said["bytes"])
    finally:
        room.discard(websocket)
        if not room:
            rooms.pop(name, None)
