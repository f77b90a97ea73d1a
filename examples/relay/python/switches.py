"""What only tests want (PROTOCOL.md, section 4): to hold, to refuse, to be slow, to stop and to die when told."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time


class Switches:
    """The switches of the command line."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._hold_before_ready: bool = options.hold_before_ready
        self._refuse_all: bool = options.refuse_all
        self._adopt_delay: float = options.adopt_delay_ms / 1000
        self._stop_after_adopting: int | None = options.stop_after_adopting
        self._die_after_adopting: int | None = options.die_after_adopting
        self._die_after_offering: int | None = options.die_after_offering

    @staticmethod
    def declare(parser: argparse.ArgumentParser) -> None:
        """Tells the command line of them."""
        tests = parser.add_argument_group("for tests")
        tests.add_argument("--hold-before-ready", action="store_true", help="wait for a line on stdin before ready")
        tests.add_argument("--refuse-all", action="store_true", help="refuse every offer")
        tests.add_argument("--adopt-delay-ms", type=float, default=0, help="sleep so long before each adoption")
        tests.add_argument("--stop-after-adopting", type=int, help="raise SIGSTOP when so many are adopted")
        tests.add_argument("--die-after-adopting", type=int, help="raise SIGKILL when so many are adopted")
        tests.add_argument("--die-after-offering", type=int, help="raise SIGKILL when so many are offered")

    async def before_ready(self) -> None:
        """The listener is there, `ready` comes next."""
        if self._hold_before_ready:
            await asyncio.to_thread(sys.stdin.readline)

    def before_adopting(self, adopted: int) -> None:
        """An offer is there, and so many are adopted so far. Raises ValueError: it is to be refused."""
        if self._adopt_delay:
            time.sleep(self._adopt_delay)
        if adopted == 0:
            self.adopted(0)
        if self._refuse_all:
            raise ValueError("refuse-all")

    def adopted(self, adopted: int) -> None:
        """So many are adopted now."""
        if self._die_after_adopting == adopted:
            _raise(signal.SIGKILL)
        if self._stop_after_adopting == adopted:
            self._stop_after_adopting = None  # once: it is woken up again
            _raise(signal.SIGSTOP)

    def offered(self, offered: int) -> None:
        """So many are offered now."""
        if self._die_after_offering == offered:
            _raise(signal.SIGKILL)


def _raise(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
