"""Python's garbage collector, while connections are adopted."""

from __future__ import annotations

import gc


class Collector:
    """Held for a moment, it does not look at what is made meanwhile, and need not soon afterwards.

    Thousands of connections are adopted at once and none of them is garbage. The collector would look at all of them
    several times, and at everything else twice or so: for 10,000 connections that is a quarter of the work, and the
    loop would stop for 50 ms and more.
    """

    def __init__(self) -> None:
        self._held = False
        self._ours: bool | None = None

    def hold(self) -> None:
        """From here to `release`, unless it is off anyway, or the application keeps objects frozen itself."""
        if self._ours is None:
            self._ours = not gc.get_freeze_count()
        if self._ours and not self._held and gc.isenabled():
            self._held = True
            gc.disable()

    def release(self) -> None:
        """It works as ever; what was made meanwhile is among the old objects, without having been looked at."""
        if self._held:
            self._held = False
            gc.freeze()
            gc.unfreeze()
            gc.enable()
