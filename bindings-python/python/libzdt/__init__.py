"""A server restarts and nobody notices: the listening sockets and the live connections of a predecessor move to its
successor. Either may be written in C, Java, Python or Rust.

Begin with `Takeover` (blocking code, or a loop of your own) or with `libzdt.aio` (asyncio). Below them lie plain pieces
that are of use alone: `send_fds` and `recv_fds`, `bind`, `libzdt.reuseport`, `Gate`, `signal_drain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from . import _core
except ImportError as error:
    from ._missing import explain

    raise ImportError(explain(error), name=f"{__name__}._core") from error

from ._core import Gate, InFlight, ListenerSpec, Offer, bind, queue_length, signal_drain
from .connection import Address, Adopted, Companion, Frozen, HasFileno
from .errors import (
    AddressInUse,
    AttemptLost,
    Busy,
    Closed,
    DescriptorCount,
    DescriptorLimit,
    DirectoryMissing,
    ErrorKind,
    ForeignFile,
    Forked,
    Internal,
    InvalidArgument,
    ListenerMismatch,
    ListenerUnclaimed,
    Malformed,
    NameUsed,
    NoAnswer,
    NoCommonVersion,
    NotReadable,
    OutOfOrder,
    PathTooLong,
    PeerGone,
    Refused,
    SignalNotBlocked,
    SystemFailed,
    TooLarge,
    UnsafeDirectory,
    Unsupported,
    WrongProcess,
    WrongState,
    WrongUser,
    ZdtError,
)
from .events import (
    Aborted,
    Accept,
    Committed,
    Done,
    Drain,
    Event,
    Peer,
    Progress,
    Ready,
    Relieved,
    Resume,
    Returned,
    Room,
    Settled,
)
from .fds import recv_fds, send_fds
from .takeover import Takeover
from .worker import Worker

if TYPE_CHECKING:
    from .migrated import Migrated

__version__ = _core.VERSION

__all__ = [
    "Aborted",
    "Accept",
    "Address",
    "AddressInUse",
    "Adopted",
    "AttemptLost",
    "Busy",
    "Closed",
    "Committed",
    "Companion",
    "DescriptorCount",
    "DescriptorLimit",
    "DirectoryMissing",
    "Done",
    "Drain",
    "ErrorKind",
    "Event",
    "ForeignFile",
    "Forked",
    "Frozen",
    "Gate",
    "HasFileno",
    "InFlight",
    "Internal",
    "InvalidArgument",
    "ListenerMismatch",
    "ListenerSpec",
    "ListenerUnclaimed",
    "Malformed",
    "Migrated",
    "NameUsed",
    "NoAnswer",
    "NoCommonVersion",
    "NotReadable",
    "Offer",
    "OutOfOrder",
    "PathTooLong",
    "Peer",
    "PeerGone",
    "Progress",
    "Ready",
    "Refused",
    "Relieved",
    "Resume",
    "Returned",
    "Room",
    "Settled",
    "SignalNotBlocked",
    "SystemFailed",
    "Takeover",
    "TooLarge",
    "UnsafeDirectory",
    "Unsupported",
    "Worker",
    "WrongProcess",
    "WrongState",
    "WrongUser",
    "ZdtError",
    "__version__",
    "bind",
    "queue_length",
    "recv_fds",
    "send_fds",
    "signal_drain",
]


def __getattr__(name: str) -> Any:
    # Only asyncio programs need asyncio, which takes longer to import than all of this.
    if name == "Migrated":
        from .migrated import Migrated

        return Migrated
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
