"""As the tests of `libzdt.aio`: each on asyncio's loop and on uvloop."""

from __future__ import annotations

from aio.conftest import _no_faults, faults, loop_factory, pytest_pyfunc_call

__all__ = ["_no_faults", "faults", "loop_factory", "pytest_pyfunc_call"]
