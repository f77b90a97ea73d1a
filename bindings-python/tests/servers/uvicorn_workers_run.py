"""What zdt-takeovers starts: uvicorn with workers. `--takeover PATH --port N --workers N`."""

from __future__ import annotations

import argparse
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from uvicorn import Config

    import libzdt
    from libzdt import uvicorn_workers

    parser = argparse.ArgumentParser()
    parser.add_argument("--takeover", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    config = Config("servers.gunicorn_run:asgi", port=given.port, workers=given.workers, timeout_keep_alive=60)
    supervisor = uvicorn_workers.Supervisor(
        config,
        given.takeover,
        {"probation": 1.0},
        lambda event: print("ready", flush=True) if isinstance(event, libzdt.Ready) else None,
    )
    print(f"Listening at: http://127.0.0.1:{supervisor.address[1]}", flush=True)
    supervisor.run()
