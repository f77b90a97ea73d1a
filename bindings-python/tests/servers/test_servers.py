"""Servers that accept by themselves, taken over from twice under load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SERVERS = sorted(path.stem.removeprefix("serve_") for path in HERE.glob("serve_*.py"))


def no_request_fails(server: str, directory: Path, *more: str) -> None:
    command = f"{sys.executable} -m servers.{server}"
    takeovers = [os.environ["ZDT_TAKEOVERS"], "--out", str(directory / "out"), "--takeovers", "2", "--bound", "30"]
    judged = subprocess.run(
        [*takeovers, *more, command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = "\n".join(path.read_text() for path in sorted((directory / "out").rglob("*")) if path.is_file())
    assert judged.returncode == 0, judged.stdout + printed[-20000:]


@pytest.mark.parametrize("server", SERVERS)
def test_no_request_fails_while_a_server_that_accepts_by_itself_is_taken_over_from(
    server: str, directory: Path
) -> None:
    no_request_fails(f"serve_{server}", directory, "--clients", "fresh=4,slow=4,upload=1")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_connection_of_aiohttp_ends_while_it_is_taken_over_from(loop: str, directory: Path) -> None:
    moving = "keep-alive,idle,pipeline,half-head,slow,reader,upload,web-socket"
    clients = "keep-alive=4,idle=4,fresh=2,pipeline=2,half-head=4,slow=4,reader=1,upload=1,web-socket=4"
    no_request_fails(f"moving_aiohttp {loop}", directory, "--clients", clients, "--keep", moving)
