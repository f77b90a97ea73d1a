"""A worker of a pre-fork server: its seat at its arbiter, over which connections move from worker to worker."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from . import _core
from ._handle import Handle
from .takeover import RUNTIME

if TYPE_CHECKING:
    import socket


class Worker(Handle[_core.WorkerHandle]):
    """A worker's part in the takeovers of its arbiter, which has a `Takeover` and no connections: it accepts from the
    arbiter's listeners, has connections of its own, and migrates them straight to a worker of the successor.

    Events and words are those of `Takeover`, and so are the rules for threads and forks. `Ready` says when to accept.
    Coming back to `next_event` after `Drain` says that this worker has stopped accepting.

    It ends with its arbiter, but not at once: where the arbiter dies or closes its handle, the worker gets `Drain` (or,
    if the arbiter had not taken over yet, `Aborted`), migrates over the lanes that it has, finishes the rest, and gets
    `Done`. As a context manager it closes at the end.
    """

    __slots__ = ()

    def __init__(
        self,
        seat: socket.socket | int,
        *,
        program: str = "",
        runtime: str = RUNTIME,
        handshake: float | None = None,
        drain: float | None = None,
        max_state: int | None = None,
        max_bytes: int | None = None,
        reads: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Takes the seat that `Takeover.seat` gave, in the worker's own process. A child that was forked lets go of its
        copy of the arbiter's `Takeover` before.

        The seat, a socket or the number of its descriptor, is taken and closed in any case. Blocks until the arbiter's
        word is there, which it is at once; at most `handshake`. Options as with `Takeover`; `drain` counts should the
        arbiter die.

        Raises:
            NoAnswer: the arbiter hangs, or the seat was taken before. PeerGone: it is gone. Malformed, OutOfOrder: it
            is no seat. Unsupported, InvalidArgument, SystemFailed. The arbiter sees that the seat is empty, and goes
            on.
        """
        given = {
            "program": program,
            "runtime": runtime,
            "handshake": handshake,
            "drain": drain,
            "max_state": max_state,
            "max_bytes": max_bytes,
            "reads": {protocol: list(versions) for protocol, versions in (reads or {}).items()},
        }
        config = {name: value for name, value in given.items() if value is not None}
        number = seat if isinstance(seat, int) else seat.detach()
        try:
            handle = _core.WorkerHandle(number, config)
        finally:
            if number >= 0:
                os.close(number)
        super().__init__(handle)

    @property
    def number(self) -> int:
        """Our number, as the arbiter gave it to `Takeover.seat`."""
        return self._handle.number()

    def listener(self, name: str) -> socket.socket:
        """The arbiter's listener `name`, as it was when the seat was given; accept from it from `Ready` on. The socket
        (non-blocking, not inheritable) is the caller's. Each can be had once. Never blocks.

        Raises:
            InvalidArgument: the arbiter had none of that name. NameUsed: it was taken before. Closed, Forked.
        """
        return self._handle.listener(name)
