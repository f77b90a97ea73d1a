"""What servers that accept by themselves do at SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from two import ANY, PATIENCE

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("server", ["hypercorn", "wsgiref"])
def test_a_request_in_flight_at_sigterm_is_finished_and_the_server_ends_well(server: str, path: str) -> None:
    with socket.create_server(ANY) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", f"servers.serve_{server}", "--takeover", path, "--port", str(port)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        busy, later = (HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(2))
        busy.request("GET", "/slow?ms=2000")
        later.request("GET", "/")
        # Answered, so that the request before it was accepted.
        assert later.getresponse().read() == f"process {process.pid}\n".encode()
        later.close()
        process.send_signal(signal.SIGTERM)
        assert busy.getresponse().read() == f"process {process.pid}\n".encode()
        busy.close()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert not Path(path).exists()
