"""Gunicorn is taken over from: arbiters and workers are processes of their own, and clients come all the time."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from servers.gunicorns import PATIENCE, Gunicorn, Kept, Newcomers, alive, ask, until

SYNC = ["--worker-class", "sync"]
THREADS = ["--worker-class", "gthread", "--threads", "4", "--keep-alive", "60"]
ASGI = ["--worker-class", "asgi", "--app", "asgi", "--keep-alive", "60"]
UVICORN = ["--worker-class", "uvicorn_worker.UvicornWorker", "--app", "asgi", "--keep-alive", "60"]


@pytest.mark.parametrize("kind", [SYNC, THREADS, ASGI, UVICORN], ids=lambda kind: kind[1])
def test_two_takeovers_with_other_numbers_of_workers_lose_nobody(directory: Path, kind: list[str]) -> None:
    with Gunicorn(directory, *kind, "--workers", "2") as first:
        port = first.ready().port
        slow: list[int] = []
        in_flight = threading.Thread(target=lambda: slow.append(ask(port, "/slow?ms=1500")))
        with Newcomers(port) as newcomers:
            in_flight.start()
            with Gunicorn(directory, *kind, "--workers", "3") as second:
                second.ready()
                assert first.ends() == 0
                in_flight.join(PATIENCE)
                assert slow, "what was in flight was answered"
                newcomers.served_by(second.workers)
                assert len(second.workers()) == 3
                with Gunicorn(directory, *kind, "--workers", "1") as third:
                    third.ready()
                    assert second.ends() == 0
                    newcomers.served_by(third.workers)
                    newcomers.end()


@pytest.mark.parametrize(("kind", "other"), [(ASGI, ASGI), (UVICORN, UVICORN), (ASGI, UVICORN), (UVICORN, ASGI)])
def test_connections_move_from_worker_to_worker(directory: Path, kind: list[str], other: list[str]) -> None:
    with Gunicorn(directory, *kind, "--workers", "2") as first:
        port = first.ready().port
        kept = [Kept(port) for _ in range(12)]
        assert {client.ask() for client in kept} <= first.workers()
        for number, client in enumerate(kept):
            client.send(Kept.REQUEST[: number * 2])  # every second byte of a head, and none
        with Gunicorn(directory, *other, "--workers", "3") as second:
            second.ready()
            assert first.ends() == 0
            for number, client in enumerate(kept):
                client.send(Kept.REQUEST[number * 2 :])
                assert client.answer() in second.workers()
                assert client.ask() in second.workers()
                client.close()


@pytest.mark.parametrize("kind", [SYNC, UVICORN], ids=lambda kind: kind[1])
def test_a_worker_that_is_killed_in_the_middle_does_not_stop_the_takeover(directory: Path, kind: list[str]) -> None:
    with Gunicorn(directory, *kind, "--workers", "2", "--probation-ms", "3000") as first:
        port = first.ready().port
        with Gunicorn(directory, *kind, "--workers", "2") as second:
            until(lambda: len(second.workers()) == 2, "the successor's workers start")
            os.kill(min(first.workers()), signal.SIGKILL)
            second.ready()
            os.kill(min(second.workers()), signal.SIGKILL)
            assert first.ends() == 0
            until(lambda: len(second.workers()) == 2, "the successor replaces its own")
            with Newcomers(port) as newcomers:
                for worker in second.workers():
                    newcomers.served_by(lambda worker=worker: {worker})  # type: ignore[misc]
                newcomers.end()


def test_an_application_that_does_not_load_changes_nothing(directory: Path) -> None:
    with Gunicorn(directory, *SYNC, "--workers", "2") as first, Newcomers(first.ready().port) as newcomers:
        with Gunicorn(directory, *SYNC, "--app", "no_such_thing") as second:
            assert second.ends() != 0
        newcomers.served_by(first.workers)
        with Gunicorn(directory, *SYNC) as third:
            third.ready()
            assert first.ends() == 0
            newcomers.served_by(third.workers)
            newcomers.end()


@pytest.mark.parametrize("kind", [SYNC, UVICORN], ids=lambda kind: kind[1])
def test_who_loses_its_successor_accepts_again(directory: Path, kind: list[str]) -> None:
    with Gunicorn(directory, *kind, "--workers", "2", "--probation-ms", "60000") as first:
        port = first.ready().port
        with Gunicorn(directory, *kind, "--workers", "1") as second:
            second.ready()
            orphans = second.workers()
            second.kill(signal.SIGKILL)
            for worker in orphans:
                os.kill(worker, signal.SIGKILL)
            second.ends()
            until(lambda: "We go on serving" in first.said, "the predecessor resumes")
        with Newcomers(port) as newcomers:
            for worker in first.workers():
                newcomers.served_by(lambda worker=worker: {worker})  # type: ignore[misc]
            newcomers.end()


def test_hup_ttin_and_ttou_are_as_ever(directory: Path) -> None:
    with Gunicorn(directory, *SYNC, "--workers", "2") as first, Newcomers(first.ready().port) as newcomers:
        before = first.workers()
        first.kill(signal.SIGHUP)
        until(lambda: len(first.workers()) == 2 and not first.workers() & before, "HUP: other workers")
        newcomers.served_by(first.workers)
        first.kill(signal.SIGTTIN)
        until(lambda: len(first.workers()) == 3, "TTIN: one more")
        new = first.workers()
        for worker in new:
            newcomers.served_by(lambda worker=worker: {worker})  # type: ignore[misc]
        first.kill(signal.SIGTTOU)
        until(lambda: len(first.workers()) == 2, "TTOU: one less")
        with Gunicorn(directory, *SYNC, "--workers", "2") as second:
            second.ready()
            assert first.ends() == 0
            newcomers.served_by(second.workers)
            newcomers.end()


def test_the_pid_file_is_the_successors(directory: Path) -> None:
    file = directory / "pid"

    def names(it: Gunicorn) -> Callable[[], bool]:
        return lambda: file.exists() and file.read_text().strip() == str(it.process.pid)

    with Gunicorn(directory, *SYNC, "--pid", str(file)) as first:
        first.ready()
        assert names(first)()
        with Gunicorn(directory, *SYNC, "--pid", str(file)) as second:
            second.ready()
            until(names(second), "the file names the successor")
            assert first.ends() == 0
            assert names(second)()
            second.kill(signal.SIGTERM)
            assert second.ends() == 0
            assert not file.exists()


def test_a_stop_ends_the_workers_and_the_takeover(directory: Path) -> None:
    with Gunicorn(directory, *THREADS, "--workers", "2") as it:
        workers = it.ready().workers()
        it.kill(signal.SIGTERM)
        assert it.ends() == 0
        assert not any(alive(worker) for worker in workers)
        assert not (directory / "zdt.sock").exists()


@pytest.mark.parametrize("kind", [SYNC, ASGI], ids=lambda kind: kind[1])
def test_every_bind_is_served_by_the_successor(directory: Path, kind: list[str]) -> None:
    two = [*kind, "--bind", "127.0.0.1:0"]
    with Gunicorn(directory, *two) as first:
        ports = re.findall(r"127\.0\.0\.1:(\d+)", first.ready().said)
        assert len(set(ports)) == 2
        with Gunicorn(directory, *two) as second:
            second.ready()
            assert first.ends() == 0
            for port in set(ports):
                assert ask(int(port)) in second.workers()


def test_what_cannot_be_taken_over_is_said(directory: Path) -> None:
    with Gunicorn(directory, *SYNC, "--reuse-port") as it:
        assert it.ends() == 2
        assert "reuse_port: the workers would listen for themselves" in it.said
    with Gunicorn(directory, *UVICORN, "--bind", "127.0.0.1:0") as it:
        assert it.ends() == 2
        assert "with a takeover uvicorn's worker accepts from one; bind one address" in it.said
    with Gunicorn(directory, "--worker-class", "gunicorn.workers.base.Worker") as it:
        assert it.ends() == 2
        assert "worker class gunicorn.workers.base.Worker" in it.said
