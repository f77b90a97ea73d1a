"""Gunicorn's workers, each with a seat at its arbiter."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arbiter import Arbiter


class Unfit(RuntimeError):
    """A setting that does not go with a takeover; nothing was done."""


class Seated:
    """Goes before a worker class of gunicorn's, and gives it a seat; it says when it is fit to serve."""

    arbiter: Arbiter
    accepts_from_one = False
    """Whether it serves the first listener alone."""

    def __init__(self, *given: Any) -> None:
        """In the arbiter, before the fork."""
        super().__init__(*given)
        self.seat = self.arbiter.takeover.seat(given[0])

    def init_process(self) -> None:
        self.arbiter.in_worker()
        self.join()
        super().init_process()  # type: ignore[misc]

    def join(self) -> None:
        """In the worker, before the application is loaded."""


def seated(worker_class: type[Any], arbiter: Arbiter) -> type[Any]:
    """The worker class of the arbiter's settings, which follows the arbiter."""
    for base in worker_class.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name in SERVED:
            module, ours = SERVED[name]
            before = getattr(importlib.import_module(f"{__package__}.{module}"), ours)
            return type(worker_class.__name__, (before, worker_class), {"arbiter": arbiter})
    name = f"{worker_class.__module__}.{worker_class.__qualname__}"
    raise Unfit(f"worker class {name}: with a takeover it is sync, gthread, asgi or one of uvicorn's")


SERVED = {
    "gunicorn.workers.sync.SyncWorker": ("blocking", "Sync"),
    "gunicorn.workers.gthread.ThreadWorker": ("blocking", "Threads"),
    "gunicorn.workers.gasgi.ASGIWorker": ("asgi", "Asgi"),
    "uvicorn_worker._workers.UvicornWorker": ("asgi", "Uvicorn"),
    "uvicorn.workers.UvicornWorker": ("asgi", "Uvicorn"),
}
"""What goes before which class; uvicorn need not be there."""
