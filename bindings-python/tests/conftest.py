"""What every test has, and which of them passed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--names", action="store_true", help="say of each test by name whether it passed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """For tools/test-python.sh, which counts them, and for the list of behaviours."""
    if config.getoption("--names"):
        for outcome, word in (("passed", "ok    "), ("failed", "FAILED"), ("error", "FAILED")):
            for report in terminalreporter.getreports(outcome):
                name = report.nodeid.rsplit("::", 1)[-1].removeprefix("test_")
                terminalreporter.write_line(f"{word} {name}")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A fresh directory of our own; its name is short, since a Unix socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="zdt-") as name:
        yield Path(name)


@pytest.fixture
def path(directory: Path) -> str:
    """Where a takeover socket may be."""
    return str(directory / "zdt.sock")
