"""Judge what loopwatch says of victims against what client and app wrote down.

    python -m tests.victims --loop asyncio
    python -m tests.victims --loop uvloop --what-if --requests 1000

A trial that does not hold is begun again if our processes had to wait for a CPU while it ran, a few
times at most. Exit status 1 if any row was wrong in the end.
"""

import argparse
import sys
from collections.abc import Callable

from .judging import judge
from .plan import Bad, plan
from .rows import HEADING
from .trial import run
from .what_if import HEADING as WHAT_IF_HEADING
from .what_if import predictions

TRIES = 3
RATE = 22.0  # requests a second
BAD_SHARE = 0.045  # of the requests
BAD_RATE = 0.8  # bad requests a second, what if: the loop is not saturated


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.victims", description=__doc__)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--what-if", action="store_true", help="compare with the good twins")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def in_turn(attempt: Callable[[], tuple[bool, bool]]) -> bool:
    """Try until it holds or fails in a calm trial; return whether it held."""
    for left in reversed(range(TRIES)):
        held, calm = attempt()
        if held or calm or not left:
            break
        print("disturbed: our processes had to wait for a CPU\n")
    return held


def judge_parts(loop: str, requests: int, seed: int) -> tuple[bool, bool]:
    seconds = requests / RATE
    bad = Bad(round(requests * BAD_SHARE), 100, 800)
    trial = run(loop, plan(seed, requests, seconds, bad))
    rows = judge(trial, loop)
    print(HEADING, *rows, sep="\n")
    return all(row.holds for row in rows), trial.calm


def judge_what_if(loop: str, requests: int, seed: int) -> tuple[bool, bool]:
    seconds = requests / RATE
    load = plan(seed, requests, seconds, Bad(round(seconds * BAD_RATE), 200, 500))
    bad, held, calm = run(loop, load), True, True
    for twin in ("sleep", "thread"):
        good = run(loop, load, twin)
        found = list(predictions(bad, good))
        print(f"good twin: {twin}", WHAT_IF_HEADING, *found, sep="\n")
        held = held and all(prediction.holds for prediction in found)
        calm = calm and good.calm
    return held, calm and bad.calm


def main() -> int:
    arguments = parse()
    print(f"Python {sys.version.split()[0]}, {arguments.loop}, {arguments.requests} requests")
    judged = judge_what_if if arguments.what_if else judge_parts
    held = in_turn(lambda: judged(arguments.loop, arguments.requests, arguments.seed))
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
