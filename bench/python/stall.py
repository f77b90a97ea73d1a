"""The longest time that an event loop did not turn."""

from __future__ import annotations

import asyncio
import os
import time

PERIOD_NS = 1_000_000


class Stall:
    """A task that is due every millisecond, from here on. It is looked at in rounds of its own, for it costs time."""

    def __init__(self) -> None:
        self.longest = 0.0
        """The most that it was late, in milliseconds."""
        self.worked = 0.0
        """The same without the time in which another thread had our processor, which says nothing of us."""
        self._waits = os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self._last, self._waited = time.monotonic_ns(), self._waiting()
        self._task = asyncio.get_running_loop().create_task(self._probe())

    def end(self) -> float:
        """The longest, what has not ended yet included."""
        self._look()
        self._task.cancel()
        os.close(self._waits)
        return self.longest

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_NS / 1e9)
            self._look()

    def _look(self) -> None:
        now, waited = time.monotonic_ns(), self._waiting()
        late = (now - self._last - PERIOD_NS) / 1e6
        self.longest = max(self.longest, late)
        self.worked = max(self.worked, late - (waited - self._waited) / 1e6)
        self._last, self._waited = now, waited

    def _waiting(self) -> int:
        """Nanoseconds spent runnable and not running: the second number (Documentation/scheduler/sched-stats)."""
        return int(os.pread(self._waits, 64, 0).split()[1])
