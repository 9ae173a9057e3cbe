"""The command line: its options, and the checks that need only their text."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from loopwatch.core import options
from loopwatch.core.version import __version__
from loopwatch.tools.cli.attach_arguments import add_attach
from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.diagnose_arguments import add_diagnose
from loopwatch.tools.cli.run_arguments import add_run
from loopwatch.tools.cli.trace_arguments import add_trace

LOOPS = ("auto", "asyncio", "uvloop")
PORTS = range(65536)
TRACE = "${__value.raw}"  # the trace's id in a URL, as Grafana has it
SORTS = ("lost", "held", "stalls")
SHORTEST, LONGEST = 0.1, 3600.0  # s between two readings


class Parser(argparse.ArgumentParser):
    """Reports an error as one line, by raising CommandError."""

    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (see {self.prog} --help)")


def parser() -> Parser:
    whole = Parser(prog="loopwatch", description="Names the line that blocks your event loop.")
    whole.add_argument("--version", action="version", version=f"loopwatch {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_run(commands, port, duration)
    add_diagnose(commands, LOOPS, port, duration)
    add_top(commands)
    add_attach(commands, SORTS[1:], duration)
    add_trace(commands)
    add_grafana(commands)
    return whole


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line. Words after `--` are another command: `tool`; those of `run`
    that are not ours are uvicorn's: `served`."""
    words = [*(sys.argv[1:] if argv is None else argv)]
    nested = words[:1] in (["diagnose"], ["run"]) and "--" in words
    at = words.index("--") if nested else len(words)
    known = argparse.Namespace(tool=tuple(words[at + 1 :]))
    if words[:1] != ["run"]:
        return parser().parse_args(words[:at], known)
    arguments, served = parser().parse_known_args(words[:at], known)
    arguments.served = tuple(served)
    return arguments


def add_grafana(commands: Any) -> None:
    grafana = commands.add_parser(
        "grafana",
        help="write dashboards for Grafana, and alert rules for Prometheus",
        description="Write dashboards, alert rules, runbooks, and the configuration that makes "
        "Grafana and Prometheus load them, into a folder. Files that you changed there are not "
        "overwritten.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    grafana.add_argument("folder", type=path, metavar="DIR", help="the folder; made if missing")
    grafana.add_argument(
        "--prometheus",
        type=url,
        metavar="URL",
        default="http://127.0.0.1:9090",
        help="where Grafana finds Prometheus",
    )
    grafana.add_argument(
        "--target",
        type=address,
        metavar="HOST:PORT",
        default="127.0.0.1:9464",
        help="where Prometheus finds the app's /metrics",
    )
    grafana.add_argument(
        "--mounted-at",
        type=path,
        metavar="PATH",
        help="where Grafana finds DIR (default: its absolute path)",
        default=argparse.SUPPRESS,
    )
    grafana.add_argument(
        "--runbooks",
        type=url,
        metavar="URL",
        help="the address at which DIR is served; alerts link to their runbooks there",
        default=argparse.SUPPRESS,
    )
    grafana.add_argument(
        "--traces",
        type=traces,
        metavar="UID",
        help=f"uid of Grafana's data source for traces, or a URL with {TRACE} in it; "
        "points in histograms link to it",
        default=argparse.SUPPRESS,
    )
    grafana.add_argument("--force", action="store_true", help="overwrite changed files as well")


def path(text: str) -> str:
    if not (text.isprintable() and text.strip()):
        raise argparse.ArgumentTypeError(f"must be a path in printable characters, got {text!r}")
    return text


def url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s\"'<>\\/]+(/[^\s\"'<>\\]*)?", text):
        raise argparse.ArgumentTypeError(
            f"must be an http:// or https:// address, got {text!r}; give it as http://host:port"
        )
    return text.rstrip("/")


def traces(text: str) -> str:
    if not (re.fullmatch(r"[\w-]+", text) or ("://" in text and TRACE in url(text))):
        raise argparse.ArgumentTypeError(
            f"must be the uid of a data source, or a URL with {TRACE} for the trace's id, "
            f"got {text!r}"
        )
    return text


def address(text: str) -> str:
    host, _, number = text.rpartition(":")
    if not re.fullmatch(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]", host):
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, got {text!r}; give it as host:9464")
    return f"{host}:{port(number)}"


def add_top(commands: Any) -> None:
    top = commands.add_parser(
        "top",
        help="watch a live page in the terminal",
        description="Show the data of loopwatch's live page: what holds the loop, and the latency "
        "of each route; or what requests wait for, the lines of loop time, and what is in flight. "
        "Keys: q quits, s sorts by the next figure, w shows the other half.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    top.add_argument("url", metavar="URL", help="the live page, such as http://127.0.0.1:9464")
    top.add_argument(
        "--interval", type=interval, metavar="SECONDS", default=1.0, help="between readings"
    )
    top.add_argument("--sort", choices=SORTS, default="lost", help="how to rank culprits")
    top.add_argument(
        "--waits",
        action="store_const",
        dest="show",
        const="waits",
        default="stalls",
        help="begin with what requests wait for",
    )
    top.add_argument("--once", action="store_true", help="print one reading, and end")


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


def interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not SHORTEST <= seconds <= LONGEST:
        raise argparse.ArgumentTypeError(
            f"must be from {SHORTEST:g} to {LONGEST:g} seconds, got {text!r}; give it as 1"
        )
    return seconds
