"""The command line of `loopwatch diagnose`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from loopwatch.tools.cli import load_requests as requests
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.diagnose.plan import MOST

TELL_LOOPS = "the app's event loop"
DESCRIPTION = """\
Explain an app's latency: load the app, and name the line that makes it slow.

  loopwatch diagnose app:app --get /a --post /b --body '{"x": 1}' --rate 40 --duration 15
  loopwatch diagnose app:app --plan plan.toml --rate 10:200
  loopwatch diagnose --attach http://127.0.0.1:9464 -- wrk -c 50 http://127.0.0.1:8000/
  loopwatch diagnose --attach http://127.0.0.1:9464 --duration 30
  loopwatch diagnose --compare before.json after.json --markdown -

The load is an open model: requests are sent on schedule and do not wait for answers."""


def add_diagnose(commands: Any, loops: Sequence[str], port: Any, duration: Any) -> None:
    diagnose = commands.add_parser(
        "diagnose",
        help="load an app, and name the line that makes it slow",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    diagnose.add_argument(
        "app", metavar="APP", nargs="?", help="the app to import and serve, such as main:app"
    )
    add_target(diagnose, loops, port, duration)
    add_load(diagnose)
    output = add_output(diagnose)
    output.add_argument("--markdown", metavar="FILE", help="write a comparison; - to print it")


def add_target(parser: Any, loops: Sequence[str], port: Any, duration: Any) -> None:
    what = parser.add_argument_group("what to diagnose")
    what.add_argument("--factory", action="store_true", help="call APP, and serve what it returns")
    what.add_argument("--loop", choices=loops, default="auto", help=TELL_LOOPS)
    what.add_argument("--port", type=port, default=0, help="the app's port (default: any free)")
    what.add_argument(
        "--slow-callback-duration",
        type=duration,
        metavar="SECONDS",
        help="how long a step of the loop may be (default: 0.1)",
    )
    what.add_argument(
        "--attach",
        metavar="URL",
        help="the live page of a running app; after --, the command of a load tool",
    )
    what.add_argument(
        "--compare", nargs=2, metavar=("BEFORE", "AFTER"), help="two reports from --json"
    )


def add_load(parser: Any) -> None:
    load = parser.add_argument_group("load")
    load.set_defaults(requests=None)
    for method in requests.METHODS:
        name = f"--{method.lower()}"
        load.add_argument(name, action=requests.Ask, metavar="PATH", dest="requests")
    load.add_argument(
        "--body", action=requests.OfTheLatest, metavar="TEXT", help="body of the request before it"
    )
    load.add_argument(
        "--weight",
        action=requests.OfTheLatest,
        type=float,
        metavar="N",
        help="relative frequency of the request before it (default: 1)",
    )
    load.add_argument(
        "--header", action="append", type=requests.header, metavar="'NAME: VALUE'", help="for all"
    )
    load.add_argument("--plan", metavar="FILE", help="requests, rate and duration, as TOML")
    load.add_argument(
        "--rate", type=rates, metavar="N|N:M", help="requests a second, or a ramp (default: 20)"
    )
    load.add_argument("--duration", type=positive, metavar="SECONDS", help="(default: 15)")
    load.add_argument(
        "--warm-up",
        type=at_least_0,
        default=requests.WARM_UP,
        metavar="SECONDS",
        help="seconds of the same load before the measurement (default: 1)",
    )


def add_output(parser: Any) -> Any:
    """Add how to report, and return the group."""
    output = parser.add_argument_group("report")
    output.add_argument("--json", metavar="FILE", help="write the report as JSON")
    output.add_argument("--html", metavar="FILE", help="write the report as one HTML page")
    output.add_argument("--sarif", metavar="FILE", help="write the culprits as SARIF 2.1.0")
    output.add_argument(
        "--github",
        action="store_true",
        help="print annotations for GitHub Actions, at the culprits' lines",
    )
    output.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="'NAME>N'",
        help="exit with 1 if it holds, such as 'stall>0.1', 'p99[/users/{id}]>0.2', 'errors>0.01'",
    )
    return output


def positive(text: str) -> float:
    return checked(text, lambda value: value > 0, "above 0")


def at_least_0(text: str) -> float:
    return checked(text, lambda value: value >= 0, "from 0 on")


def checked(text: str, right: Any, must: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (right(value) and value <= MOST):
        raise argparse.ArgumentTypeError(
            f"must be a number of seconds {must}, got {text!r}; {MOST} is the most"
        )
    return value


def rates(text: str) -> tuple[float, float]:
    try:
        return requests.rates(text)
    except CommandError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("rate ")) from None
