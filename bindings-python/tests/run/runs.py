"""The command `zdt run`, in processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from servers.web import PATIENCE, Client, free_port

HERE = Path(__file__).parent


class Command:
    """One process, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid
        self.told: list[dict[str, Any]] = []
        """With --json: the events."""
        self._out: list[str] = []
        self._errors: list[str] = []
        self._news = threading.Condition()
        self._open = 2
        self._reading = [
            threading.Thread(target=self._read, args=given, daemon=True)
            for given in ((process.stdout, self._out), (process.stderr, self._errors))
        ]
        for thread in self._reading:
            thread.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream or ():
            with self._news:
                lines.append(line)
                if stream is self.process.stdout and line.startswith("{"):
                    self.told.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._open -= 1
            self._news.notify_all()

    @property
    def said(self) -> str:
        """All that it said on standard error."""
        return "".join(self._errors)

    @property
    def events(self) -> list[str]:
        """The names of what it told."""
        return [event["event"] for event in self.told]

    def tells(self, event: str) -> dict[str, Any]:
        """Waits for it."""
        with self._news:
            self._news.wait_for(lambda: event in self.events or not self._open, PATIENCE)
            assert event in self.events, f"no {event}: {self.told} {self.said}"
            return self.told[self.events.index(event)]

    def says(self, words: str) -> None:
        """Waits for them on standard error."""
        with self._news:
            self._news.wait_for(lambda: words in self.said or not self._open, PATIENCE)
            assert words in self.said, f"no {words!r}: {self.said}"

    def workers(self) -> set[int]:
        """Its children, but for a helper of multiprocessing's."""
        found = set()
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):  # it ended
                if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text():
                    found.add(int(child))
        return found

    def kill(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ends(self) -> int:
        """Waits for its end; the exit code."""
        code = self.process.wait(PATIENCE)
        for thread in self._reading:
            thread.join(PATIENCE)
        return code


class Runs:
    """Processes that were started in one test; they end with it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "zdt.sock"
        self.port = free_port()
        self.started: list[Command] = []

    def python(self, *arguments: str, site: str = "0", stderr: int = subprocess.PIPE, path: str = str(HERE)) -> Command:
        """A process of Python's; `site` is told to webapp.py, `path` is where modules are found."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=HERE,
            env=os.environ | {"PYTHONPATH": path, "SITE": site},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        self.started.append(Command(process))
        return self.started[-1]

    def run(self, *server: str, site: str = "0") -> Command:
        """`zdt run` with a server and its arguments."""
        takeover = ("--takeover", str(self.path), "--probation", "0")
        return self.python("-m", "libzdt", "run", *takeover, "--json", *server, site=site)

    def uvicorn(self, *options: str, site: str = "0") -> Command:
        """The next generation of the site."""
        return self.run("uvicorn", "webapp:app", "--port", str(self.port), "--no-access-log", *options, site=site)

    def aiohttp(self) -> Command:
        """The same, of aiohttp's."""
        return self.run("aiohttp", "-H", "127.0.0.1", "-P", str(self.port), "sites:make")

    def program(self, kind: str) -> Command:
        """The same, as program.py has it."""
        return self.python("program.py", str(self.path), str(self.port), kind)

    def hasty(self) -> Command:
        """The same, with little patience."""
        return self.program("hasty")

    def serves_on(self, command: Command, client: Client) -> None:
        """Its client has noticed nothing, and it accepts."""
        assert client.ask("/on") == (command.pid, "/on 0")
        with Client(self.port) as newcomer:
            assert newcomer.ask("/new") == (command.pid, "/new 0")

    def end(self) -> None:
        for command in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)  # with its workers
            command.ends()


class Newcomers:
    """Connect for each request, one after the other; nobody may fail."""

    def __init__(self, port: int) -> None:
        self.served: list[int] = []
        self._port = port
        self._failed: list[BaseException] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            try:
                with Client(self._port, patient=False) as client:
                    self.served.append(client.ask("/new")[0])
            except BaseException as error:
                self._failed.append(error)

    def are_served_on(self, by: int | None = None) -> None:
        """Waits until two more were, and by this process, if one is named."""
        more = len(self.served) + 2
        until = time.monotonic() + PATIENCE
        while len(self.served) < more or (by is not None and self.served[-1] != by):
            assert time.monotonic() < until, f"not by {by}, but {self.served[-1:]}: {self._failed[:3]}"
            time.sleep(0.005)

    def __enter__(self) -> Newcomers:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        assert kind is not None or (self.served and not self._failed), self._failed[:3]
