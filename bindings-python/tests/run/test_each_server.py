"""`zdt run` with each server it knows, by that server's own arguments, while newcomers come all the time."""

from __future__ import annotations

import signal

import pytest

from servers.gunicorns import until
from servers.web import Client, request

from .runs import Command, Newcomers, Runs

BIND = "127.0.0.1:{port}"
MOVES = {
    "uvicorn": ["uvicorn", "webapp:app", "--host", "localhost", "--port", "{port}"],
    "aiohttp": ["aiohttp", "-H", "localhost", "-P", "{port}", "sites:make"],
}
WORKERS = {
    "uvicorn": ["uvicorn", "webapp:app", "--port", "{port}", "--workers", "2"],
    "gunicorn": ["gunicorn", "-k", "asgi", "-w", "2", "-b", BIND, "--no-control-socket", "webapp:app"],
}
FINISHED_HERE = {
    "gunicorn": [
        "gunicorn",
        "-k",
        "gthread",
        "--threads",
        "4",
        "-b",
        "localhost:{port}",
        "--no-control-socket",
        "sites:wsgi",
    ],
    "hypercorn": ["hypercorn", "-b", BIND, "webapp:app"],
    "hypercorn-wsgi": ["hypercorn", "-b", BIND, "sites:wsgi"],
    "flask": ["flask", "--app", "sites:wsgi", "run", "--host", "localhost", "--port", "{port}"],
}


def start(runs: Runs, server: list[str]) -> Command:
    return runs.run(*(argument.format(port=runs.port) for argument in server))


@pytest.mark.parametrize("server", MOVES.values(), ids=MOVES)
def test_a_server_started_again_by_its_own_arguments_takes_over_with_its_connections(
    runs: Runs, server: list[str]
) -> None:
    first = start(runs, server)
    with Client(runs.port) as kept:
        assert kept.ask("/a") == (first.pid, "/a 0")
        with Newcomers(runs.port) as newcomers:
            second = start(runs, server)
            assert first.ends() == 0, first.said
            assert second.tells("taken over")["moved"] >= 1
        assert newcomers.served[-1] == second.pid
        assert kept.ask("/b") == (second.pid, "/b 0")
    assert first.events == ["serving", "draining", "done"]


@pytest.mark.parametrize("server", WORKERS.values(), ids=WORKERS)
def test_a_server_with_workers_takes_over_with_its_connections(runs: Runs, server: list[str]) -> None:
    first = start(runs, server)
    with Client(runs.port) as kept:
        before = kept.ask("/a")[0]
        with Newcomers(runs.port):
            second = start(runs, server)
            assert first.ends() == 0, first.said
            assert second.tells("taken over")["generation"] == 2
        after = kept.ask("/b")[0]
        assert after not in (before, second.pid)
    assert first.events == ["serving", "draining", "done"]
    second.kill(signal.SIGTERM)
    assert second.ends() == 0


@pytest.mark.parametrize("server", WORKERS.values(), ids=WORKERS)
def test_sighup_replaces_the_workers_which_are_then_taken_over_from(runs: Runs, server: list[str]) -> None:
    first = start(runs, server)
    first.tells("serving")
    with Newcomers(runs.port) as newcomers:
        newcomers.are_served_on()
        before = first.workers()
        first.kill(signal.SIGHUP)
        until(lambda: len(first.workers() - before) >= 2 and not first.workers() & before, "there are other workers")
        newcomers.are_served_on()
        assert newcomers.served[-1] in first.workers()
        second = start(runs, server)
        assert first.ends() == 0, first.said
        newcomers.are_served_on()
        assert newcomers.served[-1] in second.workers()


@pytest.mark.parametrize("server", FINISHED_HERE.values(), ids=FINISHED_HERE)
def test_a_server_whose_connections_stay_finishes_them_and_loses_nobody(runs: Runs, server: list[str]) -> None:
    first = start(runs, server)
    with Client(runs.port) as busy:
        busy.say(request("/upload", b"whole")[:-2])
        with Client(runs.port) as other:
            answers = other.ask("/a")[0]
        with Newcomers(runs.port) as newcomers:
            second = start(runs, server)
            second.tells("committed")
            busy.say(b"le")
            assert busy.answer() == (answers, "/upload 5")
            assert first.ends() == 0, first.said
            newcomers.are_served_on()
    assert first.events == ["serving", "draining", "done"]
    second.kill(signal.SIGTERM)
    assert second.ends() == 0
