"""The standard library's WSGI server with a thread for each request, taken over from: its listener moves, its requests
are finished. It serves any WSGI application, Flask's and Django's among them.

```python
libzdt.wsgiref.run(app, takeover="/run/app/zdt.sock", port=8000)
```
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from .listening import Listening

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from .takeover import Takeover


class ThreadingWSGIServer(ThreadingMixIn, WSGIServer):
    """A thread for each request; closing it waits for them."""

    daemon_threads = False


def run(
    app: WSGIApplication,
    *,
    takeover: str | os.PathLike[str] | Takeover,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str = "http",
    server: type[WSGIServer] = ThreadingWSGIServer,
    handler: type[WSGIRequestHandler] = WSGIRequestHandler,
    options: dict[str, Any] | None = None,
    started: Callable[[], object] = lambda: None,
) -> None:
    """Serves `app` until a successor is there for good, or SIGTERM or SIGINT comes (in the main thread); then what is
    in flight is finished.

    Args:
        takeover: the path of the takeover socket, or a takeover that was opened.
        host, port: where it listens; the host is a number.
        name: the listener's name.
        server, handler: classes of `wsgiref`, or made of them, Django's for instance.
        options: those of `libzdt.Takeover`.
        started: is called once it accepts.

    Raises:
        What `libzdt.Takeover` raises, and its `listener` and `ready`.
    """
    with Listening(takeover, **(options or {})) as listening:
        listener = listening.listener(name, (host, port))
        serving = server((host, port), handler, bind_and_activate=False)
        serving.socket.close()
        serving.socket = listener
        serving.server_name, serving.server_port = listener.getsockname()[:2]
        serving.setup_environ()
        serving.set_app(app)
        listening.ready(serving.shutdown)
        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, lambda *_: listening.drain())
        try:
            started()
            serving.serve_forever()
        finally:
            serving.server_close()
            for number, was in before.items():
                signal.signal(number, was)
