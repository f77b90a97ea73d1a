"""What came back is not found in memory any more: the copies that the native part made are wiped."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from libzdt import Frozen, Returned, TooLarge
from two import Two, frozen, pair

LENGTH = 20_000
RUN = 24
"""So many bytes in this order are no accident."""
PAGE = bytearray(4096)
ZEROS = bytes(LENGTH + 1)
"""Made beforehand: what is made later may lie where something was freed."""


def sequence(length: int) -> Iterator[int]:
    """Bytes each of which follows from the one before it: so nobody else has them."""
    byte = 0
    for _ in range(length):
        yield byte
        byte = (byte * 181 + 93) % 256


def secret(length: int) -> bytearray:
    made = bytearray(length)  # at once, for what grows leaves copies behind
    for at, byte in enumerate(sequence(length)):
        made[at] = byte
    return made


def is_in_memory() -> bool:
    """Whether the secret is anywhere in this process' memory, freed memory included."""
    # Escaped, so that what is looked for is not found here.
    carried = re.compile("".join(f"\\x{byte:02x}" for byte in sequence(RUN)).encode())
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            where, rights, *_ = line.split()
            start, end = (int(number, 16) for number in where.split("-"))
            for at in range(start, end, len(PAGE)) if rights.startswith("rw") else ():
                memory.seek(at)
                memory.readinto(PAGE)
                if carried.search(PAGE):
                    PAGE[:] = ZEROS[: len(PAGE)]
                    return True
    return False


def wiped(connection: Frozen) -> None:
    """The application has wiped its own, so nobody carries it."""
    assert isinstance(connection.state, bytearray)
    connection.state[:] = memoryview(ZEROS)[: len(connection.state)]
    assert not is_in_memory()


def test_what_comes_back_is_wiped(path: str) -> None:
    two = Two.draining(path, first={"max_state": LENGTH})
    large = frozen(0, pair()[1], state=secret(LENGTH + 1))
    with pytest.raises(TooLarge):
        two.first.migrate(large)
    wiped(large)

    # Between others that stay, or what is freed may go back to the system, and prove nothing.
    states = [bytes(LENGTH), secret(LENGTH), bytes(LENGTH)]
    connections = [frozen(number, pair()[1], state=state) for number, state in enumerate(states)]
    assert all(two.first.migrate(connection) for connection in connections)
    offers = [two.offer() for _ in connections]
    assert is_in_memory()
    offers[1].refuse("not here")
    assert two.next(two.first, Returned).connection is connections[1]
    wiped(connections[1])
