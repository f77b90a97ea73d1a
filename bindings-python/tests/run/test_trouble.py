"""What goes wrong in the middle of a takeover costs nobody a connection."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

import pytest

from servers.web import Client, request

from .runs import Command, Newcomers, Runs
from .test_each_server import WORKERS, start

WAYS_TO_END = [signal.SIGINT, signal.SIGTERM]


@contextlib.contextmanager
def middle(runs: Runs, server: str = "uvicorn", before: str | None = None) -> Iterator[tuple[Command, Command, Client]]:
    """In the middle of a takeover, which is not decided while the predecessor's only client is still sending its
    request; newcomers come to the successor. `server` is both, `before` the predecessor if it is another."""
    first = getattr(runs, before or server)()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/upload", b"12")[:-1])
        second = getattr(runs, server)()
        second.tells("taking over")
        first.tells("draining")
        with Newcomers(runs.port) as newcomers:
            newcomers.are_served_on(by=second.pid)
            yield first, second, client


def finish(first: Command, client: Client) -> None:
    client.say(b"2")
    assert client.answer() == (first.pid, "/upload 2")


@pytest.mark.parametrize("number", WAYS_TO_END)
def test_a_successor_that_is_told_to_end_while_it_starts_up_leaves_the_service_where_it_is(
    runs: Runs, number: signal.Signals
) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client, Newcomers(runs.port):
        assert client.ask("/a") == (first.pid, "/a 0")
        second = runs.uvicorn(site="1")
        second.says("starting up")
        second.kill(number)
        assert second.ends() in (3, -number)
        assert not second.told
        runs.serves_on(first, client)
    assert first.events == ["serving"]


def test_a_successor_that_is_told_to_end_while_it_waits_for_its_predecessor_leaves_it_alone(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        first.kill(signal.SIGSTOP)
        second = runs.uvicorn()
        second.says("Application startup complete")
        time.sleep(0.3)  # it has said hello
        second.kill(signal.SIGINT)
        first.kill(signal.SIGCONT)
        assert second.ends() == 3
        assert not second.told
        runs.serves_on(first, client)
    assert first.events == ["serving"]


@pytest.mark.parametrize("server", ["uvicorn", "aiohttp"])
@pytest.mark.parametrize("number", [*WAYS_TO_END, signal.SIGKILL])
def test_a_successor_that_ends_in_the_middle_gives_the_service_back(
    runs: Runs, server: str, number: signal.Signals
) -> None:
    with middle(runs, server) as (first, second, client):
        second.kill(number)
        second.ends()
        first.tells("resumed")
        finish(first, client)
        runs.serves_on(first, client)


@pytest.mark.parametrize("server", ["uvicorn", "aiohttp"])
@pytest.mark.parametrize("number", WAYS_TO_END)
def test_a_predecessor_that_is_told_to_end_in_the_middle_is_taken_over_from(
    runs: Runs, server: str, number: signal.Signals
) -> None:
    with middle(runs, server) as (first, second, client):
        first.kill(number)
        time.sleep(0.5)  # it has looked
        finish(first, client)
        assert first.ends() in (0, -number)
        second.tells("taken over")
        runs.serves_on(second, client)


def test_a_predecessor_that_is_stopped_is_named_and_serves_on_when_it_goes_on(runs: Runs) -> None:
    patient = ("--timeout-keep-alive", "60")
    first = runs.uvicorn(*patient)
    with Client(runs.port) as client, Newcomers(runs.port):
        assert client.ask("/a") == (first.pid, "/a 0")
        first.kill(signal.SIGSTOP)
        second = runs.uvicorn(*patient)
        code = second.ends()
        first.kill(signal.SIGCONT)
        assert code == 3
        assert f"process {first.pid} did not answer within 5s; if it hangs, end it and call again" in second.said
        runs.serves_on(first, client)


def test_a_successor_that_was_stopped_for_too_long_says_that_it_has_lost_and_ends_with_3(runs: Runs) -> None:
    with middle(runs, before="hasty") as (first, second, client):
        second.kill(signal.SIGSTOP)
        first.tells("resumed")
        second.kill(signal.SIGCONT)
        assert second.ends() == 3
        assert "attempt lost" in second.said
        assert second.events == ["taking over", "aborted", "done"]
        finish(first, client)
        runs.serves_on(first, client)


def test_a_uvicorn_that_is_not_known_is_said_and_serves_its_connections_to_their_end(runs: Runs) -> None:
    first = runs.program("strange")
    with Client(runs.port) as busy, Client(runs.port) as idle, Newcomers(runs.port):
        assert idle.ask("/a") == (first.pid, "/a 0")
        busy.say(request("/upload", b"12")[:-1])
        second = runs.uvicorn()
        second.tells("taking over")
        finish(first, busy)
        second.tells("committed")
        assert idle.ask("/b") == (first.pid, "/b 0")
        idle.sock.close()
        busy.sock.close()
        assert first.ends() == 0
        assert first.said.count("is not known to libzdt: 'Strange' object has no attribute 'cycle'; connections") == 1
        with Client(runs.port) as client:
            runs.serves_on(second, client)


@pytest.mark.parametrize("server", ["uvicorn", "aiohttp"])
def test_who_was_told_to_end_in_the_middle_does_so_when_its_successor_dies(runs: Runs, server: str) -> None:
    first = getattr(runs, server)()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/upload", b"12")[:-1])
        second = getattr(runs, server)()
        first.tells("draining")
        first.kill(signal.SIGTERM)
        time.sleep(0.5)  # it has looked
        second.kill(signal.SIGKILL)
        first.tells("resumed")
        finish(first, client)
        assert first.ends() in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("server", "number"), [("uvicorn", signal.SIGINT), ("uvicorn", signal.SIGTERM), ("gunicorn", signal.SIGTERM)]
)
def test_a_predecessor_with_workers_that_is_told_to_end_in_the_middle_is_taken_over_from(
    runs: Runs, server: str, number: signal.Signals
) -> None:
    first = start(runs, WORKERS[server])
    with Client(runs.port) as client, Newcomers(runs.port) as newcomers:
        worker, _ = client.ask("/a")
        client.say(request("/upload", b"12")[:-1])
        second = start(runs, WORKERS[server])
        second.tells("taking over")
        first.kill(number)
        time.sleep(1)  # its workers are told, and wait for their client
        client.say(b"2")
        assert client.answer() == (worker, "/upload 2")
        assert client.closes or client.ask("/b")[1] == "/b 0"
        assert first.ends() == 0
        second.tells("taken over")
        newcomers.are_served_on()
