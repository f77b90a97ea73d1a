"""Errors: each from its real cause, with its number, its class and what to do."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libzdt import (
    Aborted,
    AddressInUse,
    AttemptLost,
    Busy,
    Closed,
    DescriptorCount,
    DescriptorLimit,
    DirectoryMissing,
    ErrorKind,
    ForeignFile,
    Forked,
    InvalidArgument,
    ListenerMismatch,
    ListenerUnclaimed,
    Malformed,
    NameUsed,
    NoAnswer,
    NoCommonVersion,
    NotReadable,
    OutOfOrder,
    PathTooLong,
    PeerGone,
    Refused,
    SignalNotBlocked,
    SystemFailed,
    Takeover,
    TooLarge,
    UnsafeDirectory,
    Unsupported,
    WrongProcess,
    WrongState,
    WrongUser,
    ZdtError,
    _core,
    recv_fds,
    send_fds,
    signal_drain,
)
from two import ANY, PATIENCE, Two, frozen, in_child, open_beside, opened, pair

HOSTILE = os.environ.get("ZDT_HOSTILE", str(Path(__file__).parents[2] / "target/debug/zdt-hostile"))
"""The bad predecessor: `cargo build --package zdt-hostile`."""

SHORT = 0.2
"""Seconds for what comes only at the handshake's deadline."""


def raises(kind: type[ZdtError], call: Callable[[], object]) -> ZdtError:
    """The error of a call, which says everything that an error is to say."""
    with pytest.raises(ZdtError) as raised:
        call()
    error = raised.value
    assert type(error) is kind, error
    assert error.what
    assert error.retry_helps == error.kind.retry_helps
    assert str(error).startswith(f"{error.kind.word} ({int(error.kind)}): {error.what}")
    assert str(error).endswith(error.state)
    return error


@contextmanager
def hostile(kind: str, path: str) -> Iterator[int]:
    """A predecessor that answers so that `kind` comes of it: its pid. It ends with its standard input."""
    command = [HOSTILE, kind, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n"
            yield process.pid
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


def meets(kind: type[ZdtError], path: str) -> None:
    """Sees that opening beside the bad predecessor of this kind fails so, as often as one tries."""
    word = kind.kind.word if kind is not Malformed else "malformed"
    with hostile(word.replace(" ", "-"), path):
        raises(kind, lambda: Takeover(path, handshake=PATIENCE))
        raises(kind, lambda: Takeover(path, handshake=PATIENCE))


def test_every_error_number_has_its_kind() -> None:
    core = {number: (word, retry_helps) for number, word, retry_helps in _core.ERROR_KINDS.values()}
    assert {int(kind): (kind.word, kind.retry_helps) for kind in ErrorKind} == core
    classes = {error.kind: error for error in ZdtError.__subclasses__()}
    assert set(classes) == set(ErrorKind)
    assert len(ZdtError.__subclasses__()) == len(ErrorKind)
    for name, (number, _, _) in _core.ERROR_KINDS.items():
        assert classes[ErrorKind(number)].__name__ == ("SystemFailed" if name == "System" else name)
        assert ErrorKind(number).name == "".join(f"_{c}" if c.isupper() else c.upper() for c in name).lstrip("_")


def test_an_error_survives_being_copied_and_pickled(path: str) -> None:
    error = raises(PathTooLong, lambda: Takeover(path + "x" * 108))
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is PathTooLong
        assert (str(other), other.pid, other.errno) == (str(error), error.pid, error.errno)
        assert repr(other) == repr(error)


def test_misuse_and_lateness_are_what_python_calls_so() -> None:
    assert issubclass(ZdtError, OSError)
    assert issubclass(InvalidArgument, ValueError)
    assert issubclass(NoAnswer, TimeoutError)


def test_error_invalid_argument(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    closed = socket.socket()
    closed.close()
    for call in (
        lambda: two.first.listener("a", "127.0.0.1:80"),
        lambda: two.first.listener("a", ("localhost", 80)),
        lambda: two.first.next_event(-1),
        lambda: two.first.next_event(float("nan")),
        lambda: two.first.migrate(frozen(1, closed)),
        lambda: two.first.migrate(frozen(1, server, local=("nowhere", 1))),
        lambda: two.first.migrate(frozen(1, server, peer=("::1", 1, 2))),
        lambda: Takeover(path, handshake=-1),
        lambda: Takeover(path, drain_signals=[signal.SIGKILL]),
    ):
        raises(InvalidArgument, call)
    # Nothing of it was done.
    assert two.first.migrate(frozen(1, server))
    assert two.offer().adopt()


def test_what_is_of_the_wrong_type_is_a_type_error(path: str) -> None:
    two = Two.draining(path)
    _client, server = pair()
    with pytest.raises(TypeError):
        two.first.migrate(frozen(1, server, state="text"))
    with pytest.raises(AttributeError):
        two.first.migrate(frozen(1, server, companions=["upstream"]))
    assert two.first.migrate(frozen(1, server))
    assert two.offer().state == b""


def test_error_path_too_long(directory: Path) -> None:
    raises(PathTooLong, lambda: Takeover(directory / ("x" * 108)))


def test_error_name_used(path: str) -> None:
    takeover = opened(path)
    _http = takeover.listener("http", ANY)
    raises(NameUsed, lambda: takeover.listener("http", ANY))


def test_error_wrong_state(path: str) -> None:
    takeover = opened(path)
    _client, server = pair()
    takeover.ready()
    raises(WrongState, takeover.ready)
    raises(WrongState, takeover.migrated_all)
    raises(WrongState, lambda: takeover.migrate(frozen(1, server)))


def test_error_closed(path: str) -> None:
    takeover = opened(path)
    takeover.close()
    raises(Closed, takeover.ready)


def test_error_forked(path: str) -> None:
    takeover = opened(path)
    assert in_child(lambda: raises(Forked, takeover.ready))
    takeover.ready()


def test_error_too_large(path: str) -> None:
    two = Two.draining(path, first={"max_state": 1})
    _client, server = pair()
    raises(TooLarge, lambda: two.first.migrate(frozen(1, server, state=b"xx")))


def test_error_not_readable(path: str) -> None:
    two = Two.draining(path, second={"reads": {"other": [1]}})
    _client, server = pair()
    raises(NotReadable, lambda: two.first.migrate(frozen(1, server)))


def test_error_listener_unclaimed(path: str) -> None:
    first = opened(path)
    _http = first.listener("http", ANY)
    first.ready()
    second = open_beside(first, path)
    assert "http" in str(raises(ListenerUnclaimed, second.ready))


def test_error_signal_not_blocked(path: str) -> None:
    raises(SignalNotBlocked, lambda: Takeover(path, drain_signals=[signal.SIGUSR2]))
    assert opened(path).generation == 1


def test_error_system() -> None:
    with open("/dev/null") as null:
        error = raises(SystemFailed, lambda: recv_fds(null, 1))
    assert error.errno == errno.ENOTSOCK
    assert error.pid is None


def test_error_descriptor_limit(path: str) -> None:
    meets(DescriptorLimit, path)


def test_error_directory_missing(directory: Path) -> None:
    raises(DirectoryMissing, lambda: Takeover(directory / "nowhere/zdt.sock"))


def test_error_address_in_use(path: str) -> None:
    takeover = opened(path)
    with socket.create_server(ANY) as other:
        error = raises(AddressInUse, lambda: takeover.listener("http", other.getsockname()))
        assert error.retry_helps
    assert takeover.listener("http", ANY)


def test_error_unsupported(path: str) -> None:
    meets(Unsupported, path)


def test_error_busy(path: str) -> None:
    first = opened(path)
    first.ready()
    _second = open_beside(first, path)
    error = raises(Busy, lambda: open_beside(first, path))
    assert (error.pid, error.retry_helps) == (os.getpid(), True)


def test_error_no_answer(path: str) -> None:
    with hostile("no-answer", path) as pid:
        error = raises(NoAnswer, lambda: Takeover(path, handshake=SHORT))
    assert (error.pid, error.retry_helps) == (pid, True)


def test_error_peer_gone(path: str) -> None:
    here, there = socket.socketpair()
    there.close()
    raises(PeerGone, lambda: send_fds(here, b"x", []))
    with subprocess.Popen(["true"]) as gone:
        pass
    assert raises(PeerGone, lambda: signal_drain(gone.pid)).pid == gone.pid
    meets(PeerGone, path)


def test_error_listener_mismatch(path: str) -> None:
    first = opened(path)
    _http = first.listener("http", ANY)
    first.ready()
    second = open_beside(first, path)
    raises(ListenerMismatch, lambda: second.listener("http", f"unix://{path}.http"))
    assert second.unclaimed() == ["http"]


def test_error_attempt_lost(path: str) -> None:
    with hostile("attempt-lost", path):
        takeover = Takeover(path)
        event = takeover.next_event(PATIENCE)
        assert isinstance(event, Aborted)
        assert isinstance(event.cause, AttemptLost)
        raises(AttemptLost, takeover.ready)
        takeover.close()


def test_error_refused(path: str) -> None:
    meets(Refused, path)


def test_error_no_common_version(path: str) -> None:
    meets(NoCommonVersion, path)


def test_error_malformed(path: str) -> None:
    meets(Malformed, path)


def test_error_out_of_order(path: str) -> None:
    meets(OutOfOrder, path)


def test_error_descriptor_count(path: str) -> None:
    meets(DescriptorCount, path)


def test_error_wrong_user(path: str) -> None:
    if os.geteuid() != 0:
        return  # Only root can be somebody else.
    with hostile("wrong-user", path) as pid:
        assert raises(WrongUser, lambda: Takeover(path)).pid == pid


def test_error_unsafe_directory(directory: Path) -> None:
    directory.chmod(0o777)
    raises(UnsafeDirectory, lambda: Takeover(directory / "zdt.sock"))


def test_error_foreign_file(directory: Path) -> None:
    file = directory / "file"
    file.write_text("precious")
    raises(ForeignFile, lambda: Takeover(file))
    assert file.read_text() == "precious"


def test_error_wrong_process(path: str) -> None:
    # It is looked at again and again until the deadline, which may come in the middle of a look.
    end = time.monotonic() + PATIENCE
    with hostile("wrong-process", path):
        while True:
            with pytest.raises((WrongProcess, NoAnswer)) as raised:
                Takeover(path, handshake=0.02)
            if isinstance(raised.value, WrongProcess):
                break
            assert time.monotonic() < end
