"""A long steady load on a watched server: is everything counted, and does nothing grow?

    pip install -e '.[bench]'
    python benchmarks/soak.py                       (10 minutes on each loop)
    python benchmarks/soak.py --seconds 60 --rate 200 --loop uvloop

Requests arrive as planned (an open load), whatever the server does. Once a second one of them holds
the server's loop for 0.15 s, and every 11 s the metrics port is scraped. Memory, descriptors and
threads of the server are read from outside, before and after each scrape.

Exit status: 0; 1 if a bound is broken; 2 if something failed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ending
from argument import add_choice, number, parser_of
from plan import LOOPS
from progress import note
from soaking import Soaked, soak
from table import markdown

GROWTH = 4.0  # MiB that the server may grow after the warm-up
DESCRIPTION = __doc__


@dataclass(frozen=True)
class Asked:
    seconds: float
    rate: float
    loops: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    found = []
    for loop in asked.loops:
        note(f"{loop}: {asked.rate:g} requests/s for {asked.seconds:g} s ...")
        found.append(soak(loop, asked.rate, asked.seconds))
    print(table(found))
    return ending.status((why for one in found for why in broken(one)), failed=False)


def parse(arguments: Sequence[str] | None) -> Asked:
    parser = parser_of(DESCRIPTION)
    seconds, rate = number(10, 1e6, 600), number(10, 5000, 500)
    parser.add_argument("--seconds", type=seconds, default=600.0, metavar="S", help="600")
    parser.add_argument("--rate", type=rate, default=500.0, metavar="N", help="requests/s: 500")
    add_choice(parser, "--loop", LOOPS, LOOPS)
    given = parser.parse_args(arguments)
    return Asked(given.seconds, given.rate, given.loop)


def table(found: Sequence[Soaked]) -> str:
    rows = zip(*(cells(one) for one in found), strict=True)
    body = [[row[0][0], *(value for _, value in row)] for row in rows]
    return markdown(["", *(one.loop for one in found)], body)


def cells(one: Soaked) -> list[tuple[str, str]]:
    """Return what is shown of one run, with its names."""
    counted, others = one.counted, one.counted["others"]
    sites = ", ".join(f"{count} {cause}" for cause, count in sorted(others.items())) or "none"
    return [
        ("time, s", f"{one.seconds:.0f}"),
        ("requests sent / answered", f"{one.sent:,} / {one.answered:,}"),
        ("requests counted", f"{one.requests():,}"),
        ("blocks sent / stalls counted", f"{one.blocks:,} / {counted['stalls']:,}"),
        ("other stalls (the machine's)", sites),
        ("errors of clients / of loopwatch", f"{one.errors} / {counted['errors']}"),
        ("dropped", ", ".join(f"{n} {why}" for why, n in counted["dropped"].items()) or "none"),
        ("scrapes", f"{one.scrapes}"),
        (
            "latency, p50 / p99, ms",
            f"{one.quantile(0.5) * 1e3:.1f} / {one.quantile(0.99) * 1e3:.0f}",
        ),
        ("memory warm / at the end, MiB", f"{one.warm.memory:.1f} / {one.last.memory:.1f}"),
        ("descriptors warm / most after", f"{one.warm.descriptors} / {one.most('descriptors')}"),
        ("threads warm / most after", f"{one.warm.threads} / {one.most('threads')}"),
        ("CPU time of all / of loopwatch, s", f"{counted['cpu']:.1f} / {counted['own']:.2f}"),
    ]


def broken(one: Soaked) -> list[str]:
    """Return a sentence for each bound that is broken."""
    must = [
        (one.answered == one.sent, f"{one.sent - one.answered} requests had no answer"),
        (one.requests() == one.sent, f"{one.sent} requests were sent, {one.requests()} counted"),
        (
            one.counted["stalls"] == one.blocks,
            f"the loop was held {one.blocks} times, {one.counted['stalls']} stalls were counted",
        ),
        (not one.errors, f"{one.errors} requests ended in an error"),
        (not one.counted["errors"], f"loopwatch reported {one.counted['errors']} errors"),
        (one.growth() <= GROWTH, f"memory grew by {one.growth():.1f} MiB, {GROWTH:g} are allowed"),
        *((one.is_constant(what), f"{what} grew") for what in ("descriptors", "threads")),
    ]
    return [f"{one.loop}: {sentence}" for holds, sentence in must if not holds]


if __name__ == "__main__":
    ending.run(main, "benchmarks/soak.py")
