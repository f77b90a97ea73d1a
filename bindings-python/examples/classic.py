"""The classic way without its loss: the next process binds the same port and sends this one a SIGHUP, which stops
accepting, finishes what is in flight and ends. It echoes, on two sockets that share the port; each connection has a
thread.

    python classic.py /tmp/classic.pid tcp://127.0.0.1:7007

The examples in C and Java do the same: each can follow each other one.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path

from libzdt import ZdtError
from libzdt.reuseport import Group

WORKERS = 2


def main(pidfile: Path, address: str) -> None:
    told, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # it wakes the poller

    with Group.bind(address, WORKERS) as group, selectors.DefaultSelector() as poller:  # beside the predecessor's
        tell(pidfile)
        write_pid(pidfile)
        for readable in (told, *group.sockets.values()):
            poller.register(readable, selectors.EVENT_READ)
        ready: list[object] = []
        while told not in ready:
            ready = [key.fileobj for key, _ in poller.select()]
            for listener in group.sockets.values():
                serve(listener)
        try:
            group.retire(1, serve)
        except ZdtError as error:  # nobody there: this was a plain stop
            print(f"classic: {error}", file=sys.stderr)
    # Python waits for the threads: what is in flight is finished.


def serve(listener: socket.socket) -> None:
    """Accepts until that would block."""
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=echo, args=(connection,)).start()


def echo(connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while data := connection.recv(4096):
            connection.sendall(data)


def tell(pidfile: Path) -> None:
    """Sends the predecessor a SIGHUP, if there is one: by a pidfd, so never to whoever got its number meanwhile."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        words = pidfile.read_text()
        pidfd = os.pidfd_open(int(words))
        try:
            if pidfile.read_text() == words:  # it has not ended and been replaced before we held it
                signal.pidfd_send_signal(pidfd, signal.SIGHUP)
        finally:
            os.close(pidfd)


def write_pid(pidfile: Path) -> None:
    temporary = pidfile.with_name(f"{pidfile.name}.{os.getpid()}")
    temporary.write_text(f"{os.getpid()}\n")
    temporary.replace(pidfile)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
