"""What it costs to move a connection of libzdt.aio to another process, and to accept one.

Two processes take over from each other in turn, so that both have been in both parts; in each round the one that is
to take over first accepts as many connections without libzdt, by the loop's own create_server.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, cast

LOOPS = ("asyncio", "uvloop")
WARM = 2
"""Rounds that do not count: each process has been in each part once."""
LONG = 60.0
"""How long anything may take, in seconds."""


class Reading(NamedTuple):
    """Of one process: processor time in nanoseconds, and stalls in milliseconds."""

    cpu: int
    stall: float
    worked: float


class Round(NamedTuple):
    """Processor time, or stalls: one is measured without the other."""

    stalls: bool
    plain: Reading
    zdt: Reading
    left: Reading
    came: Reading


class Clients:
    """The other ends of the connections, which are ours: our time is not counted."""

    def __init__(self, count: int, port: int) -> None:
        """As fast as one thread can."""
        self._sockets: list[socket.socket] = []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), LONG)
            # It ends with a reset, so that no port is left in TIME_WAIT.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._sockets.append(client)

    def echo(self) -> None:
        """A byte goes to the server on each of them and comes back."""
        for number, client in enumerate(self._sockets):
            client.send(bytes([number % 256]))
        for number, client in enumerate(self._sockets):
            if client.recv(2) != bytes([number % 256]):
                raise RuntimeError(f"connection {number} is lost")

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._sockets:
            client.close()


class Process:
    """One of the two."""

    def __init__(self, loop: str) -> None:
        side = [sys.executable, str(Path(__file__).with_name("side.py")), loop]
        self._process = subprocess.Popen(side, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._commands = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)
        self._marked = 0

    def tell(self, *words: object) -> str:
        self._commands.write(" ".join(map(str, words)) + "\n")
        self._commands.flush()
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError(f"it ended instead of an answer to {words}")
        return answer

    def mark(self, stalls: bool) -> None:
        self._marked = int(self.tell("mark", stalls))

    def read(self) -> Reading:
        cpu, stall, worked = self.tell("read").split()
        return Reading(int(cpu) - self._marked, float(stall), float(worked))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """It ends when its standard input does."""
        self._commands.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return cast(int, found.getsockname()[1])


def run(loop: str, connections: int, count: int) -> list[Round]:
    rounds = []
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "zdt.sock"
        predecessor, successor = (stack.enter_context(Process(loop)) for _ in range(2))
        port = free_port()
        predecessor.tell("open", connections, port, path)
        predecessor.tell("ready")
        for number in range(count):
            # In pairs: they take turns at being the predecessor.
            stalls = number // 2 % 2 == 1
            rounds.append(one_round(stalls, predecessor, successor, connections, port, path))
            predecessor, successor = successor, predecessor
    return rounds


def one_round(stalls: bool, predecessor: Process, successor: Process, connections: int, port: int, path: Path) -> Round:
    # The one that takes over has nothing else to do yet.
    own = free_port()
    successor.tell("plain", connections, own)
    successor.mark(stalls)
    with Clients(connections, own) as clients:
        successor.tell("begun")
        plain = successor.read()
        clients.echo()
    successor.tell("ended")
    successor.tell("closed")

    predecessor.mark(stalls)
    with Clients(connections, port) as clients:
        predecessor.tell("begun")
        zdt = predecessor.read()
        clients.echo()
        successor.tell("open", connections, port, path)
        predecessor.mark(stalls)
        successor.mark(stalls)
        successor.tell("ready")
        successor.tell("begun")
        predecessor.tell("ended")
        came, left = successor.read(), predecessor.read()
        clients.echo()
        predecessor.tell("done")
    return Round(stalls, plain, zdt, left, came)


def report(loop: str, connections: int, rounds: list[Round]) -> dict[str, object]:
    """Medians with [least, most] of what is counted, in microseconds for each connection; the worst of the stalls."""
    counted = [one for one in rounds if not one.stalls]
    looked = [one for one in rounds if one.stalls]

    def spread(of: Callable[[Round], float]) -> list[float]:
        all_of_it = [of(one) for one in counted]
        return [round(value, 2) for value in (statistics.median(all_of_it), min(all_of_it), max(all_of_it))]

    def worst(of: Callable[[Round], float]) -> float:
        return round(max(map(of, looked)), 2)

    each = 1000 * connections
    accept = spread(lambda one: one.plain.cpu / each)
    zdt = spread(lambda one: one.zdt.cpu / each)
    move = spread(lambda one: (one.left.cpu + one.came.cpu) / each)
    leaving = spread(lambda one: one.left.cpu / each)
    ratio = spread(lambda one: (one.left.cpu + one.came.cpu) / one.plain.cpu)
    accept_stall = worst(lambda one: one.plain.stall)
    stall = worst(lambda one: max(one.left.stall, one.came.stall))
    accept_worked = worst(lambda one: one.plain.worked)
    worked = worst(lambda one: max(one.left.worked, one.came.worked))
    print(
        f"{loop:8} {told(accept)} {told(zdt)} {told(move)} {told(ratio)}"
        f" {accept_stall:6.1f} ({accept_worked:5.1f}) {stall:6.1f} ({worked:5.1f})",
        flush=True,
    )
    figures: dict[str, object] = {"rounds": len(counted)}
    for name, (median, least, most) in {
        "accept_cpu_us": accept,
        "accept_with_libzdt_cpu_us": zdt,
        "move_cpu_us": move,
        "move_of_it_predecessor_us": leaving,
        "ratio": ratio,
    }.items():
        figures |= {name: median, f"{name}_least": least, f"{name}_most": most}
    return figures | {
        "max_stall_ms": stall,
        "max_stall_less_waiting_ms": worked,
        "max_stall_while_accepting_ms": accept_stall,
        "max_stall_while_accepting_less_waiting_ms": accept_worked,
    }


def told(spread: list[float]) -> str:
    median, least, most = spread
    return f"{median:7.2f} [{least:6.2f} -{most:7.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3, help="of either kind in each direction, for each loop")
    parser.add_argument("--loops", default=",".join(LOOPS), help="which, with a comma between")
    parser.add_argument("--out", type=Path, default=Path("build/bench/python.json"))
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < given.connections + 100:
        parser.error(f"{given.connections} connections need as many descriptors, and RLIMIT_NOFILE allows {most}")
    print("CPU in us for each connection, [least - most]; stalls in ms (without waiting for a processor)")
    print(f"{'':8} {'accept':25} {'by libzdt':25} {'move':25} {'ratio':25} {'accepting':14} {'moving':14}")
    figures: dict[str, object] = {
        "connections": given.connections,
        "python": platform.python_version(),
        "uvloop": version("uvloop"),
    }
    for loop in given.loops.split(","):
        rounds = run(loop, given.connections, WARM + 4 * given.rounds)
        figures[loop] = report(loop, given.connections, rounds[WARM:])
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(given.out)


if __name__ == "__main__":
    main()
