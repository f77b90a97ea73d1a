"""What tests/behaviours.txt promises of the handle: generations, listeners, draining, closing, forking."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from libzdt import (
    Busy,
    Closed,
    Committed,
    Done,
    Drain,
    Forked,
    ListenerSpec,
    ListenerUnclaimed,
    Peer,
    Progress,
    Takeover,
    ZdtError,
)
from two import ANY, PATIENCE, Two, frozen, goes, in_child, open_beside, opened, pair


def test_the_first_process_is_generation_one(path: str) -> None:
    first = opened(path)
    assert (first.generation, first.predecessor) == (1, None)
    first.ready()
    assert first.progress() == Progress(1, 0, 0, 0, 0, 0, 0, 0)


def test_a_path_may_be_any_path_like(directory: Path) -> None:
    with Takeover(directory / "zdt.sock") as takeover:
        assert takeover.generation == 1


def test_a_successor_inherits_the_listener_and_whoever_waits_in_its_queue(path: str) -> None:
    first = opened(path)
    listener = first.listener("http", ANY)
    assert not listener.getblocking()
    assert not listener.get_inheritable()
    first.ready()
    waiting = socket.create_connection(listener.getsockname(), timeout=PATIENCE)

    two = Two(first, open_beside(first, path))
    inherited = two.second.listener("http", ListenerSpec.tcp(listener.getsockname()))
    assert inherited.getsockname() == listener.getsockname()
    two.second.ready()
    two.next(first, Drain)
    listener.close()
    first.migrated_all()
    two.next(first, Done)
    served, _ = inherited.accept()
    goes(b"served over there", served, waiting)


def test_an_unclaimed_listener_is_named_and_fails_ready(path: str) -> None:
    first = opened(path)
    listener = first.listener("http", ANY)
    first.ready()
    second = open_beside(first, path)
    assert second.unclaimed() == ["http"]
    with pytest.raises(ListenerUnclaimed, match="http"):
        second.ready()
    second.listener("http", listener.getsockname())
    assert second.unclaimed() == []
    second.ready()


def test_the_successor_is_generation_two_after_its_commit(path: str) -> None:
    two = Two.draining(path, second={"program": "gateway 2.1"})
    two.first.migrated_all()
    assert two.next(two.second, Committed) == Committed(generation=2)
    two.next(two.first, Done)
    assert (two.first.generation, two.second.generation) == (1, 2)
    third = open_beside(two.second, path, runtime="snake 1")
    runtime = "python {}.{}.{}".format(*sys.version_info[:3])
    expected = Peer(pid=os.getpid(), program="gateway 2.1", runtime=runtime, generation=2)
    assert (third.generation, third.predecessor) == (3, expected)


def test_a_successor_that_leaves_before_ready_costs_only_the_attempt(path: str) -> None:
    first = opened(path)
    listener = first.listener("http", ANY)
    first.ready()
    second = open_beside(first, path)
    copy = second.listener("http", listener.getsockname())
    second.close()
    copy.close()
    assert first.next_event(0.05) is None  # nothing to do: it never stopped
    client = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    served, _ = listener.accept()
    goes(b"served here", served, client)
    assert open_beside(first, path).generation == 2


def test_a_second_successor_is_told_who_is_at_it(path: str) -> None:
    first = opened(path)
    first.ready()
    _second = open_beside(first, path)
    with pytest.raises(Busy) as busy:
        open_beside(first, path)
    assert busy.value.pid == os.getpid()
    assert busy.value.retry_helps


def test_drain_without_a_successor_ends_with_done(path: str) -> None:
    takeover = opened(path, drain=12.5)
    takeover.ready()
    takeover.drain()
    assert takeover.next_event(PATIENCE) == Drain(successor=None, deadline=12.5, reads={}, retired=[])
    assert takeover.next_event(0.02) is None
    takeover.migrated_all()
    assert takeover.next_event(PATIENCE) == Done(left=0)


def test_the_event_fd_is_readable_while_an_event_waits(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    while takeover.next_event(0) is not None:
        pass
    assert takeover.event_fd == takeover.fileno()

    def readable(timeout: float) -> bool:
        return select.select([takeover], [], [], timeout)[0] == [takeover]

    assert not readable(0)
    threading.Thread(target=takeover.drain).start()
    assert readable(PATIENCE), "it wakes a poller in another thread"
    assert readable(PATIENCE), "until the event is taken"
    assert isinstance(takeover.next_event(0), Drain)
    assert takeover.next_event(0) is None
    assert not readable(0)


def test_next_event_gives_nothing_when_nothing_happens(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    assert takeover.next_event(0) is None
    began = time.monotonic()
    assert takeover.next_event(0.05) is None
    assert time.monotonic() - began >= 0.05, "it waited"


def test_an_owner_that_leaves_for_good_frees_the_path(path: str) -> None:
    with opened(path) as takeover:
        takeover.ready()
        assert os.path.exists(path)
    assert not os.path.exists(path)
    assert opened(path).generation == 1


def test_a_handle_that_is_garbage_has_left(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    del takeover
    assert not os.path.exists(path)


def every_call(takeover: Takeover) -> list[Callable[[], object]]:
    _client, server = pair()
    return [
        lambda: takeover.listener("a", ANY),
        takeover.ready,
        lambda: takeover.next_event(0),
        takeover.next_event,
        lambda: takeover.migrate(frozen(1, server)),
        takeover.migrated_all,
        takeover.drain,
    ]


def all_raise(kind: type[ZdtError], calls: list[Callable[[], object]]) -> None:
    for call in calls:
        with pytest.raises(kind):
            call()


def test_closing_answers_every_later_call(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    raised: list[BaseException] = []

    def waiting() -> None:
        try:
            takeover.next_event()
        except ZdtError as error:
            raised.append(error)

    thread = threading.Thread(target=waiting)
    thread.start()
    takeover.close()
    thread.join(PATIENCE)
    assert [type(error) for error in raised] == [Closed], "whoever waits is told"
    takeover.close()
    all_raise(Closed, every_call(takeover))


def test_a_forked_child_is_told_and_the_parent_goes_on(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    # Another thread waits for events at the time of the fork: its lock is not the child's trouble.
    waiting = threading.Thread(target=takeover.next_event, args=(PATIENCE,))
    waiting.start()
    while not takeover._waiting.locked():
        time.sleep(0.001)
    assert in_child(lambda: all_raise(Forked, every_call(takeover)))
    successor = opened(path)
    assert successor.generation == 2
    takeover.drain()
    successor.close()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
