"""What an ASGI application sees of a takeover.

On a WebSocket's scope there is `scope["extensions"]["libzdt"]`, a dict with `adopted`: whether a predecessor's
application served this client before; and `state`: what it gave for its successor (None where nobody has). An
application that sets `state` to bytes says: enter me in the next process with the same scope and these bytes, and I
go on as if nothing had been. b"" says that there is nothing to know. It is stopped only while it waits in `receive`:
there `libzdt.Migrated` is raised then, instead of a disconnect.

    extension = websocket.scope["extensions"]["libzdt"]
    room = extension["state"] or b"lobby"
    await websocket.accept()              # goes nowhere where the client was accepted before
    extension["state"] = room             # may be set at any time

A WebSocket without `state` stays in its process to its end. Whoever sends to one that has moved, from outside its own
application, gets an OSError, as with any client that has left.

A stream of server-sent events is ended between two events: its application gets `libzdt.Migrated` from its next `send`,
and "http.disconnect" from `receive`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, TypeAlias

from .http.websocket import CURRENT, WebSocket
from .migrated import Migrated
from .responses import Responses

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OWN: ContextVar[Session | None] = ContextVar("libzdt session", default=None)
"""The session of the application that a task belongs to."""


class Moved(ConnectionError):
    """The client's WebSocket lives in the successor: it was not sent."""


class Application:
    """Wraps an application so that its WebSockets may move, and what cannot ends in good order."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.responses = Responses()
        """Is to be told the events of the takeover."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
            return
        websocket = CURRENT.get()
        if scope["type"] != "websocket" or websocket is None:
            await self._app(scope, receive, send)
            return
        session = Session(websocket, receive, send)
        scope["extensions"] = {**scope.get("extensions", {}), "libzdt": session.extension}
        CURRENT.set(None)  # what the application opens itself is not this client
        OWN.set(session)
        try:
            await self._app(scope, session.receive, session.send)
        except Migrated:
            if not session.over:
                raise

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        response = self.responses.begin(scope, send)
        try:
            await self._app(scope, receive, response.send)
        except Migrated:
            if not response.over:
                raise
        finally:
            self.responses.finished(response)


class Session:
    """One WebSocket as its application sees it."""

    def __init__(self, websocket: WebSocket, receive: Receive, send: Send) -> None:
        self.extension: dict[str, Any] = {"adopted": websocket.adopted, "state": websocket.state}
        self.over = False
        """It lives in another process."""
        self._websocket = websocket
        self._receive = receive
        self._send = send
        self._received = 0
        self._receiving = 0
        self._sending = 0
        self._accepted = False
        self._frozen = websocket.adopted  # it is not ours yet
        self._thawed = asyncio.Event()
        websocket.talk = self

    async def receive(self) -> Event:
        """Only here the application is stopped."""
        self._receiving += 1
        self._websocket.stirred()
        try:
            event = await self._receive()
        finally:
            self._receiving -= 1
        if self.over:
            raise Migrated
        if event["type"] == "websocket.receive":
            self._received += 1
        return event

    async def send(self, event: Event) -> None:
        """Waits while it is not known whose the client is."""
        if not self._accepted:
            self._accepted = event["type"] == "websocket.accept"
        else:
            while self._frozen:
                await self._thawed.wait()
        if self.over:
            raise Migrated if OWN.get() is self else Moved("the client's WebSocket lives in the successor")
        self._sending += 1
        try:
            await self._send(event)
        finally:
            self._sending -= 1
            self._websocket.stirred()

    @property
    def state(self) -> bytes | None:
        state = self.extension["state"]
        if not isinstance(state, bytes | None):
            raise TypeError(f'scope["extensions"]["libzdt"]["state"]: bytes are wanted, not {type(state).__name__!r}')
        return state

    def waits(self, messages: int) -> bool:
        return self._receiving > 0 and self._received == messages and not self._sending

    def freeze(self) -> None:
        self._frozen = True
        self._thawed.clear()

    def thaw(self) -> None:
        self._frozen = False
        self._thawed.set()

    def migrated(self) -> None:
        self.over = True
        self.thaw()
