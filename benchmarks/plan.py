"""What to measure, as asked for on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from child import Setup

APPS = ["fastapi", "starlette"]
LOOPS = ["asyncio", "uvloop"]
PEERS = [
    *("aiocop", "aiodebug", "asyncio-debug"),
    *("prometheus-fastapi-instrumentator", "opentelemetry-instrumentation-asgi"),
]
VARIANTS = ["empty", "loopwatch", "loopwatch-python", *PEERS]
MEASURES = ["instructions", "cpu", "idle"]
WITH_A_THREAD = {"loopwatch", "loopwatch-python", "aiocop"}  # others do nothing in an idle server


@dataclass(frozen=True)
class Plan:
    apps: list[str]
    loops: list[str]
    variants: list[str]
    measures: list[str]
    requests: int
    batches: int
    rounds: int
    idle_seconds: float
    check: bool
    json: Path | None

    def columns(self) -> list[tuple[str, str]]:
        return [(app, loop) for loop, app in product(self.loops, self.apps)]

    def rows(self, measure: str) -> list[str]:
        """Variants that a measure is taken of; in CPU time, bare is against itself, as noise."""
        return ["bare", *(v for v in self.variants if measure != "idle" or v in WITH_A_THREAD)]

    def setups(self, measure: str) -> list[Setup]:
        at = product(self.columns(), self.rows(measure))
        return [Setup(app, loop, variant) for (app, loop), variant in at]


def parse(arguments: Sequence[str] | None, description: str) -> Plan:
    parser = _parser(description)
    given = parser.parse_args(arguments)
    if given.check and not _checkable(given):
        parser.error(
            "--check needs loopwatch among --variants and instructions among --measures, "
            f"got {given.variants} and {given.measures}: add what is missing"
        )
    return _plan(given)


def _checkable(given: argparse.Namespace) -> bool:
    return "loopwatch" in given.variants and "instructions" in given.measures


def _plan(given: argparse.Namespace) -> Plan:
    quick = given.quick
    return Plan(
        apps=given.apps,
        loops=given.loops,
        variants=[variant for variant in given.variants if variant != "bare"],
        measures=given.measures,
        requests=given.requests or (200 if quick else 300),
        batches=1 if quick else 2,
        rounds=6 if quick else 20,
        idle_seconds=3.0 if quick else 10.0,
        check=given.check,
        json=given.json,
    )


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_choice(parser, "--apps", APPS, APPS)
    _add_choice(parser, "--loops", LOOPS, LOOPS)
    _add_choice(parser, "--variants", ["bare", *VARIANTS], VARIANTS)
    _add_choice(parser, "--measures", MEASURES, MEASURES)
    add = parser.add_argument
    add("--requests", type=_count, metavar="N", help="in each batch: 300, or 200 with --quick")
    add("--quick", action="store_true", help="fewer and smaller batches: a third of the time")
    add("--check", action="store_true", help="exit 1 if loopwatch costs more than its bounds")
    add("--json", type=_new_file, metavar="FILE", help="write every figure here as well")
    return parser


def _add_choice(
    parser: argparse.ArgumentParser, name: str, choices: list[str], default: list[str]
) -> None:
    shown = f"of {', '.join(choices)}; default: {'all' if default == choices else 'all others'}"
    parser.add_argument(
        name, nargs="+", choices=choices, default=default, metavar=name[2:-1].upper(), help=shown
    )


def _count(text: str) -> int:
    if text.isdecimal() and 50 <= int(text) <= 100_000:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"must be a whole number from 50 to 100000, got {text!r}: give for example 300"
    )


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.parent.is_dir() and not path.is_dir():
        return path
    raise argparse.ArgumentTypeError(
        f"must be a file in a folder that exists, got {text!r}: make the folder or name another"
    )
