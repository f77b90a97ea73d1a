"""What zdt-takeovers starts: uvicorn with workers. `--takeover PATH --port N --workers N`."""

from __future__ import annotations

import argparse
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    os.environ["PYTHONPATH"] = sys.path[0]
    from uvicorn import Config

    from libzdt import uvicorn_workers

    class Said(uvicorn_workers.Supervisor):
        """One that says when it is ready."""

        def keep_subprocess_alive(self) -> None:
            before = self.is_ready
            super().keep_subprocess_alive()
            if self.is_ready and not before:
                print("ready", flush=True)

    uvicorn_workers.Supervisor = Said  # type: ignore[misc]
    parser = argparse.ArgumentParser()
    parser.add_argument("--takeover", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    config = Config("servers.gunicorn_run:asgi", port=given.port, workers=given.workers, timeout_keep_alive=30)
    uvicorn_workers.run(config, given.takeover, {"probation": 1.0})
