"""Several sockets at one address (SO_REUSEPORT, socket(7)): the kernel spreads new connections over them, and over
those of a successor that binds the same address. `Group` takes them away again without losing one; it knows of no
takeover.

    group = reuseport.Group.bind("tcp://0.0.0.0:8080", 4)
    ...  # serve, until a successor says that its 4 sockets listen there too
    group.retire(4, serve)
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeAlias

from . import _core
from ._poll import readable
from .errors import Busy

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._core import ListenerSpec

__all__ = ["WAIT", "Accept", "Closed", "Done", "Group", "Kernel", "Retired", "Step", "Wait", "kernel"]

WAIT: Final = _core.REUSEPORT_WAIT
"""How long is waited for the slowest handshake, where nothing else is said, in seconds: SYN-ACKs are sent again after 1
and 3 seconds (RFC 6298), so two that get lost in a row are within it."""

_AGAIN = 0.01
"""How soon one looks again where something could not be accepted, for lack of descriptors as a rule, in seconds."""
_LOOK = 0.05
"""How often one looks whether a predecessor has left, in seconds."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Serve all sockets as ever, and call `step` again when the time is over."""

    seconds: float | None
    """How long; None: for ever."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Accept from (UDP: read from) a socket until that would block, then call `step` again."""

    index: int
    """Which of `Group.sockets`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A socket leaves: take it out of your poller and close what copies there are (dup, fork), then call `step` again,
    which closes the one in `Group.sockets`."""

    index: int
    """Which of `Group.sockets`."""


@dataclass(frozen=True, slots=True)
class Retired:
    """How it went."""

    closed: int
    """How many of our sockets were closed."""
    successors: int
    """How many of the successor's stay."""
    waits: int
    """How often was waited: once, again whenever the group's members changed, and once more where one socket of a
    successor's takes the place of several."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing of ours is left."""

    retired: Retired
    """How it went."""


Step: TypeAlias = Wait | Accept | Closed | Done
"""What is next while a group retires."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel itself does for connections on their way to a listener that is closed (ip-sysctl.rst). Nothing
    here relies on it, and a library cannot switch it on, since that needs CAP_NET_ADMIN."""

    migrates: bool
    """net.ipv4.tcp_migrate_req (Linux 5.14): whoever waits in the queue of a TCP listener that is closed, and whoever
    is half connected to it, moves to another one of its group."""
    syncookies: int
    """net.ipv4.tcp_syncookies: 0 never; 1 (the default) where a queue overflows; 2 always."""


kernel = _core.kernel


class Group:
    """Some sockets at one address, one for each worker: TCP listeners or UDP sockets. The kernel spreads what arrives
    over them and over those of a successor, which binds the same address, as many as it likes.

    A listener that is closed resets whoever waits in its queue and every handshake that is under way. `retire` does
    not: the kernel is told to give all that is new to the successor's sockets (classic BPF, no privilege needed), what
    is left is accepted here, and only then is each closed.

    All sockets of a process at an address belong in one group. Its calls take turns, `retire` and `step` of one thread
    alone; its sockets may be used from any thread meanwhile. `close()`, the end of a `with`, or becoming garbage closes
    what is left at once, with the loss that this means.
    """

    def __init__(self, native: _core.Group) -> None:
        self._native = native
        self._sockets = dict(enumerate(native.copies()))
        self._leaving: int | None = None

    @classmethod
    def bind(cls, spec: ListenerSpec | str | tuple[str, int], count: int) -> Self:
        """Binds `count` sockets at the same address, in a group with whoever is there already: `tcp://IP:PORT`,
        `udp://IP:PORT`, a `ListenerSpec`, or host and port (TCP). Port 0: any, the same for all. A steering that an
        earlier generation left behind ends. Does not block.

        Raises:
            InvalidArgument: a count of 0, a Unix path. AddressInUse: somebody is there without SO_REUSEPORT, or as
                another user. SystemFailed. Nothing is left behind.
        """
        return cls(_core.Group(spec, count))

    @property
    def address(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Where the sockets are bound, as `getsockname()` gives it. Raises Closed."""
        return self._native.address()

    @property
    def sockets(self) -> dict[int, socket.socket]:
        """The sockets that are still open, by index (non-blocking, not inheritable). They stay the group's, which
        closes them: see `Closed`."""
        return dict(self._sockets)

    def retire(self, successors: int, serve: Callable[[socket.socket], object], wait: float | None = None) -> Retired:
        """Takes our sockets out of the group while those of a successor, `successors` at least, stay: nobody is
        refused, reset or left in a queue. Blocks until all is done, `wait` seconds and a little more (None: `WAIT`);
        where a predecessor of ours has not left yet, first until it has. Other threads and signal handlers run
        meanwhile.

        `serve` is called with a socket from which something can be accepted (UDP: read): let it do so until that would
        block. Meanwhile nobody else may accept from them, unless he stops when his copy is to be closed: for accept
        loops that go on there is `start_retiring`. A `wait` shorter than the slowest handshake loses that one; on UDP
        there is none, so 0 will do.

        Raises:
            What `start_retiring`, but for Busy, and `step` raise; and what `serve` or a signal handler raises: if the
            group retires, it does so still, and `step` goes on with it.
        """
        while True:
            try:
                self.start_retiring(successors, wait)
                break
            except Busy:
                self._serve_for(_LOOK, serve)
        while True:
            match self.step():
                case Wait(seconds):
                    self._serve_for(seconds, serve)
                case Accept(index):
                    _serve_one(self._sockets[index], serve)
                case Done(retired):
                    return retired

    def start_retiring(self, successors: int, wait: float | None = None) -> None:
        """Begins to retire, for accept loops or pollers of your own: from here on everything new goes to the
        successor's sockets, `successors` at least. Then call `step` until `Done`. `wait` as for `retire`. Does not
        block, but for the moment (milliseconds at most, as a rule) that it takes to find out which socket is where:
        packets are sent over loopback that no application sees (on UDP, successors that joined while a predecessor of
        ours was there may read an empty datagram).

        Raises:
            Nothing was changed, and all of ours serve on, after each. PeerGone: the kernel lists fewer sockets of
            others at the address (bound with SO_REUSEPORT, by the same user). Busy: a predecessor of ours has not left
            yet. WrongState: begun already, or which socket is where cannot be found out: ours have filters, or loopback
            is down or closed to us. InvalidArgument: no successors. Closed. SystemFailed.
        """
        self._native.start_retiring(successors, wait)

    def step(self) -> Step:
        """What to do next. Looks at who is in the group first: whoever joined or left meanwhile, all is steered and
        waited for again. Does not block, but for a look as in `start_retiring` if somebody left.

        Raises:
            WrongState: not begun; somebody holds a copy of a socket that was closed, for longer than a second: close
            it, then call again; or one cannot find out which socket is where: call again. PeerGone: none of a
            successor's sockets is left: those of ours that are not closed yet serve on, and one can begin again.
            Closed. SystemFailed (no descriptor was left, for instance): call again.
        """
        if self._leaving is not None:
            self._sockets.pop(self._leaving).close()
            self._leaving = None
        step = self._native.step()
        if isinstance(step, Closed):
            self._leaving = step.index
        return step

    def close(self) -> None:
        """Closes the sockets that are left, at once, with the loss that this means. Every later call raises `Closed`;
        closing twice is fine."""
        self._native.close()
        while self._sockets:
            self._sockets.popitem()[1].close()
        self._leaving = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve_for(self, seconds: float | None, serve: Callable[[socket.socket], object]) -> None:
        by_number = {socket.fileno(): socket for socket in self._sockets.values()}
        for numbers in readable(by_number, seconds):
            for number in numbers:
                _serve_one(by_number[number], serve)


def _serve_one(socket: socket.socket, serve: Callable[[socket.socket], object]) -> None:
    """Lets the caller accept; where he could not, gives him a moment to become able to."""
    serve(socket)
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    if poll.poll(0):
        time.sleep(_AGAIN)
