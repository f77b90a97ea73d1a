"""What libzdt.aiohttp promises beyond the takeover itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from two import PATIENCE

TESTS = Path(__file__).parent.parent


class Served:
    """One process that serves moving_aiohttp."""

    def __init__(self, loop: str, path: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "servers.moving_aiohttp", loop, "--takeover", path, "--port", "0"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.port = int(self.process.stdout.readline())

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, path: str) -> Iterator[Served]:
    one = Served(request.param, path)
    try:
        yield one
    finally:
        one.end()


def test_a_file_is_sent_whole(served: Served) -> None:
    client = served.connect()
    for _ in range(2):
        client.request("GET", "/source")
        assert client.getresponse().read() == (TESTS / "servers" / "moving_aiohttp.py").read_bytes()
    client.close()


def test_a_request_in_flight_at_sigterm_is_answered_and_its_client_told_to_close(served: Served) -> None:
    idle, busy = served.connect(), served.connect()
    idle.request("GET", "/")
    assert idle.getresponse().read().startswith(b"process ")
    busy.request("GET", "/slow?ms=2000")
    asked = threading.Event()

    def terminate() -> None:
        # A later request that is answered says that the earlier one was read.
        probe = served.connect()
        probe.request("GET", "/")
        probe.getresponse().read()
        probe.close()
        served.process.send_signal(signal.SIGTERM)
        asked.set()

    threading.Thread(target=terminate).start()
    answer = busy.getresponse()
    assert asked.wait(PATIENCE)
    assert answer.status == 200
    assert answer.read().startswith(b"process ")
    assert answer.getheader("Connection") == "close"
    assert idle.sock.recv(1) == b""
    assert served.process.wait(PATIENCE) == 0


def test_a_kept_connection_is_answered_by_the_successor(served: Served, path: str) -> None:
    client = served.connect()

    def who() -> bytes:
        client.request("GET", "/")
        return client.getresponse().read()

    assert who() == f"process {served.process.pid}\n".encode()
    sock = client.sock
    successor = Served("asyncio", path)
    try:
        end = time.monotonic() + PATIENCE
        while who() != f"process {successor.process.pid}\n".encode():
            assert time.monotonic() < end
        assert client.sock is sock
        assert served.process.wait(PATIENCE) == 0
    finally:
        successor.end()
