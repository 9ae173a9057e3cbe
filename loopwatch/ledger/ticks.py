"""Lag from the duration of ticks: how long a callback waits that becomes ready at random.

A callback that becomes ready in a tick of d busy seconds waits uniformly between 0 and d; one that
becomes ready in the poll does not wait. So a tick of d adds, to every bucket (a, b], the seconds of
(0, d] that fall into it, and d squared / 2 to the sum. This is exact, unlike a heartbeat's lateness
(coordinated omission). A tick is filed only by its own duration; the lower buckets are computed on
reading.

`OBSERVATIONS` per second convert time into counts: as if one callback became ready every 10 ms.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Protocol

from loopwatch.core.histogram import SECONDS_EDGES, Histogram

OBSERVATIONS = 100.0  # per second of time


class TickSums(Protocol):
    """Ticks by bucket of duration: their count, sum and sum of squares."""

    @property
    def tick_counts(self) -> Sequence[int]: ...
    @property
    def tick_sums(self) -> Sequence[float]: ...
    @property
    def tick_squares(self) -> Sequence[float]: ...


class Ticks:
    """Ticks that were estimated or made up."""

    __slots__ = ("tick_counts", "tick_squares", "tick_sums")

    def __init__(self) -> None:
        self.tick_counts = [0] * (len(SECONDS_EDGES) + 1)
        self.tick_sums = [0.0] * (len(SECONDS_EDGES) + 1)
        self.tick_squares = [0.0] * (len(SECONDS_EDGES) + 1)

    def add(self, tick: float, times: int = 1) -> None:
        """File `times` ticks that were busy for `tick` seconds each."""
        bucket = bisect_left(SECONDS_EDGES, tick)
        self.tick_counts[bucket] += times
        self.tick_sums[bucket] += tick * times
        self.tick_squares[bucket] += tick * tick * times


def lag(wall: float, *given: TickSums) -> Histogram:
    """Return the lag over `wall` seconds. Ticks in no table are shorter than the first edge, and
    count as no wait."""
    seconds, weights = [], []
    tables = [(t.tick_counts, t.tick_sums, t.tick_squares) for t in given]
    for bucket, edge in enumerate((*SECONDS_EDGES, 0.0)):
        low = SECONDS_EDGES[bucket - 1] if bucket else 0.0
        here = sum(counts[bucket] for counts, _, _ in tables)
        beyond = sum(sum(counts[bucket + 1 :]) for counts, _, _ in tables)
        partly = sum(sums[bucket] for _, sums, _ in tables) - here * low
        squared = sum(squares[bucket] for _, _, squares in tables) - here * low * low
        seconds.append(max(0.0, partly + beyond * (edge - low)))
        weights.append(max(0.0, squared + beyond * (edge * edge - low * low)) / 2)
    seconds[0] = max(0.0, wall - sum(seconds[1:]))
    return Histogram(SECONDS_EDGES, whole(seconds), tuple(w * OBSERVATIONS for w in weights))


def never_less(before: Histogram, now: Histogram) -> Histogram:
    """Return `now` with each running count and sum at least as high as `before`.

    A tick in progress is filed with its duration so far, and uvloop's ticks are estimates, so a
    reading may fall a little. Prometheus would take that for a restart, and count all again.
    """
    upto = map(max, accumulate(before.counts), accumulate(now.counts))
    counts = tuple(after - before for before, after in pairwise((0, *upto)))
    return Histogram(now.edges, counts, tuple(map(max, before.sums, now.sums)))


def whole(seconds: list[float]) -> tuple[int, ...]:
    """Return observations by bucket as whole numbers; their running sum never falls."""
    counts, before, total = [], 0, 0.0
    for part in seconds:
        total += part
        upto = int(total * OBSERVATIONS)
        counts.append(upto - before)
        before = upto
    return tuple(counts)
