#!/usr/bin/env python3
"""tools/classic.py COMMAND... [--then COMMAND...]: whether an example of the classic flow loses nobody. COMMAND is called
with the path of a pidfile and an address, and again, or the other one is, to follow it. Exits with 0 if every connection
was answered, the one in flight too, and the first process ended by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 30


def echoes(client: socket.socket) -> None:
    client.sendall(b"?")
    if client.recv(1) != b"?":
        sys.exit("FAILED: no answer")


def connected(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=PATIENCE)


def first_connection(address: tuple[str, int]) -> socket.socket:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return connected(address)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                sys.exit("FAILED: nobody listens")
            time.sleep(0.01)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with tempfile.TemporaryDirectory() as place:
        where = [f"{place}/classic.pid", f"tcp://{address[0]}:{address[1]}"]
        words = sys.argv[1:]
        split = words.index("--then") if "--then" in words else len(words)
        command = words[:split]
        with subprocess.Popen([*command, *where]) as first:
            try:
                in_flight = first_connection(address)
                echoes(in_flight)
                with subprocess.Popen([*(words[split + 1 :] or command), *where]) as second:
                    try:
                        served = until_it_ends(first, in_flight, address, Path(where[0]), second.pid)
                    finally:
                        second.kill()
            finally:
                first.kill()
    print(f"{served} connections, none lost")


def until_it_ends(
    first: subprocess.Popen[bytes],
    in_flight: socket.socket,
    address: tuple[str, int],
    pidfile: Path,
    successor: int,
) -> int:
    """Connects all the time; lets the one in flight go when the first process has long been told, which is before the
    other one writes its pid."""
    begin = time.monotonic()
    served = since_told = 0
    while first.poll() is None:
        if time.monotonic() - begin > PATIENCE:
            sys.exit("FAILED: the first process does not end")
        with connected(address) as client:
            echoes(client)
        served += 1
        since_told += int(pidfile.read_text()) == successor
        if since_told == 200:
            echoes(in_flight)
            in_flight.close()
        time.sleep(0.002)
    if first.returncode != 0:
        sys.exit(f"FAILED: the first process ended with {first.returncode}")
    if in_flight.fileno() >= 0:
        sys.exit("FAILED: the first process ended before its connection did")
    with connected(address) as client:
        echoes(client)
    return served


main()
