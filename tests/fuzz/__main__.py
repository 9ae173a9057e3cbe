"""Plays many programs by hand, and prints where those that are watched differ.

python -m tests.fuzz [--seeds 5000] [--first 0] [--loop uvloop] [--play callbacks] [--slow 0.001]
"""

from __future__ import annotations

import argparse
import sys
import time

from loopwatch.core.speedups import speedups

from .comparing import PLAYS, differences
from .stage import KINDS, missing

SHOWN = 5  # differences of each
DEARER = 5  # a program of callbacks takes so many times as long, for it waits for timers


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5000, help="programs of requests, each loop")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--loop", choices=KINDS, help="only this one")
    parser.add_argument("--play", choices=PLAYS, help="only these")
    parser.add_argument(
        "--slow", type=float, default=10.0, help="seconds from which a step is slow"
    )
    wanted = parser.parse_args()
    found = 0
    print("the twin is", "Python's" if speedups is None else "compiled")
    for kind in [wanted.loop] if wanted.loop else KINDS:
        for name in [wanted.play] if wanted.play else PLAYS:
            if why := missing(kind):
                print(f"{kind}: {why}")
                continue
            count = wanted.seeds // (DEARER if name == "callbacks" else 1)
            seeds, began = range(wanted.first, wanted.first + count), time.perf_counter()
            differ = differences(PLAYS[name], kind, seeds, wanted.slow)
            took = time.perf_counter() - began
            done = f"{kind}: {name} of {count} seeds: {len(differ)} differ, {took:.1f} s"
            print(done, flush=True)
            for each in differ[:SHOWN]:
                print(each)
            found += len(differ)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
