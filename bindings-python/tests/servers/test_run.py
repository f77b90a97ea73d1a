"""The command `zdt run`, with real servers in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .web import PATIENCE, Client, free_port, request

HERE = Path(__file__).parent
KINDS = [(http, loop) for http in ("h11", "httptools") for loop in ("asyncio", "uvloop")]


class Runs:
    """Servers that were started in one test, by the same command; they end with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.started: list[subprocess.Popen[str]] = []

    def zdt(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The command with these arguments."""
        process = subprocess.Popen(
            [sys.executable, "-m", "libzdt", *arguments],
            cwd=HERE,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def uvicorn(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """The next generation of the site."""
        takeover = str(self.directory / "zdt.sock")
        server = ("uvicorn", "webapp:app", "--port", str(self.port), "--no-access-log", *options)
        return self.zdt(
            "run", "--takeover", takeover, "--probation", "0", "--json", *server, PYTHONPATH=str(HERE), **environment
        )

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    all_of_them = Runs(tmp_path)
    yield all_of_them
    all_of_them.end()


def events(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What the command told until it ended."""
    out, _ = process.communicate(timeout=PATIENCE)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(("http", "loop"), KINDS)
def test_the_same_command_again_takes_over_with_every_connection(runs: Runs, http: str, loop: str) -> None:
    options = ("--http", http, "--loop", loop)
    first = runs.uvicorn(*options)
    with Client(runs.port) as idle, Client(runs.port) as half, Client(runs.port) as fresh, Client(runs.port) as busy:
        for client in (idle, half, busy):
            assert client.ask("/a") == (first.pid, "/a 0")
        half.say(request("/half")[:30])
        fresh.say(b"P")
        busy.say(request("/slow"))
        second = runs.uvicorn(*options)
        assert first.wait(PATIENCE) == 0
        assert busy.answer()[1] == "/slow 0"
        assert busy.ask("/b") == (second.pid, "/b 0")
        assert idle.ask("/b", b"x" * 100_000) == (second.pid, "/b 100000")
        half.say(request("/half")[30:])
        assert half.answer() == (second.pid, "/half 0")
        fresh.say(request("/fresh")[1:])
        assert fresh.answer() == (second.pid, "/fresh 0")
        assert [told["event"] for told in events(first)] == ["serving", "draining", "done"]
        second.send_signal(signal.SIGTERM)
        told = {event["event"]: event for event in events(second)}
        assert told["taking over"]["predecessor"] == first.pid
        assert told["taken over"]["moved"] == 4
        assert told["committed"]["generation"] == 2


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("split", [1, 5, 17, len(request("/split")) - 3, len(request("/split")) - 1])
def test_a_head_that_came_in_part_is_answered_by_the_successor(runs: Runs, http: str, split: int) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/split")[:split])
        second = runs.uvicorn("--http", http)
        assert first.wait(PATIENCE) == 0
        client.say(request("/split")[split:])
        assert client.answer() == (second.pid, "/split 0")


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_requests_that_came_together_are_each_answered_once_and_in_order(runs: Runs, http: str) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/slow") + request("/1", b"one") + request("/2"))
        second = runs.uvicorn("--http", http)
        answers = [client.answer() for _ in range(3)]
        assert [path for _, path in answers] == ["/slow 0", "/1 3", "/2 0"]
        assert {pid for pid, _ in answers} <= {first.pid, second.pid}
        assert first.wait(PATIENCE) == 0
        assert client.ask("/b") == (second.pid, "/b 0")


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_what_a_slow_reader_is_still_to_get_arrives_whole(runs: Runs, http: str) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        client.say(request("/big"))
        client.sock.recv(1, 2)  # MSG_PEEK: it has begun
        second = runs.uvicorn("--http", http)
        with Client(runs.port) as other:
            while other.ask("/c")[0] != second.pid:
                pass
        assert client.answer() == (first.pid, "/big 0")
        assert client.ask("/b") == (second.pid, "/b 0")
        assert first.wait(PATIENCE) == 0


def serves_on(runs: Runs, first: subprocess.Popen[str], client: Client) -> None:
    """The first generation, whose connection this is, has noticed nothing."""
    assert client.ask("/on") == (first.pid, "/on 0")
    with Client(runs.port) as newcomer:
        assert newcomer.ask("/new") == (first.pid, "/new 0")


def test_an_application_that_does_not_start_up_costs_nothing(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        assert runs.uvicorn(SITE="broken").wait(PATIENCE) == 3
        assert runs.zdt("run", "--takeover", str(runs.directory / "zdt.sock"), "uvicorn", "no:app").wait(PATIENCE) == 3
        serves_on(runs, first, client)


def test_an_address_that_the_predecessor_does_not_have_is_refused(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        other = runs.uvicorn("--host", "127.0.0.2")
        _, said = other.communicate(timeout=PATIENCE)
        assert other.returncode == 3, said
        assert "listener mismatch" in said
        serves_on(runs, first, client)


def test_a_successor_that_is_killed_gives_everything_back(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        runs.uvicorn(SITE="slow").kill()
        serves_on(runs, first, client)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing"], 2, "'nothing' is none of"),
        (["uvicorn", "webapp:app", "--port", "x"], 2, "uvicorn: Invalid value for '--port'"),
        (["uvicorn", "webapp:app", "--workers", "2"], 2, "--workers do not go with a takeover"),
        (["no_such:thing"], 2, "there is no module 'no_such'"),
        (["webapp:nothing"], 2, "webapp:nothing"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said(runs: Runs, arguments: list[str], code: int, words: str) -> None:
    process = runs.zdt("run", "--takeover", str(runs.directory / "zdt.sock"), *arguments, PYTHONPATH=str(HERE))
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, said
    assert words in said


@pytest.mark.parametrize(("where", "words"), [("no/zdt.sock", "there is no directory"), ("x" * 120, "path too long")])
def test_a_bad_path_is_said_and_nothing_is_bound(runs: Runs, where: str, words: str) -> None:
    process = runs.zdt(
        "run", "--takeover", where, "uvicorn", "webapp:app", "--port", str(runs.port), PYTHONPATH=str(HERE)
    )
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, said
    assert words in said


def test_a_function_is_given_the_takeover(runs: Runs) -> None:
    def start() -> subprocess.Popen[str]:
        takeover = str(runs.directory / "zdt.sock")
        return runs.zdt(
            "run", "--takeover", takeover, "--probation", "0", "plain:serve", str(runs.port), PYTHONPATH=str(HERE)
        )

    first = start()
    with Client(runs.port) as client:
        client.say(b"a\n")
        assert client.sock.recv(99) == b"%d 1 a\n" % first.pid
        second = start()
        assert first.wait(PATIENCE) == 0
        client.say(b"b\n")
        assert client.sock.recv(99) == b"%d 2 b\n" % second.pid
