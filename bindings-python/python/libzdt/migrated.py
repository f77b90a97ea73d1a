"""The end of a handler here: its connection goes on in the successor."""

from __future__ import annotations

import asyncio


class Migrated(asyncio.CancelledError):
    """Raised by `libzdt.aio` where a handler waits, once its connection lives in the successor: let it through, as any
    cancellation. Whoever catches it can do nothing for the connection any more."""

    def __init__(self, held: bytes = b"") -> None:
        super().__init__("the connection lives in the successor")
        self.held = held
        """What was written here after the connection had been frozen, and so was lost."""
