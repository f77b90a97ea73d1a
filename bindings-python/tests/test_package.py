"""The package as it is installed: what it imports, what it says where it does not fit, the smallest example."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import libzdt
from two import PATIENCE, goes

SMALLEST = Path(__file__).parents[1] / "examples/smallest.py"


def said(*arguments: str, **environment: str) -> str:
    """What a Python program prints, on either channel."""
    run = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return run.stdout


def test_the_version_is_that_of_the_package() -> None:
    assert libzdt.__version__ == importlib.metadata.version("libzdt")


def test_everything_that_is_promised_is_there() -> None:
    for name in libzdt.__all__:
        assert getattr(libzdt, name) is not None
    assert libzdt.Migrated(b"held").held == b"held"


def test_asyncio_is_imported_only_by_who_uses_it() -> None:
    assert said("-c", "import libzdt, sys; print('asyncio' in sys.modules)") == "False\n"


def test_a_package_without_its_native_part_says_which_wheel_to_install(directory: Path) -> None:
    copy = directory / "libzdt"
    shutil.copytree(Path(libzdt.__file__).parent, copy, ignore=shutil.ignore_patterns("_core*.so"))
    answer = said("-c", "import libzdt", PYTHONPATH=str(directory))
    assert f"{copy}/_core.abi3.so is missing" in answer
    assert "cp310-abi3" in answer
    (copy / "_core.abi3.so").write_bytes(b"\x7fELF of another machine")
    answer = said("-c", "import libzdt", PYTHONPATH=str(directory))
    assert f"{copy}/_core.abi3.so cannot be loaded" in answer
    assert "pip install" in answer


def test_the_smallest_example_is_taken_over_with_its_connection(path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    command = [sys.executable, str(SMALLEST), path, address]
    host, port = address.split(":")
    with subprocess.Popen(command) as first:
        try:
            client = connected(host, int(port))
            goes_around(client, b"to the first")
            with subprocess.Popen(command) as second:
                try:
                    # Only the successor's commit takes the listener from the first.
                    while first.poll() is None and taken_over(path) != second.pid:
                        goes_around(client, b"all the time")
                    goes_around(client, b"to the second")
                    with connected(host, int(port)) as other:
                        goes_around(other, b"newly accepted")
                    goes_around(client, b"and still")
                finally:
                    second.kill()
        finally:
            first.kill()


def taken_over(path: str) -> int:
    """The pid of the process that owns the service: whoever last called listen() on the takeover socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as knock:
        knock.connect(path)
        credentials = knock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(credentials[:4], sys.byteorder)


def connected(host: str, port: int) -> socket.socket:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection((host, port), timeout=PATIENCE)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.01)


def goes_around(client: socket.socket, data: bytes) -> None:
    goes(data, client, client)
