"""What the two handles have in common: `libzdt.Takeover` and `libzdt.Worker`."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from . import _core
from ._poll import readable
from .errors import InvalidArgument, WrongState

if TYPE_CHECKING:
    from typing_extensions import Self

    from .connection import Frozen
    from .events import Event, Progress

H = TypeVar("H", _core.Handle, _core.WorkerHandle)


class Handle(Generic[H]):
    """A handle: whoever calls `next_event` does the work."""

    __slots__ = ("__weakref__", "_handle", "_lent", "_pid", "_waiting")

    _handle: H

    def __init__(self, handle: H) -> None:
        self._handle = handle
        self._lent: dict[int, Frozen] = {}
        """What is on offer. It keeps the sockets open, and finds the objects of what is settled or returned."""
        self._waiting = threading.Lock()
        self._pid = os.getpid()

    @property
    def generation(self) -> int:
        """Our generation: 1 for the first process at the path, one more with each committed takeover. A worker's is
        that of its arbiter when it gave the seat."""
        return self._handle.generation()

    def next_event(self, timeout: float | None = None) -> Event | None:
        """What happened next; waits for it for `timeout` seconds at most (None: for ever; 0: not at all).

        Everything that libzdt does is done in here: call it until it gives None whenever `fileno()` is readable. Coming
        back after `Drain` says that the application has stopped accepting. Other threads and signal handlers run while
        it waits; `close()` of another thread ends the wait. Join a thread that calls this before the interpreter ends,
        daemon or not: one that is in native code then can bring the process down (PEP 788).

        Raises:
            WrongState: another thread is in here. Closed, Forked, InvalidArgument (of `timeout`), SystemFailed.
        """
        if timeout is not None and not timeout >= 0:
            raise InvalidArgument(f"timeout is {timeout} seconds", "nothing was done; correct the call")
        ours = self._waiting.acquire(blocking=False)
        try:
            # In a child the one that waits may be a thread of the parent: there the handle says Forked.
            if not ours and os.getpid() == self._pid:
                raise WrongState("another thread waits for events", "one at a time; nothing was changed")
            event = self._handle.next_event(self._lent)
            if event is not None or timeout == 0:
                return event
            for _ in readable([self._handle.event_fd()], timeout):
                event = self._handle.next_event(self._lent)
                if event is not None:
                    return event
            return None
        finally:
            if ours:
                self._waiting.release()

    def fileno(self) -> int:
        """A descriptor for your own poller: readable (level-triggered) while `next_event` has something to do,
        deadlines included. It belongs to the handle: only wait for it, and take it out of the poller before the handle
        is let go."""
        return self._handle.event_fd()

    @property
    def event_fd(self) -> int:
        """The same as `fileno()`."""
        return self._handle.event_fd()

    def migrate(self, connection: Frozen) -> bool:
        """Offers a frozen connection to the successor, from `Drain` on. Never blocks.

        True: it is on offer, and `Settled` or `Returned` follows; until then nobody here uses it. Its sockets are lent
        (and kept open by the handle), its bytes copied. False: full; nothing was done, wait for `Room` and call again.

        Raises:
            WrongState: no successor, or the attempt is being called off. TooLarge, NotReadable, InvalidArgument,
                SystemFailed. DescriptorLimit: the successor has no room. The connection stays the caller's, frozen as
                it is: finish it here, or thaw it.
        """
        return self._handle.migrate(connection, self._lent)

    def migrated_all(self) -> None:
        """Nothing more will be offered; `Done` follows when the last connection is settled and probation is over.
        Draining without a successor: nothing is in flight any more, `Done` follows at once. Never blocks.

        Raises:
            WrongState: nobody asked to drain.
        """
        self._handle.migrated_all()

    def set_connections(self, count: int) -> None:
        """Says how many live connections there are: the successor makes room for so many descriptors before anything is
        frozen, and progress is shown against it. Cheap; call it whenever the number changes much."""
        self._handle.set_connections(count)

    def progress(self) -> Progress:
        """What was done so far on the link that was made last: the one to our predecessor, until a successor comes."""
        return self._handle.progress()

    def close(self) -> None:
        """Leaves: every offer is answered or taken back, an owner without a successor gives the service up and unlinks
        the path. Blocks for some milliseconds at most. Every later call raises `Closed`; closing twice is fine. The
        caller's sockets are untouched."""
        self._handle.close()
        self._lent.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
