"""The takeover: the handle of a process that takes a service over and may be taken over from."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from . import _core
from ._handle import Handle

if TYPE_CHECKING:
    import socket

    from ._core import ListenerSpec
    from .events import Peer

RUNTIME = "python {}.{}.{}".format(*sys.version_info[:3])


class Takeover(Handle[_core.Handle]):
    """One process's part in the chain of generations: its takeover socket, its listeners, the link to its predecessor
    and the link to its successor.

    Any thread may call anything; `next_event` has one caller at a time. There is no thread inside: whoever calls
    `next_event` (or polls `fileno()` and then calls it) does the work. After a fork the child's handle is dead and says
    `Forked`. As a context manager it closes at the end.
    """

    __slots__ = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        program: str = "",
        runtime: str = RUNTIME,
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
        super().__init__(_core.Handle(os.fsdecode(path), config))

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

    def seat(self, worker: int) -> socket.socket:
        """A seat for a worker of ours, which `libzdt.Worker` takes: in a child after fork, or in a program that was
        started with the descriptor (it is not inheritable: `pass_fds` of `subprocess` makes it so).

        Seat the workers before `ready()`: from then on a predecessor's workers migrate to them, and never through this
        process. Close the socket here once the worker has its own. A worker that died is replaced by seating another.
        `worker` is a number of the caller's choice, for messages. Any thread; never blocks.

        Raises:
            WrongState: we drain, and a new worker would have nothing to do. InvalidArgument: more than 250 listeners.
            SystemFailed. The other workers are as they were.
        """
        return self._handle.seat(worker)

    def drain(self) -> None:
        """Asks this process to drain, as a signal would: `Drain` without a successor follows, unless one is at it. Any
        thread, and Python's signal handlers. Never blocks.

        Raises:
            Closed, Forked.
        """
        self._handle.drain()
