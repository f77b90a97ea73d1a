"""MODULE:FUNCTION, a program of one's own."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import aio
from .servers import Run, Usage


def function(name: str) -> Callable[[Sequence[str], Run], None]:
    """Runs the function of this name, which is given the takeover, entered; its arguments are in sys.argv."""
    return partial(_function, name)


def _function(name: str, arguments: Sequence[str], run: Run) -> None:
    where, _, what = name.partition(":")
    sys.path.insert(0, "")  # as `python -m` has it
    sys.argv = [name, *arguments]
    try:
        found: Any = importlib.import_module(where)
        for part in what.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if error.name != where and not where.startswith(f"{error.name}."):
            raise
        raise Usage(f"there is no module {where!r} here") from None
    except AttributeError as error:
        raise Usage(f"{name}: {error}") from None
    if inspect.iscoroutinefunction(found):
        asyncio.run(_asynchronous(found, run))
    elif callable(found):
        with run.open() as takeover:
            found(takeover)
    else:
        raise Usage(f"{name} is no function")


async def _asynchronous(serve: Callable[[aio.Takeover], Any], run: Run) -> None:
    async with run.on_a_loop() as takeover:
        await serve(takeover)
