"""The takeover: the handle of a process that takes a service over and may be taken over from."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from . import _core
from ._poll import readable
from .errors import InvalidArgument, WrongState

if TYPE_CHECKING:
    import socket

    from typing_extensions import Self

    from ._core import ListenerSpec
    from .connection import Frozen
    from .events import Event, Peer, Progress

_RUNTIME = "python {}.{}.{}".format(*sys.version_info[:3])


class Takeover:
    """One process's part in the chain of generations: its takeover socket, its listeners, the link to its predecessor
    and the link to its successor.

    Any thread may call anything; `next_event` has one caller at a time. There is no thread inside: whoever calls
    `next_event` (or polls `fileno()` and then calls it) does the work. After a fork the child's handle is dead and says
    `Forked`. As a context manager it closes at the end.
    """

    __slots__ = ("__weakref__", "_handle", "_lent", "_pid", "_waiting")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        program: str = "",
        runtime: str = _RUNTIME,
        handshake: float | None = None,
        ready: float | None = None,
        commit: float | None = None,
        drain: float | None = None,
        probation: float | None = None,
        hang: float | None = None,
        on_mismatch: Literal["refuse", "bind"] = "refuse",
        max_state: int | None = None,
        max_bytes: int | None = None,
        reads: Mapping[str, Sequence[int]] | None = None,
        allowed_uids: Sequence[int] = (),
        drain_signals: Sequence[int] = (),
    ) -> None:
        """Finds the process that waits at `path` and begins to take over from it, or becomes the first there.

        Blocks until the predecessor's listeners are in hand, `handshake` at most; other threads run meanwhile. The
        directory of `path` must be ours or root's and closed to other writers (or have the sticky bit). Times are
        seconds; None is the core's default (which the Rust documentation of `Config` tells).

        Args:
            program: who this is, for the other side's messages, for instance `gateway 2.1`.
            runtime: the runtime, for the same.
            handshake: how long the other side may take to answer (default 5).
            ready: how long a successor may warm up between getting the listeners and `ready()` (default 120).
            commit: a successor commits once the first offers are settled, or after this (default 10).
            drain: how long draining may take: from Drain until what is still on offer is taken back (default 30).
            probation: how long a predecessor still watches its successor once everything is settled, or the drain
                deadline has come: if the successor dies meanwhile, Resume follows and the predecessor accepts again;
                else Done. A successor that leaves for good, which is no death, ends it: Relieved, then Done. Zero: Done
                follows at once (default 10).
            hang: how long the queue of a listener may stay unserved until whoever else holds it accepts (default 5).
            on_mismatch: what becomes of a predecessor's listener that is not what `listener()` asks for: an error
                (ListenerMismatch), or what was asked for is bound and the predecessor's left to it, as by `retire()`.
            max_state: the largest state of one connection, in bytes (default 1 MiB).
            max_bytes: the most unread, and the most unsent, bytes of one connection or companion (default 16 MiB).
            reads: which state versions of which protocols this program reads; default: whatever is offered.
            allowed_uids: users beside our own effective one and root whose processes may take over from us, or be
                taken over.
            drain_signals: signals that become a Drain event through a signalfd. Each must be blocked in every thread
                (`signal.pthread_sigmask`). Else call `drain()` from a handler of your own.

        Raises:
            PathTooLong, DirectoryMissing, UnsafeDirectory, ForeignFile, WrongUser, WrongProcess: the path, or who waits
                there, is not to be trusted.
            Busy: another successor is at it. NoAnswer: the predecessor did not answer in time.
            NoCommonVersion, Malformed, OutOfOrder, DescriptorCount: it speaks otherwise. Refused, PeerGone.
            DescriptorLimit: too few descriptors for what is coming. ListenerMismatch: what came is not what it was said
                to be. SignalNotBlocked, Unsupported, InvalidArgument, SystemFailed.
            After an error nothing has changed: who served goes on serving.
        """
        given = {
            "program": program,
            "runtime": runtime,
            "handshake": handshake,
            "ready": ready,
            "commit": commit,
            "drain": drain,
            "probation": probation,
            "hang": hang,
            "on_mismatch": on_mismatch,
            "max_state": max_state,
            "max_bytes": max_bytes,
            "reads": {protocol: list(versions) for protocol, versions in (reads or {}).items()},
            "allowed_uids": list(allowed_uids),
            "drain_signals": [int(number) for number in drain_signals],
        }
        config = {name: value for name, value in given.items() if value is not None}
        self._handle = _core.Handle(os.fsdecode(path), config)
        self._lent: dict[int, Frozen] = {}
        """What is on offer. It keeps the sockets open, and finds the objects of what is settled or returned."""
        self._waiting = threading.Lock()
        self._pid = os.getpid()

    @property
    def generation(self) -> int:
        """Our generation: 1 for the first process at the path, one more with each committed takeover."""
        return self._handle.generation()

    @property
    def predecessor(self) -> Peer | None:
        """The process that we take over from, or took over from while its link lasts."""
        return self._handle.predecessor()

    def listener(self, name: str, spec: ListenerSpec | str | tuple[str, int]) -> socket.socket:
        """The listener `name`: the predecessor's where it has one, else bound as `spec` says (a `ListenerSpec`, its
        words such as `tcp://0.0.0.0:8080` or `udp://[::]:53`, or host and port of TCP). Nobody accepts from it
        before `ready()`.

        The socket (non-blocking, not inheritable) is the caller's; libzdt keeps a descriptor of its own for the same
        listener and passes it on. Never `shutdown()` it. Blocks only for a Unix path, while others hold its lock.

        One that the predecessor has at the very address under another name is inherited under the new one. Nodelay, and
        backlog and mode if `spec` sets them, become as `spec` says when we become the owner.

        Raises:
            NameUsed: asked for before. ListenerMismatch: the predecessor's is not what `spec` asks for (see
                `on_mismatch`); it stays unclaimed. TooLarge: as for `retire()`. AddressInUse, InvalidArgument,
                WrongState, SystemFailed. The service is as it was.
        """
        return self._handle.listener(name, spec)

    def unclaimed(self) -> list[str]:
        """The names of inherited listeners that were neither asked for nor retired: `ready()` fails until they are."""
        return self._handle.unclaimed()

    def retire(self, name: str) -> None:
        """Leaves the predecessor's listener `name` to the predecessor: it goes on accepting from it, serves whoever
        connects there, and closes it when it is done. Nothing changes before `ready()`; if the attempt is called off,
        or we die and the predecessor resumes, it still has the listener. Never blocks.

        Raises:
            InvalidArgument: no unclaimed listener has this name. TooLarge: 253 were retired.
        """
        self._handle.retire(name)

    def ready(self) -> None:
        """We are fit to serve: accept from the listeners from here on. The predecessor stops accepting and begins to
        migrate. Does not block.

        Raises:
            ListenerUnclaimed: an inherited listener was neither asked for nor retired, and whoever connects to it would
                wait for ever.
            WrongState: called before. AttemptLost: the attempt is off.
        """
        self._handle.ready()

    def next_event(self, timeout: float | None = None) -> Event | None:
        """What happened next; waits for it for `timeout` seconds at most (None: for ever; 0: not at all).

        Everything that libzdt does is done in here: call it until it gives None whenever `fileno()` is readable. Coming
        back after `Drain` says that the application has stopped accepting. Other threads and signal handlers run while
        it waits; `close()` of another thread ends the wait.

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

    def drain(self) -> None:
        """Asks this process to drain, as a signal would: `Drain` without a successor follows, unless one is at it. Any
        thread, and Python's signal handlers. Never blocks.

        Raises:
            Closed, Forked.
        """
        self._handle.drain()

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
