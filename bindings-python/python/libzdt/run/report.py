"""What the command tells of a takeover: lines and a progress bar for people, JSON for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

import libzdt

from .. import aio

TICK = 0.05
"""How often it looks, in seconds."""


class Report:
    """Tells what happens, as it happens."""

    def __init__(self, as_json: bool) -> None:
        """`as_json`: on standard output, which is nobody else's from here on: what the server writes there goes to
        standard error. Without it all goes there, where people look."""
        self._json: TextIO | None = None
        self._owns: bool | None = None  # it is open
        self._watching: threading.Thread | None = None
        self._ended = threading.Event()
        if as_json:
            self._json = os.fdopen(os.dup(sys.stdout.fileno()), "w")
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(self, event: str, words: str, **known: Any) -> None:
        """One event: `words` for people, `known` for programs."""
        out, line = sys.stderr, f"zdt: {words}"
        if self._json is not None:
            out, line = self._json, json.dumps({"event": event, "time": round(time.time(), 3), **known})
        out.write(f"{line}\n")  # at once, since two threads tell
        out.flush()

    def event(self, event: libzdt.Event) -> None:
        """Tells an event of a takeover, if it is one that people want to know of."""
        match event:
            case libzdt.Committed(generation):
                self._owns = True
                self.tell("committed", f"generation {generation}: the service is ours", generation=generation)
            case libzdt.Drain(None, deadline):
                self.tell("draining", "leaving: what is under way is served to its end", deadline=deadline)
            case libzdt.Drain(libzdt.Peer() as peer, deadline):
                words = f"process {peer.pid} takes over"
                self.tell("draining", words, successor=peer.pid, generation=peer.generation, deadline=deadline)
            case libzdt.Resume(cause):
                self.tell("resumed", f"we go on serving: {cause}", cause=str(cause))
            case libzdt.Accept(cause):
                self.tell("accepting", f"the successor does not accept, so we do: {cause}", cause=str(cause))
            case libzdt.Aborted(cause):
                self._owns = False
                self.tell("aborted", f"this attempt is off: {cause}", cause=str(cause))
            case libzdt.Done(left):
                self.tell("done", "nothing is left to do here", left=left)

    async def watch(self, takeover: aio.Takeover) -> None:
        """From `ready` on: who was taken over from, how far it is, and what came."""
        for _ in self._steps(takeover, moves=True):
            await asyncio.sleep(TICK)

    def watch_aside(self, takeover: libzdt.Takeover, *, moves: bool = True) -> None:
        """The same, in a thread. `moves`: whether the connections are this process's, not its workers'."""
        steps = self._steps(takeover, moves)
        next(steps, None)  # as it is now

        def watch() -> None:
            with contextlib.suppress(libzdt.Closed):
                for _ in steps:
                    if self._ended.wait(TICK):
                        break

        self._watching = threading.Thread(target=watch, name="libzdt report", daemon=True)
        self._watching.start()

    def end(self) -> None:
        """Looks no more: a thread in native code does not survive the end of the interpreter."""
        self._ended.set()
        if self._watching is not None:
            self._watching.join()

    def _steps(self, takeover: aio.Takeover | libzdt.Takeover, moves: bool) -> Iterator[None]:
        """Gives way where it would look again a little later."""
        predecessor = takeover.predecessor
        generation = takeover.generation
        if predecessor is None:
            self.tell("serving", f"generation {generation} serves", generation=generation)
            return
        words = f"generation {generation} takes over from process {predecessor.pid}"
        self.tell("taking over", words, generation=generation, predecessor=predecessor.pid)
        began = time.monotonic()
        with self._bar() as show:
            while takeover.predecessor is not None or self._owns is None:
                show(takeover.progress())
                yield
            show(now := takeover.progress())
        if not self._owns:
            return
        known = {"generation": generation, "seconds": round(time.monotonic() - began, 3)}
        words = f"process {predecessor.pid} has left"
        if moves:
            words += f"; {now.settled} connections moved"
            known |= {"moved": now.settled, "returned": now.returned}
        self.tell("taken over", words, **known)

    @contextlib.contextmanager
    def _bar(self) -> Iterator[Any]:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        except ImportError:  # the extra libzdt[run]
            yield lambda now: None
            return
        console = Console(stderr=True)
        if self._json is not None or not console.is_terminal:
            yield lambda now: None
            return
        with Progress(TextColumn("zdt: connections"), BarColumn(), MofNCompleteColumn(), console=console) as bar:
            task = bar.add_task("", total=None)

            def show(now: libzdt.Progress) -> None:
                bar.update(task, total=max(now.expected, now.settled), completed=now.settled)

            yield show
