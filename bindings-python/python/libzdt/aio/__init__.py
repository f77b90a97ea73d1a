"""Takeover for asyncio, with asyncio's own loop or uvloop.

`Takeover.start_server` runs a coroutine for each connection, `Takeover.create_server` an asyncio.Protocol. Both kinds
of connections move to the next process with the bytes that were read and not used, those that were not written yet,
and the state that the application gives them.
"""

from .connection import Connection
from .protocols import Migratable
from .takeover import Listening, Takeover
from .transport import Transport
from .worker import Worker

__all__ = ["Connection", "Listening", "Migratable", "Takeover", "Transport", "Worker"]
