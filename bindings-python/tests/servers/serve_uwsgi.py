"""uWSGI, a program of its own, which is given the listener's descriptor and accepts until it is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from libzdt.listening import Listening
from servers.application import given, ready

UWSGI = [
    *("uwsgi", "--plugin", "python3", "--module", "servers.wsgi:wsgi", "--need-app"),
    *("--master", "--processes", "2", "--threads", "8", "--disable-logging", "--die-on-term"),
    # SIGTERM: what is in flight is finished.
    *("--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
]


def main() -> None:
    takeover, port = given()
    with Listening(takeover, probation=1.0) as listening:
        listener = listening.takeover.listener("http", ("127.0.0.1", port))
        uwsgi = subprocess.Popen(
            [*UWSGI, "--http-socket", f"fd://{listener.fileno()}"],
            pass_fds=[listener.fileno()],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "PYTHONPATH": ""},  # it has its own interpreter
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert uwsgi.stderr is not None
            for line in uwsgi.stderr:
                print(line, end="", file=sys.stderr)
                if line.startswith("spawned uWSGI worker 2"):
                    break
            ready(listening, lambda: uwsgi.send_signal(signal.SIGTERM))
            print(uwsgi.stderr.read(), file=sys.stderr)
            uwsgi.wait()
        finally:
            uwsgi.kill()


if __name__ == "__main__":
    main()
