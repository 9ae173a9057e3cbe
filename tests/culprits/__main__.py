"""Run the table many times, and count how often each row held.

    python -m tests.culprits --times 20 --loop asyncio
    python -m tests.culprits --times 50 --loop uvloop --group native

A round in which the app's threads had to wait for a CPU is begun again, and counted as disturbed.
"inexact" is right too: the row allows it, and loopwatch said so; "starved" that no round was calm.
Exit status 1 if any round was wrong.
"""

import argparse
import sys
from collections import Counter, defaultdict

from .judging import judge
from .rows import ROWS, Row
from .serving import Table, serve_table
from .usable import unusable


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.culprits", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="rounds of each row")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--group", help="rows of one module only, such as native")
    parser.add_argument("--row", action="append", help="this row only; may be repeated")
    return parser.parse_args()


def chosen(arguments: argparse.Namespace) -> list[Row]:
    rows = [row for row in ROWS if not unusable(row)]
    if arguments.group:
        rows = [row for row in rows if row.group == arguments.group]
    return [row for row in rows if not arguments.row or row.name in arguments.row]


class Tally:
    """How often each row held."""

    def __init__(self) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.faults: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def try_once(self, table: Table, row: Row) -> None:
        outcome, disturbed = judge(table, row)
        self.counts[row.name][outcome.verdict] += 1
        self.counts[row.name]["disturbed"] += len(disturbed)
        for fault in filter(None, [outcome.fault, *disturbed]):
            self.faults[row.name][fault] += 1

    def tell(self, rows: list[Row]) -> None:
        for row in rows:
            counts = self.counts[row.name]
            told = "  ".join(f"{name} {count}" for name, count in counts.items() if count)
            print(f"{row.group:7} {row.name:26} {told}")
            for fault, count in self.faults[row.name].most_common(3):
                print(f"{'':12} {count} x {fault}")

    def failed(self) -> bool:
        bad = ("wrong", "wrong line", "missing")
        return any(counts[name] for counts in self.counts.values() for name in bad)


def main() -> int:
    arguments = parse()
    rows, tally = chosen(arguments), Tally()
    with serve_table(arguments.loop) as table:
        for _ in range(arguments.times):
            for row in rows:
                tally.try_once(table, row)
    print(f"Python {sys.version.split()[0]}, {arguments.loop}, {arguments.times} rounds")
    tally.tell(rows)
    return int(tally.failed())


if __name__ == "__main__":
    sys.exit(main())
