"""A program that serves webapp.py with libzdt.uvicorn: PATH PORT KIND.

KIND is `hasty`, whose patience with a successor is short, or `strange`, a uvicorn that libzdt does not know.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

import libzdt.uvicorn
from libzdt.run.report import Report


class Strange(asyncio.Protocol):
    """A protocol as another version of uvicorn might have it: it has no `cycle`."""

    def __init__(self, **given: Any) -> None:
        self._inner = H11Protocol(**given)
        self.shutdown = self._inner.shutdown
        for name in ("connection_made", "connection_lost", "data_received", "eof_received"):
            setattr(self, name, getattr(self._inner, name))
        for name in ("pause_writing", "resume_writing"):
            setattr(self, name, getattr(self._inner, name))


if __name__ == "__main__":
    _, path, port, kind = sys.argv
    options: dict[str, Any] = {"probation": 0, "on_event": Report(as_json=True).event}
    settings: dict[str, Any] = {"port": int(port), "timeout_keep_alive": 60, "access_log": False}
    match kind:
        case "hasty":
            options |= {"commit": 1.0, "handshake": 2.0}
        case "strange":
            settings["http"] = Strange
    libzdt.uvicorn.run("webapp:app", takeover=path, options=options, **settings)
