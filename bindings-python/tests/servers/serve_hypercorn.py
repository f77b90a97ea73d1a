"""Hypercorn on asyncio."""

from __future__ import annotations

import asyncio

from hypercorn.config import Config

import libzdt.hypercorn
from servers.application import asgi, given


def main() -> None:
    takeover, port = given()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    started = lambda: print("ready", flush=True)  # noqa: E731
    serving = libzdt.hypercorn.serve(asgi, config, takeover=takeover, options={"probation": 1.0}, started=started)
    asyncio.run(serving)


if __name__ == "__main__":
    main()
