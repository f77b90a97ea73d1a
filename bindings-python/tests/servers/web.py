"""A client that keeps its connection, and never tries again."""

from __future__ import annotations

import socket
import time
from types import TracebackType

PATIENCE = 30.0


class Client:
    """One connection of HTTP/1.1; any end that was not asked for is an error."""

    def __init__(self, port: int, patient: bool = True) -> None:
        """`patient`: waits until somebody listens."""
        until = time.monotonic() + (PATIENCE if patient else 0)
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until, "nobody listens"
                time.sleep(0.02)
        self._came = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sock.close()

    def say(self, data: bytes) -> None:
        """Exactly these bytes."""
        self.sock.sendall(data)

    def ask(self, path: str, body: bytes = b"") -> tuple[int, str]:
        """Who answered, and what."""
        self.say(request(path, body))
        return self.answer()

    def answer(self) -> tuple[int, str]:
        """The next answer."""
        while b"\r\n\r\n" not in self._came:
            self._hear()
        head, _, self._came = self._came.partition(b"\r\n\r\n")
        assert head[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.0 200 "), head
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        self.closes = fields.get(b"connection") == b"close"
        length = int(fields[b"content-length"])
        while len(self._came) < length:
            self._hear()
        body, self._came = self._came[:length], self._came[length:]
        pid, _, rest = body.decode().strip().partition(" ")
        return int(pid), rest

    def _hear(self) -> None:
        data = self.sock.recv(1 << 20)
        assert data, f"the connection was closed after {self._came!r}"
        self._came += data


def request(path: str, body: bytes = b"") -> bytes:
    """A request as it travels."""
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
