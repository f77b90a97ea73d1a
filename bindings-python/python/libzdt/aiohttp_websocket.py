"""WebSockets of aiohttp, whose handlers are entered again in the next process.

    async def chat(request):
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)              # goes nowhere where the client was accepted before
        extension = request["libzdt"]
        room = extension["state"] or b"lobby"         # what a predecessor's handler gave
        extension["state"] = room                     # bytes; may be set at any time

As with ASGI (`libzdt.asgi`): one whose handler gives no state stays, a handler is stopped only while it waits in
`receive` (or `async for`), and `libzdt.Migrated` is raised there. There is no compression: aiohttp's remembers what
was said before.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from aiohttp import WSMessage, WSMsgType, web
from aiohttp.typedefs import Handler

from .http.conversation import OWN, Conversation
from .http.web import Looking

KEY = "libzdt"
TALK = "libzdt conversation"


@web.middleware
async def extend(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Puts the extension into a request that asks for a WebSocket."""
    facade = request.transport
    if isinstance(facade, Looking) and facade.websocket is not None:
        talk = Conversation(facade.websocket, 'request["libzdt"]["state"]')
        request[KEY], request[TALK] = talk.extension, talk
        OWN.set(talk)
    elif request.headers.get("Upgrade", "").lower() == "websocket":  # TLS, which does not move
        request[KEY] = {"adopted": False, "state": None}
    return await handler(request)


def prepare(request: web.Request, response: web.WebSocketResponse) -> None:
    """Before it answers the handshake."""
    talk = request.get(TALK)
    if talk is not None:
        # Handlers make them by themselves, so what is different comes later.
        response.__class__ = _moving(type(response))
        vars(response)["_talk"] = talk


@cache
def _moving(kind: type[web.WebSocketResponse]) -> type[web.WebSocketResponse]:
    class Moving(kind):  # type: ignore[misc, valid-type]
        """Receives where it can be stopped, and sends only what is the client's."""

        _talk: Conversation

        async def receive(self, timeout: float | None = None) -> WSMessage:
            message: WSMessage = await self._talk.receive(super().receive(timeout))
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._talk.received()
            return message

        async def ping(self, message: bytes = b"") -> None:
            await self._talk.ours()
            await self._talk.send(super().ping(message))

        async def pong(self, message: bytes = b"") -> None:
            await self._talk.ours()
            await self._talk.send(super().pong(message))

        async def send_frame(self, *frame: Any, **how: Any) -> None:
            await self._talk.ours()
            await self._talk.send(super().send_frame(*frame, **how))

        async def send_str(self, *data: Any, **how: Any) -> None:
            await self._talk.ours()
            await self._talk.send(super().send_str(*data, **how))

        async def send_bytes(self, *data: Any, **how: Any) -> None:
            await self._talk.ours()
            await self._talk.send(super().send_bytes(*data, **how))

        async def close(self, **how: Any) -> bool:
            await self._talk.ours()
            closed: bool = await super().close(**how)
            return closed

        def _send_heartbeat(self) -> None:
            """aiohttp's timer: whose client it is will be known before the next one."""
            if self._talk.undecided:
                self._heartbeat_cb = None
                self._reset_heartbeat()
            else:
                super()._send_heartbeat()

    Moving.__name__ = kind.__name__
    Moving.__qualname__ = kind.__qualname__
    return Moving
