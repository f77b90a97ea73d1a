"""What every server of these tests serves, as the clients of zdt-takeovers want it; and how it is started."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from libzdt.listening import Listener, Listening

GREETING = f"process {os.getpid()}\n".encode()
PLAIN = "application/octet-stream"


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


def wait_ms(query: str) -> float:
    return int(parse_qs(query)["ms"][0]) / 1000


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    body = GREETING
    if environ["PATH_INFO"] == "/slow":
        time.sleep(wait_ms(environ["QUERY_STRING"]))
    elif environ["PATH_INFO"] == "/echo":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Type", PLAIN), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = GREETING
    if scope["path"] == "/slow":
        await asyncio.sleep(wait_ms(scope["query_string"].decode()))
    elif scope["path"] == "/echo":
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
    headers = [(b"content-type", PLAIN.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
