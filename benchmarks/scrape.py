"""The cost of scraping a full watch: time, bytes, and the effect on the watched loop.

    pip install -e '.[bench]'
    python benchmarks/scrape.py            (about a minute)
    python benchmarks/scrape.py --quick

Full: 256 routes with 1,024 kept requests each, 256 coroutines, 256 `timed` labels and 64 sites; and
the worst case, with 1,024 combinations of route, site and cause. Times are CPU times. Then the app
under a full watch serves its own `/metrics`, on another thread, once a second: how late was its
loop at most, and was there a stall?

Exit status: 0; 1 with --check if a full watch takes 20 ms or more to write, or a scrape stalls.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import importlib.util
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from full import ROWS, SITES, fill
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from scraped import Felt, feel
from table import markdown

from loopwatch import Watch
from loopwatch.exporters.exposition import render

FORMATS = {"text": "", "OpenMetrics": "application/openmetrics-text; version=1.0.0"}
LEVELS = (1, 6, 9)
BOUND = 0.020  # s, for text and OpenMetrics of a full watch


class Timed(NamedTuple):
    what: str
    rounds: list[float]  # s

    def cell(self) -> str:
        return f"{min(self.rounds) * 1e3:.1f} / {median(self.rounds) * 1e3:.1f}"


class Size(NamedTuple):
    what: str
    series: int
    size: int  # bytes
    zipped: list[int]  # bytes, by level


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter watching")
    parser.add_argument("--check", action="store_true", help="exit with 1 beyond the bounds")
    chosen = parser.parse_args(arguments)
    rounds, seconds = (5, 6.0) if chosen.quick else (25, 20.0)
    measured = {rows: asyncio.run(measure(rows, rounds)) for rows in (SITES, ROWS)}
    felt = [feel(loop, scraped, seconds) for loop in loops() for scraped in (False, True)]
    print(report(measured, felt))
    late = [t.what for t in measured[SITES][0] if t.what.startswith("write") if is_late(t)]
    return int(chosen.check and bool(late or any(f.stalls for f in felt)))


def is_late(timed: Timed) -> bool:
    return min(timed.rounds) >= BOUND


def loops() -> list[str]:
    return ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]


async def measure(rows: int, rounds: int) -> tuple[list[Timed], list[Size]]:
    """Measure a watch with stalls of `rows` combinations."""
    note(f"filling a watch: {rows} combinations of route, site and cause ...")
    registry = CollectorRegistry()
    watch = Watch(registry=registry, otel=False, log=False)
    watch.start()
    try:
        await fill(watch, rows)
        return times(watch, registry, rounds), [size(n, registry) for n in FORMATS]
    finally:
        watch.stop()


def times(watch: Watch, registry: CollectorRegistry, rounds: int) -> list[Timed]:
    found = [
        timed("snapshot()", watch.snapshot, rounds),
        timed("snapshot(recent=False)", partial(watch.snapshot, recent=False), rounds),
    ]
    for name, accept in FORMATS.items():
        body, encode = render(registry, accept)[0], choose_encoder(accept)[0]
        found.append(timed(f"write {name}", partial(render, registry, accept), rounds))
        found.append(timed(f"{name} by prometheus_client", partial(encode, registry), rounds))
        found += [
            timed(f"gzip -{level} {name}", partial(gzip.compress, body, level), rounds)
            for level in LEVELS
        ]
    return found


def timed(what: str, work: Callable[[], object], rounds: int) -> Timed:
    taken = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return Timed(what, taken)


def size(name: str, registry: CollectorRegistry) -> Size:
    body, _ = render(registry, FORMATS[name])
    series = sum(not line.startswith(b"#") for line in body.splitlines())
    return Size(name, series, len(body), [len(gzip.compress(body, level)) for level in LEVELS])


def report(measured: dict[int, tuple[list[Timed], list[Size]]], felt: Iterable[Felt]) -> str:
    columns = [f"{rows} combinations" for rows in measured]
    by_row = zip(*(timed for timed, _ in measured.values()), strict=True)
    times = [[row[0].what, *(cell.cell() for cell in row)] for row in by_row]
    sizes = [
        [f"{s.what}, {rows} combinations", *(f"{n:,}" for n in (s.series, s.size, *s.zipped))]
        for rows, (_, sizes) in measured.items()
        for s in sizes
    ]
    levels = [f"gzip -{level}" for level in LEVELS]
    heads = ["CPU time in ms, least / median", *columns], ["", "series", "bytes", *levels]
    felt_head = [
        "the watched loop",
        "scrapes",
        "loop late at most, ms",
        "stalls",
        "longest scrape, ms",
    ]
    tables = markdown(heads[0], times), markdown(heads[1], sizes)
    return "\n\n".join([*tables, markdown(felt_head, [f.row() for f in felt])])


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
