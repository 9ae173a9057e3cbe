"""Tries faults: `python -m tests.faults` all of them at full size on both loops, as one table.

`python -m tests.faults loops threads --loop uvloop --size 100` tries two of them, otherwise sized.
Each runs in a process of its own. The exit status is 1 if something was wrong.
"""

import argparse
import sys

from tests.conftest import LOOPS

from .fault import Fault
from .table import TABLE
from .trial import tried

PATIENCE = 600.0  # s for one fault
WRONG = "**wrong**"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(f.name for f in TABLE))
    parser.add_argument("--loop", choices=LOOPS, nargs="+", default=LOOPS)
    parser.add_argument("--size", type=int, help="default: its full size")
    parser.add_argument("--here", action="store_true", help="in this process; prints the figures")
    given = parser.parse_args()
    if unknown := set(given.names) - {f.name for f in TABLE}:
        parser.error(f"NAME must be a fault that --help lists, got {', '.join(sorted(unknown))}")
    faults = [f for f in TABLE if not given.names or f.name in given.names]
    if given.here:
        for fault in faults:
            print(fault.act(given.loop[0], given.size or fault.full))
        return 0
    return print_table(faults, given.loop, given.size)


def print_table(faults: list[Fault], loops: list[str], size: int | None) -> int:
    wrong = False
    print(f"| what was tried | {' | '.join(loops)} |\n|---|{'---|' * len(loops)}", flush=True)
    for fault in faults:
        told = [figures(fault, loop, size or fault.full) for loop in loops]
        wrong = wrong or any(text.startswith(WRONG) for text in told)
        what = fault.what.format(f"{size or fault.full:,}")
        print(f"| {what} | {' | '.join(told)} |", flush=True)
    return int(wrong)


def figures(fault: Fault, loop: str, size: int) -> str:
    """Return what it found, or what was wrong."""
    done = tried(fault, loop, size, PATIENCE)
    if done.returncode == 0:
        return done.stdout.strip()
    print(done.stderr, file=sys.stderr)
    return f"{WRONG}: {(done.stderr.strip().splitlines() or ['it crashed'])[-1]}"


if __name__ == "__main__":
    sys.exit(main())
