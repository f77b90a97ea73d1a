"""Flask's and aiohttp's way of saying who answers, like webapp.py."""

from __future__ import annotations

import os

import flask
from aiohttp import web

wsgi = flask.Flask(__name__)


@wsgi.post("/<path>")
def answer(path: str) -> str:
    return f"{os.getpid()} /{path} {len(flask.request.get_data())}"


async def handle(request: web.Request) -> web.Response:
    return web.Response(text=f"{os.getpid()} {request.path} {len(await request.read())}")


def make(arguments: list[str]) -> web.Application:
    """For `python -m aiohttp.web`, which gives it the arguments that it does not know."""
    app = web.Application()
    app.router.add_post("/{path}", handle)
    return app
