"""Cache misses and mispredicted branches per request over the bare app, by callgrind's simulation.

    pip install -e '.[bench]'
    python benchmarks/caches.py --apps starlette --loops uvloop      (2 minutes)

Instructions do not say it all: a request passes over a middleware's code once, so that code has
left the caches meanwhile. The simulated processor has caches of 32 KiB for instructions and 48 KiB
for data. It is no real one: figures are for comparison, not to be added to instructions.

Exit status: 0; 2 if something failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

import ending
import instructions
from argument import add_choice, parser_of
from child import Setup, serving
from plan import APPS, LOOPS
from progress import note
from table import markdown, percent

Events: TypeAlias = dict[str, float]  # by callgrind's names

REQUESTS, BATCHES = 200, 3
SIMULATED = ("--cache-sim=yes", "--branch-sim=yes", "--I1=32768,8,64", "--D1=49152,12,64")
ROWS = {  # what is shown: the sum of these events
    "instructions": ("Ir",),
    "misses of the instruction cache": ("I1mr",),
    "misses of the data cache": ("D1mr", "D1mw"),
    "mispredicted branches": ("Bcm", "Bim"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of(__doc__ or "")
    add_choice(parser, "--apps", APPS, APPS)
    add_choice(parser, "--loops", LOOPS, LOOPS)
    chosen = parser.parse_args(arguments)
    places = [(app, loop) for loop in chosen.loops for app in chosen.apps]
    columns = [over(app, loop) for app, loop in places]
    head = ("per request over bare", *(f"{app}, {loop}" for app, loop in places))
    print(markdown(head, [(row, *(column[row] for column in columns)) for row in ROWS]))
    return 0


def over(app: str, loop: str) -> dict[str, str]:
    note(f"{app} on {loop}")
    bare, watched = (per_request(Setup(app, loop, v)) for v in ("bare", "loopwatch"))
    return {row: percent(total(watched, row) / total(bare, row)) for row in ROWS}


def total(events: Events, row: str) -> float:
    return sum(events[name] for name in ROWS[row])


def per_request(setup: Setup) -> Events:
    """Return the median of the batches, event by event."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "out")
        with serving(
            setup, instructions.callgrind(out, *SIMULATED), instructions.DILATION
        ) as child:
            instructions.start_counting(child)
            instructions.drive(child, REQUESTS, BATCHES)
            parts = [events(out.with_name(f"out.{2 * n + 1}-01")) for n in range(1, BATCHES + 3)]
    empty, batches = parts[1], parts[2:]
    return {
        name: median((batch[name] - empty[name]) / REQUESTS for batch in batches) for name in empty
    }


def events(part: Path) -> Events:
    names: list[str] = []
    for line in part.read_text().splitlines():
        if line.startswith("events:"):
            names = line.split()[1:]
        elif line.startswith("totals:"):
            return dict(zip(names, map(float, line.split()[1:]), strict=True))
    raise RuntimeError(f"callgrind wrote no totals into {part.name}")


if __name__ == "__main__":
    ending.run(main, "benchmarks/caches.py")
