"""The smallest server that can be taken over: it echoes. Start it, connect, start it again: the second one goes on with
the same connections, and the first one ends. Those in Rust (core/examples/smallest.rs) and in C can take over too.

    python smallest.py /tmp/smallest.sock 127.0.0.1:7007
"""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import sys

from libzdt import (
    Aborted,
    Accept,
    Done,
    Drain,
    Frozen,
    ListenerSpec,
    Offer,
    Relieved,
    Resume,
    Returned,
    Room,
    Settled,
    Takeover,
    ZdtError,
)

ROOM = 4096


def main(path: str, address: str) -> None:
    # README: begin
    takeover = Takeover(path)  # finds a predecessor, or is the first
    listener = takeover.listener("echo", ListenerSpec.tcp(address))  # inherited, or bound
    takeover.ready()  # from here on we accept, and a predecessor offers its connections
    echo = Echo(takeover, listener)
    while not echo.is_over():
        match takeover.next_event(0):
            case None:
                echo.serve()  # until something happens
            case Offer() as offer:
                echo.adopt(offer)  # a live connection of the predecessor's
            case Drain() | Room():
                echo.migrate()  # a successor is ready; it takes more
            case Settled(id):
                echo.let_go(id)  # adopted over there
            case Returned(frozen):
                echo.thaw(frozen.id)  # still ours, as it was
            case Resume() | Accept():
                echo.accept()  # the successor is gone, or hangs
            case Done() | Relieved() | Aborted():
                echo.leave()
    # README: end
    takeover.close()


class Live:
    """A connection: what was read and is not written back yet."""

    def __init__(self, connection: socket.socket, unsent: bytes) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.unsent = unsent

    def echo(self) -> bool:
        """Reads and writes back until it would have to wait; False where the connection is at its end."""
        try:
            while True:
                if self.unsent:
                    self.unsent = self.unsent[self.socket.send(self.unsent) :]
                else:
                    self.unsent = self.socket.recv(ROOM)
                    if not self.unsent:
                        return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def end(self) -> None:
        # Whoever uses a connection ends it with shutdown: another process may still hold a copy.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Echo:
    def __init__(self, takeover: Takeover, listener: socket.socket) -> None:
        self.takeover = takeover
        self.listener: socket.socket | None = listener
        self.live: dict[int, Live] = {}
        self.ids = itertools.count()
        self.poller = selectors.DefaultSelector()
        self.poller.register(takeover, selectors.EVENT_READ)
        self.accept()

    def accept(self) -> None:
        if self.listener is not None and self.listener not in self.poller.get_map():
            self.poller.register(self.listener, selectors.EVENT_READ)

    def stop_accepting(self) -> None:
        if self.listener is not None and self.listener in self.poller.get_map():
            self.poller.unregister(self.listener)

    def serve(self) -> None:
        """Waits for something, and does what can be done without waiting."""
        for key, _ in self.poller.select():
            if key.fileobj is self.listener:
                with contextlib.suppress(BlockingIOError):
                    self.add(self.listener.accept()[0], b"")
            elif key.fileobj is not self.takeover:
                self.advance(key.data)

    def add(self, connection: socket.socket, unsent: bytes) -> None:
        number = next(self.ids)
        self.live[number] = Live(connection, unsent)
        self.thaw(number)

    def advance(self, number: int) -> None:
        live = self.live[number]
        if live.echo():
            self.poller.modify(live.socket, self.interest(live), number)
        else:
            self.poller.unregister(live.socket)
            self.live.pop(number).end()

    def interest(self, live: Live) -> int:
        return selectors.EVENT_WRITE if live.unsent else selectors.EVENT_READ

    def adopt(self, offer: Offer) -> None:
        # What was half-way comes along: it is written before anything else.
        if (connection := offer.adopt()) is not None:
            self.add(connection.socket, connection.unsent)

    def migrate(self) -> None:
        """Freezes and offers every connection, as far as there is room."""
        self.stop_accepting()
        for number, live in self.live.items():
            if live.socket not in self.poller.get_map():
                continue  # on offer
            self.poller.unregister(live.socket)
            try:
                if self.takeover.migrate(Frozen(number, live.socket, "echo", unsent=live.unsent)):
                    continue
            except ZdtError:
                self.thaw(number)  # it cannot move: it stays, and ends with us
            else:
                self.thaw(number)
                return  # until there is room
        with contextlib.suppress(ZdtError):
            self.takeover.migrated_all()  # it fails where the attempt is off by now: Resume follows

    def let_go(self, number: int) -> None:
        self.live.pop(number).socket.close()  # without shutdown: another process uses it

    def thaw(self, number: int) -> None:
        live = self.live[number]
        self.poller.register(live.socket, self.interest(live), number)

    def leave(self) -> None:
        """The service goes on elsewhere; what is left here is served to its end."""
        self.stop_accepting()
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def is_over(self) -> bool:
        return self.listener is None and not self.live


if __name__ == "__main__":
    main(*sys.argv[1:])
