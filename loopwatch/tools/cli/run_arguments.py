"""The options of `loopwatch run` that are loopwatch's own; all others are uvicorn's.

Each option of a `Watch` that a variable can set is a flag too, and the flag wins.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from loopwatch.core import options
from loopwatch.core.service_links import is_service_link

KNOWN = {**options.VARIABLES, **options.RUN_VARIABLES}
DEFAULTS = {"summary": "1", "admin_host": "127.0.0.1", "admin_port": "9464"}
HELP = {
    "slow_callback_duration": "how long a step of the loop may be (default: 0.1)",
    "live_after": "GET /livez answers 503 once a loop is held this long (default: 30)",
    "cpu_budget": "the share of a core that loopwatch's own threads may use (default: 0.05)",
    "debug": "turn on asyncio's debug mode, for development",
    "native": "read the stacks from a helper process as well",
    "server_timing": "send the parts of each response's latency in the header Server-Timing",
    "trust_request_start": "use the header X-Request-Start, which a proxy must set",
    "log": "write stalls to the log (default: on)",
    "otel": "send spans and metrics to OpenTelemetry (default: on)",
    "flight_recorder": "1, 0, or a folder for traces of stalls and slow requests (default: on)",
    "metrics_port": "another port for /metrics: the first free one from this one on",
    "metrics_host": "where that port listens (default: 127.0.0.1)",
    "app_packages": "installed packages that are your own code, separated by commas",
    "allow": "patterns of sites whose stalls are intended, separated by commas",
    "summary": "write who held the loops as the program exits (default: on)",
    "admin_host": "where /metrics and the page listen (default: 127.0.0.1)",
    "admin_port": "their port, 0 for any free port (default: 9464); of many processes each has "
    "the first free one from there on",
}
USAGE = """loopwatch run [options] APP [uvicorn's options]
       loopwatch run [options] -- COMMAND [its options]"""


class Help(argparse.Action):
    """Shows our options, then uvicorn's."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        from loopwatch.tools.cli.uvicorn_options import described

        sys.stdout.write(f"{parser.format_help()}\n{described()}")
        parser.exit()


def add_run(commands: Any, port: Callable[[str], int], duration: Callable[[str], float]) -> None:
    run = commands.add_parser(
        "run",
        help="serve an ASGI app, or run any program, under loopwatch",
        usage=USAGE,
        description="Serve any ASGI app with uvicorn, or run any program, under loopwatch, with no "
        "change to its code. LOOPWATCH_* variables set the options that are missing here.",
        allow_abbrev=False,
        add_help=False,
    )
    run.add_argument("-h", "--help", action=Help, nargs=0, help="show this, and uvicorn's options")
    kinds: dict[str, Any] = {
        "slow_callback_duration": duration,
        "live_after": duration,
        "admin_port": port,
        "metrics_port": port,
    }
    for name, kind in KNOWN.items():
        flag = f"--{name.replace('_', '-')}"
        more: dict[str, Any] = {"default": argparse.SUPPRESS, "help": HELP.get(name)}
        if kind is bool:
            run.add_argument(flag, action=argparse.BooleanOptionalAction, **more)
        else:
            wanted = kinds.get(name, str)
            metavar = "SECONDS" if wanted is duration else name.rpartition("_")[2].upper()
            run.add_argument(flag, type=wanted, metavar=metavar, **more)
    run.add_argument(
        "--end-with-stdin",
        action="store_true",
        help="end when standard input closes, and so with the parent that holds its other end",
    )


def environment_of(
    arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment with the options of the command line, and our defaults, in it; a
    default takes the place of a Service's variable of its name."""
    whole = dict(environment)
    for name, text in DEFAULTS.items():
        given = whole.get(options.PREFIX + name.upper())
        if given is None or is_service_link(name.upper(), given):
            whole[options.PREFIX + name.upper()] = text
    for name, kind in KNOWN.items():
        if name in arguments:
            value = getattr(arguments, name)
            whole[options.PREFIX + name.upper()] = str(int(value) if kind is bool else value)
    return whole
