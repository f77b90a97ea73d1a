"""The standard library's own server, with a thread for each request."""

from __future__ import annotations

import libzdt.wsgiref
from servers.application import given, wsgi


def main() -> None:
    takeover, port = given()
    started = lambda: print("ready", flush=True)  # noqa: E731
    libzdt.wsgiref.run(wsgi, takeover=takeover, port=port, options={"probation": 1.0}, started=started)


if __name__ == "__main__":
    main()
