"""What a takeover tells the application, and what it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._core import Offer
from .connection import Frozen
from .errors import ZdtError


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end of the link."""

    pid: int
    """Its process id as our pid namespace shows it; 0 where it is not visible."""
    program: str
    """The `program` that it gave."""
    runtime: str
    """The `runtime` that it gave, for instance `rust` or `java 25 netty 4.2.7`."""
    generation: int
    """Its generation (for a successor: the one it will have)."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a takeover has done so far, seen from one process. All counters start at 0 with each link: they are those of
    the one to our predecessor until a successor comes."""

    generation: int
    """Our generation."""
    expected: int
    """How many connections the predecessor said there are (`set_connections`); 0 where it did not say."""
    offered: int
    """Connections offered so far (sent by a predecessor, received by a successor)."""
    settled: int
    """Adopted by the successor."""
    returned: int
    """Refused, or taken back."""
    unread_bytes: int
    """Unread bytes of the connections that were adopted, companions included."""
    unsent_bytes: int
    """Unsent bytes of the connections that were adopted, companions included."""
    state_bytes: int
    """State bytes of the connections that were adopted."""


@dataclass(frozen=True, slots=True)
class Drain:
    """Stop accepting, but from `retired`. With a successor: freeze and migrate what there is, then `migrated_all`.
    Without one (a signal or `drain()` came): finish what is in flight, then `migrated_all`."""

    successor: Peer | None
    """Who is ready to take the connections; None where nobody is."""
    deadline: float
    """Seconds from now until what is still on offer is taken back. `Done` follows: with a successor after `probation`,
    without one at once."""
    reads: dict[str, list[int]]
    """Which state versions of which protocols the successor reads; empty: it did not say, offer everything."""
    retired: list[str]
    """The listeners that the successor left to us (`Takeover.retire`): go on accepting from these. At `Done` or
    `Relieved` accept what is still in their queues, then close them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """(predecessor) The connection was adopted over there: out of the poller first, then close without shutdown."""

    id: int
    """The id of its `Frozen`."""


@dataclass(frozen=True, slots=True)
class Returned:
    """(predecessor) Refused, or nobody is there to take it: the connection is ours as it was, thaw the same objects."""

    connection: Frozen
    """The very object that was given to `migrate()`."""
    why: Literal["refused", "taken back"]
    """Whether the successor refused it; else it is gone, hangs, or the deadline came."""


@dataclass(frozen=True, slots=True)
class Room:
    """(predecessor) `migrate` takes more."""


@dataclass(frozen=True, slots=True)
class Ready:
    """(worker) The arbiter said ready: accept from here on."""


@dataclass(frozen=True, slots=True)
class Committed:
    """(successor) We are the owner now."""

    generation: int
    """Our generation: the predecessor's plus one."""


@dataclass(frozen=True, slots=True)
class Resume:
    """(predecessor) The attempt is off, or the successor died: accept again, from every listener. It may come before
    the connections that it gives back: whatever was on offer follows as `Returned`, or as `Settled` where the successor
    had adopted it."""

    cause: ZdtError
    """Why."""


@dataclass(frozen=True, slots=True)
class Accept:
    """(predecessor) The successor owns the service but leaves the queue of a listener unserved: accept from it too.
    Connections accepted this way are served here to their end."""

    cause: ZdtError
    """Who hangs."""


@dataclass(frozen=True, slots=True)
class Relieved:
    """(predecessor) For good: nobody will resume here. Close the listeners, finish what is left."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """(successor) The attempt is off: close the listeners, finish what was adopted, exit."""

    cause: ZdtError
    """Why."""


@dataclass(frozen=True, slots=True)
class Done:
    """Libzdt has nothing left to do here: finish the connections that returned, if there are any, and exit."""

    left: int
    """How many offers were unanswered when the drain deadline came; `Returned` (or `Settled`, for one that was adopted
    at that moment) has named each before this event. 0: none was. What was never offered is not counted.

    Draining without a successor, where the deadline came before `migrated_all`: how many connections there are, as
    `set_connections` was told, at least 1."""


Event: TypeAlias = (
    Offer | Drain | Settled | Returned | Room | Ready | Committed | Resume | Accept | Relieved | Aborted | Done
)
"""What `next_event` gives. An `Offer` is a live connection of the predecessor's."""
