"""Gunicorns in processes of their own, and clients that notice everything."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PATIENCE = 30.0
"""Seconds that anything which must happen may take, on a machine that is busy with other things."""
RUN = Path(__file__).with_name("gunicorn_run.py")


def until(look: Callable[[], bool], what: str) -> None:
    """Waits until it is so."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.01)


class Gunicorn:
    """One generation."""

    program = RUN

    def __init__(self, directory: Path, *arguments: str, port: int = 0) -> None:
        self.log = directory / f"{len(list(directory.glob('*.log')))}.log"
        command = [sys.executable, str(self.program), "--takeover", str(directory / "zdt.sock"), "--port", str(port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> Gunicorn:
        until(lambda: "\nready" in self.said or self.process.poll() is not None, f"{self.log} says ready")
        assert self.process.poll() is None, self.said
        return self

    @property
    def port(self) -> int:
        found = re.search(r"Listening at: http://127.0.0.1:(\d+)", self.said)
        assert found, self.said
        return int(found[1])

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(child) for child in children.split()}

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Gunicorn:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            print(self.said)
        if self.process.poll() is None:
            self.kill(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
                self.process.wait()


class Newcomers:
    """Clients that connect for each request; nobody may fail."""

    def __init__(self, port: int, count: int = 3) -> None:
        self.port = port
        self.served: list[int] = []
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.served.append(ask(self.port))
            except BaseException as error:
                self.failures.append(error)
            time.sleep(0.005)

    def served_by(self, pids: Callable[[], set[int]]) -> None:
        """Waits until one of these has served somebody who came from here on."""
        before = len(self.served)
        until(lambda: bool(pids() & set(self.served[before:])), "newcomers are served by those")

    def __enter__(self) -> Newcomers:
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        """They go home; while there still is a server."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.served
        assert not self.failures, self.failures[:3]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        assert kind is not None or not any(thread.is_alive() for thread in self._threads), "end() was not called"


def ask(port: int, path: str = "/") -> int:
    """The process that answers, over a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        client.request("GET", path, headers={"Connection": "close"})
        response = client.getresponse()
        assert response.status == 200
        return int(response.read().split()[1])
    finally:
        client.close()


class Kept:
    """A connection that is kept: it must never end."""

    REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._input = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> int:
        """The process that answered."""
        status = self._input.readline()
        assert status.startswith(b"HTTP/1.1 200 "), status
        length = 0
        while (line := self._input.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return int(self._input.read(length).split()[1])

    def ask(self) -> int:
        self.send(self.REQUEST)
        return self.answer()

    def close(self) -> None:
        self._input.close()
        self.socket.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
