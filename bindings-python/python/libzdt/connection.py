"""What a connection is: an established stream socket, with everything that must travel with it."""

from __future__ import annotations

import os
import socket as sockets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeAlias, TypeVar


class HasFileno(Protocol):
    """What has a descriptor: a `socket.socket`, a transport, a file."""

    def fileno(self) -> int: ...


Descriptor: TypeAlias = int | HasFileno
"""A descriptor that is lent: its number, or what has it."""

Bytes: TypeAlias = bytes | bytearray | memoryview
"""Bytes that are copied."""

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int] | str
"""An address as `socket.getpeername()` gives it: host and port (IPv6: with flow and scope too), or a Unix path."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Companion(Generic[D]):
    """A further descriptor that belongs to a connection, with the bytes on their way through it."""

    name: str
    """What it is to the connection, for instance `upstream`. At most 255 bytes."""
    socket: D
    """Lent: a number, or anything that has a `fileno()`. Adopted: the number, and it is the caller's to close; for a
    socket, `socket.socket(fileno=companion.socket)`."""
    unread: Bytes = b""
    """Bytes that were read from it and not used yet."""
    unsent: Bytes = b""
    """Bytes that were to be written to it and are not in it yet."""


@dataclass(slots=True)
class Frozen:
    """A connection that its owner has frozen and lends to `migrate()`: out of the poller, nothing in flight, every byte
    that was read or is to be written in here or on the socket. The sockets stay the caller's; the bytes are copied."""

    id: int
    """The caller's own number for it, which `Settled` tells; `Returned` has this very object. It does not travel."""
    socket: Descriptor
    """The socket."""
    protocol: str
    """What is spoken on it, for instance `http/1.1` or `relay`. At most 255 bytes."""
    state_version: int = 0
    """Which form `state` has; 0 where there is none."""
    state: Bytes = b""
    """The application's own state."""
    unread: Bytes = b""
    """Bytes that were read from the socket and not used yet: the successor uses them before it reads on."""
    unsent: Bytes = b""
    """Bytes that were to be written and are not in the socket yet: the successor writes them before anything else."""
    companions: Sequence[Companion[Descriptor]] = ()
    """Further descriptors that move with it or not at all (a proxy's upstream socket)."""
    local: Address | None = None
    """The socket's own address, where it is worth telling; else `getsockname` knows it."""
    peer: Address | None = None
    """The peer's address, where it is worth telling; else `getpeername` knows it."""
    dialled: bool = False
    """Whether we dialled (connected); else it was accepted."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A connection that was adopted: write `unsent` before anything else, use `unread` before reading on, end it with
    shutdown and close (the predecessor may still hold a copy, and a bare close would send no FIN)."""

    id: int
    """The number that its offer had."""
    socket: sockets.socket
    """The socket, which is the caller's; blocking or not as it was."""
    protocol: str
    """What is spoken on it."""
    state_version: int
    """Which form `state` has; 0 where there is none."""
    state: bytes
    """The application's own state."""
    unread: bytes
    """Bytes that were read and not used yet."""
    unsent: bytes
    """Bytes that were to be written and are not in the socket yet."""
    companions: tuple[Companion[int], ...]
    """Its companions; their descriptors are the caller's to close."""
    local: Address | None
    """The socket's own address, where it was told."""
    peer: Address | None
    """The peer's address, where it was told."""
    dialled: bool
    """Whether the predecessor dialled (connected); else it was accepted."""


def socket_of(fd: int) -> sockets.socket:
    """A socket that owns `fd`, and knows whether it is blocking; for the native part."""
    try:
        owner = sockets.socket(fileno=fd)
    except BaseException:
        os.close(fd)
        raise
    # Only the kernel knows: O_NONBLOCK came with the descriptor, and is shared with whoever else has it.
    if not os.get_blocking(fd):
        owner.setblocking(False)
    return owner
