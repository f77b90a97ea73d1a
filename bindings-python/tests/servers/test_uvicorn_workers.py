"""uvicorn with workers is taken over from: supervisors and workers are processes of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from servers.gunicorns import Gunicorn, Kept, Newcomers


class Uvicorn(Gunicorn):
    program = Path(__file__).with_name("uvicorn_workers_run.py")


def test_connections_of_two_workers_move_to_three_and_to_one(directory: Path) -> None:
    with Uvicorn(directory, "--workers", "2") as first:
        port = first.ready().port
        kept = [Kept(port) for _ in range(8)]
        assert {client.ask() for client in kept} <= first.workers()
        with Newcomers(port) as newcomers, Uvicorn(directory, "--workers", "3") as second:
            second.ready()
            assert first.ends() == 0
            assert {client.ask() for client in kept} <= second.workers()
            with Uvicorn(directory, "--workers", "1") as third:
                third.ready()
                assert second.ends() == 0
                assert {client.ask() for client in kept} <= third.workers()
                newcomers.served_by(third.workers)
                newcomers.end()
                for client in kept:
                    client.close()


def test_a_worker_that_is_killed_is_replaced_and_seated(directory: Path) -> None:
    with Uvicorn(directory, "--workers", "2") as first:
        port = first.ready().port
        before = first.workers()
        os.kill(Kept(port).ask(), signal.SIGKILL)
        with Newcomers(port) as newcomers:
            newcomers.served_by(lambda: first.workers() - before)
            newcomers.end()
        with Uvicorn(directory, "--workers", "2") as second:
            second.ready()
            assert first.ends() == 0
