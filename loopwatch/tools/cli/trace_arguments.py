"""The command line of `loopwatch trace`."""

from __future__ import annotations

import argparse
import math
from typing import Any

MOST = 30.0  # s that a flight recorder reaches back

DESCRIPTION = """\
Write the last seconds of a running process as a file for https://ui.perfetto.dev or
chrome://tracing: every step of its loops, every request with the four parts of its latency, and an
arrow from each step that held a loop to the requests that waited for it.

  loopwatch trace http://127.0.0.1:9464 -o trace.json
  loopwatch trace 4711 -o trace.json --seconds 10      a process under loopwatch run

The process must run with loopwatch, and its flight recorder must be on, as it is by default."""


def add_trace(commands: Any) -> None:
    trace = commands.add_parser(
        "trace",
        help="write the last seconds of a process as a trace for Perfetto",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    trace.add_argument(
        "where", metavar="URL|PID", help="its live page, such as http://127.0.0.1:9464, or its PID"
    )
    trace.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to write")
    trace.add_argument(
        "--seconds",
        type=seconds,
        default=MOST,
        metavar="SECONDS",
        help=f"how far back (default: {MOST:g}, which is the most)",
    )


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST:
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds above 0, and {MOST:g} at most, got {text!r}; "
            "give it as 10"
        )
    return value
