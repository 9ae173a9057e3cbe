"""What to compare under load, how long and at which rate, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from argument import add_choice, new_file, number, parser_of, whole
from plan import APPS, LOOPS, VARIANTS

BARE, AGAIN = "bare", "bare again"
MOST = 40_000.0  # requests/s


@dataclass(frozen=True)
class Schedule:
    apps: list[str]
    loops: list[str]
    variants: list[str]
    rounds: int
    seconds: float  # of a turn
    utilisation: float  # of the bare server
    rate: float | None  # requests/s; None: the rate that gives this utilisation
    check: bool
    json: Path | None

    def places(self) -> list[tuple[str, str]]:
        """The app and loop of each comparison."""
        return [(app, loop) for loop, app in product(self.loops, self.apps)]

    def rows(self) -> list[str]:
        """The servers of a comparison. Bare against itself shows the noise."""
        return [BARE, AGAIN, *self.variants]


def variant(row: str) -> str:
    return BARE if row == AGAIN else row


def parse(arguments: Sequence[str] | None, description: str) -> Schedule:
    parser = _parser(description)
    given = parser.parse_args(arguments)
    if given.check and "loopwatch" not in given.variants:
        parser.error(f"--check needs loopwatch among --variants, got {given.variants}: add it")
    return Schedule(
        apps=given.apps,
        loops=given.loops,
        variants=list(dict.fromkeys(given.variants)),
        rounds=given.rounds or (6 if given.quick else 12),
        seconds=given.seconds or (1.5 if given.quick else 3.0),
        utilisation=given.utilisation,
        rate=given.rate,
        check=given.check,
        json=given.json,
    )


def _parser(description: str) -> argparse.ArgumentParser:
    parser = parser_of(description)
    add_choice(parser, "--apps", APPS, APPS)
    add_choice(parser, "--loops", LOOPS, LOOPS)
    add_choice(parser, "--variants", VARIANTS, ["loopwatch"])
    add, share, rate = parser.add_argument, number(0.05, 0.9, 0.6), number(20, MOST, 500)
    add("--rounds", type=whole(1, 100, 12), metavar="N", help="12, or 6 with --quick")
    add("--seconds", type=number(1, 60, 3), metavar="S", help="of a turn: 3, or 1.5 with --quick")
    add("--utilisation", type=share, default=0.6, metavar="SHARE", help="of the bare server: 0.6")
    add("--rate", type=rate, metavar="N", help="requests/s, instead of the rate for --utilisation")
    add("--quick", action="store_true", help="fewer and shorter turns: a quarter of the time")
    add("--check", action="store_true", help="exit 1 if loopwatch exceeds its bounds")
    add("--json", type=new_file, metavar="FILE", help="write every turn's figures here as well")
    return parser
