"""The servers that the command knows. Each reads its own arguments, by its own parser, and is then served by the
plug-in of its name, which stands where the server would have begun to serve."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import libzdt

from .. import aio
from .._address import number
from .report import Report
from .watched import Watched, WatchedAio


class Run(NamedTuple):
    """What was asked for beside the server."""

    path: Path
    options: Mapping[str, Any]
    """Of the takeover."""
    report: Report

    def on_a_loop(self) -> aio.Takeover:
        """A takeover for asyncio, which is opened when it is entered."""
        return WatchedAio(self.report, self.path, **self.options)

    def open(self) -> libzdt.Takeover:
        """A takeover, opened."""
        return Watched(self.report, self.path, **self.options)


class Usage(Exception):
    """Something is wrong with the arguments."""


class CannotStart(Exception):
    """The server cannot run here; nothing was changed."""


def uvicorn(arguments: Sequence[str], run: Run) -> None:
    """uvicorn's own command, up to where it would run."""
    command = _installed("uvicorn.main")
    ours = importlib.import_module("libzdt.uvicorn")

    def serve(app: Any, *, app_dir: str | None = None, **settings: Any) -> None:
        _refuse("uvicorn", {"--reload": settings["reload"], "--fd": settings["fd"] is not None})
        if app_dir is not None:
            sys.path.insert(0, app_dir)
        config = command.Config(app, **settings)
        if config.workers > 1:
            _uvicorn_workers(config, run)
        else:
            ours.Server(config, run.on_a_loop()).run_and_exit()

    with _instead(command, "run", serve):
        _click("uvicorn", command.main, arguments)


def _uvicorn_workers(config: Any, run: Run) -> None:
    workers = importlib.import_module("libzdt.uvicorn_workers")
    supervisor: Any = workers.Supervisor(config, run.path, run.options, lambda event: _tell_of(supervisor, event, run))
    supervisor.run_and_exit()


def gunicorn(arguments: Sequence[str], run: Run) -> None:
    """gunicorn's own application, with an arbiter of ours."""
    _installed("gunicorn")
    ours = importlib.import_module("libzdt.gunicorn")
    sys.argv = ["gunicorn", *arguments]
    told: Callable[[libzdt.Event], None] = lambda event: _tell_of(application.arbiter, event, run)  # noqa: E731
    application = ours.Application(run.path, on_event=told, **run.options)
    application.run()


def _tell_of(arbiter: Any, event: libzdt.Event, run: Run) -> None:
    """An event of an arbiter's, whose workers have the connections."""
    if isinstance(event, libzdt.Ready):
        run.report.watch_aside(arbiter.takeover, moves=False)
    else:
        run.report.event(event)


def hypercorn(arguments: Sequence[str], run: Run) -> None:
    """hypercorn's own command, up to where it would run."""
    command = _installed("hypercorn.__main__")
    ours = importlib.import_module("libzdt.hypercorn")
    names = ("utils", "app_wrappers", "middleware")
    utils, wrappers, middleware = (importlib.import_module(f"hypercorn.{name}") for name in names)

    def serve(config: Any) -> int:
        _refuse(
            "hypercorn",
            {
                "--workers": config.workers > 1,
                "--worker-class": config.worker_class != "asyncio" and config.worker_class,
                "--reload": config.use_reloader,
                "--quic-bind": config.quic_bind,
                "--insecure-bind": config.insecure_bind,
                "more than one --bind": len(config.bind) > 1,
                "--bind fd://": config.bind[0].startswith("fd://"),
            },
        )
        try:
            app = utils.load_application(config.application_path, config.wsgi_max_body_size)
        except utils.NoAppError as error:
            raise CannotStart(f"hypercorn: {error}") from None
        wsgi = isinstance(app, wrappers.WSGIWrapper)
        app = middleware.AsyncioWSGIMiddleware(app.app, config.wsgi_max_body_size) if wsgi else app.app

        def started() -> None:
            if config.pid_path is not None:
                utils.write_pid_file(config.pid_path)  # until now it is the predecessor's

        asyncio.run(ours.serve(app, config, takeover=run.open(), started=started))
        return 0

    sys.argv = ["hypercorn", *arguments]
    with _instead(command, "run", serve):
        command.main(list(arguments))


def aiohttp(arguments: Sequence[str], run: Run) -> None:
    """`python -m aiohttp.web`, up to where it would run."""
    command = _installed("aiohttp.web")
    ours = importlib.import_module("libzdt.aiohttp")

    def serve(app: Any, *, host: str | None, port: int | None, path: str | None) -> None:
        _refuse("aiohttp", {"--path beside --hostname": path is not None and host is not None})
        address = None if host is None or port is None else _number(host, port)
        ours.run_app(app, takeover=run.on_a_loop(), host=address, port=port, path=path)

    sys.argv = ["aiohttp.web", *arguments]
    sys.path.insert(0, "")  # as `python -m` has it
    with _instead(command, "run_app", serve):
        command.main(list(arguments))


def flask(arguments: Sequence[str], run: Run) -> None:
    """flask's own command, up to where it would run."""
    command = _installed("flask.cli")
    ours = importlib.import_module("libzdt.wsgiref")

    def serve(host: str, port: int, app: Any, **more: Any) -> None:
        _refuse(
            "flask",
            {
                "--debug or --reload": more["use_reloader"],
                "--debugger": more["use_debugger"],
                "--cert": more["ssl_context"],
                "--host unix://": host.startswith("unix://"),
            },
        )
        server = ours.ThreadingWSGIServer if more["threaded"] else ours.WSGIServer
        ours.run(app, takeover=run.open(), host=_number(host, port), port=port, server=server)

    with _instead(command, "run_simple", serve):
        _click("flask", command.cli, arguments)


SERVERS: dict[str, Callable[[Sequence[str], Run], None]] = {
    "uvicorn": uvicorn,
    "gunicorn": gunicorn,
    "hypercorn": hypercorn,
    "aiohttp": aiohttp,
    "flask": flask,
}


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        raise CannotStart(f"{error.name} is not installed: pip install {error.name}") from None


@contextlib.contextmanager
def _instead(module: Any, name: str, ours: Callable[..., Any]) -> Iterator[None]:
    """`ours` in the place of what `module` would call to serve."""
    theirs = getattr(module, name)
    setattr(module, name, ours)
    try:
        yield
    finally:
        setattr(module, name, theirs)


def _click(name: str, command: Any, arguments: Sequence[str]) -> None:
    try:
        # Without standalone mode click raises what is wrong, and returns the code of --help.
        code = command.main(args=list(arguments), prog_name=name, standalone_mode=False)
    except _installed("click").ClickException as error:
        raise Usage(f"{name}: {error.format_message()}") from None
    if code:
        sys.exit(code)


def _refuse(server: str, unfit: Mapping[str, Any]) -> None:
    """Complains of what was given of these, which do not go with a takeover."""
    if given := [name for name, was_given in unfit.items() if was_given]:
        raise Usage(f"{server}: {' and '.join(given)} cannot go with a takeover; nothing was done")


def _number(host: str, port: int) -> str:
    try:
        return number(host, port)
    except OSError as error:
        raise Usage(f"{host}: {error.strerror}; nothing was done") from None
