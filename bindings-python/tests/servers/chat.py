"""A chat of one for uvicorn, which counts. Arguments: takeover socket, port, ws, http, loop."""

from __future__ import annotations

import os
import sys
from typing import Any

import libzdt.uvicorn


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Echoes with a number and the process; the state is the number."""
    if scope["type"] != "websocket":
        return
    extension = scope["extensions"]["libzdt"]
    await receive()
    await send({"type": "websocket.accept"})
    count = int(extension["state"] or b"0")
    extension["state"] = b"%d" % count
    while (event := await receive())["type"] == "websocket.receive":
        count += 1
        extension["state"] = b"%d" % count
        await send({"type": "websocket.send", "text": f"{count} {os.getpid()} {event['text']}"})


if __name__ == "__main__":
    path, port, ws, http, loop = sys.argv[1:]
    libzdt.uvicorn.run(
        app,
        takeover=path,
        port=int(port),
        ws=ws,
        http=http,
        loop=loop,
        lifespan="off",
        options={"probation": 0.1},
    )
