"""The command `zdt run`, with real servers in processes of their own."""

from __future__ import annotations

import os
import pty
import signal
import socket
from pathlib import Path

import pytest

from servers.web import PATIENCE, Client, request

from .runs import HERE, Runs

KINDS = [(http, loop) for http in ("h11", "httptools") for loop in ("asyncio", "uvloop")]


@pytest.mark.parametrize(("http", "loop"), KINDS)
def test_the_same_command_again_takes_over_with_every_connection(runs: Runs, http: str, loop: str) -> None:
    options = ("--http", http, "--loop", loop)
    first = runs.uvicorn(*options)
    with Client(runs.port) as idle, Client(runs.port) as half, Client(runs.port) as fresh, Client(runs.port) as busy:
        for client in (idle, half, busy):
            assert client.ask("/a") == (first.pid, "/a 0")
        half.say(request("/half")[:30])
        fresh.say(b"P")
        busy.say(request("/slow"))
        second = runs.uvicorn(*options)
        assert first.ends() == 0
        assert busy.answer()[1] == "/slow 0"
        assert busy.ask("/b") == (second.pid, "/b 0")
        assert idle.ask("/b", b"x" * 100_000) == (second.pid, "/b 100000")
        half.say(request("/half")[30:])
        assert half.answer() == (second.pid, "/half 0")
        fresh.say(request("/fresh")[1:])
        assert fresh.answer() == (second.pid, "/fresh 0")
        assert first.events == ["serving", "draining", "done"]
        assert second.tells("taken over")["moved"] == 4
        second.kill(signal.SIGTERM)
        assert second.ends() == -signal.SIGTERM
        assert second.tells("taking over")["predecessor"] == first.pid
        assert second.tells("committed")["generation"] == 2


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("split", [1, 5, 17, len(request("/split")) - 3, len(request("/split")) - 1])
def test_a_head_that_came_in_part_is_answered_by_the_successor(runs: Runs, http: str, split: int) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/split")[:split])
        second = runs.uvicorn("--http", http)
        assert first.ends() == 0
        client.say(request("/split")[split:])
        assert client.answer() == (second.pid, "/split 0")


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_requests_that_came_together_are_each_answered_once_and_in_order(runs: Runs, http: str) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        client.say(request("/slow") + request("/1", b"one") + request("/2"))
        second = runs.uvicorn("--http", http)
        answers = [client.answer() for _ in range(3)]
        assert [path for _, path in answers] == ["/slow 0", "/1 3", "/2 0"]
        assert {pid for pid, _ in answers} <= {first.pid, second.pid}
        assert first.ends() == 0
        assert client.ask("/b") == (second.pid, "/b 0")


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_what_a_slow_reader_is_still_to_get_arrives_whole(runs: Runs, http: str) -> None:
    first = runs.uvicorn("--http", http)
    with Client(runs.port) as client:
        client.say(request("/big"))
        client.sock.recv(1, 2)  # MSG_PEEK: it has begun
        second = runs.uvicorn("--http", http)
        with Client(runs.port) as other:
            while other.ask("/c")[0] != second.pid:
                pass
        assert client.answer() == (first.pid, "/big 0")
        assert client.ask("/b") == (second.pid, "/b 0")
        assert first.ends() == 0


def test_an_application_that_does_not_start_up_costs_nothing(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        assert runs.uvicorn(site="broken").ends() == 3
        assert runs.run("uvicorn", "no:app").ends() == 3
        assert runs.run("hypercorn", "no:app").ends() == 3
        assert runs.run("gunicorn", "-b", f"127.0.0.1:{runs.port}", "--no-control-socket", "no:app").ends() == 3
        runs.serves_on(first, client)


def test_an_address_that_the_predecessor_does_not_have_is_refused(runs: Runs) -> None:
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        other = runs.uvicorn("--host", "127.0.0.2")
        assert other.ends() == 3
        assert "listener mismatch" in other.said
        runs.serves_on(first, client)


UVICORN = ["uvicorn", "webapp:app"]
GUNICORN = ["gunicorn", "--no-control-socket", "sites:wsgi"]
HYPERCORN = ["hypercorn", "webapp:app"]
AIOHTTP = ["aiohttp", "sites:make"]
FLASK = ["flask", "--app", "sites:wsgi", "run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "'nothing' is none of uvicorn, gunicorn, hypercorn, aiohttp, flask, and not MODULE:FUNCTION"),
        ([*UVICORN, "--port", "x"], "uvicorn: Invalid value for '--port'"),
        ([*UVICORN, "--reload"], "uvicorn: --reload cannot go with a takeover; nothing was done"),
        ([*UVICORN, "--fd", "0"], "uvicorn: --fd cannot go with a takeover"),
        ([*GUNICORN, "--workers", "x"], "gunicorn: error: argument -w/--workers"),
        ([*GUNICORN, "--reuse-port"], "reuse_port: the workers would listen for themselves"),
        ([*GUNICORN, "--bind", "fd://0"], "an inherited descriptor has no name"),
        ([*GUNICORN, "-k", "gunicorn.workers.base.Worker"], "worker class gunicorn.workers.base.Worker"),
        ([*HYPERCORN, "--backlog", "x"], "hypercorn: error: argument --backlog"),
        ([*HYPERCORN, "--workers", "2", "--reload"], "hypercorn: --workers and --reload cannot go with a takeover"),
        ([*HYPERCORN, "-b", "127.0.0.1:0", "-b", "127.0.0.1:0"], "more than one --bind"),
        ([*HYPERCORN, "-b", "fd://0"], "--bind fd://"),
        ([*HYPERCORN, "-k", "uvloop"], "hypercorn: --worker-class"),
        ([*AIOHTTP, "-P", "x"], "aiohttp.web: error: argument -P/--port"),
        ([*AIOHTTP, "-H", "127.0.0.1", "-U", "x"], "aiohttp: --path beside --hostname"),
        ([*AIOHTTP, "-H", "no.such.host.invalid"], "no.such.host.invalid: "),
        ([*FLASK, "--port", "x"], "flask: Invalid value for '--port'"),
        ([*FLASK, "--debug"], "flask: --debug or --reload and --debugger cannot go with a takeover"),
        ([*FLASK, "--host", "unix://x"], "--host unix://"),
        (["no_such:thing"], "there is no module 'no_such'"),
        (["webapp:nothing"], "webapp:nothing"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_and_nothing_is_done(
    runs: Runs, arguments: list[str], words: str
) -> None:
    command = runs.run(*arguments)
    assert command.ends() == 2, command.said
    assert words in command.said
    assert not command.told
    assert not runs.path.exists()


@pytest.mark.parametrize(("where", "words"), [("no/zdt.sock", "there is no directory"), ("x" * 120, "path too long")])
def test_a_bad_path_is_said_and_nothing_is_bound(runs: Runs, where: str, words: str) -> None:
    command = runs.python("-m", "libzdt", "run", "--takeover", where, *UVICORN, "--port", str(runs.port))
    assert command.ends() == 3, command.said
    assert words in command.said


def test_a_server_that_is_not_installed_is_said(runs: Runs, directory: Path) -> None:
    (directory / "hypercorn.py").write_text("raise ModuleNotFoundError('for the test', name='hypercorn')")
    takeover = ("--takeover", str(runs.path))
    command = runs.python("-m", "libzdt", "run", *takeover, *HYPERCORN, path=f"{directory}:{HERE}")
    assert command.ends() == 3
    assert "zdt: hypercorn is not installed: pip install hypercorn" in command.said


def test_a_function_is_given_the_takeover(runs: Runs) -> None:
    first = runs.run("plain:serve", str(runs.port))
    with Client(runs.port) as client:
        client.say(b"a\n")
        assert client.sock.recv(99) == b"%d 1 a\n" % first.pid
        second = runs.run("plain:serve", str(runs.port))
        assert first.ends() == 0
        client.say(b"b\n")
        assert client.sock.recv(99) == b"%d 2 b\n" % second.pid


def test_what_a_function_on_threads_goes_through_is_told(runs: Runs) -> None:
    first = runs.run("plain:listen", str(runs.port))
    first.tells("serving")
    second = runs.run("plain:listen", str(runs.port))
    assert first.ends() == 0
    assert first.events == ["serving", "draining", "done"]
    second.tells("taken over")
    assert second.events == ["taking over", "committed", "taken over"]
    second.kill(signal.SIGINT)
    assert second.ends() == 130


def test_a_unix_socket_is_left_to_the_successor(runs: Runs) -> None:
    at = runs.path.with_name("web.sock")
    server = ("uvicorn", "webapp:app", "--uds", str(at))
    first = runs.run(*server)
    first.tells("serving")
    second = runs.run(*server)
    assert first.ends() == 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(at))
        client.sendall(b"GET /a HTTP/1.0\r\n\r\n")
        assert client.makefile("rb").read().endswith(b"\r\n%d /a 0" % second.pid)
    second.kill(signal.SIGTERM)
    assert second.ends() == -signal.SIGTERM
    runs.run(*server).tells("serving")


@pytest.mark.parametrize("has_rich", [True, False])
def test_a_terminal_is_shown_what_happens_and_a_bar_if_rich_is_there(
    runs: Runs, directory: Path, has_rich: bool
) -> None:
    (directory / "rich.py").write_text("raise ImportError('for the test')")
    found = str(HERE) if has_rich else f"{HERE}:{directory}"
    first = runs.uvicorn()
    with Client(runs.port) as client:
        assert client.ask("/a") == (first.pid, "/a 0")
        ours, theirs = pty.openpty()
        takeover = ("--takeover", str(runs.path), "--probation", "0")
        server = ("uvicorn", "webapp:app", "--port", str(runs.port))
        second = runs.python("-m", "libzdt", "run", *takeover, *server, stderr=theirs, path=found)
        os.close(theirs)
        shown = b""
        while b"connections moved" not in shown:
            shown += os.read(ours, 9999)
        os.close(ours)
        runs.serves_on(second, client)
    assert b"zdt: generation 2 takes over from process %d" % first.pid in shown
    assert b"zdt: process %d has left; 1 connections moved" % first.pid in shown
    assert (b"zdt: connections" in shown) == has_rich
