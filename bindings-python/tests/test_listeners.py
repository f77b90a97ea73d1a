"""What tests/behaviours.txt promises of listeners that are not TCP, that move, are renamed or retired."""

from __future__ import annotations

import os
import socket

import pytest

from libzdt import Committed, Done, Drain, InvalidArgument, ListenerMismatch, ListenerSpec, Takeover
from two import ANY, PATIENCE, Two, goes, open_beside, opened


def serving(path: str, name: str, spec: ListenerSpec) -> tuple[Takeover, socket.socket]:
    first = opened(path)
    listener = first.listener(name, spec)
    first.ready()
    return first, listener


def drained(two: Two) -> list[str]:
    """The successor is ready; what it left to the predecessor."""
    two.second.ready()
    return two.next(two.first, Drain).retired


def complete(two: Two) -> None:
    two.first.migrated_all()
    two.next(two.second, Committed)
    two.next(two.first, Done)


def served(listener: socket.socket, client: socket.socket) -> None:
    connection, _ = listener.accept()
    goes(b"served", connection, client)


def test_datagrams_that_wait_are_read_by_the_successor_once(path: str) -> None:
    first, before = serving(path, "dns", ListenerSpec.udp(ANY))
    client = socket.socket(type=socket.SOCK_DGRAM)
    client.connect(before.getsockname())
    client.send(b"1")
    client.send(b"2")
    assert before.recv(8) == b"1"
    two = Two(first, open_beside(first, path))
    after = two.second.listener("dns", ListenerSpec.parse("udp://127.0.0.1:0"))
    assert (after.type, after.getsockname()) == (socket.SOCK_DGRAM, before.getsockname())
    assert drained(two) == []
    client.send(b"3")
    complete(two)
    before.close()
    client.send(b"4")
    assert [after.recv(8) for _ in range(3)] == [b"2", b"3", b"4"]
    with pytest.raises(BlockingIOError):
        after.recv(8)
    with pytest.raises(InvalidArgument):
        ListenerSpec.udp(("localhost", 53))


def test_an_abstract_name_is_inherited_with_whoever_waits_there(path: str) -> None:
    name = b"zdt\0python-%d\xff" % os.getpid()
    spec = ListenerSpec.abstract_unix(name, backlog=5)
    assert ListenerSpec.parse(str(spec)) == spec
    assert ListenerSpec.abstract_unix("app") == ListenerSpec.parse("unix://@app")
    first, before = serving(path, "bus", spec)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(b"\0" + name)
    two = Two(first, open_beside(first, path))
    after = two.second.listener("bus", spec)
    assert drained(two) == []
    complete(two)
    before.close()
    served(after, client)


def test_a_retired_listener_is_served_by_its_predecessor(path: str) -> None:
    first, listener = serving(path, "http", ListenerSpec.tcp(ANY))
    early = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    two = Two(first, open_beside(first, path))
    with pytest.raises(InvalidArgument):
        two.second.retire("other")
    two.second.retire("http")
    assert two.second.unclaimed() == []
    assert drained(two) == ["http"]
    served(listener, early)
    late = socket.create_connection(listener.getsockname(), timeout=PATIENCE)
    complete(two)
    served(listener, late)
    address = listener.getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_what_is_not_what_was_asked_for_is_bound_beside_it_if_so_configured(path: str) -> None:
    first, before = serving(path, "http", ListenerSpec.tcp(ANY))
    early = socket.create_connection(before.getsockname(), timeout=PATIENCE)
    elsewhere = ListenerSpec.tcp("127.0.0.2:0")
    refusing = open_beside(first, path)
    with pytest.raises(ListenerMismatch):
        refusing.listener("http", elsewhere)
    refusing.close()
    assert first.next_event(0.05) is None
    with pytest.raises(InvalidArgument):
        opened(path, on_mismatch="perhaps")
    two = Two(first, open_beside(first, path, on_mismatch="bind"))
    after = two.second.listener("http", elsewhere)
    assert drained(two) == ["http"]
    served(after, socket.create_connection(after.getsockname(), timeout=PATIENCE))
    served(before, early)


def test_a_listener_is_inherited_by_its_address_under_a_new_name(path: str) -> None:
    first, before = serving(path, "http", ListenerSpec.tcp(ANY))
    client = socket.create_connection(before.getsockname(), timeout=PATIENCE)
    two = Two(first, open_beside(first, path))
    after = two.second.listener("web", before.getsockname())
    assert drained(two) == []
    before.close()
    served(after, client)
