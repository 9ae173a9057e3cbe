"""What to measure, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from argument import add_choice, new_file, parser_of, whole
from child import Setup

APPS = ["fastapi", "starlette"]
SHORT_STEP, LONG_STEP = "fastapi-short-step", "fastapi-long-step"
LOOPS = ["asyncio", "uvloop"]
PEERS = [
    *("aiocop", "aiodebug", "asyncio-debug"),
    *("prometheus-fastapi-instrumentator", "opentelemetry-instrumentation-asgi"),
]
VARIANTS = ["empty", "loopwatch", "loopwatch-python", *PEERS]
MEASURES = ["instructions", "step", "cpu", "idle"]
WITH_A_THREAD = {"loopwatch", "loopwatch-python", "aiocop"}  # others are silent when idle


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

    def columns(self, measure: str) -> list[tuple[str, str]]:
        apps = self.apps
        if measure == "step":
            apps = [LONG_STEP] if "fastapi" in apps else []
        return [(app, loop) for loop, app in product(self.loops, apps)]

    def rows(self, measure: str) -> list[str]:
        """Variants of a measure; for CPU time they include bare against itself, as noise."""
        if measure == "step":
            return [variant for variant in self.variants if variant == "loopwatch"]
        return ["bare", *(v for v in self.variants if measure != "idle" or v in WITH_A_THREAD)]

    def setups(self, measure: str) -> list[Setup]:
        at = product(self.columns(measure), self.rows(measure))
        return [Setup(app, loop, variant) for (app, loop), variant in at]


def parse(arguments: Sequence[str] | None, description: str) -> Plan:
    parser = _parser(description)
    given = parser.parse_args(arguments)
    if given.check and (lacking := list(_lacking(given))):
        parser.error(f"--check needs {', and '.join(lacking)}: add what is missing")
    return _plan(given)


def _lacking(given: argparse.Namespace) -> Iterator[str]:
    if "loopwatch" not in given.variants:
        yield f"loopwatch among --variants, got {given.variants}"
    steps = "step" in given.measures and "fastapi" in given.apps
    if not steps and "instructions" not in given.measures:
        yield f"instructions among --measures, or step for fastapi, got {given.measures}"
    compared = "instructions" in given.measures and "asyncio" in given.loops
    if compared and "empty" not in given.variants:
        yield f"empty among --variants, as the bound for loopwatch, got {given.variants}"


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
    parser = parser_of(description)
    add_choice(parser, "--apps", APPS, APPS)
    add_choice(parser, "--loops", LOOPS, LOOPS)
    add_choice(parser, "--variants", ["bare", *VARIANTS], VARIANTS)
    add_choice(parser, "--measures", MEASURES, MEASURES)
    add, count = parser.add_argument, whole(50, 100_000, example=300)
    add("--requests", type=count, metavar="N", help="in each batch: 300, or 200 with --quick")
    add("--quick", action="store_true", help="fewer and smaller batches: a third of the time")
    add("--check", action="store_true", help="exit 1 if loopwatch costs more than its bounds")
    add("--json", type=new_file, metavar="FILE", help="write every figure here as well")
    return parser
