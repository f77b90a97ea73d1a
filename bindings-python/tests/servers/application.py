"""What every server of these tests serves, as the clients of zdt-takeovers want it; and how it is started."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from libzdt.listening import Listener, Listening
from servers.wsgi import GREETING, PLAIN, wait_ms, wsgi

__all__ = ["GREETING", "PLAIN", "asgi", "given", "ready", "run", "wait_ms", "wsgi"]


def given() -> tuple[str, int]:
    """The path of the takeover socket, and the port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takeover")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    return arguments.takeover, arguments.port


def run(serve: Callable[[Listening, Listener], object]) -> None:
    """One process: `serve` returns when it was told to stop."""
    takeover, port = given()
    with Listening(takeover, probation=1.0) as listening:
        serve(listening, listening.listener("http", ("127.0.0.1", port)))


def ready(listening: Listening, stop: Callable[[], object]) -> None:
    listening.ready(stop)
    print("ready", flush=True)


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = GREETING
    if scope["path"] == "/slow":
        await anyio.sleep(wait_ms(scope["query_string"].decode()))
    elif scope["path"] == "/echo":
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
    headers = [(b"content-type", PLAIN.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
