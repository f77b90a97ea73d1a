"""A worker of a pre-fork server, for asyncio."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypedDict, cast

import libzdt

from ..errors import InvalidArgument
from .service import Handle
from .takeover import Takeover

if TYPE_CHECKING:
    from typing_extensions import Unpack


class WorkerConfig(TypedDict, total=False):
    """What can be set, as with `libzdt.Worker`."""

    program: str
    runtime: str
    handshake: float | None
    drain: float | None
    max_state: int | None
    max_bytes: int | None
    reads: Mapping[str, Sequence[int]] | None


class Worker(Takeover):
    """A worker's part in the takeovers of its arbiter: as `Takeover`, with the arbiter's listeners, and connections
    that move from worker to worker.

    ```python
    async with Worker(seat) as worker:
        await worker.start_server(handle, "chat", ("0.0.0.0", 8000))
        await worker.done()
    ```
    It accepts once the arbiter is ready, without being asked. `done` returns when the arbiter is done, or this worker.
    """

    def __init__(
        self,
        seat: socket.socket | int,
        *,
        on_event: Callable[[libzdt.Event], None] | None = None,
        **config: Unpack[WorkerConfig],
    ) -> None:
        """Nothing happens before it is entered, which takes the seat. `config` is that of `libzdt.Worker`."""
        super().__init__("", on_event=on_event)
        self._joining = partial(libzdt.Worker, seat, **config)

    def _opening(self) -> Callable[[], Handle]:
        return self._joining

    def _socket(self, name: str, address: libzdt.ListenerSpec | str | tuple[str, int]) -> socket.socket:
        """The arbiter bound it: `address` does not count."""
        return cast(libzdt.Worker, self._ours().handle).listener(name)

    @property
    def predecessor(self) -> None:
        """Only the arbiter has one."""
        return None

    def unclaimed(self) -> list[str]:
        """Only the arbiter has some."""
        return []

    def retire(self, name: str) -> None:
        """Raises InvalidArgument: the listeners are the arbiter's to retire."""
        raise InvalidArgument(f"{name} is the arbiter's listener", "nothing was done; let the arbiter retire it")

    async def ready(self) -> None:
        """Nothing: the arbiter says when. Let it know once this worker has started its servers."""

    def drain(self) -> None:
        """This worker leaves for good: it accepts nobody, and serves what it has to its end; then `done` returns. The
        arbiter and the other workers go on. Any thread."""
        service = self._entered()
        service.loop.call_soon_threadsafe(service.retire)
