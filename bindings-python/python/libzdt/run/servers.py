"""The servers that the command knows. Each reads its own arguments, by its own parser."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import libzdt

from .. import aio
from .report import Report


class Run(NamedTuple):
    """What was asked for beside the server."""

    path: Path
    options: Mapping[str, Any]
    """Of the takeover."""
    report: Report


class Usage(Exception):
    """Something is wrong with the arguments."""


class CannotStart(Exception):
    """The server cannot run here; nothing was changed."""


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise CannotStart(f"{error.name} is not installed: pip install {error.name}") from None


def uvicorn(arguments: Sequence[str], run: Run) -> None:
    """uvicorn's own command, with a server of ours in the place of its own."""
    command = _installed("uvicorn.main")
    ours = importlib.import_module("libzdt.uvicorn")

    def server(config: Any) -> Any:
        if config.should_reload or config.workers > 1:
            raise Usage("--reload and --workers do not go with a takeover yet; nothing was done")
        return ours.Server(config, run.path, watch=run.report.watch, on_event=run.report.event, **run.options)

    theirs = command.Server
    command.Server = server
    try:
        # Without standalone mode click raises what is wrong, and returns the code of --help.
        code = command.main.main(args=list(arguments), prog_name="uvicorn", standalone_mode=False)
    except _installed("click").ClickException as error:
        raise Usage(f"uvicorn: {error.format_message()}") from None
    finally:
        command.Server = theirs
    if code:
        sys.exit(code)


SERVERS: dict[str, Callable[[Sequence[str], Run], None]] = {"uvicorn": uvicorn}


def function(name: str) -> Callable[[Sequence[str], Run], None]:
    """MODULE:FUNCTION, which is given the takeover, entered; its arguments are in sys.argv."""
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
        with libzdt.Takeover(run.path, **run.options) as takeover:
            found(takeover)
    else:
        raise Usage(f"{name} is no function")


async def _asynchronous(serve: Callable[[aio.Takeover], Any], run: Run) -> None:
    async with aio.Takeover(run.path, on_event=run.report.event, **run.options) as takeover:
        await serve(takeover)
