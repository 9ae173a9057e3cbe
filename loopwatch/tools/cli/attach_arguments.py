"""The command line of `loopwatch attach`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from loopwatch.tools.cli.diagnose_arguments import add_output, positive

DESCRIPTION = """\
Name the line that blocks the loop of a process that runs already: no restart, no change to its
code, nothing to install in it. Processes that it has started, such as workers, are looked at too.

  loopwatch attach 4711                              live table until q or Ctrl-C, then the report
  loopwatch attach 4711 --duration 30 --json report.json --fail-on 'stall>0.2'
  sudo loopwatch attach "$(pgrep -of uvicorn)"       where tracing needs root

It needs py-spy (pip install 'loopwatch[native,diagnose]') and the permission to trace."""


def add_attach(commands: Any, sorts: Sequence[str], duration: Any) -> None:
    attach = commands.add_parser(
        "attach",
        help="name the line that blocks a process that runs already",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    attach.add_argument("pid", type=process, metavar="PID", help="the process, or its parent")
    attach.add_argument(
        "--duration",
        type=positive,
        metavar="SECONDS",
        help="end by itself (default: with q, Ctrl-C or the process)",
    )
    attach.add_argument(
        "--slow-callback-duration",
        type=duration,
        metavar="SECONDS",
        default=0.1,
        help="how long the loop may be held (default: 0.1)",
    )
    attach.add_argument(
        "--sort", choices=sorts, default="held", help="how to rank culprits (default: held)"
    )
    attach.add_argument(
        "--outside",
        action="store_true",
        help="put no probe into the process, where Python 3.14 could",
    )
    add_output(attach)


def process(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(
            f"must be the number of a process, got {text!r}: see pgrep -af python"
        )
    return int(text)
