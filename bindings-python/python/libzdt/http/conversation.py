"""A WebSocket as its application sees it, whatever the server calls receiving and sending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import Any, TypeVar

from ..migrated import Migrated
from .websocket import WebSocket

T = TypeVar("T")

OWN: ContextVar[Conversation | None] = ContextVar("libzdt conversation", default=None)
"""The one of the application that a task belongs to."""


class Moved(ConnectionError):
    """The client's WebSocket lives in the successor: it was not sent."""


class Conversation:
    """A `Talk`: it counts what was received, and holds back what is sent while it is not known whose the client is."""

    def __init__(self, websocket: WebSocket, where: str) -> None:
        """`where`: what the application calls `extension["state"]`, for what it is told."""
        self.extension: dict[str, Any] = {"adopted": websocket.adopted, "state": websocket.state}
        self.over = False
        """It lives in another process."""
        self._websocket = websocket
        self._where = where
        self._received = 0
        self._receiving = 0
        self._sending = 0
        self._frozen = websocket.adopted  # it is not ours yet
        self._thawed = asyncio.Event()
        websocket.talk = self

    async def receive(self, receiving: Awaitable[T]) -> T:
        """Only here the application is stopped."""
        self._receiving += 1
        self._websocket.stirred()
        try:
            event = await receiving
        finally:
            self._receiving -= 1
        if self.over:
            raise Migrated
        return event

    def received(self) -> None:
        """It was a message."""
        self._received += 1

    @property
    def undecided(self) -> bool:
        """It is not known whose the client is."""
        return self._frozen

    async def ours(self) -> None:
        """Waits while it is not known whose the client is."""
        while self._frozen:
            await self._thawed.wait()
        if self.over:
            raise Migrated if OWN.get() is self else Moved("the client's WebSocket lives in the successor")

    async def send(self, sending: Awaitable[T]) -> T:
        """The client's, once it is known that it is `ours`."""
        self._sending += 1
        try:
            return await sending
        finally:
            self._sending -= 1
            self._websocket.stirred()

    # The connection's side

    @property
    def state(self) -> bytes | None:
        state = self.extension["state"]
        if not isinstance(state, bytes | None):
            raise TypeError(f"{self._where}: bytes are wanted, not {type(state).__name__!r}")
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
