"""Sockets that share a port, and how they leave: the same promises as core/tests/reuseport.rs."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from libzdt import (
    AddressInUse,
    Busy,
    Closed,
    InvalidArgument,
    ListenerSpec,
    PeerGone,
    WrongState,
    ZdtError,
    queue_length,
    reuseport,
)
from libzdt.reuseport import Accept, Done, Group, Retired, Wait
from two import ANY, PATIENCE, in_child

ROOT = Path(__file__).parents[2]
CLIENTS = 32


def beside(group: Group, count: int, protocol: str = "tcp") -> Group:
    """More at the same address."""
    host, port = group.address[:2]
    return Group.bind(f"{protocol}://{host}:{port}", count)


def connected(to: Group, count: int = CLIENTS) -> list[socket.socket]:
    return [socket.create_connection(to.address[:2], timeout=PATIENCE) for _ in range(count)]


def answer(listener: socket.socket) -> None:
    """Accepts until that would block, and answers each."""
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"!")


def answered(clients: list[socket.socket]) -> int:
    count = 0
    for client in clients:
        with client, contextlib.suppress(ConnectionResetError):
            count += client.recv(1) == b"!"
    return count


def waiting(group: Group) -> int:
    return sum(queue_length(listener) or 0 for listener in group.sockets.values())


@pytest.fixture
def pair() -> Iterator[tuple[Group, Group]]:
    """A predecessor with two sockets and a successor with two."""
    with Group.bind(ANY, 2) as predecessor, beside(predecessor, 2) as successor:
        yield predecessor, successor


def test_a_group_that_retires_loses_nobody_in_its_queue() -> None:
    with Group.bind(ANY, 2) as predecessor:
        clients = connected(predecessor)
        with beside(predecessor, 2) as successor:
            assert predecessor.retire(2, answer, 0) == Retired(closed=2, successors=2, waits=1)
            assert predecessor.sockets == {}
            clients += connected(successor)
            for listener in successor.sockets.values():
                answer(listener)
            assert answered(clients) == 2 * CLIENTS


def test_what_is_new_goes_to_the_successors_while_a_group_retires() -> None:
    with Group.bind(ANY, 3) as predecessor, beside(predecessor, 4) as successor:
        predecessor.start_retiring(4)
        clients = connected(successor)
        assert (waiting(predecessor), waiting(successor)) == (0, CLIENTS)
        step = predecessor.step()
        assert isinstance(step, Wait)
        assert step.seconds is not None
        assert 0 < step.seconds <= reuseport.WAIT == 5
        for listener in successor.sockets.values():
            answer(listener)
        assert answered(clients) == CLIENTS


def test_a_group_without_a_successor_serves_on() -> None:
    with Group.bind(ANY, 2) as only:
        with pytest.raises(PeerGone, match="serve on"):
            only.retire(1, answer, 0)
        with pytest.raises(WrongState):
            only.step()
        with pytest.raises(InvalidArgument):
            only.start_retiring(0)
        clients = connected(only)
        for listener in only.sockets.values():
            answer(listener)
        assert answered(clients) == CLIENTS


def test_one_socket_of_a_successor_stands_in_for_several() -> None:
    with Group.bind(ANY, 3) as predecessor:
        clients = connected(predecessor)
        with beside(predecessor, 1) as successor:
            assert predecessor.retire(1, answer, 0) == Retired(closed=3, successors=1, waits=2)
            clients += connected(successor)
            for listener in successor.sockets.values():
                answer(listener)
            assert answered(clients) == 2 * CLIENTS


def test_the_classic_flow_loses_nobody() -> None:
    example = ROOT / "bindings-python/examples/classic.py"
    check = [sys.executable, str(ROOT / "tools/classic.py"), sys.executable, str(example)]
    run = subprocess.run(check, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "none lost" in run.stdout


def test_a_poller_of_ones_own_follows_the_steps(pair: tuple[Group, Group]) -> None:
    predecessor, _ = pair
    poller = select.epoll()
    for listener in predecessor.sockets.values():
        poller.register(listener, select.EPOLLIN)
    closed = []
    predecessor.start_retiring(2, 0.05)
    clients: list[socket.socket] = []
    while True:
        match predecessor.step():
            case Wait(seconds):
                poller.poll(seconds)
            case Accept(index):
                answer(predecessor.sockets[index])
            case reuseport.Closed(index):
                poller.unregister(predecessor.sockets[index])
                closed.append(index)
                clients += connected(predecessor, 4)
            case Done(retired):
                break
    poller.close()
    assert (closed, retired) == ([1, 0], Retired(2, 2, 1))
    for listener in pair[1].sockets.values():
        answer(listener)
    assert answered(clients) == 8, "whoever came between the steps is the successor's"


def test_whoever_connected_before_is_served_while_the_handshakes_are_waited_for(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    # Behind the steering nothing new arrives here: these came first.
    successor.close()
    clients = connected(predecessor)

    def serve(listener: socket.socket) -> None:
        answer(listener)
        if waiting(predecessor) == 0:
            raise KeyError("all were served")

    with beside(predecessor, 2):
        with pytest.raises(KeyError):
            predecessor.retire(2, serve, 4 * PATIENCE)
        assert isinstance(predecessor.step(), Wait), "long before the end"
        assert answered(clients) == CLIENTS


def test_who_cannot_accept_just_then_is_called_again(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    successor.close()
    clients = connected(predecessor)
    calls = 0

    def serve(listener: socket.socket) -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            answer(listener)

    with beside(predecessor, 2):
        assert predecessor.retire(2, serve, 0).closed == 2
    assert answered(clients) == CLIENTS


def test_a_group_whose_serving_fails_retires_still(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    successor.close()
    clients = connected(predecessor)

    def fails(_listener: socket.socket) -> None:
        raise ValueError("mine")

    with beside(predecessor, 2):
        with pytest.raises(ValueError, match="mine"):
            predecessor.retire(2, fails, 0)
        with pytest.raises(WrongState, match="step"):
            predecessor.retire(2, answer, 0)
        while not isinstance(step := predecessor.step(), Done):
            if isinstance(step, Accept):
                answer(predecessor.sockets[step.index])
    assert answered(clients) == CLIENTS


def test_a_successor_that_dies_leaves_the_predecessor_serving(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    predecessor.start_retiring(2)
    successor.close()
    with pytest.raises(PeerGone, match="serve on"):
        predecessor.step()
    clients = connected(predecessor)
    for listener in predecessor.sockets.values():
        answer(listener)
    assert answered(clients) == CLIENTS
    with beside(predecessor, 2):
        assert predecessor.retire(2, answer, 0).closed == 2


def test_a_predecessor_that_is_still_there_is_to_leave_first(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    with beside(predecessor, 2):
        with pytest.raises(Busy, match="serve on"):
            successor.start_retiring(2)
        assert predecessor.retire(2, answer, 0).closed == 2
        assert successor.retire(2, answer, 0).closed == 2


def test_who_is_told_to_leave_while_its_predecessor_is_leaving_waits_for_it(pair: tuple[Group, Group]) -> None:
    predecessor, successor = pair
    with beside(predecessor, 2):
        leaving = threading.Thread(target=successor.retire, args=(2, answer, 0))
        leaving.start()
        leaving.join(0.2)
        assert leaving.is_alive()
        assert predecessor.retire(2, answer, 0).closed == 2
        leaving.join(PATIENCE)
        assert successor.sockets == {}


def test_a_copy_that_somebody_keeps_is_named(pair: tuple[Group, Group]) -> None:
    predecessor, _ = pair
    copy = predecessor.sockets[1].dup()
    with pytest.raises(WrongState, match="copies"):
        predecessor.retire(2, answer, 0)
    copy.close()
    while not isinstance(predecessor.step(), Done):
        pass


def test_datagrams_that_came_stay_readable() -> None:
    with Group.bind(ListenerSpec.udp(ANY), 2) as predecessor:
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(CLIENTS)]
        for client in clients:
            client.connect(predecessor.address)
            client.send(b"before")
        got = {"before": 0, "after": 0}

        def read(udp: socket.socket) -> None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    got[udp.recv(16).decode()] += 1

        with beside(predecessor, 2, "udp") as successor:
            predecessor.start_retiring(2, 0)
            for client in clients:
                with client:
                    client.send(b"after")
            while not isinstance(step := predecessor.step(), Done):
                if isinstance(step, Accept):
                    read(predecessor.sockets[step.index])
            assert got == {"before": CLIENTS, "after": 0}
            for udp in successor.sockets.values():
                read(udp)
        assert got == {"before": CLIENTS, "after": CLIENTS}


def test_ctrl_c_ends_retiring(pair: tuple[Group, Group]) -> None:
    predecessor, _ = pair
    interrupt = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        predecessor.retire(2, answer, 4 * PATIENCE)
    assert isinstance(predecessor.step(), Wait), "it goes on where it was"


def test_closing_a_group_answers_every_later_call() -> None:
    group = Group.bind(ANY, 2)
    listeners = list(group.sockets.values())
    address = group.address
    group.close()
    group.close()
    assert [listener.fileno() for listener in listeners] == [-1, -1]
    calls = (lambda: group.address, group.step, lambda: group.retire(1, answer), lambda: group.start_retiring(1))
    for call in calls:
        with pytest.raises(Closed):
            call()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address[:2])


def test_a_group_that_is_garbage_has_closed_its_sockets() -> None:
    groups = [Group.bind(ANY, 1)]
    address = groups[0].address
    with pytest.warns(ResourceWarning):
        groups.clear()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address[:2])


def test_wrong_use_of_a_group_says_so() -> None:
    for spec, count in ((ANY, 0), ("udp://localhost:1", 1), ("unix:///x.sock", 1), ("127.0.0.1:1", 1)):
        with pytest.raises(InvalidArgument):
            Group.bind(spec, count)
    with Group.bind(ANY, 1) as group:
        for wait in (-1.0, float("nan"), float("inf")):
            with pytest.raises(InvalidArgument):
                group.start_retiring(1, wait)
    with socket.create_server(ANY) as alone, pytest.raises(AddressInUse):
        Group.bind(alone.getsockname(), 1)


def test_a_group_for_which_descriptors_run_out_leaves_nothing() -> None:
    def bind_in_want() -> None:
        import resource

        # Whatever other tests left open, from here on there are six.
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))
        # Four sockets fit, and copies of two of them.
        with pytest.raises(ZdtError):
            Group.bind(ANY, 4)
        with Group.bind(ANY, 2) as group:
            assert len(group.sockets) == 2

    assert in_child(bind_in_want)


def test_the_kernel_says_what_it_does() -> None:
    found = reuseport.kernel()
    assert isinstance(found.migrates, bool)
    assert found.syncookies == int(Path("/proc/sys/net/ipv4/tcp_syncookies").read_text())
