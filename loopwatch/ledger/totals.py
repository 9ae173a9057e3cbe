"""The counts of one loop as plain data, which can be added up over loops, even closed ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TypeVar

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import RequestReading, WaitReading
from loopwatch.ledger.ticks import Ticks, lag
from loopwatch.ledger.wait_table import WaitKey, add_waits

Key = TypeVar("Key")


def no_lag() -> Histogram:
    return lag(0.0, Ticks())


@dataclass(frozen=True)
class Totals:
    """Sums over one or more loops."""

    busy: float = 0.0
    idle: float = 0.0
    lag: Histogram = field(default_factory=no_lag)
    requests: dict[tuple[str, str], RequestReading] = field(default_factory=dict)
    steps: dict[str, Histogram] = field(default_factory=dict)
    timed: dict[str, Histogram] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    waits: dict[WaitKey, WaitReading] = field(default_factory=dict)

    def __add__(self, other: Totals) -> Totals:
        requests = dict(self.requests)
        for key, reading in other.requests.items():
            requests[key] = add_requests(requests[key], reading) if key in requests else reading
        return Totals(
            self.busy + other.busy,
            self.idle + other.idle,
            self.lag + other.lag,
            requests,
            add_histograms(self.steps, other.steps),
            add_histograms(self.timed, other.timed),
            self.dropped + other.dropped,
            add_all_waits(self.waits, other.waits),
        )


def add_all_waits(
    one: dict[WaitKey, WaitReading], two: dict[WaitKey, WaitReading]
) -> dict[WaitKey, WaitReading]:
    whole = dict(one)
    for key, reading in two.items():
        whole[key] = add_waits(whole[key], reading) if key in whole else reading
    return whole


def add_histograms(one: dict[Key, Histogram], two: dict[Key, Histogram]) -> dict[Key, Histogram]:
    whole = dict(one)
    for key, histogram in two.items():
        whole[key] = whole[key] + histogram if key in whole else histogram
    return whole


def add_requests(one: RequestReading, two: RequestReading) -> RequestReading:
    return replace(
        one,
        latency=one.latency + two.latency,
        queued=one.queued + two.queued,
        running=one.running + two.running,
        stalled=one.stalled + two.stalled,
        waiting=one.waiting + two.waiting,
        threadpool=one.threadpool + two.threadpool,
        background=one.background + two.background,
        recent=one.recent + two.recent,
    )
