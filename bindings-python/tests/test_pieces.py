"""The plain pieces: descriptors over a socket, the gate, what to listen at."""

from __future__ import annotations

import array
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from libzdt import (
    Gate,
    InvalidArgument,
    ListenerSpec,
    PeerGone,
    SystemFailed,
    WrongState,
    bind,
    queue_length,
    recv_fds,
    send_fds,
    signal_drain,
)
from two import PATIENCE, goes, pair


def test_descriptors_travel_over_a_socket_of_ones_own() -> None:
    here, there = socket.socketpair()
    client, server = pair()
    send_fds(here, b"take these", [server, here.fileno()])
    data, fds = recv_fds(there, 64)
    assert data == b"take these"
    assert len(fds) == 2
    assert not os.get_inheritable(fds[0])
    server.close()
    with socket.socket(fileno=fds[0]) as moved:
        goes(b"through the copy", moved, client)
    os.close(fds[1])
    here.close()
    assert recv_fds(there, 64) == (b"", [])


def test_descriptors_are_refused_where_they_would_be_lost() -> None:
    here, there = socket.socketpair()
    with pytest.raises(InvalidArgument):
        send_fds(here, b"", [here])
    with pytest.raises(InvalidArgument):
        send_fds(here, b"x", [here] * 254)
    with pytest.raises(InvalidArgument):
        recv_fds(there, 0)
    there.setblocking(False)
    with pytest.raises(SystemFailed) as later:
        recv_fds(there, 1)
    assert isinstance(later.value.errno, int)
    there.close()
    with pytest.raises(PeerGone):
        send_fds(here, b"x", [here])


def test_ctrl_c_ends_waiting_for_descriptors() -> None:
    program = "import socket, libzdt\nhere, there = socket.socketpair()\n"
    interrupted(program, "libzdt.recv_fds(there, 1)")


def test_ctrl_c_ends_waiting_for_an_event(path: str) -> None:
    program = f"import libzdt\ntakeover = libzdt.Takeover({path!r})\n"
    interrupted(program, "takeover.next_event()")


def test_ctrl_c_ends_waiting_at_a_gate() -> None:
    program = "import libzdt\ngate = libzdt.Gate()\ninside = gate.enter()\n"
    interrupted(program, "gate.wait()")


def interrupted(program: str, call: str) -> None:
    """Sees that Ctrl-C ends a call that waits, at the end of a Python program."""
    program += f"try:\n print('calls', flush=True)\n {call}\nexcept KeyboardInterrupt: print('interrupted')\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "calls\n"
            while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
                pass
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert out == "interrupted\n"


def test_a_gate_waits_for_what_is_in_flight() -> None:
    gate = Gate()
    first, second = gate.enter(), gate.enter()
    assert first is not None
    assert second is not None
    assert gate.in_flight == 2
    gate.close()
    assert gate.enter() is None
    assert not gate.wait(0)
    assert not gate.wait(0.02)
    with first:
        pass
    # Waiting leaves Python to the other threads.
    threading.Timer(0.02, second.leave).start()
    assert gate.wait(PATIENCE)
    assert gate.wait()
    gate.open()
    with gate.enter() or pytest.fail("it is open"):
        assert gate.in_flight == 1
    assert gate.in_flight == 0


def test_whoever_is_inside_a_gate_leaves_once() -> None:
    gate = Gate()
    inside = gate.enter()
    assert inside is not None
    with inside:
        inside.leave()
        with pytest.raises(WrongState):
            inside.leave()
    assert gate.in_flight == 0
    gate.enter()  # garbage at once
    assert gate.in_flight == 0
    with pytest.raises(InvalidArgument):
        gate.wait(-1)


def test_a_listener_in_words_is_the_same_as_in_calls(directory: Path) -> None:
    same = [
        (ListenerSpec.tcp("127.0.0.1:80"), "tcp://127.0.0.1:80"),
        (ListenerSpec.tcp(("127.0.0.1", 80), backlog=5, nodelay=True), "tcp://127.0.0.1:80?backlog=5&nodelay=1"),
        (ListenerSpec.tcp(("::", 80), v6only=True, reuseport=True), "tcp://[::]:80?v6only=1&reuseport=1"),
        (ListenerSpec.unix("/run/x.sock", backlog=7, mode=0o660), "unix:///run/x.sock?backlog=7&mode=0660"),
        (ListenerSpec.unix(directory / "x"), f"unix://{directory}/x"),
    ]
    for spec, words in same:
        assert str(spec) == words
        assert ListenerSpec.parse(words) == spec
        assert hash(ListenerSpec.parse(words)) == hash(spec)
    assert len({spec for spec, _ in same}) == len(same)
    for wrong in ("127.0.0.1:80", "tcp://localhost:80", "tcp://127.0.0.1:80?backlog=x", "sctp://127.0.0.1:1"):
        with pytest.raises(InvalidArgument):
            ListenerSpec.parse(wrong)
    for host in ("localhost", "", "1.2.3"):
        with pytest.raises(InvalidArgument):
            ListenerSpec.tcp((host, 80))


def test_a_listener_is_what_its_spec_says(directory: Path) -> None:
    with ListenerSpec.tcp(("127.0.0.1", 0), nodelay=True).bind() as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not listener.getblocking()
        assert queue_length(listener) == 0
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE):
            assert queue_length(listener) == 1
    with ListenerSpec.unix(directory / "x", mode=0o640).bind() as listener:
        assert (directory / "x").stat().st_mode & 0o777 == 0o640
        assert queue_length(listener) is None


def test_two_listeners_bound_so_share_an_address() -> None:
    with bind(("127.0.0.1", 0)) as one, bind(one.getsockname()) as other:
        assert one.getsockname() == other.getsockname()
        with pytest.raises(InvalidArgument):
            bind("unix:///nowhere/x.sock")


def test_a_process_is_asked_to_drain_by_its_pid() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        signal_drain(process.pid)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    with pytest.raises(PeerGone):
        signal_drain(process.pid)


def test_bytes_are_taken_from_whatever_has_them() -> None:
    here, there = socket.socketpair()
    for data in (b"abc", bytearray(b"abc"), memoryview(b"-a-b-c")[1::2], array.array("b", b"abc")):
        send_fds(here, data, [])  # type: ignore[arg-type]
        assert recv_fds(there, 3) == (b"abc", [])
    with pytest.raises(TypeError):
        send_fds(here, 3, [])  # type: ignore[arg-type]
