"""Descriptors from process to process over a socket of one's own: plain functions that know of no takeover."""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:
    from .connection import Bytes, Descriptor, HasFileno


def send_fds(socket: HasFileno, data: Bytes, fds: Sequence[Descriptor]) -> None:
    """Sends `data` and copies of `fds` over a Unix socket; both arrive together (SCM_RIGHTS, unix(7)).

    The descriptors are lent and stay open here. Blocks as the socket does; other threads and signal handlers run
    meanwhile. On a stream socket all of `data` is sent, so once its beginning has gone, with the descriptors, the rest
    is waited for even on a non-blocking one.

    Raises:
        InvalidArgument: `data` is empty (a stream socket would silently drop the descriptors), or there are more than
            253 descriptors. PeerGone: nobody reads at the other end. SystemFailed: anything else, EAGAIN of a full
            non-blocking socket included; nothing was sent then.
    """
    _wait(socket, select.POLLOUT)
    _core.send_fds(socket.fileno(), data, fds)


def recv_fds(socket: HasFileno, size: int) -> tuple[bytes, list[int]]:
    """Receives up to `size` bytes of what one `send_fds` sent, with the descriptors, which are the caller's and not
    inheritable. No bytes and no descriptors: the other end was closed.

    Blocks as the socket does; other threads and signal handlers run meanwhile.

    Raises:
        Each closes the descriptors that did arrive. DescriptorLimit: not all could be opened here; the message is lost.
        TooLarge: the message (of a socket that keeps messages apart) is longer than `size`. InvalidArgument: `size` is
        0. PeerGone: the connection was reset. SystemFailed: anything else, EAGAIN of a non-blocking socket included.
    """
    if size:
        _wait(socket, select.POLLIN)
    return _core.recv_fds(socket.fileno(), size)


def _wait(socket: HasFileno, event: int) -> None:
    """Waits in Python, where Ctrl-C works (PEP 475), for as long as the socket itself would."""
    if os.get_blocking(socket.fileno()):
        poll = select.poll()
        poll.register(socket, event)
        poll.poll()
