"""Servers that accept by themselves, taken over from twice under load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SERVERS = sorted(path.stem.removeprefix("serve_") for path in HERE.glob("serve_*.py"))
CLIENTS = "fresh=4,slow=4,upload=1"


@pytest.mark.parametrize("server", SERVERS)
def test_no_request_fails_while_a_server_is_taken_over_from(server: str, directory: Path) -> None:
    command = f"{sys.executable} -m servers.serve_{server}"
    python_path = os.pathsep.join([str(HERE.parent), *sys.path])
    takeovers = [os.environ["ZDT_TAKEOVERS"], "--out", str(directory / "out"), "--takeovers", "2", "--bound", "20"]
    judged = subprocess.run(
        [*takeovers, "--clients", CLIENTS, command],
        env={**os.environ, "PYTHONPATH": python_path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = "\n".join(path.read_text() for path in sorted((directory / "out").rglob("*")) if path.is_file())
    assert judged.returncode == 0, judged.stdout + printed[-20000:]
