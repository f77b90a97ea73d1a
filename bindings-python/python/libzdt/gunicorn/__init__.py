"""Gunicorn with takeovers: its arbiter takes the listeners over, and each worker follows its arbiter.

```python
libzdt.gunicorn.run("/run/app/zdt.sock")  # the command line is gunicorn's own
```
The sync and gthread workers stop accepting when a successor is ready, finish what they have begun, and tell clients
that keep their connections to close them. The connections of gunicorn's asgi worker and of uvicorn's move to the
successor's workers, between two requests. How many workers there are may differ from one generation to the next.
Signals mean what they mean to gunicorn, but USR2: start the command once more instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication
from gunicorn.app.wsgiapp import WSGIApplication

import libzdt

from .arbiter import TAKEOVER_FAILED, Arbiter
from .workers import Unfit

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..aio.takeover import Config
    from ..events import Event

__all__ = ["Application", "Arbiter", "run"]

UNFIT = 2
"""The exit code for settings that do not go with a takeover."""


class _Runs(BaseApplication):
    """Comes between gunicorn's application and its base, which would make an arbiter of gunicorn's own."""

    def run(self) -> None:
        try:
            self.arbiter = self.make_arbiter()
            self.arbiter.run()
        except Unfit as error:
            _end(error, UNFIT)
        except libzdt.ZdtError as error:
            _end(error, TAKEOVER_FAILED)
        except RuntimeError as error:
            _end(error, 1)


def _end(error: Exception, code: int) -> None:
    print(f"\nError: {error}\n", file=sys.stderr, flush=True)
    sys.exit(code)


class Application(WSGIApplication, _Runs):
    """What the command `gunicorn` runs, with an arbiter that is taken over from."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on_event: Callable[[Event], None] | None = None,
        **config: Unpack[Config],
    ) -> None:
        """Reads the command line, as gunicorn does. `path` and `config` are those of `libzdt.Takeover`; `on_event` is
        told each event of the arbiter's once it was answered, and `Ready` when its workers accept."""
        self._path = path
        self._on_event = on_event
        self._config = config
        super().__init__("%(prog)s [OPTIONS] [APP_MODULE]")

    def make_arbiter(self) -> Arbiter:
        """The arbiter that `run` runs."""
        return Arbiter(self, self._path, self._config, self._on_event)


def run(
    path: str | os.PathLike[str],
    *,
    on_event: Callable[[Event], None] | None = None,
    **config: Unpack[Config],
) -> None:
    """Runs what `sys.argv` says, as the command `gunicorn` would; see `Application`. Ends in SystemExit: 0 once it was
    taken over from or stopped, 2 for settings that do not go with a takeover, 3 where taking over failed, else
    gunicorn's own."""
    Application(path, on_event=on_event, **config).run()
