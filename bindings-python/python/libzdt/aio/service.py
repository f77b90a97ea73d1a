"""The inside of `Takeover`: it answers the events of the handle."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias
from weakref import WeakSet

import libzdt

from .. import Adopted, Offer
from .collector import Collector
from .listener import Listener
from .log import log
from .migration import Migration
from .served import Live, Restored, Served, Server, why_not

Handle: TypeAlias = libzdt.Takeover | libzdt.Worker

SLICE = 0.0015
"""How long events keep the loop at a time, in seconds."""
TAIL = 1.0
"""How long handlers may still take when their connections were ended, in seconds."""


class Service:
    """What is served here, and the answers to what the takeover tells."""

    def __init__(self, handle: Handle, on_event: Callable[[libzdt.Event], None] | None) -> None:
        """Owns `handle`; `on_event` is told each event once it was answered."""
        self.loop = asyncio.get_running_loop()
        self.handle = handle
        self.served: set[Served] = set()
        self.over = asyncio.Event()
        self.cause: BaseException | None = None
        self.stays: Counter[str] = Counter()
        self._on_event = on_event
        self._lives: dict[int, Live] = {}
        self._numbers = itertools.count(1)
        self._servers: dict[str, Server] = {}
        self._listeners: list[Listener] = []
        self._accepting = False
        self._retired: list[str] = []  # listeners that the successor left to us
        self._migration: Migration | None = None
        self._alone = False  # draining, and nobody to take the connections
        self._deadline = 0.0
        self._end: asyncio.TimerHandle | None = None
        self._leaving = False
        self._closed = False
        self._stale = False  # an offer had gone back: we were stopped, and worse may wait to be told
        self._refused = 0
        self._restoring: set[asyncio.Task[None]] = set()
        self._returned = False  # one came back
        self._collector = Collector()
        self.loop.add_reader(handle.fileno(), self.up_to_date)
        _services.add(self)

    # What is served

    def next_number(self) -> int:
        """The number of the next connection."""
        return next(self._numbers)

    def listen(self, listener: Listener, server: Server) -> None:
        """Serves what comes to `listener` by `server`; what is offered goes to the first server of its protocol."""
        self._listeners.append(listener)
        self._servers.setdefault(server.protocol, server)
        if self._accepting:
            listener.start()

    def began(self, served: Served) -> None:
        """Something is served."""
        self.served.add(served)
        if isinstance(served, Live):
            self._lives[served.number] = served

    def ended(self, served: Served) -> None:
        """It has ended, or is served elsewhere, and nothing of it is left here."""
        self.served.discard(served)
        if isinstance(served, Live):
            self._lives.pop(served.number, None)
            if self._migration is not None:
                self._migration.ended(served)
        if not self.served and (self._alone or self._leaving):
            self._careful(self._finish)

    def accept(self) -> None:
        """Accepts from here on."""
        self._accepting = True
        for listener in self._listeners:
            listener.start()

    def _park(self, retired: list[str]) -> None:
        self._accepting = False
        self._retired = retired
        for listener in self._listeners:
            if listener.name in retired:
                listener.start()
            else:
                listener.park()

    def _close_listeners(self) -> None:
        self._accepting = False
        for listener in self._listeners:
            if listener.name in self._retired:
                listener.empty()
            listener.close()

    # What happens

    def up_to_date(self) -> bool:
        """Answers what waits, for a moment; whether what we know is still so."""
        try:
            self._careful(self._events)
        finally:
            self._collector.release()
        return not self._stale

    def _events(self) -> None:
        if self._closed or (self._migration is not None and self._migration.offering):
            return  # asking for events would send a message that is not full yet, and only a few may be on their way
        until = self.loop.time() + SLICE
        # A newcomer is told in here how much is coming.
        self.handle.set_connections(len(self.served))
        while (event := self.handle.next_event(0)) is not None:
            self._answer(event)
            if self._on_event is not None:
                self._tell(self._on_event, event)
            if self._closed or self.loop.time() > until:
                return  # if more waits, the descriptor is still readable
        self._stale = False

    def _tell(self, on_event: Callable[[libzdt.Event], None], event: libzdt.Event) -> None:
        try:
            on_event(event)
        except Exception as error:  # an observer's fault is not the takeover's
            self.loop.call_exception_handler({"message": "on_event failed", "exception": error})

    def _answer(self, event: libzdt.Event) -> None:
        match event:
            # Of these come thousands.
            case Offer():
                self._adopt(event)
            case libzdt.Settled(number):
                live = self._lives.pop(number)
                self._decided(live)
                live.let_go()

            # The successor's side.
            case libzdt.Committed(generation):
                log.info("generation %d: the service is ours", generation)
            case libzdt.Ready():
                self.accept()
            case libzdt.Aborted(cause):
                log.warning("this attempt is off: %s", cause)
                self.cause = cause
                self._close_listeners()
                self.leave()

            # The predecessor's side.
            case libzdt.Drain(successor, deadline, _, retired):
                self._drain(successor, deadline, retired)
            case libzdt.Room():
                if self._migration is not None:
                    self._migration.room()
            case libzdt.Returned(connection, why):
                # Thousands may return: say it loudly once.
                level = logging.DEBUG if self._returned else logging.WARNING
                self._returned = True
                log.log(level, "connection %d returned (%s) and is served here", connection.id, why)
                live = self._lives[connection.id]
                self._decided(live)
                live.thaw()
            case libzdt.Resume(cause):
                log.warning("we go on serving: %s", cause)
                self._stop_migrating()
                self._alone = False
                self._retired = []
                self.accept()
            case libzdt.Accept(cause):
                log.warning("we accept too: %s", cause)
                self.accept()
            case libzdt.Relieved():
                self._close_listeners()
            case libzdt.Done():
                self._close_listeners()
                self._stop_migrating()
                if not self._leaving:  # what a lost attempt had adopted is served to its end
                    self._end = self.loop.call_at(self._deadline, self._end_rest)
                self.leave()

    def later_in_drain(self, share: float, call: Callable[[], None]) -> None:
        """Calls when this share of the time until the drain deadline has passed, unless we go on serving by then."""
        left = max(0.0, self._deadline - self.loop.time())
        self.loop.call_later(share * left, lambda: call() if self._leaving or self._migration is not None else None)

    def _adopt(self, offer: Offer) -> None:
        self._collector.hold()
        server = self._servers.get(offer.protocol)
        if server is None:
            offer.refuse(f"there is no server for the protocol {offer.protocol!r}")
            return
        if (why := why_not(server, offer)) is not None:
            offer.refuse(why)
            return
        try:
            serve = server.restore(offer)
        except Exception as error:  # the application's own code
            self._refuse(offer, error)
            return
        if isinstance(serve, Coroutine):
            task = self.loop.create_task(self._restore(offer, serve))
            self._restoring.add(task)
            task.add_done_callback(self._restoring.discard)
        elif (adopted := self._take(offer)) is not None:
            serve(adopted)

    async def _restore(self, offer: Offer, restoring: Coroutine[Any, Any, Restored]) -> None:
        try:
            serve = await restoring
        except Exception as error:  # the application's own code
            self._careful(partial(self._refuse, offer, error))
        else:
            self._careful(lambda: serve(self._take(offer)))
        self.up_to_date()  # so does the answer go out

    def _refuse(self, offer: Offer, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        # Thousands may be refused: say it loudly once.
        log.log(logging.DEBUG if self._refused else logging.WARNING, "a connection was refused: %s", why)
        self._refused += 1
        offer.refuse(why)

    def _take(self, offer: Offer) -> Adopted | None:
        adopted = offer.adopt()
        if adopted is None:
            self._stale = True
        else:
            if adopted.socket.getblocking():
                # Set only, never cleared: a predecessor has the same description.
                adopted.socket.setblocking(False)
        return adopted

    def _drain(self, successor: libzdt.Peer | None, deadline: float, retired: list[str]) -> None:
        self._park(retired)
        # After Accept it comes once more: what is on offer stays so, whoever was accepted since moves too.
        on_offer = self._migration.on_offer if self._migration is not None else ()
        self._stop_migrating()
        self._deadline = self.loop.time() + deadline
        self._alone = successor is None
        if successor is not None:
            log.info("draining towards process %d: %d connections", successor.pid, len(self.served))
            later = lambda go_on: self.loop.call_soon(self._careful, go_on)  # noqa: E731
            self._migration = Migration(self.handle, self._lives.values(), later, on_offer)
            self.stays = self._migration.stays
            self._migration.start(unmovable=len(self.served) - len(self._lives))
        elif self.served:
            log.info("draining: %d connections are served to their end", len(self.served))
        else:
            self._finish()

    @property
    def migrating(self) -> bool:
        """Whether connections are on their way to a successor."""
        return self._migration is not None and not self._migration.complete

    def _decided(self, live: Live) -> None:
        if self._migration is not None:
            self._migration.decided(live)

    def _stop_migrating(self) -> None:
        if self._migration is not None:
            self._migration.stop()
            self._migration = None

    # The end

    def retire(self) -> None:
        """Accepts nobody any more, and is over with what it serves; who else serves here goes on (a worker)."""
        self._park([])
        self.leave()

    def leave(self) -> None:
        """The service is somebody else's: what is served comes to its end, and then it is over."""
        self._leaving = True
        if not self.served:
            self._finish()

    def _finish(self) -> None:
        """Nothing is served any more."""
        if self._alone:
            self._alone = False
            self.handle.migrated_all()
        if self._leaving:
            self.over.set()

    def _end_rest(self) -> None:
        if self.served:
            log.warning("the drain deadline has passed: %d connections are ended", len(self.served))
            for served in list(self.served):
                served.end()
        self._end = self.loop.call_later(TAIL, self.over.set)

    def close(self) -> None:
        """Leaves, whatever is on its way: a peer takes over, or goes on, as it would after our death."""
        if self._closed:
            return
        self._closed = True
        self.loop.remove_reader(self.handle.fileno())
        if self._end is not None:
            self._end.cancel()
        self._stop_migrating()
        self._close_listeners()
        for task in self._restoring:
            task.cancel()
        self.handle.close()
        for live in [live for live in self._lives.values() if live.transport.frozen]:
            live.let_go()  # who has it, nobody tells us any more
        self._alone = False

    def forget(self) -> None:
        """After `close`: releases the handle, whose descriptors should not wait for the garbage collector."""
        del self.handle

    def disown(self) -> None:
        """In a forked child: the connections are the parent's, and the loop's epoll is the same as the parent's."""
        self._closed = True
        if self._end is not None:
            self._end.cancel()
        self._stop_migrating()
        for listener in self._listeners:
            listener.disown()
        for live in self._lives.values():
            live.transport.disown()
        self.served.clear()
        self._lives.clear()

    def _careful(self, call: Callable[[], None]) -> None:
        """What fails in here must not leave the other side waiting for us: the handle is closed."""
        try:
            call()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = "libzdt.aio failed; the takeover is closed, what is served is served to its end"
            self.loop.call_exception_handler({"message": message, "exception": error})
            self.cause = error
            self.close()
            self.leave()


_services: WeakSet[Service] = WeakSet()


def _disown_all() -> None:
    for service in _services:
        service.disown()


os.register_at_fork(after_in_child=_disown_all)
