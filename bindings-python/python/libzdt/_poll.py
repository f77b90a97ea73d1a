"""Waiting for descriptors in Python, where signal handlers get their turn, Ctrl-C among them (PEP 475)."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Iterable, Iterator

_LONGEST = 2**31 - 1
"""Milliseconds that one poll(2) can wait at most."""


def readable(descriptors: Iterable[int], timeout: float | None) -> Iterator[list[int]]:
    """Gives those that are readable (or broken) each time that poll(2) comes back, which may be none, until `timeout`
    seconds are over (None: never). poll, since it needs no descriptor of its own and takes any number."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    end = math.inf if timeout is None else time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        yield [descriptor for descriptor, _ in poll.poll(min(math.ceil(min(left, _LONGEST) * 1000), _LONGEST))]
