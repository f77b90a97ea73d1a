"""A transport that can be stopped at any byte, and go on.

asyncio's and uvloop's own transports keep what they have read and not written to themselves. This one runs on either
loop's add_reader and add_writer, and gives both away.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import warnings
from collections.abc import Callable, Iterable
from typing import Any, cast

from ..connection import Bytes

READ = 64 << 10
"""The most that one wake-up reads, so that a fast client does not keep the others waiting."""
HIGH_WATER = 64 << 10
"""Above this much unsent the protocol is asked to pause, as with asyncio's own transports."""


class Transport(asyncio.Transport):
    """asyncio.Transport over a connected, non-blocking stream socket, which it owns.

    Whatever asyncio says of a transport holds. Beyond that it can be frozen: from `freeze` on the socket is not
    touched, and what is written is held. Then either `thaw`, and all goes on, or `let_go`, for another process uses
    the socket.

    It ends a connection with shutdown and close, since a stopped process may hold a copy of the socket. Only to be
    used in the thread of its loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        *,
        unsent: bytes = b"",
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing happens before `start`. `unsent` is written first; `ended` is called last of all, once."""
        super().__init__({"socket": sock, "sockname": _told(sock.getsockname), "peername": _told(sock.getpeername)})
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._ended = ended
        self._protocol: Any  # each kind has methods of its own
        self._unsent = bytearray(unsent)
        self._low, self._high = HIGH_WATER // 4, HIGH_WATER
        self._paused = False  # pause_reading was called
        self._pressed = False  # pause_writing was called, and resume_writing not yet
        self._eof_written = False
        self._eof_read = False
        self._closing = False
        self._over = False  # nothing is read or written any more
        self._aborted = False
        self._frozen = False
        self._held = bytearray()  # what was written while frozen
        self._reader = False  # whether the loop watches for it
        self._writer = False
        # Called soon after anything that may have made the protocol idle; None: nobody wants to know.
        self.stirred: Callable[[], None] | None = None
        self.set_protocol(protocol)

    def start(self, unread: bytes = b"") -> None:
        """Tells the protocol that it is connected, gives it `unread`, and begins to read and write."""
        self._careful(lambda: self._protocol.connection_made(self))
        if unread and not self._over:
            self._deliver(unread)
        self._press()
        self._watch()

    # Reading

    def is_reading(self) -> bool:
        return not (self._paused or self._closing)

    def pause_reading(self) -> None:
        self._paused = True
        self._watch()

    def resume_reading(self) -> None:
        self._paused = False
        self._watch()

    def _read_ready(self) -> None:
        if self._frozen or not self.is_reading():
            return  # an event of before
        try:
            data = self._sock.recv(READ)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._deliver(data)
            self._stir()
        else:
            self._eof_read = True
            self._watch()
            if not self._careful(self._protocol.eof_received):
                self.close()

    def _deliver(self, data: bytes) -> None:
        if not self._buffered:
            protocol = cast(asyncio.Protocol, self._protocol)
            self._careful(lambda: protocol.data_received(data))
            return
        self._careful(lambda: self._fill(data))

    def _fill(self, data: bytes) -> None:
        """Gives a BufferedProtocol as much at a time as it has room for."""
        protocol = cast(asyncio.BufferedProtocol, self._protocol)
        while data and not self._over:
            room = memoryview(protocol.get_buffer(len(data))).cast("B")
            if not room:
                raise RuntimeError("get_buffer() returned an empty buffer")
            count = min(len(room), len(data))
            room[:count] = data[:count]
            protocol.buffer_updated(count)
            data = data[count:]

    # Writing

    def write(self, data: Bytes) -> None:
        if not isinstance(data, Bytes):
            raise TypeError(f"data: a bytes-like object is wanted, not {type(data).__name__!r}")
        if self._eof_written:
            raise RuntimeError("write() after write_eof()")
        if self._over or not data:
            return
        if self._frozen:
            self._held += data
        else:
            # Only what finds nothing before it may overtake the buffer.
            sent = 0 if self._unsent else self._send(data)
            if sent is None:
                return
            if sent != len(data):
                self._unsent += memoryview(data).cast("B")[sent:]
                self._watch()
            self._stir()
        self._press()

    def writelines(self, list_of_data: Iterable[Bytes]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not (self._closing or self._eof_written):
            self._eof_written = True
            self._flushed()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._unsent) + len(self._held)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._low, self._high = low, high
        self._press()

    def _write_ready(self) -> None:
        if self._frozen or self._over:
            return  # an event of before
        sent = self._send(self._unsent)
        if sent:
            del self._unsent[:sent]
            self._press()  # may write more
            self._flushed()
            self._watch()
            self._stir()

    def _send(self, data: Bytes) -> int | None:
        """How much the socket took; None: the connection is over."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._end(error)
            return None

    def _flushed(self) -> None:
        """What is due once everything is in the socket."""
        if self._unsent or self._frozen or self._over:
            return
        if self._closing:
            self._end(None)
        elif self._eof_written:
            with contextlib.suppress(OSError):  # the client is gone: reading finds out
                self._sock.shutdown(socket.SHUT_WR)

    def _press(self) -> None:
        """Tells the protocol when there is too much to send, and when there is no longer."""
        if self._over:
            return
        size = self.get_write_buffer_size()
        if not self._pressed and size > self._high:
            self._pressed = True
            self._careful(self._protocol.pause_writing)
        elif self._pressed and size <= self._low:
            self._pressed = False
            self._careful(self._protocol.resume_writing)

    # Moving

    @property
    def can_move(self) -> bool:
        """Whether another process could go on with the connection: not one that is ending, or whose end was
        written."""
        return not (self._closing or self._eof_written)

    @property
    def frozen(self) -> bool:
        """Whether it is frozen."""
        return self._frozen

    @property
    def unsent(self) -> bytearray:
        """What is not in the socket yet; to be looked at only."""
        return self._unsent

    def freeze(self) -> None:
        """Leaves the socket alone from here on: when this returns, nothing is in flight."""
        self._frozen = True
        self._watch()

    def thaw(self) -> None:
        """Goes on, with whatever was written, or asked for, while it was frozen."""
        self._frozen = False
        self._unsent += self._held
        self._held.clear()
        if self._aborted:
            self._end(None)
        else:
            self._flushed()
            self._watch()

    def let_go(self) -> bytes:
        """Closes without a word to the client, for another process uses the connection; what was held, which is lost.

        The protocol is told nothing.
        """
        held = bytes(self._held)
        self._held.clear()
        self._closing = self._over = True
        self._frozen = False
        self._watch()
        self._forget()
        return held

    def disown(self) -> None:
        """In a forked child: closes its copy, without a word to the client or to the loop's epoll, which is the
        parent's too. The protocol is told nothing."""
        self._closing = self._over = True
        self._reader = self._writer = False
        self._unsent.clear()
        self._held.clear()
        self._sock.close()

    # Ending

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._watch()
            self._flushed()

    def abort(self) -> None:
        self._closing = self._aborted = True
        if not self._frozen:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        if self._over:
            return
        self._closing = self._over = True
        self._watch()
        self._unsent.clear()
        with contextlib.suppress(OSError):  # the client ended it first
            self._sock.shutdown(socket.SHUT_RDWR)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(cast(Exception | None, error))
        finally:
            self._forget()

    def _forget(self) -> None:
        """Closes, and refers to nobody any more: what refers to it is freed without the garbage collector."""
        self._sock.close()
        self._protocol = None
        ended, self._ended = self._ended, lambda: None
        ended()

    # What all of this needs

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast(asyncio.BaseProtocol, self._protocol)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def _watch(self) -> None:
        """Lets the loop watch for what is wanted now, by number: uvloop would keep a socket object from being
        closed."""
        alive = not (self._frozen or self._over)
        if (wanted := alive and self.is_reading() and not self._eof_read) != self._reader:
            self._reader = wanted
            if wanted:
                self._loop.add_reader(self._fd, self._read_ready)
            else:
                self._loop.remove_reader(self._fd)
        if (wanted := alive and bool(self._unsent)) != self._writer:
            self._writer = wanted
            if wanted:
                self._loop.add_writer(self._fd, self._write_ready)
            else:
                self._loop.remove_writer(self._fd)

    def _careful(self, call: Callable[[], Any]) -> Any:
        """Calls the protocol; a fault of its own costs the connection and nothing else."""
        try:
            return call()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            name = getattr(call, "__name__", "")
            message = f"{type(self._protocol).__qualname__} failed{f' in {name}' if name.isidentifier() else ''}"
            context = {"message": message, "exception": error, "transport": self, "protocol": self._protocol}
            self._loop.call_exception_handler(context)
            self._end(error)

    def _stir(self) -> None:
        if self.stirred is not None:
            # Later, for the protocol may be in the middle of something.
            self._loop.call_soon(self._stirred)

    def _stirred(self) -> None:
        if self.stirred is not None:
            self.stirred()

    def __repr__(self) -> str:
        state = "frozen" if self._frozen else "over" if self._over else "closing" if self._closing else "open"
        return f"<libzdt.aio.Transport fd={self._fd} {state} unsent={self.get_write_buffer_size()}>"

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if not getattr(self, "_over", True):
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._sock.close()


def _told(ask: Callable[[], Any]) -> Any:
    """An address; None where there is none any more."""
    try:
        return ask()
    except OSError:
        return None
