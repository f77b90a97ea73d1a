"""What an ASGI application sees of a takeover.

On a WebSocket's scope there is `scope["extensions"]["libzdt"]`, a dict with `adopted`: whether a predecessor's
application served this client before; and `state`: what it gave for its successor (None where nobody has). An
application that sets `state` to bytes says: enter me in the next process with the same scope and these bytes, and I
go on as if nothing had been. b"" says that there is nothing to know. It is stopped only while it waits in `receive`:
there `libzdt.Migrated` is raised then, instead of a disconnect.

    extension = websocket.scope.get("extensions", {}).get("libzdt", {})  # a plain server has none
    room = extension.get("state") or b"lobby"
    await websocket.accept()              # goes nowhere where the client was accepted before
    extension["state"] = room             # may be set at any time

A WebSocket without `state` stays in its process to its end. Whoever sends to one that has moved, from outside its own
application, gets an OSError, as with any client that has left.

A stream of server-sent events is ended between two events: its application gets `libzdt.Migrated` from its next `send`,
and "http.disconnect" from `receive`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from .http.conversation import OWN, Conversation, Moved
from .http.websocket import CURRENT, WebSocket
from .migrated import Migrated
from .responses import Responses

__all__ = ["Application", "Moved"]

Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


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
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        websocket = CURRENT.get()
        if websocket is None:  # TLS, which does not move
            extend(scope, {"adopted": False, "state": None})
            await self._app(scope, receive, send)
            return
        session = Session(websocket, receive, send)
        extend(scope, session.extension)
        CURRENT.set(None)  # what the application opens itself is not this client
        OWN.set(session)
        try:
            await self._app(scope, session.receive_event, session.send_event)
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


def extend(scope: MutableMapping[str, Any], extension: dict[str, Any]) -> None:
    """Puts what libzdt has to say into a scope."""
    scope["extensions"] = {**scope.get("extensions", {}), "libzdt": extension}


class Session(Conversation):
    """One WebSocket as its application sees it."""

    def __init__(self, websocket: WebSocket, receive: Receive, send: Send) -> None:
        super().__init__(websocket, 'scope["extensions"]["libzdt"]["state"]')
        self._receive_event = receive
        self._send_event = send
        self._accepted = False

    async def receive_event(self) -> Event:
        """The application's `receive`."""
        event = await self.receive(self._receive_event())
        if event["type"] == "websocket.receive":
            self.received()
        return event

    async def send_event(self, event: Event) -> None:
        """The application's `send`."""
        if self._accepted:
            await self.ours()
        elif self.over:
            raise Migrated
        self._accepted |= event["type"] == "websocket.accept"  # which goes nowhere, if it was told before
        await self.send(self._send_event(event))
