"""Takeovers that tell a report what happens."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import TYPE_CHECKING

import libzdt

from .. import aio
from .report import Report

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..aio.takeover import Config


class Watched(libzdt.Takeover):
    """For threads, and for servers that accept by themselves."""

    def __init__(self, report: Report, path: str | os.PathLike[str], **config: Unpack[Config]) -> None:
        super().__init__(path, **config)
        self._report = report

    def ready(self) -> None:
        super().ready()
        self._report.watch_aside(self)

    def next_event(self, timeout: float | None = None) -> libzdt.Event | None:
        if (event := super().next_event(timeout)) is not None:
            self._report.event(event)
        return event


class WatchedAio(aio.Takeover):
    """For asyncio."""

    def __init__(self, report: Report, path: str | os.PathLike[str], **config: Unpack[Config]) -> None:
        super().__init__(path, on_event=report.event, **config)
        self._report = report
        self._watching: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        await super().ready()
        self._watching = asyncio.get_running_loop().create_task(self._report.watch(self))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await super().__aexit__(kind, error, at)
