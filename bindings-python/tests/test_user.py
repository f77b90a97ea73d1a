"""What a user meets who has nothing of ours but the wheel (tools/venv.sh builds it), the guide or the sources."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from servers.web import PATIENCE, free_port

ROOT = Path(__file__).parents[2]
DOWNLOADS = 300.0
"""Seconds that pip, or a compiler, may take."""

pytestmark = pytest.mark.timeout(2 * DOWNLOADS)

# An error that is expected must be one: were the types lost, mypy would call the comment unused.
PROGRAM = """
import libzdt
import libzdt.uvicorn
from libzdt.aio import Connection, Takeover


async def echo(connection: Connection[str]) -> None:
    async for line in connection:
        connection.state += line.decode()
        connection.state = line  # type: ignore[assignment]
        connection.write(line)


async def serve(path: str) -> None:
    async with Takeover(path) as takeover:
        await takeover.start_server(echo, "echo", ("127.0.0.1", 7007), load=bytes.decode, dump=str.encode)
        await takeover.ready()
        await takeover.done()
        await takeover.ready(soon=True)  # type: ignore[call-arg]


def settled(path: str) -> int | None:
    with libzdt.Takeover(path) as takeover:
        takeover.next_event("soon")  # type: ignore[arg-type]
        event = takeover.next_event(0)
        return event.id if isinstance(event, libzdt.Settled) else None


libzdt.uvicorn.run("app:app", takeover=7)  # type: ignore[arg-type]
"""


class User:
    """Somebody in an empty folder, in an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=DOWNLOADS)
        self.environment = os.environ | {
            "PATH": f"{folder}/venv/bin:{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(folder / "constraints.txt"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_FIND_LINKS": str(ROOT / "build/wheels"),
        }
        # What the other tests have, of everybody else's.
        lock = (ROOT / "bindings-python/requirements-dev.txt").read_text()
        pinned = [*re.findall(r"^\S+==\S+", lock, re.MULTILINE), f"libzdt=={version('libzdt')}"]
        (folder / "constraints.txt").write_text("\n".join(pinned))

    def does(self, line: str, **environment: str) -> None:
        """Types a line into a shell, and waits."""
        where = self.environment | environment
        ended = subprocess.run(
            line, shell=True, cwd=self.folder, env=where, capture_output=True, text=True, timeout=DOWNLOADS, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def starts(self, line: str) -> subprocess.Popen[bytes]:
        """Types a line into a terminal of its own."""
        return subprocess.Popen(f"exec {line}", shell=True, cwd=self.folder, env=self.environment)


@pytest.fixture
def user(directory: Path) -> User:
    """One who has installed nothing yet."""
    return User(directory)


def block(language: str) -> str:
    """The first block of code in a language that the guide has about web servers."""
    guide = (ROOT / "docs/guide/python.md").read_text().partition("\n## A web server\n")[2].partition("\n## ")[0]
    found = re.search(rf"^```{language}\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def connected(port: int) -> http.client.HTTPConnection:
    """A client that does not connect again."""
    until = time.monotonic() + PATIENCE
    while True:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            client.connect()
        except ConnectionRefusedError:
            assert time.monotonic() < until, "nobody listens"
            time.sleep(0.02)
        else:
            client.auto_open = 0
            return client


def answering(client: http.client.HTTPConnection) -> int:
    """The pid of the process that answers."""
    client.request("GET", "/")
    response = client.getresponse()
    assert response.status == 200
    pid: int = json.load(response)["pid"]
    return pid


def test_the_guide_is_followed_to_the_letter_and_no_request_fails(user: User) -> None:
    install, serve = (line.removeprefix("$ ") for line in block("console").splitlines())
    port = free_port()
    assert "8000" in serve
    serve = serve.replace("8000", str(port))
    user.does(install)
    (user.folder / "app.py").write_text(block("python"))
    with user.starts(serve) as first:
        try:
            client = connected(port)
            assert answering(client) == first.pid
            with user.starts(serve) as second:
                try:
                    answered: list[int] = []
                    until = time.monotonic() + PATIENCE
                    while first.poll() is None:
                        answered.append(answering(client))
                        newcomer = connected(port)
                        assert answering(newcomer) in (first.pid, second.pid)
                        newcomer.close()
                        assert time.monotonic() < until
                        time.sleep(0.01)
                    assert first.returncode == 0
                    assert answering(client) == second.pid
                    # It has moved once, and stays.
                    assert answered == sorted(answered, key=[first.pid, second.pid].index)
                finally:
                    second.kill()
        finally:
            first.kill()


def test_a_users_program_is_checked_against_the_types_of_the_wheel(user: User) -> None:
    user.does("pip install libzdt uvicorn")
    (user.folder / "program.py").write_text(PROGRAM)
    user.does(f"{sys.executable} -m mypy --strict --python-executable venv/bin/python --cache-dir cache program.py")


def test_the_sources_that_are_published_build_by_themselves(user: User) -> None:
    manifest = ROOT / "bindings-python/Cargo.toml"
    user.does(f"{sys.executable} -m maturin sdist --manifest-path {manifest} --out .")
    # The compiler finds again what it made of other people's crates; of ours there is only what is in the archive.
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    user.does("pip install ./libzdt-*.tar.gz", CARGO_TARGET_DIR=target, MATURIN_PEP517_ARGS="--profile=dev")
    user.does("python -c 'import libzdt; libzdt.Takeover(\"zdt.sock\").close()'")
