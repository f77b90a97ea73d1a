"""The relay in Python: a small server whose connections move to its successor, with everything half-way through.

`session.py` is what is said on a connection; here is the server around it, with libzdt.aio.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import sys
import time
from typing import Any

import libzdt
from libzdt.aio import Connection, Takeover
from session import LINE, PRESSURE, PROTOCOL, STATE_VERSION, Session, Wrong
from switches import Switches

PROGRESS_EVERY = 0.05


class Relay:
    """A relay that can be taken over."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._takeover = Takeover(
            options.takeover,
            on_event=self._event,
            program="relay",
            reads={PROTOCOL: [STATE_VERSION]},
            probation=options.probation_ms,
            drain=options.drain_ms,
            commit=options.commit_ms,
            handshake=options.handshake_ms,
            ready=options.ready_ms,
            hang=options.hang_ms,
        )
        self._listen: str = options.listen
        self._switches = Switches(options)
        self._sessions: dict[int, Session] = {}
        self._who = ""
        self._aborted = False
        self._account: Account | None = None

    async def run(self) -> None:
        """From `open` until everything is somebody else's."""
        async with self._takeover as takeover:
            generation = takeover.generation
            self._who = f"{os.getpid()} python {generation}"
            loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
            runtime = f"{platform.python_implementation()} {platform.python_version()}, {loop}"
            tell("started", pid=os.getpid(), language="python", runtime=runtime, generation=generation)
            listening = await takeover.start_server(
                self._handle,
                "relay",
                self._listen,
                load=self._load,
                dump=self._dump,
                protocol=PROTOCOL,
                state_version=STATE_VERSION,
                write_limit=PRESSURE,
            )
            host, port = listening.address[:2]
            tell("listening", address=f"{host}:{port}", inherited=takeover.predecessor is not None)
            await self._switches.before_ready()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, takeover.drain)
            try:
                await takeover.ready()
                tell("ready")
                await takeover.done()
            except libzdt.ZdtError:
                if not self._aborted:
                    raise

    async def _handle(self, connection: Connection[Session]) -> None:
        session = self._sessions[connection.id] = connection.state
        try:
            while not session.ending:
                # Until it is carried out, a request is unread, however much of it is here.
                with connection.hold():
                    connection.write(await self._answer(connection, session))
            await connection.flush()
        except asyncio.IncompleteReadError:
            connection.abort()  # the client is gone: nobody waits for what is left
        finally:
            del self._sessions[connection.id]

    async def _answer(self, connection: Connection[Session], session: Session) -> bytes:
        try:
            line = await connection.readuntil(b"\n", limit=LINE)
            length = session.payload(line)
            payload = await connection.readexactly(length) if length else b""
            return session.carry_out(line, payload, self._who)
        except asyncio.LimitOverrunError:
            return session.err("line")
        except Wrong as wrong:
            return session.err(str(wrong))

    def _load(self, state: bytes) -> Session:
        if not state:
            return Session()
        self._switches.before_adopting(self._takeover.progress().settled)
        session = Session.restore(state)
        if session.wants_refusal:
            raise ValueError("refuse-me")
        return session

    def _dump(self, session: Session) -> bytes:
        self._switches.offered(self._takeover.progress().offered)
        return session.state()

    def _event(self, event: libzdt.Event) -> None:
        match event:
            # The successor's side.
            case libzdt.Offer():
                self._switches.adopted(self._takeover.progress().settled)
            case libzdt.Committed(generation):
                tell("committed", generation=generation, adopted=self._takeover.progress().settled)
            case libzdt.Aborted(cause):
                self._aborted = True
                tell("aborted", cause=str(cause))

            # The predecessor's side.
            case libzdt.Drain(successor, _):
                connections = self._takeover.connections
                tell("drain", successor=successor.pid if successor else 0, connections=connections)
                self._account = Account(self._takeover, connections) if successor else None
            case libzdt.Returned(connection, why):
                if (session := self._sessions.get(connection.id)) is not None:
                    tell("returned", name=session.name.decode(), why=why)
                    if why == "refused":
                        session.was_refused()
            case libzdt.Resume(cause):
                self._account = None
                tell("resume", cause=str(cause))
            case libzdt.Accept(cause):
                tell("accept", cause=str(cause))
            case libzdt.Relieved():
                tell("relieved")
            case _:
                pass
        if self._account is not None:
            self._account.tell()
        if isinstance(event, libzdt.Done):
            tell("done", left=event.left)


class Account:
    """The predecessor's account of one takeover."""

    def __init__(self, takeover: Takeover, connections: int) -> None:
        self._takeover = takeover
        self._connections = connections
        self._began = self._told = time.monotonic()
        self._complete = False
        self._last = (0, 0)

    def tell(self) -> None:
        """Tells how far it is: now and then, and when it is over."""
        if self._complete:
            return
        now = time.monotonic()
        progress = self._takeover.progress()
        if not self._takeover.migrating:
            self._complete = True
            tell(
                "migrated",
                moved=progress.settled,
                returned=progress.returned,
                unread_bytes=progress.unread_bytes,
                unsent_bytes=progress.unsent_bytes,
                state_bytes=progress.state_bytes,
                duration_ms=round((now - self._began) * 1000, 3),
            )
        elif now - self._told >= PROGRESS_EVERY and self._last != (progress.settled, progress.returned):
            self._told = now
            self._last = (progress.settled, progress.returned)
            tell("progress", moved=progress.settled, returned=progress.returned, connections=self._connections)


def tell(event: str, **fields: Any) -> None:
    """Writes an event line (PROTOCOL.md, section 3)."""
    # Whoever started us may have stopped listening; the connections matter more.
    with contextlib.suppress(OSError):
        print(json.dumps({"event": event, **fields}), flush=True)


def seconds(millis: str) -> float:
    """An option in milliseconds as libzdt wants it."""
    return float(millis) / 1000


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="The relay: start it again, and the new one takes over.")
    parser.add_argument("--takeover", required=True, help="path of the takeover socket")
    parser.add_argument("--listen", required=True, help="where to listen, for instance tcp://127.0.0.1:4711")
    parser.add_argument("--probation-ms", type=seconds, help="how long one that has drained watches its successor")
    parser.add_argument("--drain-ms", type=seconds, help="how long draining may take")
    parser.add_argument("--commit-ms", type=seconds, help="how long a successor may take to commit")
    parser.add_argument("--handshake-ms", type=seconds, help="how long the other side may take in the handshake")
    parser.add_argument("--ready-ms", type=seconds, help="how long a successor may warm up")
    parser.add_argument("--hang-ms", type=seconds, help="how long the listener's queue may stay unserved")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="which event loop")
    Switches.declare(parser)
    options = parser.parse_args()
    factory = None
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(Relay(options).run())
    except (OSError, ValueError) as error:
        print(f"relay-python: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
