"""Workers: what lies between an arbiter, its workers and those of a successor; most share one process here."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from libzdt import (
    Closed,
    Committed,
    Done,
    Drain,
    InvalidArgument,
    NameUsed,
    Offer,
    PeerGone,
    Ready,
    Returned,
    Room,
    Settled,
    SystemFailed,
    Takeover,
    Worker,
    WrongState,
)
from two import ANY, PATIENCE, Two, frozen, goes, in_child, open_beside, opened, pair


def seated(arbiter: Takeover, number: int) -> Worker:
    seat = arbiter.seat(number)
    assert not seat.get_inheritable()
    worker = Worker(seat)
    assert seat.fileno() == -1, "the seat is the worker's"
    assert (worker.number, worker.generation) == (number, arbiter.generation)
    return worker


@pytest.fixture
def arbiter(path: str) -> Iterator[Takeover]:
    with opened(path) as arbiter:
        yield arbiter


def test_connections_move_from_worker_to_worker(arbiter: Takeover, path: str) -> None:
    arbiter.listener("http", ANY)
    first = seated(arbiter, 7)
    with first.listener("http") as listener:
        assert not listener.getblocking()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    with pytest.raises(NameUsed):
        first.listener("http")
    assert first.next_event(0) is None, "nobody is ready"
    arbiter.ready()
    assert first.next_event(PATIENCE) == Ready()
    first.set_connections(2)

    with open_beside(arbiter, path) as heir:
        heir.listener("http", ANY)
        second = seated(heir, 8)
        heir.ready()
        two = Two(arbiter, heir, first, second)
        assert two.next(second, Ready) == Ready()

        drain = two.next(first, Drain)
        assert drain.successor is not None
        assert drain.successor.generation == 2
        two.next(arbiter, Drain)
        arbiter.migrated_all()
        moving, staying = pair(), pair()
        for number, (_, server) in enumerate((moving, staying)):
            connection = frozen(number, server, state=b"state", unread=b"unread")
            while not first.migrate(connection):  # The lane is not open yet.
                two.next(first, Room)
        first.migrated_all()

        offer = two.every(second, Offer, 1)[0]
        assert (offer.state, offer.unread) == (b"state", b"unread")
        adopted = offer.adopt()
        assert adopted is not None
        two.every(second, Offer, 1)[0].refuse("one is enough")

        assert two.next(first, Settled) == Settled(0)
        returned = two.next(first, Returned)
        assert (returned.connection.id, returned.why) == (1, "refused")
        assert two.next(first, Done) == Done(0)
        two.next(arbiter, Done)
        moving[1].close()
        goes(b"from the successor", adopted.socket, moving[0])
        progress = first.progress()
        assert (progress.offered, progress.settled, progress.returned) == (2, 1, 1)
        two.every(heir, Committed, 1)
        second.close()
    first.close()


def test_a_worker_says_what_is_wrong(arbiter: Takeover) -> None:
    with pytest.raises(InvalidArgument):
        Worker(-1)
    with pytest.raises(SystemFailed):
        Worker(os.open("/dev/null", os.O_RDWR))
    worker = seated(arbiter, 1)
    with pytest.raises(InvalidArgument):
        worker.listener("http")
    with pytest.raises(WrongState):
        worker.migrated_all()
    with pytest.raises(WrongState):
        worker.migrate(frozen(1, pair()[1]))
    worker.close()
    worker.close()
    with pytest.raises(Closed):
        worker.next_event(0)


def test_a_seat_whose_arbiter_is_gone_says_so(path: str) -> None:
    arbiter = opened(path)
    seat = arbiter.seat(1)
    arbiter.close()
    number = str(seat.fileno())
    try:
        worker = Worker(seat)
    except PeerGone:
        pass  # Where its first word had not gone out.
    else:
        end = worker.next_event(PATIENCE)
        assert isinstance(end, Drain), "the arbiter owned the service: we finish what we have"
        assert end.successor is None
        worker.close()
    assert number not in os.listdir("/proc/self/fd")


def test_a_forked_worker_joins_and_its_end_is_seen(arbiter: Takeover) -> None:
    seat = arbiter.seat(3)
    arbiter.ready()
    arbiter.drain()
    end = arbiter.next_event(PATIENCE)
    assert isinstance(end, Drain)

    def work() -> None:
        worker = Worker(seat)
        for kind in (Ready, Drain):
            event = worker.next_event(PATIENCE)
            assert isinstance(event, kind), event

    assert in_child(work)  # which ends without a word
    seat.close()
    arbiter.migrated_all()
    assert isinstance(arbiter.next_event(PATIENCE), Done)


def test_who_drains_gives_no_seat(arbiter: Takeover) -> None:
    arbiter.ready()
    arbiter.drain()
    assert isinstance(arbiter.next_event(PATIENCE), Drain)
    with pytest.raises(WrongState):
        arbiter.seat(1)
