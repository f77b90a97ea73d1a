"""The application of these tests for WSGI, with nothing but the standard library: it runs in any interpreter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

GREETING = f"process {os.getpid()}\n".encode()
PLAIN = "application/octet-stream"


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
