"""Commands of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import Runs


@pytest.fixture
def runs(directory: Path) -> Iterator[Runs]:
    """They end with the test."""
    all_of_them = Runs(directory)
    yield all_of_them
    all_of_them.end()
