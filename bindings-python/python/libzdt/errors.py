"""Errors: one number, one word and one class for each, the same in every language."""

from __future__ import annotations

import enum
import re

from . import _core


def _numbers() -> dict[str, int]:
    """The core's kinds by the names that enum members have: `PathTooLong` is `PATH_TOO_LONG`."""
    underscored = re.compile(r"(?<!^)(?=[A-Z])")
    return {underscored.sub("_", name).upper(): number for name, (number, _, _) in _core.ERROR_KINDS.items()}


_NUMBERS = _numbers()
_OF_NUMBER = {number: (word, retry_helps) for number, word, retry_helps in _core.ERROR_KINDS.values()}


class ErrorKind(enum.IntEnum):
    """What went wrong. The numbers are the core's and are never reused.

    Ranges: 1xx wrong use, 2xx the system, 3xx takeover, 4xx protocol, 5xx trust, 9xx a fault of libzdt.
    """

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return _NUMBERS[name]

    INVALID_ARGUMENT = enum.auto()
    PATH_TOO_LONG = enum.auto()
    NAME_USED = enum.auto()
    WRONG_STATE = enum.auto()
    CLOSED = enum.auto()
    FORKED = enum.auto()
    TOO_LARGE = enum.auto()
    NOT_READABLE = enum.auto()
    LISTENER_UNCLAIMED = enum.auto()
    SIGNAL_NOT_BLOCKED = enum.auto()
    SYSTEM = enum.auto()
    DESCRIPTOR_LIMIT = enum.auto()
    DIRECTORY_MISSING = enum.auto()
    ADDRESS_IN_USE = enum.auto()
    UNSUPPORTED = enum.auto()
    BUSY = enum.auto()
    NO_ANSWER = enum.auto()
    PEER_GONE = enum.auto()
    LISTENER_MISMATCH = enum.auto()
    ATTEMPT_LOST = enum.auto()
    REFUSED = enum.auto()
    NO_COMMON_VERSION = enum.auto()
    MALFORMED = enum.auto()
    OUT_OF_ORDER = enum.auto()
    DESCRIPTOR_COUNT = enum.auto()
    WRONG_USER = enum.auto()
    UNSAFE_DIRECTORY = enum.auto()
    FOREIGN_FILE = enum.auto()
    WRONG_PROCESS = enum.auto()
    INTERNAL = enum.auto()

    @property
    def word(self) -> str:
        """The kind as a short word, the same in every language."""
        return _OF_NUMBER[self][0]

    @property
    def retry_helps(self) -> bool:
        """Whether the same call, made again a little later, can succeed without anything being changed."""
        return _OF_NUMBER[self][1]


class ZdtError(OSError):
    """What was wrong, what state one is in now, and what to do. Each `ErrorKind` has a class of its own."""

    kind: ErrorKind
    what: str
    """What was wrong."""
    state: str
    """What state one is in now and what to do; may be empty."""
    pid: int | None
    """The process that the error speaks of (who is busy, who is not trusted), if there is one."""

    def __init__(self, what: str, state: str = "", *, errno: int | None = None, pid: int | None = None) -> None:
        super().__init__(errno, what)
        self.what = what
        self.state = state
        self.pid = pid

    @property
    def retry_helps(self) -> bool:
        """Whether the same call, made again a little later, can succeed without anything being changed."""
        return self.kind.retry_helps

    def __str__(self) -> str:
        said = f"{self.kind.word} ({self.kind:d}): {self.what}"
        return f"{said}; {self.state}" if self.state else said

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.what!r}, {self.state!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return of, (self.kind.value, self.what, self.state, self.errno, self.pid)


class InvalidArgument(ZdtError, ValueError):
    """An argument is not what the call takes (an address that does not parse, a descriptor that was closed)."""

    kind = ErrorKind.INVALID_ARGUMENT


class PathTooLong(ZdtError):
    """The path of the takeover socket is longer than `sun_path` holds (107 bytes; unix(7))."""

    kind = ErrorKind.PATH_TOO_LONG


class NameUsed(ZdtError):
    """The name of a listener is in use already."""

    kind = ErrorKind.NAME_USED


class WrongState(ZdtError):
    """The call does not fit the state one is in (migrate before Drain, ready twice)."""

    kind = ErrorKind.WRONG_STATE


class Closed(ZdtError):
    """The handle was closed."""

    kind = ErrorKind.CLOSED


class Forked(ZdtError):
    """The handle belongs to the process that this one was forked from."""

    kind = ErrorKind.FORKED


class TooLarge(ZdtError):
    """State, unread or unsent bytes are over the limit."""

    kind = ErrorKind.TOO_LARGE


class NotReadable(ZdtError):
    """The successor does not read this protocol or state version: drain the connection instead."""

    kind = ErrorKind.NOT_READABLE


class ListenerUnclaimed(ZdtError):
    """An inherited listener was claimed by nobody before `ready`."""

    kind = ErrorKind.LISTENER_UNCLAIMED


class SignalNotBlocked(ZdtError):
    """A thread leaves the drain signal unblocked, so a signalfd would never fire (signalfd(2))."""

    kind = ErrorKind.SIGNAL_NOT_BLOCKED


class SystemFailed(ZdtError):
    """A system call failed; the errno is in the error."""

    kind = ErrorKind.SYSTEM


class DescriptorLimit(ZdtError):
    """RLIMIT_NOFILE leaves too few descriptors for what is coming."""

    kind = ErrorKind.DESCRIPTOR_LIMIT


class DirectoryMissing(ZdtError):
    """The directory of the takeover socket does not exist."""

    kind = ErrorKind.DIRECTORY_MISSING


class AddressInUse(ZdtError):
    """The address of a listener is in use by somebody else."""

    kind = ErrorKind.ADDRESS_IN_USE


class Unsupported(ZdtError):
    """The kernel lacks what this needs (live takeover needs Linux 5.4)."""

    kind = ErrorKind.UNSUPPORTED


class Busy(ZdtError):
    """Another successor is at it, or the owner is not ready yet."""

    kind = ErrorKind.BUSY


class NoAnswer(ZdtError, TimeoutError):
    """The other side did not answer before the deadline."""

    kind = ErrorKind.NO_ANSWER


class PeerGone(ZdtError):
    """The other side died or closed the link."""

    kind = ErrorKind.PEER_GONE


class ListenerMismatch(ZdtError):
    """An inherited listener is not what its spec asks for."""

    kind = ErrorKind.LISTENER_MISMATCH


class AttemptLost(ZdtError):
    """The attempt is lost: another process owns the service."""

    kind = ErrorKind.ATTEMPT_LOST


class Refused(ZdtError):
    """The predecessor refused, for a reason that is in the message."""

    kind = ErrorKind.REFUSED


class NoCommonVersion(ZdtError):
    """The two sides have no protocol version in common."""

    kind = ErrorKind.NO_COMMON_VERSION


class Malformed(ZdtError):
    """A message does not decode, or the peer does not speak the protocol at all."""

    kind = ErrorKind.MALFORMED


class OutOfOrder(ZdtError):
    """A message came out of order: a wrong sequence number, or one that does not fit the step."""

    kind = ErrorKind.OUT_OF_ORDER


class DescriptorCount(ZdtError):
    """A message came with another number of descriptors than it says."""

    kind = ErrorKind.DESCRIPTOR_COUNT


class WrongUser(ZdtError):
    """The peer runs as a user that is not trusted."""

    kind = ErrorKind.WRONG_USER


class UnsafeDirectory(ZdtError):
    """The directory of the takeover socket can be written by others and has no sticky bit, or is theirs."""

    kind = ErrorKind.UNSAFE_DIRECTORY


class ForeignFile(ZdtError):
    """Something that is not a socket of ours lies at the path."""

    kind = ErrorKind.FOREIGN_FILE


class WrongProcess(ZdtError):
    """The peer's pidfd is not of the process that the kernel reports."""

    kind = ErrorKind.WRONG_PROCESS


class Internal(ZdtError):
    """A fault of libzdt itself: please report it."""

    kind = ErrorKind.INTERNAL


_CLASSES = {error.kind: error for error in ZdtError.__subclasses__()}


def of(number: int, what: str, state: str, errno: int | None, pid: int | None) -> ZdtError:
    """The error of the core's that has this number; for the native part."""
    return _CLASSES[ErrorKind(number)](what, state, errno=errno, pid=pid)
