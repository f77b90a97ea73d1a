"""The listener and the takeover for servers that accept by themselves."""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import libzdt
from libzdt.listening import Listener, Listening
from two import ANY, PATIENCE, opened


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener(socket.create_server(ANY, backlog=777)) as one:
        yield one


def readable(listener: Listener, wait: float = 0.0) -> bool:
    return bool(select.select([listener], [], [], wait)[0])


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=PATIENCE)


def queue_capacity(listening: socket.socket) -> int:
    """tcpi_sacked of a listening socket (tcp(7), tcp_get_info of the kernel): how long its queue may become."""
    info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int.from_bytes(info[28:32], sys.byteorder)


def test_a_parked_listener_is_not_readable_and_loses_nobody(listener: Listener) -> None:
    with connect(listener) as client:
        assert not readable(listener)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.start()
        assert readable(listener, PATIENCE)
        server, _ = listener.accept()
        with server:
            assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            client.sendall(b"!")
            assert server.recv(1) == b"!"
        with connect(listener):
            listener.park()
            listener.park()
            assert not readable(listener)


def test_a_server_cannot_hurt_the_others_that_share_its_listener(listener: Listener) -> None:
    with socket.fromfd(socket.socket.fileno(listener), socket.AF_INET, socket.SOCK_STREAM) as other:
        capacity = queue_capacity(other)
        listener.start()
        listener.listen(5)
        listener.setblocking(True)
        listener.settimeout(5)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        assert listener.fileno() == -1
        assert queue_capacity(other) == capacity == 777
        with connect(other), other.accept()[0]:
            pass


SUCCESSOR = """
import sys
from libzdt import Committed, Takeover
with Takeover(sys.argv[1]) as takeover:
    takeover.listener("http", sys.argv[2])
    takeover.ready()
    while not isinstance(takeover.next_event(), Committed):
        pass
    print("committed", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def succeeded(path: str, listener: Listener) -> Iterator[subprocess.Popen[str]]:
    """A successor that owns the service, and accepts nobody; it leaves when its standard input ends."""
    host, port = listener.getsockname()
    with subprocess.Popen(
        [sys.executable, "-c", SUCCESSOR, path, f"tcp://{host}:{port}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "committed\n"
            yield process
        finally:
            process.kill()


def test_it_accepts_again_when_its_successor_dies(path: str) -> None:
    stopped = threading.Event()
    with Listening(path, probation=PATIENCE, hang=PATIENCE) as listening:
        listener = listening.listener("http", ANY)
        listening.ready(stopped.set)
        with succeeded(path, listener) as successor, connect(listener):
            assert listening.draining.is_set()
            assert not readable(listener)
            successor.kill()
            assert readable(listener, PATIENCE)
            server, _ = listener.accept()
            server.close()
        assert not listening.draining.is_set()
    assert not stopped.is_set()


def test_a_server_that_was_drained_meanwhile_stops_when_its_successor_dies(path: str) -> None:
    stopped = threading.Event()
    with Listening(path, probation=PATIENCE, hang=PATIENCE) as listening:
        listener = listening.listener("http", ANY)
        listening.ready(stopped.set)
        with succeeded(path, listener) as successor:
            listening.drain()
            successor.kill()
            assert stopped.wait(PATIENCE)
            assert not readable(listener)


def test_the_server_is_told_to_stop_when_it_was_succeeded_for_good(path: str) -> None:
    stopped = threading.Event()
    with Listening(path, probation=0.0) as listening:
        listener = listening.listener("http", ANY)
        listening.ready(stopped.set)
        with succeeded(path, listener):
            assert stopped.wait(PATIENCE)
            assert not readable(listener)


def test_draining_tells_the_server_to_stop_and_waits_for_it(path: str) -> None:
    stopped = threading.Event()
    with Listening(path) as listening:
        listener = listening.listener("http", ANY)
        listening.ready(stopped.set)
        listening.drain()
        assert stopped.wait(PATIENCE)
        assert listening.draining.is_set()
        with connect(listener):
            assert not readable(listener)
    with opened(path) as next_one:
        assert next_one.generation == 1


def test_what_cannot_get_ready_changes_nothing(path: str) -> None:
    first = Listening(path)
    with first:
        listener = first.listener("http", ANY)
        first.ready(lambda: None)
        with pytest.raises(libzdt.ListenerUnclaimed), Listening(path) as second:
            second.ready(lambda: None)
        with connect(listener):
            assert readable(listener, PATIENCE)
