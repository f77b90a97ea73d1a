"""Threads: who waits lets the others run, and nothing is left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from libzdt import Committed, Done, Drain, Gate, NoAnswer, Offer, Settled, Takeover, WrongState
from test_errors import hostile
from two import ANY, PATIENCE, Two, frozen, open_beside, opened, pair


def others_run_during(call: Callable[[], object]) -> None:
    """Sees that another thread of Python runs while this one is in `call`, which waits."""
    ticks: list[bool] = []
    inside = threading.Event()
    over = threading.Event()

    def ticking() -> None:
        inside.wait()
        while not over.is_set():
            ticks.append(over.is_set())
            time.sleep(0.001)

    thread = threading.Thread(target=ticking)
    thread.start()
    inside.set()
    call()
    over.set()
    thread.join(PATIENCE)
    # In the 200 ms that the call waits; one may be before it and one after it.
    assert ticks.count(False) > 2


def test_opening_lets_other_threads_run(path: str) -> None:
    def opening() -> None:
        with pytest.raises(NoAnswer):
            Takeover(path, handshake=0.2)

    with hostile("no-answer", path):
        others_run_during(opening)


def test_waiting_for_an_event_lets_other_threads_run(path: str) -> None:
    takeover = opened(path)
    others_run_during(lambda: takeover.next_event(0.2))


def test_waiting_at_a_gate_lets_other_threads_run() -> None:
    gate = Gate()
    inside = gate.enter()
    others_run_during(lambda: gate.wait(0.2))
    assert inside is not None


def test_one_thread_at_a_time_waits_for_events(path: str) -> None:
    takeover = opened(path)
    waiting = threading.Thread(target=takeover.next_event, args=(PATIENCE,))
    waiting.start()
    while True:
        try:
            takeover.next_event(0)
        except WrongState:
            break
    takeover.drain()  # ends the wait
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
    assert takeover.next_event(0) is None


def test_a_signal_handler_may_ask_to_drain_while_its_thread_waits(path: str) -> None:
    takeover = opened(path)
    takeover.ready()
    before = signal.signal(signal.SIGUSR1, lambda *_: takeover.drain())
    try:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert isinstance(takeover.next_event(PATIENCE), Drain)
    finally:
        signal.signal(signal.SIGUSR1, before)


BLOCKS_AND_DRAINS = """
import os, signal, sys
from libzdt import Drain, Takeover

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
with Takeover(sys.argv[1], drain_signals=[signal.SIGUSR2]) as takeover:
    takeover.ready()
    os.kill(os.getpid(), signal.SIGUSR2)
    print(isinstance(takeover.next_event(20), Drain))
"""


def test_a_drain_signal_that_is_blocked_becomes_an_event(path: str) -> None:
    # In a process of its own: every thread has to block the signal, and other tests have left some here.
    ran = subprocess.run([sys.executable, "-c", BLOCKS_AND_DRAINS, path], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("True\n", "")


def test_threads_may_migrate_while_another_is_told_what_became_of_it(path: str) -> None:
    two = Two.draining(path)
    each, threads = 100, 4
    _client, server = pair()
    left = [each] * threads

    def migrating(number: int) -> None:
        for index in range(each):
            while not two.first.migrate(frozen(number * each + index, server)):
                time.sleep(0.001)
            left[number] -= 1

    workers = [threading.Thread(target=migrating, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for offer in two.every(two.second, Offer, each * threads):
        adopted = offer.adopt()
        assert adopted is not None
        adopted.socket.close()
    for worker in workers:
        worker.join(PATIENCE)
    assert left == [0] * threads
    settled = {event.id for event in two.every(two.first, Settled, each * threads)}
    assert settled == set(range(each * threads))


def take_over(path: str) -> None:
    """A whole takeover in one thread, with a listener and ten connections."""
    with opened(path) as first:
        address = first.listener("http", ANY).getsockname()
        first.ready()
        with open_beside(first, path) as second:
            two = Two(first, second)
            second.listener("http", address)
            second.ready()
            two.next(first, Drain)
            pairs = [pair() for _ in range(10)]
            for number, (_, server) in enumerate(pairs):
                assert first.migrate(frozen(number, server, state=b"x" * 100_000))
            first.migrated_all()
            adopted = [offer.adopt() for offer in two.every(second, Offer, 10)]
            assert None not in adopted
            two.every(first, Done, 1)
            two.every(second, Committed, 1)


def test_takeovers_leave_no_descriptor_and_no_thread_behind(path: str) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    take_over(path)
    before = held()
    for _ in range(10):
        take_over(path)
    assert held() == before
