"""The command: `zdt run --takeover PATH SERVER ARGUMENTS...`.

Type it once, and the server runs; type it again, with new code, and it takes over: listeners, and the connections that
can move. SERVER is one of these, each with its own arguments as its own command has them:

  uvicorn, gunicorn, hypercorn, flask      as the commands of these names
  aiohttp                                  as `python -m aiohttp.web`

or MODULE:FUNCTION, a coroutine function that is given a `libzdt.aio.Takeover`, or a function that is given a
`libzdt.Takeover`, entered both.

Exit codes: 0 when everything was served to its end or a successor has it; 2 for what is wrong with the arguments; 3 if
the server could not start or not take over, and whoever served before serves on; 130 for Ctrl-C before
the server answers it; else the server's own (uvicorn ends by the signal that it was sent).
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import ZdtError
from .function import function
from .report import Report
from .servers import SERVERS, CannotStart, Run, Usage

CANNOT_START = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments (sys.argv's, if there are none) say; the exit code."""
    parser = argparse.ArgumentParser(prog="zdt", description="Zero-downtime takeover of servers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        usage="zdt run --takeover PATH [--json] SERVER ...",
        help="run a server; type it again to have it taken over by the new one",
        description=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("--takeover", type=Path, required=True, metavar="PATH", help="the takeover socket")
    run.add_argument(
        "--drain", type=_seconds, metavar="SECONDS", help="what is still served then is ended (default: 30)"
    )
    run.add_argument(
        "--probation", type=_seconds, metavar="SECONDS", help="for so long the predecessor may be needed (default: 10)"
    )
    run.add_argument(
        "--json",
        action="store_true",
        help="what happens, on standard output, an object a line; the server's own output goes to standard error",
    )
    run.add_argument("server", help=f"{', '.join(SERVERS)}, or MODULE:FUNCTION")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the server's own")
    given = parser.parse_args(arguments)

    _log_to_stderr()
    options = {name: value for name in ("drain", "probation") if (value := getattr(given, name)) is not None}
    how = Run(given.takeover, options, Report(given.json))
    serve: Callable[[Sequence[str], Run], None]
    if (known := SERVERS.get(given.server)) is not None:
        serve = known
    elif ":" in given.server:
        serve = function(given.server)
    else:
        run.error(f"{given.server!r} is none of {', '.join(SERVERS)}, and not MODULE:FUNCTION")
    try:
        serve(given.arguments, how)
    except Usage as error:
        run.error(str(error))
    except (CannotStart, ZdtError) as error:
        print(f"zdt: {error}", file=sys.stderr)
        return CANNOT_START
    except KeyboardInterrupt:  # of a server that does not answer it itself
        return 128 + signal.SIGINT
    finally:
        how.report.end()
    return 0


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise ValueError
    return seconds


def _log_to_stderr() -> None:
    """What libzdt warns of, unless the application logs it its own way."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("zdt: %(message)s"))
    handler.setLevel(logging.WARNING)
    logging.getLogger("libzdt").addHandler(handler)
