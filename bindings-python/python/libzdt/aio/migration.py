"""A predecessor's account of one drain towards one successor: who waits, who moves, who stays."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial

from .. import Frozen, Takeover, ZdtError
from .log import log
from .served import Live, Stays

SLICE = 0.003
"""How long the loop is kept at a time, in seconds; each connection is served until its turn comes."""


class Migration:
    """Freezes and offers the connections, as many at a time as the successor and the loop can take."""

    def __init__(
        self,
        handle: Takeover,
        lives: Iterable[Live],
        later: Callable[[Callable[[], None]], object],
        on_offer: Iterable[Live] = (),
    ) -> None:
        """`later` calls back soon, after the loop has seen to the others. `on_offer`: since a Drain before this one."""
        self._handle = handle
        self._later = later
        self._offered = set(on_offer)
        self._waiting = deque(live for live in lives if live not in self._offered)
        self._busy: set[Live] = set()
        self._full = False
        self._scheduled = False
        self._told = False
        self._over = False
        self.stays: Counter[str] = Counter()

    def start(self, unmovable: int) -> None:
        """Begins; `unmovable` connections are left out from the start."""
        if unmovable:
            self.stays["TLS"] = unmovable
        self._schedule()

    def room(self) -> None:
        """The successor takes more."""
        self._full = False
        self._schedule()

    @property
    def offering(self) -> bool:
        """Whether more is about to be offered, as soon as the loop has seen to the others."""
        return self._scheduled and bool(self._waiting) and not self._full

    @property
    def complete(self) -> bool:
        """Whether all that can move has settled or returned."""
        return self._told and not self._offered

    @property
    def on_offer(self) -> frozenset[Live]:
        """Those that have neither settled nor returned."""
        return frozenset(self._offered)

    def decided(self, live: Live) -> None:
        """It has settled or returned."""
        self._offered.discard(live)

    def ended(self, live: Live) -> None:
        """It has ended: nobody waits for it any more."""
        self._busy.discard(live)
        self._schedule()

    def stop(self) -> None:
        """The attempt is off, or over: whoever is busy is left alone."""
        self._over = True
        self._waiting.clear()
        for live in self._busy:
            live.when_idle(None)
        self._busy.clear()

    def _schedule(self) -> None:
        if not (self._scheduled or self._over):
            self._scheduled = True
            self._later(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        until = time.monotonic() + SLICE
        while self._waiting and not self._full and not self._over:
            if time.monotonic() > until:
                self._schedule()
                return
            self._offer(self._waiting.popleft())
        if not (self._told or self._over or self._waiting or self._busy):
            # What returns, or is accepted because the successor hangs, is served here to its end.
            self._told = True
            self._handle.migrated_all()
            if self.stays:
                reasons = ", ".join(f"{count} ({why})" for why, count in self.stays.items())
                log.info("connections that stay here to their end: %s", reasons)

    def _idle(self, live: Live) -> None:
        if live in self._busy and not self._over:
            if self._full:
                self._busy.discard(live)
                live.when_idle(None)
                self._waiting.append(live)
            else:
                self._offer(live)
                self._schedule()

    def _offer(self, live: Live) -> None:
        if live.transport.is_closing():
            self._leave(live)  # it ends by itself
            return
        try:
            if not live.transport.can_move:
                raise Stays("its end was written")
            export = live.export()
        except Stays as why:
            self._stay(live, str(why))
            return
        except Exception as error:  # the application's own code
            self._stay(live, "no state", error)
            return
        if export is None:
            self._busy.add(live)
            live.when_idle(partial(self._idle, live))
            return
        live.freeze()
        server = live.server
        try:
            frozen = Frozen(
                live.number,
                live.transport.get_extra_info("socket"),
                server.protocol,
                server.state_version,
                export.state,
                export.unread,
                live.transport.unsent,
            )
            taken = self._handle.migrate(frozen)
        except (ZdtError, TypeError) as error:
            live.thaw()
            self._stay(live, error.kind.word if isinstance(error, ZdtError) else "no state", error)
            return
        self._leave(live)
        if taken:
            self._offered.add(live)
        else:
            live.thaw()
            self._full = True
            self._waiting.appendleft(live)

    def _leave(self, live: Live) -> None:
        if live in self._busy:
            self._busy.discard(live)
            live.when_idle(None)

    def _stay(self, live: Live, why: str, error: Exception | None = None) -> None:
        self._leave(live)
        # Thousands may stay for one reason: say it loudly once.
        level = logging.DEBUG if self.stays[why] or error is None else logging.WARNING
        self.stays[why] += 1
        log.log(level, "connection %d stays here: %s", live.number, why, exc_info=error)
        live.leave()
