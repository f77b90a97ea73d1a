"""What tests/behaviours.txt promises of connections that move."""

from __future__ import annotations

import os
import socket

import pytest

from libzdt import (
    Address,
    Closed,
    Committed,
    Companion,
    Done,
    Drain,
    NotReadable,
    Offer,
    Progress,
    Resume,
    Returned,
    Room,
    Settled,
    TooLarge,
    WrongState,
)
from two import PATIENCE, Two, frozen, goes, open_beside, opened, pair


def test_a_connection_moves_with_state_unread_and_unsent(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    # Whatever has bytes will do.
    lent = frozen(7, server, state_version=3, state=b"state", unread=bytearray(b"unread"), unsent=memoryview(b"unsent"))
    assert two.first.migrate(lent)
    client.sendall(b"in the socket")

    offer = two.offer()
    assert (offer.protocol, offer.state_version, offer.dialled) == ("test", 3, False)
    assert (offer.state, offer.unread, offer.unsent) == (b"state", b"unread", b"unsent")
    adopted = offer.adopt()
    assert adopted is not None
    assert (adopted.protocol, adopted.state_version, adopted.dialled) == ("test", 3, False)
    assert (adopted.state, adopted.unread, adopted.unsent) == (b"state", b"unread", b"unsent")
    assert not adopted.socket.getblocking()
    assert not adopted.socket.get_inheritable()

    assert two.next(two.first, Settled) == Settled(7)
    server.close()  # Without shutdown: the connection lives on over there, with what lay in its socket.
    assert adopted.socket.recv(100) == b"in the socket"
    goes(b"unsent", adopted.socket, client)


def test_a_blocking_connection_is_blocking_over_there_too(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    server.setblocking(True)
    assert two.first.migrate(frozen(1, server))
    adopted = two.offer().adopt()
    assert adopted is not None
    assert adopted.socket.getblocking()
    goes(b"as ever", client, adopted.socket)


def test_the_addresses_and_who_dialled_travel(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    told: list[tuple[Address | None, Address | None, bool]] = [
        (("127.0.0.1", 8080), ("192.0.2.255", 51234), False),
        (("2001:db8::1", 443, 0, 0), None, True),
        (("fe80::1", 443, 7, 2), ("::1", 1, 0, 0), False),
        ("/run/app/\udcff.sock", "", False),
    ]
    for local, peer, dialled in told:
        assert two.first.migrate(frozen(1, server, local=local, peer=peer, dialled=dialled))
    for expected in told:
        offer = two.offer()
        assert (offer.local, offer.peer, offer.dialled) == expected
        adopted = offer.adopt()
        assert adopted is not None
        assert (adopted.local, adopted.peer, adopted.dialled) == expected


def test_the_addresses_of_a_socket_are_taken_as_they_are(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    assert two.first.migrate(frozen(1, server, local=server.getsockname(), peer=server.getpeername()))
    offer = two.offer()
    assert (offer.local, offer.peer) == (server.getsockname(), server.getpeername())


def test_a_companion_moves_with_its_connection(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    upstream, behind = socket.socketpair()
    pipe, other_end = os.pipe()
    companions = [Companion("upstream", upstream, unread=b"half a", unsent=b"request"), Companion("pipe", pipe)]
    assert two.first.migrate(frozen(1, server, companions=companions))
    offer = two.offer()
    assert offer.companions == ("upstream", "pipe")
    adopted = offer.adopt()
    assert adopted is not None
    assert [companion.name for companion in adopted.companions] == ["upstream", "pipe"]
    moved, moved_pipe = adopted.companions
    assert (moved.unread, moved.unsent) == (b"half a", b"request")

    two.next(two.first, Settled)
    upstream.close()
    os.close(pipe)
    with socket.socket(fileno=moved.socket) as over_there:
        goes(b"request", over_there, behind)
    os.write(other_end, b"x")
    assert os.read(moved_pipe.socket, 1) == b"x"
    os.close(other_end)
    os.close(moved_pipe.socket)
    behind.close()


def test_a_refused_connection_returns_as_it_was(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    lent = frozen(7, server, state=b"state", unread=b"unread")
    assert two.first.migrate(lent)
    two.offer().refuse("we do not know it")
    returned = two.next(two.first, Returned)
    assert returned.connection is lent
    assert returned.why == "refused"
    goes(b"still here", client, server)


def test_an_offer_that_is_dropped_returns(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    assert two.first.migrate(frozen(7, server))
    two.offer()  # and it is garbage
    assert two.next(two.first, Returned).why == "refused"
    goes(b"still here", client, server)


def test_an_offer_that_went_back_adopts_nothing(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    lent = frozen(9, server)
    assert two.first.migrate(lent)
    offer = two.offer()
    two.first.close()
    assert offer.adopt() is None
    goes(b"still here", client, server)


def test_migrate_is_full_until_room(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    offered = 0
    while two.first.migrate(frozen(offered, server)):
        offered += 1
    assert offered > 0
    for offer in two.every(two.second, Offer, offered):
        assert offer.adopt() is not None
    two.every(two.first, Room, 1)
    assert two.first.migrate(frozen(offered, server))
    two.first.migrated_all()
    (last,) = two.every(two.second, Offer, 1)
    assert last.adopt() is not None
    while two.next(two.first, Settled).id != offered:
        pass


def test_what_is_not_adopted_by_the_deadline_returns(path: str) -> None:
    two = Two.draining(path, first={"drain": 2.0})
    client, server = pair()
    assert two.first.migrate(frozen(1, server))
    two.offer().refuse("only so that the first offers are answered")
    two.next(two.second, Committed)  # From here on the service is the successor's.
    two.next(two.first, Returned)
    late = frozen(2, server)
    assert two.first.migrate(late)
    two.first.migrated_all()
    unanswered = two.offer()
    returned = two.next(two.first, Returned)
    assert returned.connection is late
    assert returned.why == "taken back"
    assert two.next(two.first, Done) == Done(left=1)
    assert unanswered.adopt() is None
    goes(b"still here", client, server)


def test_what_the_successor_does_not_read_is_not_offered(path: str) -> None:
    owner = opened(path)
    owner.ready()
    two = Two(owner, open_beside(owner, path, reads={"relay": [2, 3], "chat": (1,)}))
    two.second.ready()
    assert two.next(owner, Drain).reads == {"relay": [2, 3], "chat": [1]}
    client, server = pair()
    old = frozen(1, server, state_version=1, state=b"old")
    old.protocol = "relay"
    with pytest.raises(NotReadable):
        owner.migrate(old)
    old.state_version = 2
    assert owner.migrate(old)
    assert two.offer().state_version == 2
    goes(b"still here", client, server)


def test_too_large_a_state_stays_with_its_owner(path: str) -> None:
    two = Two.draining(path, first={"max_state": 16, "max_bytes": 4})
    client, server = pair()
    for large in ({"state": b"x" * 17}, {"unread": b"x" * 5}, {"unsent": b"x" * 5}):
        with pytest.raises(TooLarge):
            two.first.migrate(frozen(1, server, **large))
    two.first.migrated_all()
    two.next(two.second, Committed)  # and nothing was offered
    goes(b"still here", client, server)


def test_progress_counts_what_moved(path: str) -> None:
    owner = opened(path)
    owner.set_connections(3)
    owner.ready()
    two = Two(owner, open_beside(owner, path))
    two.second.ready()
    two.next(owner, Drain)
    _client, server = pair()
    for number in range(3):
        assert owner.migrate(frozen(number, server, state=bytes(100), unread=bytes(10), unsent=bytes(1)))
    assert two.offer().adopt()
    two.offer().refuse("for the count")
    assert two.offer().adopt()
    told = [two.next(owner, object) for _ in range(3)]
    assert sorted(type(event).__name__ for event in told) == ["Returned", "Settled", "Settled"]
    moved = {"expected": 3, "offered": 3, "settled": 2, "returned": 1}
    carried = {"state_bytes": 200, "unread_bytes": 20, "unsent_bytes": 2}
    assert owner.progress() == Progress(generation=1, **moved, **carried)
    assert two.second.progress() == Progress(generation=2, **moved, **carried)


def test_what_is_lent_is_kept_open_until_it_is_decided(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    assert two.first.migrate(frozen(1, server))
    del server  # Garbage, were it not lent: Python would close it.
    adopted = two.offer().adopt()
    assert adopted is not None
    two.next(two.first, Settled)
    goes(b"alive", client, adopted.socket)


def test_connections_of_the_same_id_come_back_each_as_itself(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    lent = [frozen(5, server, state=bytes([number])) for number in range(3)]
    for connection in lent:
        assert two.first.migrate(connection)
    states = []
    for _ in lent:
        offer = two.offer()
        states.append(offer.state)
        offer.refuse("not today")
    back = [two.next(two.first, Returned).connection for _ in lent]
    assert {id(connection) for connection in back} == {id(connection) for connection in lent}
    assert sorted(states) == [b"\0", b"\1", b"\2"]


def test_an_offer_is_answered_once(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    assert two.first.migrate(frozen(1, server))
    offer = two.offer()
    assert offer.adopt() is not None
    for again in (offer.adopt, lambda: offer.refuse("too late"), lambda: offer.state):
        with pytest.raises(WrongState):
            again()


def test_a_successor_that_is_closed_gives_everything_back(path: str) -> None:
    two = Two.draining(path)
    client, server = pair()
    lent = frozen(1, server)
    assert two.first.migrate(lent)
    offer = two.offer()
    two.second.close()
    told = {type(event): event for event in (two.first.next_event(PATIENCE), two.first.next_event(PATIENCE))}
    assert told.keys() == {Resume, Returned}
    assert told[Returned] == Returned(lent, "refused")
    with pytest.raises(Closed):
        offer.adopt()
    goes(b"still here", client, server)
