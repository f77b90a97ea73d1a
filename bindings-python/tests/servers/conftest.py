"""As the tests of `libzdt.aio`: each on asyncio's loop and on uvloop."""

from __future__ import annotations

import pytest

from aio.conftest import _no_faults, faults, loop_factory, pytest_generate_tests, pytest_pyfunc_call

__all__ = ["_no_faults", "faults", "loop_factory", "pytest_generate_tests", "pytest_pyfunc_call"]


@pytest.fixture
def loop_name(request: pytest.FixtureRequest) -> str:
    """The name of the loop, for processes."""
    return str(request.node.callspec.params["loop_factory"])
