"""The takeover for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast, overload

import libzdt

from ..errors import Closed, InvalidArgument, WrongState
from .connection import Connection
from .listener import Listener
from .protocols import ProtocolServer
from .served import Server
from .service import TAIL, Handle, Service
from .streams import Streams, StreamServer

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

S = TypeVar("S")

LIMIT = 64 << 10


class Config(TypedDict, total=False):
    """What can be set, as with `libzdt.Takeover`, which says what each is."""

    program: str
    runtime: str
    handshake: float | None
    ready: float | None
    commit: float | None
    drain: float | None
    probation: float | None
    hang: float | None
    on_mismatch: Literal["refuse", "bind"]
    max_state: int | None
    max_bytes: int | None
    reads: Mapping[str, Sequence[int]] | None
    allowed_uids: Sequence[int]
    drain_signals: Sequence[int]


@dataclass(frozen=True)
class Listening:
    """Where a server listens."""

    name: str
    """The listener's name."""
    address: Any
    """Its address, as getsockname() tells it; with port 0 asked for, the port that it became."""


class Takeover:
    """One process's part in the chain of generations, on the running event loop (asyncio's or uvloop).

    ```python
    async with Takeover("/run/app/zdt.sock") as takeover:
        await takeover.start_server(handle, "chat", ("0.0.0.0", 8000))
        await takeover.ready()
        await takeover.done()
    ```
    Entering opens (in a thread, for it may wait for the predecessor) and leaving closes. Listeners are inherited or
    bound; a predecessor's connections come to the same handlers; a successor's arrival stops accepting and moves
    every connection, and what does not move is served to its end or to the drain deadline. If one of the two
    processes dies, the other one serves. Only `drain` may be called from other threads; anything else there raises
    `WrongState`.

    What it does is logged by the logger `libzdt`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on_event: Callable[[libzdt.Event], None] | None = None,
        **config: Unpack[Config],
    ) -> None:
        """Nothing happens before it is entered. `config` is that of `libzdt.Takeover`; `on_event` is told each event
        once it was answered, and may only look."""
        self._path = path
        self._on_event = on_event
        self._config = config
        self._service: Service | None = None
        self._left = False

    def observe(self, on_event: Callable[[libzdt.Event], None]) -> None:
        """Tells this one each event, too. Before it is entered."""
        before = self._on_event

        def both(event: libzdt.Event) -> None:
            try:
                on_event(event)
            finally:
                if before is not None:
                    before(event)

        self._on_event = both

    async def __aenter__(self) -> Self:
        """Opens: finds a predecessor, or is the first. Raises what `libzdt.Takeover` raises."""
        if self._service is not None or self._left:
            raise WrongState("this takeover was entered before", "nothing was changed; make a new one")
        opening = self._opening()
        thread = ThreadPoolExecutor(1, "libzdt")  # not the loop's own, whose threads would stay
        try:
            handle = await asyncio.get_running_loop().run_in_executor(thread, opening)
        finally:
            thread.shutdown(wait=False)
        self._service = Service(handle, self._on_event)
        return self

    def _opening(self) -> Callable[[], Handle]:
        """What makes the handle, and may wait."""
        return partial(libzdt.Takeover, self._path, **self._config)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Closes, and ends what is still served here. Offers that nobody answered go back: the predecessor goes
        on."""
        service = self._ours()
        service.close()
        for served in list(service.served):
            served.end()
        service.leave()
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(service.over.wait(), TAIL)
        finally:
            self._service = None
            self._left = True
            service.forget()

    @property
    def generation(self) -> int:
        """Our generation: 1 for the first process at the path, one more with each committed takeover."""
        return self._ours().handle.generation

    @property
    def predecessor(self) -> libzdt.Peer | None:
        """The process that we take over from, or took over from while its link lasts."""
        return self._takeover().predecessor

    @property
    def connections(self) -> int:
        """How many connections are served here, TLS ones included."""
        return len(self._ours().served)

    @property
    def migrating(self) -> bool:
        """Whether connections are on their way to a successor: from `Drain` until all that can move settled or
        returned."""
        return self._ours().migrating

    @property
    def stays(self) -> Mapping[str, int]:
        """How many connections could not move in the last drain, by reason: TLS, no state, not Migratable, …"""
        return self._ours().stays

    def progress(self) -> libzdt.Progress:
        """What was done so far on the link that was made last: the one to our predecessor, until a successor comes."""
        return self._ours().handle.progress()

    @overload
    async def start_server(
        self,
        handle: Callable[[Connection[bytes]], Awaitable[None]],
        name: str,
        address: libzdt.ListenerSpec | str | tuple[str, int],
        *,
        protocol: str | None = None,
        state_version: int = 1,
        limit: int = LIMIT,
        write_limit: int = LIMIT,
        ssl: ssl.SSLContext | None = None,
    ) -> Listening: ...

    @overload
    async def start_server(
        self,
        handle: Callable[[Connection[S]], Awaitable[None]],
        name: str,
        address: libzdt.ListenerSpec | str | tuple[str, int],
        *,
        load: Callable[[bytes], S],
        dump: Callable[[S], bytes],
        protocol: str | None = None,
        state_version: int = 1,
        limit: int = LIMIT,
        write_limit: int = LIMIT,
        ssl: ssl.SSLContext | None = None,
    ) -> Listening: ...

    async def start_server(
        self,
        handle: Callable[[Connection[Any]], Awaitable[None]],
        name: str,
        address: libzdt.ListenerSpec | str | tuple[str, int],
        *,
        load: Callable[[bytes], Any] = bytes,
        dump: Callable[[Any], bytes] = bytes,
        protocol: str | None = None,
        state_version: int = 1,
        limit: int = LIMIT,
        write_limit: int = LIMIT,
        ssl: ssl.SSLContext | None = None,
    ) -> Listening:
        """Runs `handle(connection)` in a task for each connection, new or adopted; when it returns, the connection
        ends.

        Args:
            name: the listener's name: under it, it is inherited, or bound at `address` (a `ListenerSpec`, its words
                such as `tcp://[::]:8000`, or host and port).
            load: makes `connection.state`: of b"" for a new connection, of what `dump` made for a predecessor's. It
                runs before the connection is adopted: if it raises, the predecessor goes on with it.
            dump: what `load` needs, of `connection.state`, when the connection moves. If it raises, the connection
                stays.
            protocol: what is spoken on the connections, for a successor to know (default: `name`).
            state_version: which form `dump` gives. A successor with another one refuses; what is refused is served
                here.
            limit: how long a line may be, and about how much is read ahead, in bytes.
            write_limit: while that many bytes wait to be written, reads wait.
            ssl: speaks TLS. These connections are counted and drained, they do not move.

        Raises:
            What `libzdt.Takeover.listener` raises.
        """
        if limit < 1 or write_limit < 1:
            what = f"limit is {limit} and write_limit {write_limit}: at least one byte"
            raise InvalidArgument(what, "nothing was done; correct the call")
        service = self._ours()
        given = Streams(handle, load, dump, limit, write_limit, ssl)
        server = StreamServer(service, name if protocol is None else protocol, state_version, given)
        return self._listen(service, name, address, server)

    async def create_server(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        name: str,
        address: libzdt.ListenerSpec | str | tuple[str, int],
        *,
        protocol: str | None = None,
        state_version: int = 1,
        ssl: ssl.SSLContext | None = None,
    ) -> Listening:
        """Connects each connection, new or adopted, to a protocol that `factory` makes.

        One that is `Migratable` moves; any other is served here to its end. Arguments and errors as with
        `start_server`.
        """
        service = self._ours()
        given = name if protocol is None else protocol
        return self._listen(service, name, address, ProtocolServer(service, given, state_version, factory, ssl))

    def _listen(
        self,
        service: Service,
        name: str,
        address: libzdt.ListenerSpec | str | tuple[str, int],
        server: Server,
    ) -> Listening:
        sock = self._socket(name, address)
        listener = Listener(service.loop, name, sock, server.accept, service.up_to_date)
        service.listen(listener, server)
        return Listening(name, listener.address)

    def _socket(self, name: str, address: libzdt.ListenerSpec | str | tuple[str, int]) -> socket.socket:
        return self._takeover().listener(name, address)

    def unclaimed(self) -> list[str]:
        """The names of the predecessor's listeners that have no server here and were not retired: `ready` fails until
        they have, or are."""
        return self._takeover().unclaimed()

    def retire(self, name: str) -> None:
        """Leaves the predecessor's listener `name` to the predecessor, which serves whoever connects there until it is
        done. Raises InvalidArgument where no unclaimed listener has this name."""
        self._takeover().retire(name)

    async def ready(self) -> None:
        """We are fit to serve: accept from here on. A predecessor stops accepting and begins to migrate.

        Raises:
            ListenerUnclaimed: a listener of the predecessor's has no server here and was not retired. WrongState:
                called before. AttemptLost: the attempt is off.
        """
        self._takeover().ready()
        self._ours().accept()

    def drain(self) -> None:
        """Leaves for good: stops accepting and serves what there is to its end; then `done` returns. A successor that
        comes meanwhile takes over as ever. Any thread, and signal handlers."""
        cast(libzdt.Takeover, self._entered().handle).drain()

    async def done(self) -> None:
        """Waits until nothing is left to do here: a successor has everything, or `drain` has come to its end.

        What could not move is served until it ends or the drain deadline passes. Leave the block then.

        Raises:
            The cause, if this process had to give up its attempt to take over (what it had adopted was served to its
            end), or if libzdt failed.
        """
        service = self._ours()
        await service.over.wait()
        if service.cause is not None:
            raise service.cause

    def _entered(self) -> Service:
        if self._left:
            raise Closed("the takeover was left", "nothing was done; make a new one")
        if self._service is None:
            raise WrongState("the takeover was not entered", "nothing was done; use it as `async with`")
        return self._service

    def _takeover(self) -> libzdt.Takeover:
        return cast(libzdt.Takeover, self._ours().handle)  # `Worker` has another, and does without

    def _ours(self) -> Service:
        service = self._entered()
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not service.loop:
            what = "the takeover belongs to another thread's event loop, or this process was forked from its own"
            raise WrongState(what, "nothing was done; only drain() may be called from elsewhere")
        return service
