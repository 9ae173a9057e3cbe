"""The command line: what may be given, and the checks that need nothing but the text."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from loopwatch import options
from loopwatch.cli.errors import CommandError
from loopwatch.version import __version__

LOOPS = ("auto", "asyncio", "uvloop")
PORTS = range(65536)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, by raising CommandError."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def parser() -> Parser:
    whole = Parser(prog="loopwatch", description="Names the line that blocks your event loop.")
    whole.add_argument("--version", action="version", version=f"loopwatch {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_run(commands)
    return whole


def add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="serve an ASGI app under loopwatch",
        description="Serve any ASGI app under loopwatch, with no change to its code. "
        "LOOPWATCH_* variables set what no option here does.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    run.add_argument("app", help="the app to import, such as main:app")
    run.add_argument("--factory", action="store_true", help="call APP, and serve what it returns")
    run.add_argument("--host", default="127.0.0.1", help="where the app listens")
    run.add_argument("--port", type=port, default=8000, help="0 for any that is free")
    run.add_argument("--loop", choices=LOOPS, default="auto", help="the app's event loop")
    run.add_argument("--admin-host", default="127.0.0.1", help="where /metrics and the page are")
    run.add_argument("--admin-port", type=port, default=9464, help="0 for any that is free")
    run.add_argument(
        "--slow-callback-duration",
        type=duration,
        metavar="SECONDS",
        help="how long a step of the loop may be (default: 0.1)",
        default=argparse.SUPPRESS,
    )


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) in PORTS):
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, got {text!r}")
    return int(text)


def duration(text: str) -> float:
    try:
        return options.seconds("SECONDS", float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a finite number of seconds above 0, got {text!r}; give it as 0.1"
        ) from None
