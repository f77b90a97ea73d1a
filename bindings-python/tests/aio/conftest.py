"""Async tests, each on asyncio's loop and on uvloop; what a loop is told that nobody handles is a failure."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
PATIENCE = 60.0
"""Seconds after which a whole test is given up."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """An async test runs on each loop; any other one knows of none."""
    if inspect.iscoroutinefunction(metafunc.function):
        metafunc.parametrize("loop_factory", sorted(LOOPS), indirect=True)


@pytest.fixture(autouse=True)
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop that the test runs on, and others like it."""
    return LOOPS[getattr(request, "param", "asyncio")]


@pytest.fixture
def faults() -> Iterator[list[dict[str, Any]]]:
    """What the loop's exception handler was told; a test that expects something takes it out."""
    told: list[dict[str, Any]] = []
    yield told
    assert not told


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs an async test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    faults: Any = pyfuncitem.funcargs["faults"]
    loop_factory: Any = pyfuncitem.funcargs["loop_factory"]

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: faults.append(told))
        await asyncio.wait_for(pyfuncitem.obj(**arguments), PATIENCE)

    with asyncio.Runner(loop_factory=loop_factory, debug=True) as runner:
        runner.run(test())
    return True


@pytest.fixture(autouse=True)
def _no_faults(faults: list[dict[str, Any]]) -> None:
    """Every test looks at them."""
