"""What zdt-takeovers starts: gunicorn with takeovers. `--takeover PATH --port N`, and whatever else gunicorn reads."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import WSGIEnvironment

import libzdt
import libzdt.gunicorn


def app(environ: WSGIEnvironment, start_response: Callable[..., object]) -> Iterable[bytes]:
    """`GET /` says who serves, `GET /slow?ms=N` the same a while later, `POST /echo` what it was sent."""
    who = f"python {os.getpid()}\n".encode()
    match environ["PATH_INFO"]:
        case "/":
            body = who
        case "/slow":
            time.sleep(int(parse_qs(environ.get("QUERY_STRING", "")).get("ms", ["300"])[0]) / 1000)
            body = who
        case "/echo":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        case _:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same for the workers of ASGI servers."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = f"python {os.getpid()}\n".encode()
    match scope["path"]:
        case "/slow":
            await asyncio.sleep(int(parse_qs(scope["query_string"].decode()).get("ms", ["300"])[0]) / 1000)
        case "/echo":
            body, more = b"", True
            while more:
                event = await receive()
                body, more = body + event.get("body", b""), event.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--takeover", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--probation-ms", type=int, default=1000)
    parser.add_argument("--app", default="app")
    ours, gunicorns = parser.parse_known_args()
    bind = f"127.0.0.1:{ours.port}"
    sys.argv = ["gunicorn", "--bind", bind, "--no-control-socket", *gunicorns, f"servers.gunicorn_run:{ours.app}"]

    def told(event: libzdt.Event) -> None:
        if isinstance(event, libzdt.Ready):
            print("ready", flush=True)

    libzdt.gunicorn.run(ours.takeover, on_event=told, probation=ours.probation_ms / 1000)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
